"""What each event did to the stock that was signed, as rows of ``reports.close_difference_cause``."""

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa

from stockbook.cost_methods import FIGURES
from stockbook.valuation import decimal_arrays
from stockbook.valuation.replay import POOL_NAMES
from stockbook.valuation.since_close.chain import Chain
from stockbook.valuation.since_close.closes import Close
from stockbook.valuation.since_close.events import CAUSES
from stockbook.valuation.since_close.replay import Stock
from stockbook.warehouse.row_groups import append

_AMOUNTS = ("quantity", "value", *FIGURES)


def create(con: duckdb.DuckDBPyConnection, closes: Sequence[Close], chain: Chain) -> None:
    """Make the tables that ``add`` fills and ``CAUSES_OF`` reads."""
    figures = ", ".join(f"{name}_value decimal(38, 12)" for name in FIGURES)
    con.execute(
        "create temp table close_step (close bigint, family bigint, step bigint, variant bigint, pool varchar, "
        f"is_first boolean, is_last boolean, headline varchar, quantity bigint, {figures})"
    )
    con.execute("create temp table close_told (close bigint, close_id varchar)")
    con.execute(
        "create temp table close_event (family bigint, step bigint, known_at timestamp, cause varchar, "
        "number bigint, movement_id bigint, version integer)"
    )
    append(
        con,
        "close_told",
        pa.table(
            {"close": range(len(closes)), "close_id": pa.array([close.close_id for close in closes], pa.string())}
        ),
    )
    events = [(family, step, event) for family, listed in chain.listed.items() for step, event in enumerate(listed, 1)]
    append(
        con,
        "close_event",
        pa.table(
            {
                "family": pa.array([family for family, _, _ in events], pa.int64()),
                "step": pa.array([step for _, step, _ in events], pa.int64()),
                "known_at": np.array([event.night for _, _, event in events], np.int64).astype("datetime64[s]"),
                "cause": pa.array([CAUSES[event.cause] for _, _, event in events], pa.string()),
                "number": pa.array([event.row for _, _, event in events], pa.int64()),
                "movement_id": pa.array([event.movement_id for _, _, event in events], pa.int64()),
                "version": pa.array([event.version for _, _, event in events], pa.int32()),
            }
        ),
    )


def add(con: duckdb.DuckDBPyConnection, stock: Stock) -> None:
    """Keep the stock after so many events."""
    balances, place = stock.balances, stock.place
    values = decimal_arrays.values(balances.high[place], balances.low[place])
    columns = {
        "close": stock.close,
        "family": stock.family,
        "step": np.full(len(place), stock.number),
        "variant": stock.variant,
        "pool": pa.DictionaryArray.from_arrays(pa.array(stock.pool.astype(np.int32)), pa.array(POOL_NAMES)),
        "is_first": stock.is_first,
        "is_last": stock.is_last,
        "headline": pa.array(stock.headline, pa.string()),
        "quantity": balances.pieces[place].astype(np.int64),
    }
    append(con, "close_step", pa.table(columns | dict(zip((f"{name}_value" for name in FIGURES), values, strict=True))))


_VALUES = ", ".join(f"{name}_value as {name}" for name in FIGURES)
_CHANGES = ", ".join(f"sum({name}) as {name}_change" for name in _AMOUNTS)
# what was signed that no replay of today gives, of closes that another version of the program made (parameter: ours)
_BY_OTHER_RULES = f"""
signed_now as (
    select t.close_id, v.variant_id, s.pool, {", ".join(_AMOUNTS)}
    from steps as s
    inner join close_told as t on s.close = t.close
    inner join known_variant as v on s.variant = v.variant
    where s.is_first
),

other_rules as (
    select c.close_id, min(r.as_of) as known_at
    from marts.fct_period_close as c
    inner join meta.run as o on c.run_id = o.run_id
    inner join meta.run as r on r.as_of > o.as_of and r.version <> o.version
    where o.version <> ?
    group by c.close_id
),
"""
CAUSES_OF = f"""
with steps as (
    select
        close, family, step, variant, pool, is_first, is_last, quantity, {_VALUES},
        intermediate.headline(
            headline, fifo_landed_value, fifo_bare_value, average_landed_value, average_bare_value
        ) as value
    from close_step
),
{_BY_OTHER_RULES}
-- the stock with an event, less the stock without it
sides as (
    select close, family, step, variant, pool, {", ".join(_AMOUNTS)}
    from steps
    where not is_first
    union all
    select close, family, step + 1, variant, pool, {", ".join(f"-{name}" for name in _AMOUNTS)}
    from steps
    where not is_last
),

caused as (
    select
        t.close_id, v.account, v.variant_id, s.pool, e.known_at, e.cause, e.movement_id, e.version,
        case when e.cause = 'receiving_line' and e.number >= 0 then e.number end as receiving_id,
        case when e.cause = 'transformation' and e.number >= 0 then e.number end as transformation_id,
        {", ".join(f"s.{name}" for name in _AMOUNTS)}
    from sides as s
    inner join close_event as e on s.family = e.family and s.step = e.step
    inner join close_told as t on s.close = t.close
    inner join known_variant as v on s.variant = v.variant
    union all by name
    select
        d.close_id, d.account, d.variant_id, d.pool, o.known_at, 'policy' as cause,
        {", ".join(f"coalesce(s.{name}, 0) - d.{name}_signed as {name}" for name in _AMOUNTS)}
    from reports.close_difference as d
    inner join other_rules as o on d.close_id = o.close_id
    left join signed_now as s on d.close_id = s.close_id and d.variant_id = s.variant_id and d.pool = s.pool
),

summed as (
    select
        close_id, variant_id, pool, known_at, cause, movement_id, version, receiving_id, transformation_id,
        {_CHANGES}
    from caused
    group by close_id, variant_id, pool, known_at, cause, movement_id, version, receiving_id, transformation_id
)

select
    d.close_id,
    d.account,
    d.month,
    d.sequence,
    d.variant_id,
    d.pool,
    d.code,
    d.ext_code,
    d.product_name,
    d.variant_name,
    d.category_path,
    s.* exclude (close_id, variant_id, pool)
from summed as s
inner join reports.close_difference as d
    on s.close_id = d.close_id and s.variant_id = d.variant_id and s.pool = d.pool
where {" or ".join(f"s.{name}_change <> 0" for name in _AMOUNTS)}
order by all
"""
