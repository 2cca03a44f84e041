"""What a replay computed, as Arrow tables with the columns of the facts."""

from typing import Any

import numpy as np
import pyarrow as pa

from stockbook.cost_methods import BASES, FIGURES
from stockbook.valuation import decimal_arrays, fixed_point, replay_tables
from stockbook.valuation.batches import Batch, named
from stockbook.valuation.replay import COST_SOURCES, POOL_NAMES
from stockbook.valuation.replay_result import Replay


def facts(batch: Batch, replay: Replay) -> dict[str, pa.Table]:
    """Rows of each fact by the table's qualified name."""
    return {
        "marts.fct_stock_movement": _movements(batch, replay),
        "marts.fct_receipt_cost": _receipts(batch, replay),
        "marts.fct_issue_cost": _issues(batch, replay),
        "marts.fct_cost_allocation": _allocations(batch, replay),
        "marts.fct_cost_settlement": _settlements(batch, replay),
        "marts.fct_stock_balance": _balances(batch, replay),
        "marts.fct_stock_layer": _layers(batch, replay),
    }


def _dates(days: Any, is_there: Any = None) -> pa.Array:
    return pa.array(days.astype("datetime64[D]"), mask=None if is_there is None else ~is_there)


def _ints(values: Any) -> Any:
    return np.asarray(values, np.int64)


def _of_rows(batch: Batch, rows: Any) -> dict[str, Any]:
    """Columns that say whose movement it is."""
    variant = batch.movements.variant[rows]
    return {"account": named(batch.account[variant], batch.accounts), "variant_id": batch.variant_id[variant]}


def _movements(batch: Batch, replay: Replay) -> pa.Table:
    table = batch.columns
    source = np.empty(len(batch.place), np.int64)
    source[batch.place] = replay.cost_source
    has_cost = source != replay_tables.NO_COST
    for figure, name in enumerate(FIGURES):
        cost = np.empty(len(batch.place), replay.unit_cost.dtype)
        cost[batch.place] = replay.unit_cost[:, figure]
        table = table.append_column(f"{name}_unit_cost", decimal_arrays.units(cost, has_cost))
    table = table.append_column("cost_source", named(source, [name or "" for name in COST_SOURCES], has_cost))
    return table.append_column("known_to", pa.nulls(table.num_rows, pa.date32()))


def _receipts(batch: Batch, replay: Replay) -> pa.Table:
    receipts = replay.receipts
    rows = _ints(receipts.row)
    return pa.table(
        _of_rows(batch, rows)
        | {
            "movement_id": batch.movement_id[rows],
            "pool": named(_ints(receipts.pool), POOL_NAMES),
            "moved_date": _dates(batch.movements.day[rows]),
            "quantity": _ints(receipts.pieces),
        }
        | _sums("cost", receipts.high, receipts.low)
    )


def _issues(batch: Batch, replay: Replay) -> pa.Table:
    issues = replay.issues
    rows = _ints(issues.row)
    settled = issues.settled_high, issues.settled_low
    return pa.table(
        _of_rows(batch, rows)
        | {
            "movement_id": batch.movement_id[rows],
            "pool": named(_ints(issues.pool), POOL_NAMES),
            "moved_date": _dates(batch.movements.day[rows]),
            "quantity": _ints(issues.pieces),
            "missing_cost_quantity": _ints(issues.missing),
            "average_missing_cost_quantity": _ints(issues.average_missing),
            "short_quantity": _ints(issues.left),
        }
        | _sums("cogs", issues.cost_high, issues.cost_low)
        | _sums("settlement", *settled)
        | _sums("cogs_final", *_sum(issues.cost_high, issues.cost_low, *settled))
    )


def _sums(what: str, high: Any, low: Any) -> dict[str, pa.Array]:
    """A column per figure."""
    return {f"{name}_{what}": column for name, column in zip(FIGURES, decimal_arrays.values(high, low), strict=True)}


def _sum(high: Any, low: Any, more_high: Any, more_low: Any) -> tuple[Any, Any]:
    carried = low + more_low
    return high + more_high + (carried >> fixed_point.WORD_BITS), carried & fixed_point.WORD_MASK


def _allocations(batch: Batch, replay: Replay) -> pa.Table:
    slices = replay.slices
    issue, receipt = _ints(slices.issue), _ints(slices.receipt)
    rows = _ints(replay.issues.row)[issue]
    ids = batch.movement_id
    is_covered = receipt >= 0
    receipt_ids = np.where(is_covered, ids[_ints(replay.receipts.row)[receipt]] if len(replay.receipts.row) else 0, 0)
    columns = _of_rows(batch, rows) | {
        "issue_id": ids[rows],
        "pool": named(_ints(replay.issues.pool)[issue], POOL_NAMES),
        "slice_no": _ints(slices.number),
        "receipt_id": pa.array(receipt_ids, mask=~is_covered),
        "quantity": _ints(slices.pieces),
    }
    for basis, (name, cost) in enumerate(zip(BASES, decimal_arrays.values(slices.high, slices.low), strict=True)):
        rates = _rates(slices.high[:, basis], slices.low[:, basis], slices.pieces)
        columns[f"unit_cost_{name}"] = decimal_arrays.units(rates)
        columns[f"{name}_cost"] = cost
    return pa.table(columns)


def _rates(high: Any, low: Any, pieces: Any) -> Any:
    """Unit costs of sums, half up, for whole arrays: fixed_point.divide and fixed_point.rate."""
    top = high // pieces
    rest = ((high - top * pieces) << fixed_point.WORD_BITS) + low
    whole = rest // pieces
    up = (2 * (rest - whole * pieces) >= pieces).astype(np.int64)
    return (top << fixed_point.WORD_BITS) + whole + up


def _settlements(batch: Batch, replay: Replay) -> pa.Table:
    settlements = replay.settlements
    issue, receipt = _ints(settlements.issue), _ints(settlements.receipt)
    rows, receipt_rows = _ints(replay.issues.row)[issue], _ints(replay.receipts.row)[receipt]
    ids = batch.movement_id
    return pa.table(
        _of_rows(batch, rows)
        | {
            "issue_id": ids[rows],
            "receipt_id": ids[receipt_rows],
            "pool": named(_ints(replay.issues.pool)[issue], POOL_NAMES),
            "settled_date": _dates(batch.movements.day[receipt_rows]),
            "quantity": _ints(settlements.pieces),
        }
        | _sums("settlement", settlements.high, settlements.low)
    )


def _balances(batch: Batch, replay: Replay) -> pa.Table:
    balances = replay.balances
    variant, pool = np.divmod(_ints(balances.cell), replay_tables.POOLS)
    day, following = _ints(balances.day), _ints(balances.next_row)
    has_average = _ints(balances.pieces) > 0
    pieces = np.where(has_average, balances.pieces, 1)
    averages = {}
    for basis, name in enumerate(BASES, start=replay_tables.AVERAGE):
        rates = _rates(balances.high[:, basis], balances.low[:, basis], pieces)
        averages[f"average_{name}_unit_cost"] = decimal_arrays.units(rates * has_average, has_average)
    return pa.table(
        {
            "account": named(batch.account[variant], batch.accounts),
            "variant_id": batch.variant_id[variant],
            "pool": named(pool, POOL_NAMES),
            "valid_from": _dates(day),
            "valid_to": _dates(day[following], following >= 0),
            "quantity": _ints(balances.pieces),
            "missing_cost_quantity": _ints(balances.missing),
            "average_missing_cost_quantity": _ints(balances.average_missing),
        }
        | _sums("value", balances.high, balances.low)
        | averages
    )


def _layers(batch: Batch, replay: Replay) -> pa.Table:
    receipts = replay.receipts
    at = np.flatnonzero(_ints(receipts.left) > 0)
    rows = _ints(receipts.row[at])
    left = receipts.left[at]
    columns = _of_rows(batch, rows) | {
        "receipt_id": batch.movement_id[rows],
        "pool": named(_ints(receipts.pool[at]), POOL_NAMES),
        "received_at": batch.columns.column("moved_at").take(pa.array(batch.place[rows])),
        "quantity_left": _ints(left),
        "is_cost_missing": receipts.is_missing[at].astype(np.bool_),
    }
    unit, rest = receipts.unit[at], receipts.remainder[at]
    low = (unit & fixed_point.WORD_MASK) * left[:, None] + rest
    high = (unit >> fixed_point.WORD_BITS) * left[:, None] + (low >> fixed_point.WORD_BITS)
    for basis, (name, value) in enumerate(
        zip(BASES, decimal_arrays.values(high, low & fixed_point.WORD_MASK), strict=True)
    ):
        up = ((2 * rest[:, basis] >= left) & (rest[:, basis] > 0)).astype(np.int64)
        columns[f"unit_cost_{name}"] = decimal_arrays.units(unit[:, basis] + up)
        columns[f"{name}_value"] = value
    return pa.table(columns)
