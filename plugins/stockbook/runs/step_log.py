"""
What each step of a run did, kept as one small file per step.

The run report is made of these files alone, so that it can be written whatever happened to the
warehouse.
"""

import resource
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from stockbook.atomic_files import REFUSALS, RESERVE, is_whole, refused_by_disk, sealed, write_atomically
from stockbook.clock import Clock
from stockbook.errors import Interrupted, is_interrupt, reason_of
from stockbook.extra_folder import Problem
from stockbook.landing.manifest import Manifest
from stockbook.projection.undeclared_names import MORE
from stockbook.runs.check_outcome import Outcome

# a hashed name tells a person little
_MOST_HIDDEN = 5
ORDER = ("open", "extract", "load", "check_staging", "build", "check_marts", "publish", "alert")


class ListingDone(msgspec.Struct):
    """One listing of the report: what came over the wire, and what it did to its table."""

    account: str
    api: str
    listing: str
    rows: int
    promised_total: int | None
    proof: str
    pages: int
    requests: int
    bytes: int
    seconds: float
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    gone: int = 0
    quarantined: int = 0
    undeclared: list[str] = []

    @classmethod
    def of(cls, manifest: Manifest) -> "ListingDone":
        """What came over the wire."""
        return cls(
            account=manifest.account,
            api=manifest.api,
            listing=manifest.listing,
            rows=manifest.rows,
            promised_total=manifest.promised_total,
            proof=manifest.proof,
            pages=len(manifest.pages),
            requests=manifest.requests,
            bytes=manifest.bytes_received,
            seconds=manifest.seconds,
            undeclared=_undeclared_of(manifest),
        )


def _undeclared_of(manifest: Manifest) -> list[str]:
    """The undeclared fields for a person: those whose name may be shown, then how many others there are."""
    named = [f"{field.path} ({field.json_type})" for field in manifest.undeclared if field.hidden]
    unnamed = [field for field in manifest.undeclared if not field.hidden]
    shown = [f"{field.path} ({field.json_type})" for field in unnamed if "#" in field.path][:_MOST_HIDDEN]
    more = len(unnamed) - len(shown) + sum(field.rows - 1 for field in unnamed if field.path == MORE)
    return named + shown + ([f"{more:,} more"] if more else [])


class StepDone(msgspec.Struct):
    """
    One step of a run. ``name`` is the step's, ``of`` the connection it was for; ``peak_memory`` in bytes.

    ``closes`` has the newest close of each account, as main/2026-10/1, and its digest; ``extra`` what is wrong in the
    folder of a user's own.
    """

    name: str
    status: str
    seconds: float
    peak_memory: int
    of: str | None = None
    error: str | None = None
    error_kind: str | None = None
    listings: list[ListingDone] = []
    checks: list[Outcome] = []
    notes: list[str] = []
    models: dict[str, float] = {}
    closes: dict[str, str] = {}
    extra: list[Problem] = []


@contextmanager
def recorded(folder: Path, name: str, clock: Clock, of: str | None = None) -> Iterator[StepDone]:
    """Time a step and keep what it did, also when it fails. The step fills the record it is given."""
    done = StepDone(name, "running", 0.0, 0, of=of)
    began = clock.monotonic()
    try:
        yield done
        done.status = "done"
    except BaseException as raised:
        error: BaseException = raised
        if isinstance(raised, OSError) and raised.errno in REFUSALS:
            error = refused_by_disk(raised)
        done.status = "failed"
        done.error_kind = Interrupted.__name__ if is_interrupt(error) else type(error).__name__
        done.error = reason_of(error)
        if error is not raised:
            raise error from raised
        raise
    finally:
        done.seconds = clock.monotonic() - began
        # ru_maxrss is in KiB on Linux
        done.peak_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        _keep(folder, done)


def _keep(folder: Path, done: StepDone) -> None:
    steps = folder / "steps"
    file = steps / (f"{done.name}.json" if done.of is None else f"{done.name}-{done.of}.json")
    try:
        steps.mkdir(parents=True, exist_ok=True)
        write_atomically(file, sealed(msgspec.json.format(msgspec.json.encode(done))), folder.parent.parent / RESERVE)
    except OSError as error:
        # a step that failed says its own reason, of which this is mostly the same
        if done.status == "done":
            raise refused_by_disk(error) from error


def rows_changed(steps: Iterable[StepDone]) -> int:
    """The rows of the sources that were new, changed or gone in a run: 0 in an idle night."""
    listings = (item for step in steps if step.name == "load" for item in step.listings)
    return sum(item.new + item.changed + item.gone for item in listings)


def _read(file: Path) -> StepDone:
    try:
        content = file.read_bytes()
        if is_whole(content):
            return msgspec.json.decode(content, type=StepDone)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    # whether it succeeded can no longer be said
    error_text = f"{file} is not as the step wrote it: run the step again."
    return StepDone(file.stem.partition("-")[0], "failed", 0.0, 0, error=error_text, error_kind="ConfigError")


def read_all(folder: Path) -> list[StepDone]:
    """The steps of a run in the order of the night."""
    steps = [_read(file) for file in sorted((folder / "steps").glob("*.json"))]
    return sorted(steps, key=lambda step: (ORDER.index(step.name) if step.name in ORDER else len(ORDER), step.of or ""))
