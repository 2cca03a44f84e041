"""
Health and the last night as metrics: figures with a name, what they say, and labels.

One list of figures for who scrapes text (Prometheus, at the receiver) and who is sent gauges (Airflow's own metrics).
Labels are words of the night, connections and listings, never a person's.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from stockbook.health.parts import OK, Part
from stockbook.runs.report import Report

HEALTH = "stockbook_health"
OF_PARTS = {
    ("published", "age_hours"): "stockbook_published_age_hours",
    ("inbox", "waiting"): "stockbook_inbox_waiting",
    ("inbox", "oldest_hours"): "stockbook_inbox_oldest_hours",
    ("subscriptions", "active"): "stockbook_subscriptions_active",
    ("subscriptions", "off"): "stockbook_subscriptions_off",
    ("disk", "free_megabytes"): "stockbook_disk_free_megabytes",
    ("certificate", "days_left"): "stockbook_certificate_days_left",
}
SAYS = {
    HEALTH: "1 where a part is well, 0 where it needs a person.",
    "stockbook_published_age_hours": "How old the books are that readers have.",
    "stockbook_inbox_waiting": "Events that wait for a drain or a night.",
    "stockbook_inbox_oldest_hours": "How long the oldest of them waits.",
    "stockbook_subscriptions_active": "Topics that senders send, as the last published night asked.",
    "stockbook_subscriptions_off": "Topics that they do not send any more.",
    "stockbook_disk_free_megabytes": "Room where the home is.",
    "stockbook_certificate_days_left": "Days until senders refuse the receiver's certificate.",
    "stockbook_night_published": "1 where the run that ended last published, 0 where it is red.",
    "stockbook_night_ended_seconds": "When it ended, in seconds since 1970 UTC.",
    "stockbook_night_seconds": "How long it took.",
    "stockbook_night_peak_memory_bytes": "The most memory a step of it had.",
    "stockbook_night_step_seconds": "How long a step of it took; an extract by its connection.",
    "stockbook_night_rows": "Rows of a listing: received, new, changed, gone, quarantined.",
    "stockbook_night_requests": "Requests it made for a listing.",
    "stockbook_night_received_bytes": "Bytes of their answers.",
    "stockbook_night_checks": "Rules it asked: held, broken as a warning, broken as a failure, or over nothing.",
}


class Sample(NamedTuple):
    """One figure; ``name`` is one of ``SAYS``."""

    name: str
    value: float
    labels: Mapping[str, str] = {}

    def dotted(self) -> str:
        """Name and labels as one name, for who keeps no labels: ``stockbook_night_step_seconds.load``."""
        return ".".join(re.sub(r"[^A-Za-z0-9_-]", "_", part) for part in (self.name, *self.labels.values()))


def of_health(parts: Mapping[str, Part]) -> Iterator[Sample]:
    """The figures of the parts of health."""
    for name, part in parts.items():
        yield Sample(HEALTH, float(part["status"] == OK), {"part": name})
        for key, value in part.items():
            if (name, key) in OF_PARTS:
                yield Sample(OF_PARTS[name, key], value)


def of_night(report: Report) -> Iterator[Sample]:
    """The figures of a run."""
    yield Sample("stockbook_night_published", float(report.status == "published"))
    yield Sample("stockbook_night_ended_seconds", report.finished_at.timestamp())
    yield Sample("stockbook_night_seconds", report.seconds)
    yield Sample("stockbook_night_peak_memory_bytes", report.peak_memory)
    for step in report.steps:
        of = {"of": step.of} if step.of else {}
        yield Sample("stockbook_night_step_seconds", step.seconds, {"step": step.name, **of})
    for listing in report.listings():
        labels = {"account": listing.account, "api": listing.api, "listing": listing.listing}
        counts = {
            "received": listing.rows,
            "new": listing.new,
            "changed": listing.changed,
            "gone": listing.gone,
            "quarantined": listing.quarantined,
        }
        for what, rows in counts.items():
            yield Sample("stockbook_night_rows", rows, labels | {"rows": what})
        yield Sample("stockbook_night_requests", listing.requests, labels)
        yield Sample("stockbook_night_received_bytes", listing.bytes, labels)
    for outcome, count in report.checks().items():
        yield Sample("stockbook_night_checks", count, {"outcome": outcome})


def text(samples: Iterable[Sample]) -> str:
    """The figures as Prometheus reads them (text format 0.0.4), by name."""
    by_name: dict[str, list[str]] = {name: [] for name in SAYS}
    for sample in samples:
        by_name[sample.name].append(f"{sample.name}{_braces(sample.labels)} {sample.value:.17g}")
    return "".join(
        f"# HELP {name} {SAYS[name]}\n# TYPE {name} gauge\n" + "".join(f"{line}\n" for line in lines)
        for name, lines in by_name.items()
        if lines
    )


def _braces(labels: Mapping[str, str]) -> str:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in labels.items()]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
