"""
The program ``policies``: policy files -> the tables that models read promises and calendars from.

Writes intermediate.order_status_map, shipment_status_map, sla_policy, sla_due_day, calendar_day and
calendar_zone_day.
Everything that needs a time zone or a count of working days is worked out here once per day, so
that models only join: nothing is looped per order.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import duckdb

from stockbook.declarations import Table
from stockbook.errors import Problems
from stockbook.models.programs import BuildContext
from stockbook.sla import calendar, policy, statuses
from stockbook.sla.calendar import Calendar, CalendarDay
from stockbook.sla.policy import Rule

# A first order dated long ago is a typing error, not two centuries of calendar.
EARLIEST_DAY = date(2000, 1, 1)
MARGIN = timedelta(days=31)
AHEAD = timedelta(days=366)


class Policies(NamedTuple):
    """The policy folder, validated."""

    rules: list[Rule]
    calendars: dict[str, Calendar]
    statuses: list[statuses.MappedStatus]
    shipments: Sequence[statuses.MappedShipment] = statuses.SHIPMENTS


class ZoneDay(NamedTuple):
    """
    One day in a time zone, as a local day and as a UTC day.

    Offsets are seconds to add to UTC. ``has_change``: the local day has a repeated or a skipped hour.
    ``utc_change_at`` is the instant inside the UTC day at which ``utc_offset_after`` begins.
    """

    date: date
    midnight_utc: datetime
    has_change: bool
    local_offset: int
    utc_offset: int
    utc_change_at: datetime | None
    utc_offset_after: int


class DueDay(NamedTuple):
    """The moment a promise of a rule ends if its due day is the calendar's n-th working day."""

    rule_no: int
    working_day_no: int
    due_date: date
    due_at_utc: datetime
    opens_at_utc: datetime
    closes_at_utc: datetime
    open_seconds_before: int


def read(policy_dir: Path) -> Policies:
    """Read and check the policy folder. Raises ConfigError naming file, line and field of everything wrong."""
    problems = Problems()
    calendars: dict[str, Calendar] | None = None
    rules: list[Rule] = []
    mapped: list[statuses.MappedStatus] = []
    shipments: list[statuses.MappedShipment] = []
    with problems.gathered():
        calendars = calendar.read(policy_dir / "calendar.yml")
    with problems.gathered():
        rules = policy.read(policy_dir / "sla.yml", calendars)
    with problems.gathered():
        mapped = statuses.read(policy_dir / "statuses.yml")
        shipments = statuses.read_shipments(policy_dir / "statuses.yml")
    problems.settle()
    return Policies(rules, calendars or {}, mapped, shipments)


def build(con: duckdb.DuckDBPyConnection, context: BuildContext) -> None:
    """
    Create or replace the tables of this program. Raises ConfigError for a wrong policy file.

    Days run from a month before the first order or movement to a year after ``as_of`` and the longest handling time.
    """
    write(con, context, read(context.policy_dir))


def write(con: duckdb.DuckDBPyConnection, context: BuildContext, policies: Policies) -> None:
    """Create or replace the tables of this program from policies already read."""
    first, last = days_needed(con, context.as_of, policies.rules)
    days = [day for written in policies.calendars.values() for day in calendar.days(written, first, last, context.zone)]
    mapped = [(*_fields(mapping), statuses.PROGRESS[mapping.status]) for mapping in policies.statuses]
    _write(con, context.tables["intermediate.order_status_map"], mapped)
    shipments = [_fields(shipment) for shipment in policies.shipments]
    _write(con, context.tables["intermediate.shipment_status_map"], shipments)
    _write(con, context.tables["intermediate.sla_policy"], [_fields(rule) for rule in policies.rules])
    _write(con, context.tables["intermediate.calendar_day"], days)
    _write(con, context.tables["intermediate.sla_due_day"], due_days(policies.rules, days, context.zone))
    _write(con, context.tables["intermediate.calendar_zone_day"], zone_days(first, last, context.zone))


def notes(con: duckdb.DuckDBPyConnection, policies: Policies, file_name: str = "sla.yml") -> list[str]:
    """
    What is wrong with a policy by the tables built from it: rules that apply to no order, orders without a promise.

    Each is one sentence naming file, line and field; what it concerns has a defined state (no effect, or unknown).
    """
    sentences = []
    for rule in policies.rules:
        place = f"{file_name} {rule.place}"
        methods = con.execute(
            "select delivery_id = ? from staging.deliveries where ? is null or account = ?",
            [rule.delivery_id, rule.account, rule.account],
        ).fetchall()
        if rule.delivery_id is not None and methods and (True,) not in methods:
            sentences.append(
                f"{place}.delivery_id: the warehouse lists no delivery method {rule.delivery_id}; "
                "the rule is for no order until it does."
            )
        warehouses = con.execute(
            "select distinct warehouse_id = ? from intermediate.order_warehouse where ? is null or account = ?",
            [rule.warehouse_id, rule.account, rule.account],
        ).fetchall()
        if rule.warehouse_id is not None and (True,) not in warehouses:
            sentences.append(
                f"{place}.warehouse_id: no order and no event names a warehouse {rule.warehouse_id!r}; the rule is for "
                "no order until one does."
            )
        orders = con.execute("select count(*) from staging.orders where account = ?", [rule.account]).fetchall()
        if rule.account is not None and orders == [(0,)]:
            sentences.append(f"{place}.account: no order is of an account {rule.account!r}; the rule is for none.")
    first = policies.rules[0]
    early = _count(con, "rule_no is null")
    if early:
        sentences.append(
            f"{file_name} {first.place}.valid_from: {early} orders were created before {first.valid_from}, the first "
            "day any version applies to; nothing was promised for them and their state is unknown."
        )
    for written in policies.calendars.values():
        beyond = _count(con, f"calendar_version = ? and {_BEYOND}", written.name)
        if beyond:
            covered = f"{written.covers_from or 'the beginning'} to {written.covers_to or 'the end'}"
            sentences.append(
                f"calendar.yml {written.place}: calendar {written.name} covers {covered} and {beyond} orders fall "
                "due outside; their state is unknown."
            )
    return sentences


# what waits for a day that far ahead is pending
_BEYOND = "eligible_at_utc is not null and due_at_utc is null and sla_state <> 'pending'"


def _count(con: duckdb.DuckDBPyConnection, condition: str, *parameters: str) -> int:
    rows: list[tuple[int]] = con.execute(
        f"select count(*) from marts.fct_fulfillment where is_latest_cycle and {condition}", list(parameters)
    ).fetchall()
    return rows[0][0]


def days_needed(con: duckdb.DuckDBPyConnection, as_of: datetime, rules: list[Rule]) -> tuple[date, date]:
    """First and last local day that orders and movements, and the promises made for them, can touch."""
    span = con.execute("""
        select cast(min(first_at) as date), cast(max(last_at) as date)
        from (
            select min(created_at) as first_at, max(created_at) as last_at from staging.orders
            union all
            select min(created_at), max(created_at) from staging.movements
        )
    """).fetchall()[0]
    today = as_of.date()
    first = min(max(span[0] or today, EARLIEST_DAY), today)
    last = max(today, min(span[1] or today, today + AHEAD))
    handling = timedelta(days=2 * max(rule.handling_days for rule in rules))
    return first - MARGIN, last + AHEAD + handling


def due_days(rules: Iterable[Rule], days: list[CalendarDay], zone: ZoneInfo) -> Iterator[DueDay]:
    """Every working day of each rule's calendar with the instant its dispatch ends."""
    for rule in rules:
        for day in days:
            if day.calendar_version == rule.calendar_version and day.opens_at_utc and day.closes_at_utc:
                yield DueDay(
                    rule.rule_no,
                    day.working_days_through,
                    day.date,
                    calendar.utc(day.date, rule.dispatch_end, zone),
                    day.opens_at_utc,
                    day.closes_at_utc,
                    day.open_seconds_before,
                )


def zone_days(first: date, last: date, zone: ZoneInfo) -> Iterator[ZoneDay]:
    """The days from ``first`` to ``last`` in ``zone``."""
    for day in calendar.dates(first, last):
        midnight = calendar.utc(day, time.min, zone)
        next_midnight = calendar.utc(day + timedelta(days=1), time.min, zone)
        utc_midnight = datetime.combine(day, time.min, tzinfo=UTC)
        before = _offset(utc_midnight, zone)
        after = _offset(utc_midnight + timedelta(days=1), zone)
        yield ZoneDay(
            date=day,
            midnight_utc=midnight,
            has_change=next_midnight - midnight != timedelta(days=1),
            local_offset=int((datetime.combine(day, time.min) - midnight).total_seconds()),
            utc_offset=before,
            utc_change_at=_change(utc_midnight, zone) if before != after else None,
            utc_offset_after=after,
        )


def _offset(instant: datetime, zone: ZoneInfo) -> int:
    offset = instant.astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _change(utc_midnight: datetime, zone: ZoneInfo) -> datetime:
    """The second inside a UTC day at which the offset changes, found by halving."""
    low, high = 0, 86_400
    before = _offset(utc_midnight, zone)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(utc_midnight + timedelta(seconds=middle), zone) == before:
            low = middle
        else:
            high = middle
    return (utc_midnight + timedelta(seconds=high)).replace(tzinfo=None)


def _fields(struct: Rule | statuses.MappedStatus | statuses.MappedShipment) -> tuple[object, ...]:
    return tuple(getattr(struct, name) for name in struct.__struct_fields__)


def _write(con: duckdb.DuckDBPyConnection, table: Table, rows: Iterable[tuple[object, ...]]) -> None:
    """Create or replace a table with its declared columns from rows in the order of the declaration."""
    columns = table.columns
    declared = ", ".join(f"{name} {column.type}" for name, column in columns.items())
    con.execute(f"create or replace table {table.name} ({declared})")
    values = list(zip(*rows, strict=True))
    if values:
        # one list per column: a row-by-row insert of a few thousand days takes seconds
        taken = ", ".join(
            f"unnest(cast($v{number} as {column.type}[]))" for number, column in enumerate(columns.values())
        )
        con.execute(
            f"insert into {table.name} select {taken}",
            {f"v{number}": list(column_values) for number, column_values in enumerate(values)},
        )
