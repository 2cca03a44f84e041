"""
What the replay of what was known computed, and the rows made of it.

``known_step`` has a balance per family, step, variant, pool and day, ``known_event`` the revision each step came
with; ``VERSIONS`` and ``REVISIONS`` are the rows of the two tables made of them.
"""

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from stockbook.cost_methods import FIGURES
from stockbook.valuation import decimal_arrays
from stockbook.valuation.as_known import replay
from stockbook.valuation.as_known.forms import ALWAYS, NEVER, Prices, Versions
from stockbook.valuation.as_known.line_forms import LineForms
from stockbook.valuation.as_known.replay import Step
from stockbook.valuation.as_known.revisions import Event, revisions
from stockbook.valuation.replay import POOL_NAMES
from stockbook.warehouse.row_groups import append


def write_steps(con: duckdb.DuckDBPyConnection, rows: Versions, prices: Prices, forms: LineForms) -> None:
    """Replay the variants once per revision and keep the balances of each."""
    events = revisions(rows, prices, forms)
    con.execute(
        "create temp table known_event (family bigint, step bigint, night date, cause varchar, "
        "movement_id bigint, version integer, receiving_id bigint)"
    )
    append(con, "known_event", _events(events))
    figures = ", ".join(f"{name}_value decimal(38, 12)" for name in FIGURES)
    con.execute(
        "create temp table known_step (family bigint, step bigint, variant bigint, pool varchar, code bigint, "
        "valid_from date, known date, late_movement_id bigint, late_version integer, night date, next_night date, "
        f"quantity bigint, {figures}, missing_cost_quantity bigint, average_missing_cost_quantity bigint)"
    )
    for step in replay.steps(rows, prices, forms, events):
        append(con, "known_step", _balances(step, rows))


def _events(events: dict[int, list[Event]]) -> pa.Table:
    numbered = [
        (family, step, event) for family, of_family in events.items() for step, event in enumerate(of_family, start=1)
    ]
    return pa.table(
        {
            "family": pa.array([family for family, _, _ in numbered], pa.int64()),
            "step": pa.array([step for _, step, _ in numbered], pa.int64()),
            "night": _dates(np.array([event.night for _, _, event in numbered], np.int64)),
            "cause": pa.array([event.cause for _, _, event in numbered], pa.string()),
            "movement_id": pa.array([event.movement_id for _, _, event in numbered], pa.int64()),
            "version": pa.array([event.version for _, _, event in numbered], pa.int32()),
            "receiving_id": pa.array([event.receiving_id for _, _, event in numbered], pa.int64()),
        }
    )


def _balances(step: Step, rows: Versions) -> pa.Table:
    balances = step.replay.balances
    is_late = step.late >= 0
    return pa.table(
        {
            "family": step.family,
            "step": np.full(len(step.variant), step.number),
            "variant": step.variant,
            "pool": pa.DictionaryArray.from_arrays(pa.array(step.pool.astype(np.int32)), pa.array(POOL_NAMES)),
            "code": step.code,
            "valid_from": _dates(step.day),
            "known": _dates(step.known),
            "late_movement_id": pa.array(rows.movement_id[step.late], mask=~is_late),
            "late_version": pa.array(rows.version[step.late].astype(np.int32), mask=~is_late),
            "night": _dates(step.night),
            "next_night": _dates(step.next_night),
            "quantity": balances.pieces.astype(np.int64),
            "missing_cost_quantity": balances.missing.astype(np.int64),
            "average_missing_cost_quantity": balances.average_missing.astype(np.int64),
        }
        | dict(
            zip((f"{name}_value" for name in FIGURES), decimal_arrays.values(balances.high, balances.low), strict=True)
        )
    )


def _dates(days: Any) -> pa.Array:
    """Day numbers as dates; NULL for ever and never."""
    is_bounded = (days != ALWAYS) & (days != NEVER)
    return pa.array(np.where(is_bounded, days, 0).astype("datetime64[D]"), mask=~is_bounded)


_AMOUNTS = ("quantity", *(f"{name}_value" for name in FIGURES))
_MEASURES = (*_AMOUNTS, "missing_cost_quantity", "average_missing_cost_quantity")
VERSIONS = f"""
with last_known as (
    select *, coalesce(greatest(night, known), night, known) as known_from
    from known_step
    where next_night is null or coalesce(greatest(night, known), night, known) < next_night
    -- of what came to be known at once the last counts
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
    from last_known
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
_CHANGES = ", ".join(f"{name} - coalesce(lag({name}) over earlier, 0) as {name}" for name in _AMOUNTS)
REVISIONS = f"""
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
        {", ".join(f"-{name} as {name}" for name in _AMOUNTS)}
    from changes
    where next_night is not null
    union all by name
    select family, step, variant, pool, valid_from, {", ".join(_AMOUNTS)}
    from changes
    where step > 0 and (known is null or known < night)
),

revised as (
    select family, step, variant, pool, valid_from, {", ".join(f"sum({name}) as {name}" for name in _AMOUNTS)}
    from sides
    group by family, step, variant, pool, valid_from
),

caused as (
    select
        e.night as known_from, e.cause, e.movement_id, e.version, e.receiving_id, r.variant, r.pool, r.valid_from,
        {", ".join(f"r.{name}" for name in _AMOUNTS)}
    from revised as r
    inner join known_event as e on r.family = e.family and r.step = e.step
    union all by name
    -- rows behind all known ones that came late all the same
    select
        known as known_from, 'late' as cause, late_movement_id as movement_id, late_version as version,
        cast(null as bigint) as receiving_id, variant, pool, valid_from,
        {", ".join(_AMOUNTS)}
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
    t.receiving_id,
    t.valid_from,
    cast(t.quantity as bigint) as quantity_change,
    {", ".join(f"t.{name}_value as {name}_change" for name in FIGURES)}
from caused as t
inner join known_variant as v on t.variant = v.variant
where {" or ".join(f"t.{name} <> 0" for name in _AMOUNTS)}
order by all
"""
