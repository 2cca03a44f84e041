"""
The run report: what a night did, for a person and for a program.

``report.json`` and ``report.txt`` lie in the run's folder; the same text is printed at the end of
a run and logged in Airflow.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from stockbook.atomic_files import RESERVE, write_atomically
from stockbook.errors import ConfigError
from stockbook.runs.check_outcome import Outcome
from stockbook.runs.context import RunContext
from stockbook.runs.step_log import ORDER, ListingDone, StepDone, read_all
from stockbook.settings import Settings


class Report(msgspec.Struct):
    """
    A run's end. Times are UTC, ``seconds`` from opening to end, ``peak_memory`` bytes of the largest step.

    ``reason_kind`` is the kind of error that ``reason`` tells of, by which the runbook goes.
    """

    run_id: str
    as_of: datetime
    status: Literal["published", "failed"]
    started_at: datetime
    finished_at: datetime
    seconds: float
    peak_memory: int
    failed_step: str | None
    reason: str | None
    steps: list[StepDone]
    reason_kind: str | None = None

    def listings(self) -> list[ListingDone]:
        """Each listing that was read, with what it did to its table where it was loaded."""
        loaded = {_key(item): item for step in self.steps if step.name == "load" for item in step.listings}
        extracted = {_key(item): item for step in self.steps if step.name == "extract" for item in step.listings}
        return [loaded.get(key, item) for key, item in extracted.items()]

    def checks(self) -> dict[str, int]:
        """How many rules held, did not (as a warning or a failure), or had nothing to check."""
        outcomes = [outcome for step in self.steps for outcome in step.checks]
        broken = Counter(outcome.severity for outcome in outcomes if outcome.success is False)
        empty = sum(outcome.success is None for outcome in outcomes)
        held_count = len(outcomes) - broken.total() - empty
        return {"hold": held_count, "empty": empty, "warn": broken["warn"], "fail": broken["fail"]} if outcomes else {}


def _key(item: ListingDone) -> tuple[str, str, str]:
    return item.account, item.api, item.listing


def make(folder: Path, run: RunContext, finished_at: datetime) -> Report:
    """The report of a run from its steps. A run is published only if its last step says so."""
    steps = read_all(folder)
    failed = next((step for step in steps if step.status == "failed"), None)
    # accounts are read side by side, and each may have failed
    reasons = [step.error for step in steps if failed and step.name == failed.name and step.error]
    published = failed is None and any(step.name == "publish" and step.status == "done" for step in steps)
    return Report(
        run_id=run.run_id,
        as_of=run.as_of,
        status="published" if published else "failed",
        started_at=run.started_at,
        finished_at=finished_at,
        seconds=(finished_at - run.started_at).total_seconds(),
        peak_memory=max((step.peak_memory for step in steps), default=0),
        failed_step=failed.name if failed else None,
        reason=" ".join(reasons) or None if failed else (None if published else "The run ended before it published."),
        steps=steps,
        reason_kind=failed.error_kind if failed else None,
    )


def of_unopened(
    folder: Path, run_id: str, as_of: datetime, began: datetime, ended: datetime, reason: str, kind: str
) -> Report:
    """The report of a run that could not be opened; ``as_of`` is what it was asked for, or when it was tried."""
    seconds, steps = (ended - began).total_seconds(), read_all(folder)
    memory = max((step.peak_memory for step in steps), default=0)
    return Report(run_id, as_of, "failed", began, ended, seconds, memory, ORDER[0], reason, steps, kind)


def reserve(settings: Settings) -> Path:
    """Room on the disk that the records and the report of a run may take when there is no other."""
    return settings.home / RESERVE


def write(folder: Path, report: Report) -> None:
    """Keep the report in the run's folder, on a full disk too."""
    room = folder.parent.parent / RESERVE
    write_atomically(folder / "report.json", msgspec.json.format(msgspec.json.encode(report)), room)
    write_atomically(folder / "report.txt", (text(report) + "\n").encode(), room)


def read(folder: Path) -> Report | None:
    """The report of a run that ended, or None."""
    try:
        return msgspec.json.decode((folder / "report.json").read_bytes(), type=Report)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ConfigError(
            f"{folder / 'report.json'} was altered: {folder / 'report.txt'} says the same for people."
        ) from None


def text(report: Report) -> str:
    """The report as a person reads it."""
    colour = "GREEN" if report.status == "published" else "RED"
    lines = [
        f"Run {report.run_id}: {colour} ({report.status}), as of {report.as_of:%Y-%m-%d %H:%M:%S} local, "
        f"{report.seconds:.1f} s, peak memory {report.peak_memory / 1e6:,.0f} MB"
    ]
    if report.reason:
        kind = f"{report.reason_kind}: " if report.reason_kind else ""
        lines.append(f"  {report.failed_step or 'reason'}: {kind}{report.reason}")
    lines += _listings(report)
    lines += _checks(report)
    lines += [
        f"  close    {close_id}, digest {digest}" for step in report.steps for close_id, digest in step.closes.items()
    ]
    if report.steps:
        lines.append("  seconds  " + ", ".join(f"{_step_name(step)} {step.seconds:.1f}" for step in report.steps))
    lines += [f"  note     {note}" for step in report.steps for note in step.notes]
    return "\n".join(lines)


def _step_name(step: StepDone) -> str:
    return step.name if step.of is None else f"{step.name} {step.of}"


def _listings(report: Report) -> list[str]:
    shown = report.listings()
    if not shown:
        return []
    head = (
        "listing",
        "account",
        "rows",
        "promised",
        "new",
        "changed",
        "same",
        "gone",
        "refused",
        "requests",
        "MB",
        "s",
    )
    rows = [head, *(_listing_row(item) for item in shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if at < 2 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells))
    undeclared = [f"{item.api}.{item.listing} {field}" for item in shown for field in item.undeclared]
    if undeclared:
        lines.append(f"  undeclared fields (not stored): {', '.join(undeclared)}")
    return lines


def _listing_row(item: ListingDone) -> tuple[str, ...]:
    return (
        f"{item.api}.{item.listing}",
        item.account,
        f"{item.rows:,}",
        "-" if item.promised_total is None else f"{item.promised_total:,}",
        f"{item.new:,}",
        f"{item.changed:,}",
        f"{item.unchanged:,}",
        f"{item.gone:,}",
        f"{item.quarantined:,}",
        f"{item.requests:,}",
        f"{item.bytes / 1e6:,.1f}",
        f"{item.seconds:.1f}",
    )


def _checks(report: Report) -> list[str]:
    outcomes = [outcome for step in report.steps for outcome in step.checks]
    if not outcomes:
        return []
    counts = report.checks()
    carried = sum(outcome.carried_from is not None for outcome in outcomes)
    unasked = f", {carried} carried over" if carried else ""
    lines = [
        f"  checks   {len(outcomes) - carried} asked{unasked}, {counts['hold']} hold, "
        f"{counts['empty']} had nothing to check, {counts['warn']} warn, {counts['fail']} fail"
    ]
    return lines + [f"    {sentence}" for sentence in broken(outcomes)]


def broken(outcomes: Iterable[Outcome]) -> list[str]:
    """A sentence for each rule that does not hold: how many rows, and keys of some."""
    sentences = []
    for outcome in outcomes:
        if outcome.success is False:
            keys = "; ".join(", ".join(f"{n}={v}" for n, v in key.items()) for key in outcome.sample_keys[:3])
            rows = f"{outcome.severity}: {outcome.suite}: {outcome.expectation}: {outcome.observed}"
            sentences.append(rows + (f" (e.g. {keys})" if keys else ""))
    return sentences
