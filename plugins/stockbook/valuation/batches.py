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
import pyarrow.compute as pc

from stockbook.valuation import transformations, wall_clock
from stockbook.valuation.catalogue import Catalogue
from stockbook.valuation.decimal_arrays import scaled
from stockbook.valuation.fingerprints import Variants
from stockbook.valuation.ledger import Hours
from stockbook.valuation.receiving_lines import Lines, stated
from stockbook.valuation.replay import DefaultCosts, Flags, Ints, Money, Movements
from stockbook.valuation.transformations import Leg
from stockbook.warehouse.arrow_view import ArrowView

# some 200 MB at a time, of which two are under way: replayed and written
BATCH_ROWS = 250_000
# drawn from the ledger at once: some 200 MB a million rows
DRAWN_ROWS = 2_500_000
# of what was drawn, so much stays in memory as long as a batch needs some of it
DRAWN_CHUNK = 125_000

DIRECTIONS = ("out", "in")
KINDS = ("opening", "return", "dispatch", "transformation", "receiving", "correction")


@dataclass(frozen=True)
class Batch:
    """
    Some variants' movements.

    ``movements`` are as the replay takes them; ``columns`` hold what is to be written of them, in another order:
    row r of the replay is row ``place[r]`` of the columns. ``movement_id`` is in the order of the replay;
    ``variant_id`` and ``account`` (a code of ``accounts``) are by the replay's number of the variant.
    """

    movements: Movements
    columns: pa.Table
    place: Ints
    movement_id: Ints
    defaults: DefaultCosts
    accounts: list[str]
    account: Any
    variant_id: Ints


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
    return con.execute(f"""
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
                and l.receiving_id = o.receiving_id
                and l.variant_id = o.variant_id
                and l.direction = 'in'
        left join valuation_changed as c on l.account = c.account and l.movement_id = c.movement_id
        {"order by v.batch" if stop - start > 1 else ""}
    """).to_arrow_table(DRAWN_CHUNK)


def batch_of(drawn: Drawn, hours: Hours) -> Batch:
    """A batch in replay order."""
    table, variants, catalogue, batch = drawn.rows, drawn.variants, drawn.catalogue, drawn.number
    accounts = variants.column("account").combine_chunks().dictionary_encode()
    account = accounts.indices.to_numpy()
    movement_id, moved_at = _numpy(table, "movement_id"), _numpy(table, "moved_at").astype("datetime64[us]")
    variant = _numpy(table, "variant")
    transformation = _transformations(table, account[variant])
    place = _in_replay_order(moved_at, account[variant], movement_id, hours)
    pieces = _numpy(table, "quantity") + _numpy(table, "damaged_quantity")
    behind = transformations.behind_their_outs(
        transformation[place], _flags(table, "is_in")[place], pieces[place], moved_at[place]
    )
    place = place if behind is None else place[behind]
    return Batch(
        movements=_movements(table, place, account, transformation, drawn.lines),
        columns=_columns(table, variants, accounts, catalogue.variant_keys(batch, variant, moved_at), hours),
        place=place,
        movement_id=movement_id[place],
        defaults=catalogue.default_costs(batch),
        accounts=accounts.dictionary.to_pylist(),
        account=account,
        variant_id=_numpy(variants, "variant_id"),
    )


def _numpy(table: pa.Table, name: str) -> Any:
    return table.column(name).to_numpy()


def _flags(table: pa.Table, name: str) -> Flags:
    flags: Flags = _numpy(table, name).astype(np.bool_)
    return flags


def _in_replay_order(moved_at: Any, account: Any, movement_id: Ints, hours: Hours) -> Ints:
    """By time, then id; inside an hour that occurs twice only ids tell what came first."""
    replay_at = moved_at.view(np.int64).copy()
    for start, stop in hours.repeated:
        begins = np.datetime64(start, "us")
        replay_at[(moved_at >= begins) & (moved_at < np.datetime64(stop, "us"))] = begins.astype(np.int64)
    keys = (movement_id, replay_at) if not account.any() else (movement_id, account, replay_at)
    return np.lexsort(keys)


def _columns(table: pa.Table, variants: pa.Table, accounts: Any, variant_key: pa.Array, hours: Hours) -> pa.Table:
    """What ``fct_stock_movement`` says of a movement besides its costs."""
    variant, is_in = _numpy(table, "variant"), _flags(table, "is_in")
    is_second = _flags(table, "is_second_pass")
    moved_at = _numpy(table, "moved_at").astype("datetime64[us]")
    return pa.table(
        {
            "account": pa.DictionaryArray.from_arrays(accounts.indices.take(pa.array(variant)), accounts.dictionary),
            "movement_id": table.column("movement_id"),
            "variant_id": _numpy(variants, "variant_id")[variant],
            "variant_key": variant_key,
            "moved_at": table.column("moved_at"),
            "moved_at_utc": pa.array(wall_clock.to_utc(moved_at, is_second, hours.spans), pa.timestamp("us")),
            "direction": named(is_in.astype(np.int32), DIRECTIONS),
            "kind": named(_kind(table, is_in), KINDS),
            "order_id": table.column("order_id"),
            "receiving_id": table.column("receiving_id"),
            "transformation_id": table.column("transformation_id"),
            "quantity": table.column("quantity"),
            "damaged_quantity": table.column("damaged_quantity"),
            "source_unit_price": table.column("unit_price"),
            "source_extra_cost": table.column("unit_extra_cost"),
            "known_from": table.column("known_from"),
        }
    )


def named(codes: Any, names: Any, is_there: Any = None) -> pa.Array:
    """Names by code, without writing each one out; NULL where ``is_there`` is false."""
    codes = pa.array(codes.astype(np.int32), mask=None if is_there is None else ~is_there)
    return pa.DictionaryArray.from_arrays(codes, pa.array(names, pa.string()))


def _kind(table: pa.Table, is_in: Flags) -> Any:
    has_order, has_transformation, has_receiving = (
        _is_there(table, name) for name in ("order_id", "transformation_id", "receiving_id")
    )
    cases = [_flags(table, "is_opening"), has_order & is_in, has_order, has_transformation, has_receiving & is_in]
    return np.select(cases, [KINDS.index(name) for name in KINDS[:-1]], KINDS.index("correction"))


def _is_there(table: pa.Table, name: str) -> Flags:
    is_there: Flags = table.column(name).is_valid().to_numpy()
    return is_there


def _transformations(table: pa.Table, account: Any) -> Ints:
    """Number of each row's transformation, -1 for none. Rows of an order take no part."""
    number = np.full(table.num_rows, -1, np.int64)
    rows = np.flatnonzero(_is_there(table, "transformation_id") & ~_is_there(table, "order_id"))
    if len(rows):
        keys = np.stack([account[rows], table.column("transformation_id").take(pa.array(rows)).to_numpy()], axis=1)
        number[rows] = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
    return number


def _movements(table: pa.Table, place: Ints, account: Any, transformation: Ints, lines: Lines) -> Movements:
    is_in, variant = _flags(table, "is_in"), _numpy(table, "variant")
    quantity, damaged = _numpy(table, "quantity")[place], _numpy(table, "damaged_quantity")[place]
    price, rest, source = _stated_price(table, place, is_in[place], quantity + damaged, lines)
    order = _orders(table, variant, is_in, len(account))
    group, share = _linked(table, place, transformation[place], is_in[place], quantity + damaged)
    return Movements(
        variant=variant[place],
        is_in=is_in[place],
        quantity=quantity,
        damaged_quantity=damaged,
        price=price,
        price_rest=rest,
        price_source=source,
        extra_cost=scaled(table.column("unit_extra_cost"))[place],
        day=_numpy(table, "moved_at").astype("datetime64[D]").astype(np.int64)[place],
        order=order[place],
        group=group,
        share=share,
    )


def _stated_price(table: pa.Table, place: Ints, is_in: Flags, pieces: Ints, lines: Lines) -> tuple[Money, Ints, Ints]:
    """Price, its rest and source of each receipt of the replay: its own, else its receiving line's."""
    own = scaled(table.column("unit_price"))[place]
    lot = table.column("lot").fill_null(-1).to_numpy()[place]
    return stated(own, _is_there(table, "unit_price")[place] & is_in, lot, pieces, lines)


def _orders(table: pa.Table, variant: Ints, is_in: Flags, variants: int) -> Ints:
    """Number of each row's order and variant where some of them came back; -1 elsewhere, where it is not needed."""
    order_id = table.column("order_id").combine_chunks()
    returned = order_id.filter(pa.array(is_in & order_id.is_valid().to_numpy(zero_copy_only=False))).unique()
    if not len(returned):
        return np.full(len(variant), -1, np.int64)
    code = pc.index_in(order_id, value_set=returned).fill_null(-1).to_numpy().astype(np.int64)
    pair = np.where(code < 0, -1, code * variants + variant)
    returned_pairs = np.unique(pair[is_in & (code >= 0)])
    number = np.minimum(np.searchsorted(returned_pairs, pair), len(returned_pairs) - 1)
    return np.where(returned_pairs[number] == pair, number, -1)


def _linked(table: pa.Table, place: Ints, transformation: Ints, is_in: Flags, pieces: Ints) -> tuple[Ints, Money]:
    """Group and share of each row of the replay."""
    rows = np.flatnonzero(transformation >= 0)
    prices = [
        int(price.scaleb(12)) if price is not None and price >= 0 else None
        for price in table.column("unit_price").take(pa.array(place[rows])).to_pylist()
    ]
    legs = [
        Leg(int(row), int(transformation[row]), bool(is_in[row]), int(pieces[row]), price)
        for row, price in zip(rows, prices, strict=True)
    ]
    return transformations.linked_rows(legs, len(is_in))
