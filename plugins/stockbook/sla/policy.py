"""
What is promised for an order, as versioned rules.

The version in force on the local day an order was created applies to it for good. Inside a version
an override may change the rules for a delivery method, a warehouse, an account, or several of them; the most
exact one wins (one of a method before one of a warehouse, that before one of an account).
"""

from datetime import date, time
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from stockbook.errors import Problems
from stockbook.ids import id_of
from stockbook.policy_file import Path_, PolicyFile, refuse_twin_versions
from stockbook.sla.calendar import Calendar

StopEvent = Literal["stock_out", "packed", "sent", "delivered"]
UnseenWaits = Literal["assume_none", "widen"]


class Rule(msgspec.Struct, frozen=True):
    """
    One rule: for whom and since when, and what it promises.

    ``valid_from`` None reaches back without limit; ``valid_to`` is the first day it no longer applies to.
    ``account``, ``delivery_id`` and ``warehouse_id`` None mean any. ``place`` is where the rule stands in its file.
    """

    rule_no: int
    policy_version: str
    valid_from: date | None
    valid_to: date | None
    account: str | None
    delivery_id: int | None
    warehouse_id: str | None
    calendar_version: str
    cutoff: time
    handling_days: int
    dispatch_end: time
    stop_event: StopEvent
    unseen_waits: UnseenWaits
    place: str


class _Override(msgspec.Struct, forbid_unknown_fields=True):
    account: str | None = None
    delivery_id: int | None = None
    warehouse_id: str | None = None
    calendar: str | None = None
    cutoff: str | None = None
    handling_days: int | None = None
    dispatch_end: str | None = None
    stop_event: StopEvent | None = None
    unseen_waits: UnseenWaits | None = None


class _Version(msgspec.Struct, forbid_unknown_fields=True):
    version: str
    calendar: str
    cutoff: str
    dispatch_end: str
    valid_from: date | None = None
    handling_days: int = 0
    stop_event: StopEvent = "stock_out"
    unseen_waits: UnseenWaits = "assume_none"
    overrides: list[_Override] = []


class _File(msgspec.Struct, forbid_unknown_fields=True):
    versions: list[_Version]


def read(path: Path, calendars: dict[str, Calendar] | None) -> list[Rule]:
    """
    The rules of a policy file, versions in order of validity, the version's own rule before its overrides.

    ``calendars`` is None when they could not be read: rules are then not checked against them.
    Raises ConfigError naming file, line and field of everything wrong: an unknown field or calendar, a time that is
    none, a cut-off outside opening hours, two versions from the same day, two overrides for the same orders.
    """
    file = PolicyFile(path)
    written = list(enumerate(file.read(_File).versions))
    if not written:
        raise file.refusal(("versions",), "at least one version is needed, there is none")
    problems = Problems()
    _refuse_twins(file, written, problems)
    in_order = sorted(written, key=lambda pair: pair[1].valid_from or date.min)
    ends = [version.valid_from for _, version in in_order[1:]] + [None]
    rules: list[Rule] = []
    for (number, version), valid_to in zip(in_order, ends, strict=True):
        here: Path_ = ("versions", number)
        parts = [(_Override(), here)]
        parts += [(override, (*here, "overrides", at)) for at, override in enumerate(version.overrides)]
        for override, place in parts:
            written_rule = _Written(version, here, override, place)
            with problems.gathered():
                rules.append(_rule(file, written_rule, valid_to, len(rules) + 1, calendars))
    problems.settle()
    return rules


def _refuse_twins(file: PolicyFile, written: list[tuple[int, _Version]], problems: Problems) -> None:
    refuse_twin_versions(
        file, ((("versions", number), version.version, version.valid_from) for number, version in written), problems
    )
    for number, version in written:
        here: Path_ = ("versions", number)
        targets: set[tuple[str | None, int | None, str | None]] = set()
        for at, override in enumerate(version.overrides):
            target = (override.account, override.delivery_id, _warehouse(override))
            place: Path_ = (*here, "overrides", at)
            with problems.gathered():
                if target == (None, None, None):
                    raise file.refusal(place, "an override needs delivery_id, warehouse_id or account; it has none")
                if target in targets:
                    raise file.refusal(
                        place, "another override of this version is for the same account, delivery_id and warehouse_id"
                    )
            targets.add(target)


def _warehouse(override: _Override) -> str | None:
    """The id as orders have it."""
    return override.warehouse_id and id_of(override.warehouse_id)


class _Written(NamedTuple):
    """A rule as the file has it: a version, and what is written otherwise for some orders, each with its place."""

    version: _Version
    version_path: Path_
    override: _Override
    override_path: Path_

    def place(self, field: str) -> Path_:
        """Where the field that applies stands."""
        overridden = getattr(self.override, field) is not None
        return (*(self.override_path if overridden else self.version_path), field)


def _rule(
    file: PolicyFile, written: _Written, valid_to: date | None, rule_no: int, calendars: dict[str, Calendar] | None
) -> Rule:
    version, override, place = written.version, written.override, written.place
    name = override.calendar or version.calendar
    if calendars is not None and name not in calendars:
        raise file.refusal(place("calendar"), f"expected a calendar among {', '.join(calendars)}, got {name!r}")
    handling_days = version.handling_days if override.handling_days is None else override.handling_days
    if not 0 <= handling_days <= 365:
        raise file.refusal(place("handling_days"), f"expected 0 to 365 working days, got {handling_days}")
    cutoff = file.time(place("cutoff"), override.cutoff or version.cutoff)
    dispatch_end = file.time(place("dispatch_end"), override.dispatch_end or version.dispatch_end)
    if calendars is not None:
        _refuse_cutoff_outside(file, place("cutoff"), cutoff, calendars[name], version.valid_from, valid_to)
    if handling_days == 0 and dispatch_end < cutoff:
        raise file.refusal(
            place("dispatch_end"), f"{dispatch_end:%H:%M} comes before the cut-off {cutoff:%H:%M} of the same day"
        )
    return Rule(
        rule_no=rule_no,
        policy_version=version.version,
        valid_from=version.valid_from,
        valid_to=valid_to,
        account=override.account,
        delivery_id=override.delivery_id,
        warehouse_id=_warehouse(override),
        calendar_version=name,
        cutoff=cutoff,
        handling_days=handling_days,
        dispatch_end=dispatch_end,
        stop_event=override.stop_event or version.stop_event,
        unseen_waits=override.unseen_waits or version.unseen_waits,
        place=file.place(written.override_path),
    )


def _refuse_cutoff_outside(
    file: PolicyFile, place: Path_, cutoff: time, calendar: Calendar, valid_from: date | None, valid_to: date | None
) -> None:
    """Refuse a cut-off outside the opening hours of the week, or of an exception day on which the rule is in force."""
    opened = [(hours, "") for hours in calendar.week]
    opened += [
        (exception.hours, f" on {day}")
        for day, exception in sorted(calendar.exceptions.items())
        if (valid_from is None or valid_from <= day) and (valid_to is None or day < valid_to)
    ]
    for hours, when in opened:
        if hours is not None and not hours.opens < cutoff <= hours.closes:
            raise file.refusal(
                place,
                f"{cutoff:%H:%M} lies outside the opening hours {hours.opens:%H:%M}-{hours.closes:%H:%M} "
                f"of {calendar.name}{when}",
            )
