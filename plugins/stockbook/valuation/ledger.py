"""
The ledger in staging as the valuation sees it: what moved, when, for which price, known since when.

``prepare`` makes temporary views and tables, which fingerprints.py and batches.py read.
"""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import duckdb

from stockbook.errors import ConfigError, ModelFailed
from stockbook.references import reference
from stockbook.sql_text import quoted
from stockbook.valuation import lots, wall_clock
from stockbook.valuation.policy import ValuationPolicy
from stockbook.valuation.repeated_hour import Hours, is_second_pass, second_begins

TEMPORARY = (
    ("view", "ledger"),
    ("view", "movement"),
    ("view", "received"),
    ("table", "opening"),
    ("table", "changed"),
    ("table", "variant"),
    ("table", "fingerprint"),
)

# of every account with a cut history (parameters: accounts, their opening dates), what its first snapshot counted
FIRST_COUNTS = """
cut as (
    select unnest(?::varchar[]) as account, unnest(?::date[]) as opening_date
),
first_snapshot as (
    select account, min(snapshot_date) as snapshot_date
    from staging.stock_levels
    where _deleted_at is null
    group by account
),
counted as (
    select s.account, s.variant_id, s.snapshot_date, s.snapshot_at, s.quantity, s.damaged_quantity, c.opening_date
    from staging.stock_levels as s
    inner join first_snapshot as f on s.account = f.account and s.snapshot_date = f.snapshot_date
    inner join cut as c on s.account = c.account
    where s._deleted_at is null
)
"""


@dataclass(frozen=True)
class Now:
    """A run's now: local wall clock, and its instant (UTC)."""

    as_of: datetime
    utc: datetime


def prepare(con: duckdb.DuckDBPyConnection, policy: ValuationPolicy, zone: ZoneInfo, now: Now) -> Hours:
    """
    Make what the valuation reads; ``forget`` drops it. Returns the local times of the ledger.

    ``temp.valuation_ledger`` has a row per movement in force by ``now`` or opening; ``valuation_lot`` and
    ``valuation_line`` the lines of receivings; ``valuation_changed`` the days on which movements got their form.
    Raises ModelFailed for a ledger that cannot be replayed: an unknown direction, a negative quantity.
    """
    forget(con)
    sellable = "quantity" if policy.damaged_quantity_is_additive else "quantity - damaged_quantity"
    con.execute(f"""
        create temp view valuation_received as
        select
            account,
            movement_id,
            variant_id,
            direction,
            {reference("order_id")} as order_id,
            nullif(receiving_id, 0) as receiving_id,
            nullif(transformation_id, 0) as transformation_id,
            unit_price,
            unit_extra_cost,
            {sellable} as quantity,
            damaged_quantity,
            created_at as moved_at,
            staging.stated_utc(created_text) as stated_utc,
            case when {_in_first_load(con)} then cast(created_at as date) else cast(_first_seen_at as date) end
                as first_known,
            false as is_opening
        from staging.movements
        where _deleted_at is null
    """)
    con.execute(f"create temp view valuation_movement as select * from valuation_received where {_by(con, now, zone)}")
    moved = _surveyed(con, policy)
    _prepare_openings(con, policy)
    hours = _hours(con, moved, zone)
    con.execute(f"""
        create temp view valuation_ledger as
        select *, {is_second_pass(con, hours)} as is_second_pass
        from (
            select * from valuation_movement
            union all
            select * from valuation_opening
        )
    """)
    lots.prepare(con)
    con.execute("""
        create temp table valuation_changed as
        select account, movement_id, any_value(variant_id) as variant_id, max(cast(_valid_from as date)) as known_from
        from staging.movements_history
        where _version > 1 and _valid_to is null
        group by account, movement_id
    """)
    return hours


def forget(con: duckdb.DuckDBPyConnection) -> None:
    """Drop what ``prepare`` and those who read it made."""
    for kind, name in TEMPORARY:
        con.execute(f"drop {kind} if exists temp.valuation_{name}")
    lots.forget(con)


def _in_first_load(con: duckdb.DuckDBPyConnection) -> str:
    """The condition on ``staging.movements`` that a row came with its account's very first load."""
    loads = con.execute("""
        select account, min(_valid_from)
        from staging.movements_history
        where _in_first_load
        group by account
        order by account
    """).fetchall()
    each = [
        f"(account = {quoted(account)} and _first_seen_at = timestamp {quoted(str(first))})" for account, first in loads
    ]
    return " or ".join(["_first_seen_at is null", *each])


# what staging.movements may not hold, NULL included
_CANNOT_BE_REPLAYED = """
    coalesce(direction not in ('in', 'out') or quantity < 0 or damaged_quantity < 0 or moved_at is null, true)
"""


def _surveyed(con: duckdb.DuckDBPyConnection, policy: ValuationPolicy) -> tuple[datetime | None, datetime | None]:
    """The first and the last time of a movement. Raises for one that cannot be replayed."""
    first, last, refused = con.execute(f"""
        select min(moved_at), max(moved_at), count(*) filter (where {_CANNOT_BE_REPLAYED})
        from valuation_movement
    """).fetchall()[0]
    if refused:
        _refuse_what_cannot_be_replayed(con, policy)
    return first, last


def _refuse_what_cannot_be_replayed(con: duckdb.DuckDBPyConnection, policy: ValuationPolicy) -> None:
    account, movement, is_unknown = con.execute(f"""
        select account, movement_id, direction not in ('in', 'out') as is_unknown
        from valuation_movement
        where {_CANNOT_BE_REPLAYED}
        order by account, movement_id
        limit 1
    """).fetchall()[0]
    if is_unknown or policy.damaged_quantity_is_additive:
        raise ModelFailed(
            f"Movement {movement} of account {account} cannot be valued: expected a direction of in or out, a time "
            "and quantities of at least 0. Declare what the warehouse sends, so that staging quarantines the rest."
        )
    raise ConfigError(
        f"valuation.yml, damaged_quantity_is_additive: false says damaged pieces are part of quantity, but movement "
        f"{movement} of account {account} has more damaged pieces than pieces; set it to true."
    )


def _prepare_openings(con: duckdb.DuckDBPyConnection, policy: ValuationPolicy) -> None:
    cuts = policy.opening_balance
    con.execute(
        f"""
        create temp table valuation_opening as
        with {FIRST_COUNTS},
        moved as (
            select
                c.account,
                c.variant_id,
                sum(case m.direction when 'in' then m.quantity else -m.quantity end) as quantity,
                sum(case m.direction when 'in' then m.damaged_quantity else -m.damaged_quantity end) as damaged_quantity
            from counted as c
            inner join valuation_received as m
                on c.account = m.account and c.variant_id = m.variant_id and m.moved_at <= c.snapshot_at
            group by c.account, c.variant_id
        )
        select
            c.account,
            -c.variant_id as movement_id,
            c.variant_id,
            'in' as direction,
            cast(null as varchar) as order_id,
            cast(null as bigint) as receiving_id,
            cast(null as bigint) as transformation_id,
            cast(null as decimal(24, 12)) as unit_price,
            cast(null as decimal(24, 12)) as unit_extra_cost,
            cast(greatest(c.quantity - coalesce(m.quantity, 0), 0) as bigint) as quantity,
            cast(greatest(c.damaged_quantity - coalesce(m.damaged_quantity, 0), 0) as bigint) as damaged_quantity,
            cast(c.opening_date as timestamp) as moved_at,
            cast(null as timestamp) as stated_utc,
            c.opening_date as first_known,
            true as is_opening
        from counted as c
        left join moved as m on c.account = m.account and c.variant_id = m.variant_id
        where c.quantity > coalesce(m.quantity, 0) or c.damaged_quantity > coalesce(m.damaged_quantity, 0)
    """,
        [list(cuts), list(cuts.values())],
    )


def _hours(con: duckdb.DuckDBPyConnection, moved: tuple[datetime | None, datetime | None], zone: ZoneInfo) -> Hours:
    first, last = con.execute(
        "select least(?::timestamp, min(moved_at)), greatest(?::timestamp, max(moved_at)) from valuation_opening",
        list(moved),
    ).fetchall()[0]
    if first is None:
        return Hours([], [], zone)
    spans = wall_clock.spans(first, last, zone)
    return Hours(spans, wall_clock.repeated(spans), zone)


def _by(con: duckdb.DuckDBPyConnection, now: Now, zone: ZoneInfo) -> str:
    """The condition that a movement is not later than now; rows without a time stay, for they cannot be replayed."""
    at = f"timestamp {quoted(str(now.as_of))}"
    spans = wall_clock.spans(now.as_of, now.as_of, zone)
    for start, stop in wall_clock.repeated(spans):
        if start <= now.as_of < stop:
            hours = Hours(spans, [(start, stop)], zone)
            is_second = is_second_pass(con, hours)
            is_past = f"moved_at <= {at}" if now.utc >= second_begins(start, zone) else "false"
            was_first = "true" if now.utc >= second_begins(start, zone) else f"moved_at <= {at}"
            return f"""
                coalesce(
                    moved_at < timestamp {quoted(str(start))}
                    or (moved_at < timestamp {quoted(str(stop))} and if({is_second}, {is_past}, {was_first})),
                    true
                )
            """
    return f"coalesce(moved_at <= {at}, true)"
