"""
The ledger as the replay wants it: in batches of whole variants, in replay order.

Variants that a transformation ties together stay in one batch, so that each batch can be replayed
by itself. Some batches at a time are drawn from the ledger, sorted by batch: reading it anew for each
costs four times as much, sorting all of it at once twice as much and more memory than there may be.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from stockbook.valuation.catalogue import Catalogue
from stockbook.valuation.fingerprints import Variants
from stockbook.valuation.receiving_lines import Lines
from stockbook.valuation.replay import Ints
from stockbook.warehouse.arrow_view import ArrowView

# some 200 MB at a time, of which two are under way: replayed and written
BATCH_ROWS = 250_000
# drawn from the ledger at once: some 200 MB a million rows
DRAWN_ROWS = 2_500_000
# of what was drawn, so much stays in memory as long as a batch needs some of it
DRAWN_CHUNK = 125_000


@dataclass(frozen=True)
class Drawn:
    """A batch as it comes from the ledger: its rows in any order, its variants in theirs; ``number`` is the batch's."""

    number: int
    rows: pa.Table
    variants: pa.Table
    catalogue: Catalogue
    lines: Lines


def draw(con: duckdb.DuckDBPyConnection, variants: Variants) -> Iterator[Drawn]:
    """The movements of every touched variant."""
    touched = np.flatnonzero(variants.is_touched)
    if not len(touched):
        return
    batch, number = assign(variants.movements[touched], variants.leader[touched])
    order = np.lexsort((number, batch))
    touched, batch = touched[order], batch[order]
    assigned = pa.table(
        {
            "account": variants.account.take(pa.array(touched)),
            "variant_id": variants.variant_id[touched],
            "batch": batch,
            "variant": number[order].astype(np.int32),
            "place": np.arange(len(touched)),
        }
    )
    with ArrowView(con, "assigned_variant", assigned):
        con.execute("create or replace temp table valuation_variant as select * from assigned_variant")
    first = np.concatenate([[0], np.cumsum(np.bincount(batch))])
    rows = np.bincount(batch, variants.movements[touched]).astype(np.int64)
    catalogue, lines = Catalogue.read(con, first), Lines.read(con)
    for start, stop in _together(rows):
        ledger = _draw(con, start, stop)
        if ledger.num_rows != rows[start:stop].sum():
            raise AssertionError("the ledger has as many rows as were counted in this transaction")
        offset = 0
        for each in range(start, stop):
            yield Drawn(
                each,
                ledger.slice(offset, int(rows[each])),
                assigned.slice(first[each], first[each + 1] - first[each]),
                catalogue,
                lines,
            )
            offset += int(rows[each])
        del ledger


def _together(rows: Ints) -> list[tuple[int, int]]:
    """Which batches, of so many rows each, are drawn at once: first and end."""
    group = (np.cumsum(rows) - rows) // DRAWN_ROWS
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return list(zip(starts.tolist(), [*starts[1:].tolist(), len(rows)], strict=True))


def assign(movements: Ints, leader: Ints) -> tuple[Any, Ints]:
    """Each variant's batch, and its number inside it; those of one leader are in one batch."""
    _, group = np.unique(leader, return_inverse=True)
    rows = np.bincount(group, movements).astype(np.int64)
    _, batch_of = np.unique((np.cumsum(rows) - rows) // BATCH_ROWS, return_inverse=True)
    batch = batch_of[group]
    order = np.argsort(batch, kind="stable")
    first = np.concatenate([[0], np.cumsum(np.bincount(batch))])
    number = np.empty(len(batch), np.int64)
    number[order] = np.arange(len(batch)) - first[batch[order]]
    return batch.astype(np.int32), number


def _draw(con: duckdb.DuckDBPyConnection, start: int, stop: int) -> pa.Table:
    """The rows of batches ``start`` to ``stop``, one batch after another."""
    return con.sql(f"""
        with chosen as (
            select *
            from valuation_variant
            where batch >= {start} and batch < {stop}
        )
        select
            v.variant,
            l.movement_id,
            l.direction = 'in' as is_in,
            l.order_id,
            l.receiving_id,
            l.transformation_id,
            l.quantity,
            l.damaged_quantity,
            l.unit_price,
            l.unit_extra_cost,
            o.lot,
            l.moved_at,
            coalesce(c.known_from, l.first_known) as known_from,
            l.is_opening,
            l.is_second_pass
        from valuation_ledger as l
        inner join chosen as v on l.account = v.account and l.variant_id = v.variant_id
        left join valuation_lot as o
            on
                l.account = o.account
                -- a condition on the movement alone beside the keys would be asked of every pair of rows
                and case when l.direction = 'in' then l.receiving_id end = o.receiving_id
                and l.variant_id = o.variant_id
        left join valuation_changed as c on l.account = c.account and l.movement_id = c.movement_id
        {"order by v.batch" if stop - start > 1 else ""}
    """).to_arrow_table(DRAWN_CHUNK)
