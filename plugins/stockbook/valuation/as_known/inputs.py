"""The forms of movements and prices of ``known_variant``, as the replay of what was known takes them."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa

from stockbook.references import reference
from stockbook.valuation import decimal_arrays, wall_clock
from stockbook.valuation.as_known.forms import ALWAYS, BY_DAY, EPOCH, NEVER, Knowing, Prices, Versions
from stockbook.valuation.policy import ValuationPolicy


def read_versions(
    con: duckdb.DuckDBPyConnection,
    settings: ValuationPolicy,
    zone: ZoneInfo,
    as_of: datetime,
    knowing: Knowing = BY_DAY,
) -> Versions:
    """Every form a movement had, in replay order, but those dated later than now; ``known_row`` keeps them."""
    _write_forms(con, settings, zone, as_of, knowing)
    table, counts = _forms(con, zone), _counts(con)
    return Versions(
        **{
            name: _ints(table, name)
            for name in ("account", "movement_id", "version", "variant", "family", "quantity", "damaged_quantity")
        },
        **{name: _ints(table, name) for name in ("lot", "day", "transformation_id", "known_from", "known_to")},
        **{name: _ints(table, name) for name in ("moved_at", "moment", "transformation")},
        **{name: decimal_arrays.scaled(table.column(name)) for name in ("own_price", "extra_cost")},
        **{name: table.column(name).to_numpy().astype(np.bool_) for name in ("is_in", "is_opening", "before_count")},
        order=_ints(table, "order_no"),
        counted=np.stack([_ints(counts, "quantity"), _ints(counts, "damaged_quantity")], axis=1),
        count_day=_ints(counts, "count_day"),
    )


def _write_forms(
    con: duckdb.DuckDBPyConnection, settings: ValuationPolicy, zone: ZoneInfo, as_of: datetime, knowing: Knowing
) -> None:
    """Make ``known_row``: a row for each form of a movement, and one for each opening."""
    first_known = "moved_at" if knowing.is_of_first_load else "seen_at"
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
                {reference("h.order_id")} as order_id,
                nullif(h.receiving_id, 0) as receiving_id,
                nullif(h.transformation_id, 0) as transformation_id,
                h.unit_price,
                h.unit_extra_cost,
                {sellable} as quantity,
                h.damaged_quantity,
                case when h._valid_to is null then m.created_at else staging.local_of(h.created_text, '{zone.key}') end
                    as moved_at,
                h._in_first_load as in_first_load,
                h._valid_from as seen_at,
                {knowing.number("h._valid_to")} as known_to
            from staging.movements_history as h
            inner join known_variant as v on h.account = v.account and h.variant_id = v.variant_id
            left join staging.movements as m on h.account = m.account and h.movement_id = m.movement_id
            anti join intermediate.later_movement as l
                on h.account = l.account and h.movement_id = l.movement_id and h._valid_to is null
        )
        select
            * exclude (in_first_load, seen_at),
            {knowing.number(f"case when in_first_load then {first_known} else seen_at end")} as known_from,
            false as is_opening
        from forms
        where
            moved_at is not null
            and (known_to is null or moved_at <= timestamp '{as_of}')
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
            {knowing.number("c.opening_date")} as known_from,
            true as is_opening
        from known_count as c
        inner join known_variant as v on c.account = v.account and c.variant_id = v.variant_id
    """)


def _forms(con: duckdb.DuckDBPyConnection, zone: ZoneInfo) -> pa.Table:
    """The rows of ``known_row`` in replay order."""
    ((first, last),) = con.execute("select min(moved_at), max(moved_at) from known_row").fetchall()
    twice = wall_clock.repeated(wall_clock.spans(first, last, zone)) if first else []
    # written out: a relation with parameters runs at once and keeps its rows as Python's
    whens = " ".join(
        f"when r.moved_at >= timestamp '{start}' and r.moved_at < timestamp '{stop}' then timestamp '{start}'"
        for start, stop in twice
    )
    replay_at = f"case {whens} else r.moved_at end" if twice else "r.moved_at"
    return con.sql(f"""
        select
            dense_rank() over (order by r.account) - 1 as account,
            r.movement_id,
            r.version,
            r.variant,
            r.family,
            r.direction = 'in' as is_in,
            r.quantity,
            r.damaged_quantity,
            case when r.unit_price >= 0 then r.unit_price else -1 end as own_price,
            coalesce(o.lot, -1) as lot,
            r.unit_extra_cost as extra_cost,
            date_diff('day', {EPOCH}, cast(r.moved_at as date)) as day,
            epoch_us(r.moved_at) as moved_at,
            epoch_us({replay_at}) as moment,
            case when r.order_id is null then -1 else dense_rank() over (order by r.account, r.order_id, r.variant) end
                as order_no,
            case
                when r.transformation_id is null or r.order_id is not null then -1
                else dense_rank() over (order by r.account, r.transformation_id)
            end as transformation,
            coalesce(r.transformation_id, -1) as transformation_id,
            r.known_from,
            coalesce(r.known_to, {int(NEVER)}) as known_to,
            r.is_opening,
            c.snapshot_at is not null and not r.is_opening and r.moved_at <= c.snapshot_at as before_count
        from known_row as r
        left join known_lot as o
            on r.account = o.account and r.receiving_id = o.receiving_id and r.variant_id = o.variant_id
        left join known_count as c on r.account = c.account and r.variant_id = c.variant_id
        where r.known_to is null or r.known_from < r.known_to
        order by {replay_at}, r.account, r.movement_id, r.version
    """).to_arrow_table()


def _counts(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """What was counted first of each variant, in their order; -1 where nothing is opened."""
    return con.sql(f"""
        select
            coalesce(c.quantity, -1) as quantity,
            coalesce(c.damaged_quantity, -1) as damaged_quantity,
            coalesce(date_diff('day', {EPOCH}, c.snapshot_date), {int(NEVER)}) as count_day
        from known_variant as v
        left join known_count as c on v.account = c.account and v.variant_id = c.variant_id
        order by v.variant
    """).to_arrow_table()


def read_prices(con: duckdb.DuckDBPyConnection, knowing: Knowing = BY_DAY) -> Prices:
    """The purchase prices and since when they were known."""
    is_always_known = "h._in_first_load" if knowing.is_of_first_load else "false"
    table = con.sql(f"""
        select
            v.variant,
            date_diff('day', {EPOCH}, cast(h._valid_from as date)) as from_day,
            case when {is_always_known} then {int(ALWAYS)} else {knowing.number("h._valid_from")} end as known_from,
            case when h.price_purchase >= 0 then h.price_purchase end as price
        from staging.variants_history as h
        inner join known_variant as v on h.account = v.account and h.variant_id = v.variant_id
        order by v.variant, h._valid_from, h._version
    """).to_arrow_table()
    return Prices(
        variant=_ints(table, "variant"),
        from_day=_ints(table, "from_day"),
        known_from=_ints(table, "known_from"),
        price=decimal_arrays.scaled(table.column("price")),
        is_known=table.column("price").is_valid().to_numpy().astype(np.bool_),
    )


def _ints(table: pa.Table, name: str) -> Any:
    return table.column(name).to_numpy().astype(np.int64)
