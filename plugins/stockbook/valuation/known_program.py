"""
The program ``known_stock``: forms of movements as they were known -> balances as they were known, and revisions.

Most variants need none of it: their movements were known on the night after their day, and what was
known on a day is their balance of the day before. Only variants whose known history is another are replayed.
"""

from collections import defaultdict
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa

from stockbook.declarations import Table
from stockbook.valuation import known, money, policy, wall_clock
from stockbook.valuation.known import ALWAYS, NEVER, Event, Prices, Step, Versions
from stockbook.valuation.policy import ValuationPolicy
from stockbook.valuation.replay import FIGURES, POOLS

VERSION = "marts.fct_stock_balance_version"
REVISION = "marts.fct_stock_revision"
SCRATCH = ("known_variant", "known_count", "known_row", "known_step", "known_event")
EPOCH = "date '1970-01-01'"


class Context(Protocol):
    """What the program needs of a build."""

    @property
    def zone(self) -> ZoneInfo: ...
    @property
    def policy_dir(self) -> Path: ...
    @property
    def tables(self) -> dict[str, Table]: ...


def write_known_stock(con: duckdb.DuckDBPyConnection, context: Context) -> None:
    """Write ``VERSION`` and ``REVISION``. Raises ConfigError for settings that are wrong."""
    settings = policy.read_for(context.policy_dir, context.zone)
    for name in (VERSION, REVISION):
        columns = ", ".join(f"{column} {declared.type}" for column, declared in context.tables[name].columns.items())
        con.execute(f"create or replace table {name} ({columns})")
    _forget(con)
    try:
        _write_counts(con, settings)
        if _write_variants(con):
            _write_steps(con, settings, context.zone)
            con.execute(f"insert into {VERSION} by name {_VERSIONS}")
            con.execute(f"insert into {REVISION} by name {_REVISIONS}")
    finally:
        _forget(con)


def _forget(con: duckdb.DuckDBPyConnection) -> None:
    for name in SCRATCH:
        con.execute(f"drop table if exists temp.{name}")


def _write_counts(con: duckdb.DuckDBPyConnection, settings: ValuationPolicy) -> None:
    """What was counted first, where a setting says that an opening balance is made of it."""
    con.execute(
        """
        create temp table known_count as
        with cut as (
            select unnest(?::varchar[]) as account, unnest(?::date[]) as opening_date
        ),
        first_snapshot as (
            select account, min(snapshot_date) as snapshot_date
            from staging.stock_levels
            where _deleted_at is null
            group by account
        )
        select s.account, s.variant_id, s.snapshot_date, s.snapshot_at, s.quantity, s.damaged_quantity, c.opening_date
        from staging.stock_levels as s
        inner join first_snapshot as f on s.account = f.account and s.snapshot_date = f.snapshot_date
        inner join cut as c on s.account = c.account
        where s._deleted_at is null
        """,
        [list(settings.opening_balance), list(settings.opening_balance.values())],
    )


def _write_variants(con: duckdb.DuckDBPyConnection) -> int:
    """Number the variants that must be replayed, with their families. Returns how many they are."""
    found = set(
        con.execute("""
            select account, variant_id
            from marts.fct_stock_movement
            group by account, variant_id, cast(moved_at as date)
            having
                min(known_from) <> max(known_from)
                or min(known_from) - cast(any_value(moved_at) as date) not in (0, 1)
            union
            select account, variant_id
            from marts.fct_stock_movement_version
            union
            select m.account, m.variant_id
            from marts.fct_stock_movement as m
            inner join known_count as c
                on m.account = c.account and m.variant_id = c.variant_id
            where m.moved_at <= c.snapshot_at and m.known_from > c.snapshot_date
            union
            select m.account, m.variant_id
            from marts.fct_stock_movement as m
            inner join (
                select account, variant_id, min(_valid_from) as first_at
                from staging.variants_history
                group by account, variant_id
                having not bool_or(_in_first_load is true)
            ) as p
                on m.account = p.account and m.variant_id = p.variant_id
            where m.known_from < cast(p.first_at as date) and m.kind <> 'opening'
            union
            select account, variant_id
            from marts.fct_stock_movement
            where order_id is null and (account, transformation_id) in (
                select (account, transformation_id)
                from marts.fct_stock_movement
                where transformation_id is not null and order_id is null
                group by account, transformation_id
                having min(known_from) <> max(known_from)
            )
        """).fetchall()
    )
    if not found:
        return 0
    family = _families(con, found)
    ordered = sorted(family)
    numbers = {name: number for number, name in enumerate(sorted(set(family.values())))}
    numbered = pa.table(  # noqa: F841  # the statement below finds it by its name
        {
            "account": pa.array([account for account, _ in ordered], pa.string()),
            "variant_id": pa.array([variant for _, variant in ordered], pa.int64()),
            "variant": pa.array(range(len(ordered)), pa.int64()),
            "family": pa.array([numbers[family[key]] for key in ordered], pa.int64()),
        }
    )
    con.execute("create temp table known_variant as select * from numbered")
    return len(ordered)


def _families(con: duckdb.DuckDBPyConnection, found: set[tuple[str, int]]) -> dict[tuple[str, int], tuple[str, int]]:
    """The first member of each variant's family: all found and all that transformations, past ones too, tie to them."""
    tied: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
    of_variant: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
    for account, transformation, variant in con.execute("""
        select distinct account, transformation_id, variant_id
        from staging.movements_history
        where transformation_id is not null and nullif(order_id, '') is null
        order by all
    """).fetchall():
        tied[account, transformation].append((account, variant))
        of_variant[account, variant].append((account, transformation))
    family: dict[tuple[str, int], tuple[str, int]] = {}
    for first in sorted(found):
        waiting = [first]
        while waiting:
            member = waiting.pop()
            if member in family:
                continue
            family[member] = first
            waiting += [other for group in of_variant[member] for other in tied[group]]
    return family


def _write_steps(con: duckdb.DuckDBPyConnection, settings: ValuationPolicy, zone: ZoneInfo) -> None:
    rows, prices = _versions(con, settings, zone), _prices(con)
    events = known.revisions(rows, prices)
    con.execute(
        "create temp table known_event (family bigint, step bigint, night date, cause varchar, "
        "movement_id bigint, version integer)"
    )
    found = _events(events)  # noqa: F841  # the statement below finds it by its name
    con.execute("insert into known_event by name select * from found")
    figures = ", ".join(f"{name}_value decimal(38, 12)" for name in FIGURES)
    con.execute(
        "create temp table known_step (family bigint, step bigint, variant bigint, pool varchar, code bigint, "
        "valid_from date, known date, late_movement_id bigint, late_version integer, night date, next_night date, "
        f"quantity bigint, {figures}, missing_cost_quantity bigint)"
    )
    for step in known.steps(rows, prices, events):
        balances = _balances(step, rows)  # noqa: F841  # the statement below finds it by its name
        con.execute("insert into known_step by name select * from balances")


def _versions(con: duckdb.DuckDBPyConnection, settings: ValuationPolicy, zone: ZoneInfo) -> Versions:
    sellable = "h.quantity" if settings.damaged_quantity_is_additive else "h.quantity - h.damaged_quantity"
    con.execute(f"""
        create temp table known_row as
        with forms as (
            select
                h.account,
                h.movement_id,
                h._version as version,
                h.variant_id,
                v.variant,
                v.family,
                h.direction,
                nullif(h.order_id, '') as order_id,
                h.receiving_id,
                h.transformation_id,
                h.unit_price,
                h.unit_extra_cost,
                {sellable} as quantity,
                h.damaged_quantity,
                case when h._valid_to is null then m.created_at else try_cast(h.created_text as timestamp) end
                    as moved_at,
                h._in_first_load as in_first_load,
                cast(h._valid_from as date) as seen_from,
                cast(h._valid_to as date) as known_to
            from staging.movements_history as h
            inner join known_variant as v on h.account = v.account and h.variant_id = v.variant_id
            left join staging.movements as m on h.account = m.account and h.movement_id = m.movement_id
        )
        select
            * exclude (in_first_load, seen_from),
            case when in_first_load then cast(moved_at as date) else seen_from end as known_from,
            false as is_opening
        from forms
        where
            moved_at is not null
            and direction in ('in', 'out')
            and quantity >= 0
            and damaged_quantity >= 0
        union all by name
        select
            c.account,
            -c.variant_id as movement_id,
            1 as version,
            c.variant_id,
            v.variant,
            v.family,
            'in' as direction,
            0 as quantity,
            0 as damaged_quantity,
            cast(c.opening_date as timestamp) as moved_at,
            c.opening_date as known_from,
            true as is_opening
        from known_count as c
        inner join known_variant as v on c.account = v.account and c.variant_id = v.variant_id
    """)
    span = con.execute("select min(moved_at), max(moved_at) from known_row").fetchone()
    twice = wall_clock.repeated(wall_clock.spans(span[0], span[1], zone)) if span and span[0] else []
    whens = " ".join("when moved_at >= ? and moved_at < ? then ?" for _ in twice)
    replay_at = f"case {whens} else moved_at end" if twice else "moved_at"
    table = con.execute(
        f"""
        with line_price as (
            select account, receiving_id, variant_id, arg_min(price_per_unit, line_no) as price
            from staging.receiving_lines
            where _deleted_at is null and price_per_unit >= 0
            group by account, receiving_id, variant_id
        )
        select
            dense_rank() over (order by r.account) - 1 as account,
            r.movement_id,
            r.version,
            r.variant,
            r.family,
            r.direction = 'in' as is_in,
            r.quantity,
            r.damaged_quantity,
            case when r.unit_price >= 0 then r.unit_price else p.price end as price,
            case when r.unit_price >= 0 then 1 when p.price is not null then 2 else 0 end as price_source,
            case when r.unit_price >= 0 then r.unit_price else -1 end as own_price,
            r.unit_extra_cost as extra_cost,
            date_diff('day', {EPOCH}, cast(r.moved_at as date)) as day,
            case when r.order_id is null then -1 else dense_rank() over (order by r.account, r.order_id, r.variant) end
                as order_no,
            case
                when r.transformation_id is null or r.order_id is not null then -1
                else dense_rank() over (order by r.account, r.transformation_id)
            end as transformation,
            date_diff('day', {EPOCH}, r.known_from) as known_from,
            coalesce(date_diff('day', {EPOCH}, r.known_to), {int(NEVER)}) as known_to,
            r.is_opening,
            c.snapshot_at is not null and not r.is_opening and r.moved_at <= c.snapshot_at as before_count
        from known_row as r
        left join line_price as p
            on r.account = p.account and r.receiving_id = p.receiving_id and r.variant_id = p.variant_id
        left join known_count as c on r.account = c.account and r.variant_id = c.variant_id
        where r.known_to is null or r.known_from < r.known_to
        order by {replay_at.replace("moved_at", "r.moved_at")}, r.account, r.movement_id, r.version
        """,
        [bound for start, stop in twice for bound in (start, stop, start)],
    ).to_arrow_table()
    counts = con.execute(f"""
        select
            coalesce(c.quantity, -1) as quantity,
            coalesce(c.damaged_quantity, -1) as damaged_quantity,
            coalesce(date_diff('day', {EPOCH}, c.snapshot_date), {int(NEVER)}) as count_day
        from known_variant as v
        left join known_count as c on v.account = c.account and v.variant_id = c.variant_id
        order by v.variant
    """).to_arrow_table()
    return Versions(
        **{
            name: _ints(table, name)
            for name in ("account", "movement_id", "version", "variant", "family", "quantity", "damaged_quantity")
        },
        **{name: _ints(table, name) for name in ("price_source", "day", "transformation", "known_from", "known_to")},
        **{name: money.scaled(table.column(name)) for name in ("price", "own_price", "extra_cost")},
        **{name: table.column(name).to_numpy().astype(np.bool_) for name in ("is_in", "is_opening", "before_count")},
        order=_ints(table, "order_no"),
        counted=np.stack([_ints(counts, "quantity"), _ints(counts, "damaged_quantity")], axis=1),
        count_day=_ints(counts, "count_day"),
    )


def _prices(con: duckdb.DuckDBPyConnection) -> Prices:
    table = con.execute(f"""
        select
            v.variant,
            date_diff('day', {EPOCH}, cast(h._valid_from as date)) as from_day,
            case
                when h._in_first_load then {int(ALWAYS)}
                else date_diff('day', {EPOCH}, cast(h._valid_from as date))
            end as known_from,
            case when h.price_purchase >= 0 then h.price_purchase end as price
        from staging.variants_history as h
        inner join known_variant as v on h.account = v.account and h.variant_id = v.variant_id
        order by v.variant, h._valid_from, h._version
    """).to_arrow_table()
    return Prices(
        variant=_ints(table, "variant"),
        from_day=_ints(table, "from_day"),
        known_from=_ints(table, "known_from"),
        price=money.scaled(table.column("price")),
        is_known=table.column("price").is_valid().to_numpy().astype(np.bool_),
    )


def _ints(table: pa.Table, name: str) -> Any:
    return table.column(name).to_numpy().astype(np.int64)


def _events(events: dict[int, list[Event]]) -> pa.Table:
    told = [(family, step, event) for family, found in events.items() for step, event in enumerate(found, start=1)]
    return pa.table(
        {
            "family": pa.array([family for family, _, _ in told], pa.int64()),
            "step": pa.array([step for _, step, _ in told], pa.int64()),
            "night": _dates(np.array([event.night for _, _, event in told], np.int64)),
            "cause": pa.array([event.cause for _, _, event in told], pa.string()),
            "movement_id": pa.array([event.movement_id for _, _, event in told], pa.int64()),
            "version": pa.array([event.version for _, _, event in told], pa.int32()),
        }
    )


def _balances(step: Step, rows: Versions) -> pa.Table:
    balances = step.found.balances
    is_late = step.late >= 0
    return pa.table(
        {
            "family": step.family,
            "step": np.full(len(step.variant), step.number),
            "variant": step.variant,
            "pool": pa.DictionaryArray.from_arrays(pa.array(step.pool.astype(np.int32)), pa.array(POOLS)),
            "code": step.code,
            "valid_from": _dates(step.day),
            "known": _dates(step.known),
            "late_movement_id": pa.array(rows.movement_id[step.late], mask=~is_late),
            "late_version": pa.array(rows.version[step.late].astype(np.int32), mask=~is_late),
            "night": _dates(step.night),
            "next_night": _dates(step.next_night),
            "quantity": balances.pieces.astype(np.int64),
            "missing_cost_quantity": balances.missing.astype(np.int64),
        }
        | dict(zip((f"{name}_value" for name in FIGURES), money.values(balances.high, balances.low), strict=True))
    )


def _dates(days: Any) -> pa.Array:
    """Day numbers as dates; NULL for ever and never."""
    is_bounded = (days != ALWAYS) & (days != NEVER)
    return pa.array(np.where(is_bounded, days, 0).astype("datetime64[D]"), mask=~is_bounded)


_MEASURES = ("quantity", *(f"{name}_value" for name in FIGURES), "missing_cost_quantity")
_VERSIONS = f"""
with held as (
    select *, coalesce(greatest(night, known), night, known) as known_from
    from known_step
    where next_night is null or coalesce(greatest(night, known), night, known) < next_night
    -- of what came to be known at once the last holds
    qualify
        row_number() over (
            partition by variant, pool, step, valid_from, coalesce(greatest(night, known), night, known)
            order by code desc
        ) = 1
),

-- a balance that a revision left as it was goes on
begun as (
    select
        *,
        case when known_from is distinct from lag(next_night) over same then 1 else 0 end as is_begin
    from held
    window same as (partition by variant, pool, valid_from, {", ".join(_MEASURES)} order by known_from)
),

spans as (
    select
        *,
        sum(is_begin) over (partition by variant, pool, valid_from, {", ".join(_MEASURES)} order by known_from) as span
    from begun
)

select
    v.account,
    v.variant_id,
    s.pool,
    s.valid_from,
    min(s.known_from) as known_from,
    case when bool_or(s.next_night is null) then null else max(s.next_night) end as known_to,
    {", ".join(f"s.{name}" for name in _MEASURES)}
from spans as s
inner join known_variant as v on s.variant = v.variant
group by v.account, v.variant_id, s.pool, s.valid_from, s.span, {", ".join(f"s.{name}" for name in _MEASURES)}
order by all
"""
_CHANGES = ", ".join(f"{name} - coalesce(lag({name}) over earlier, 0) as {name}" for name in _MEASURES[:-1])
_REVISIONS = f"""
with changes as (
    select
        family, step, variant, pool, valid_from, known, late_movement_id, late_version, night, next_night,
        {_CHANGES}
    from known_step
    window earlier as (partition by variant, pool, step order by code)
),

-- the history before a revision and the one after it, both without what came later in order
sides as (
    select
        family, step + 1 as step, variant, pool, valid_from,
        {", ".join(f"-{name} as {name}" for name in _MEASURES[:-1])}
    from changes
    where next_night is not null
    union all by name
    select family, step, variant, pool, valid_from, {", ".join(_MEASURES[:-1])}
    from changes
    where step > 0 and (known is null or known < night)
),

revised as (
    select family, step, variant, pool, valid_from, {", ".join(f"sum({name}) as {name}" for name in _MEASURES[:-1])}
    from sides
    group by family, step, variant, pool, valid_from
),

told as (
    select
        e.night as known_from, e.cause, e.movement_id, e.version, r.variant, r.pool, r.valid_from,
        {", ".join(f"r.{name}" for name in _MEASURES[:-1])}
    from revised as r
    inner join known_event as e on r.family = e.family and r.step = e.step
    union all by name
    -- rows behind all known ones that came late all the same
    select
        known as known_from, 'late' as cause, late_movement_id as movement_id, late_version as version,
        variant, pool, valid_from,
        {", ".join(_MEASURES[:-1])}
    from changes
    where late_movement_id is not null and (night is null or known >= night)
)

select
    v.account,
    v.variant_id,
    t.pool,
    t.known_from,
    t.cause,
    t.movement_id,
    t.version,
    t.valid_from,
    cast(t.quantity as bigint) as quantity_change,
    {", ".join(f"t.{name}_value as {name}_change" for name in FIGURES)}
from told as t
inner join known_variant as v on t.variant = v.variant
where {" or ".join(f"t.{name} <> 0" for name in _MEASURES[:-1])}
order by all
"""
