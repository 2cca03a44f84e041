"""A batch in replay order: the movements as the replay takes them, and what is written of them besides their costs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stockbook.valuation import transformations, wall_clock
from stockbook.valuation.decimal_arrays import scaled
from stockbook.valuation.drawing import Drawn
from stockbook.valuation.receiving_lines import Lines, stated
from stockbook.valuation.repeated_hour import Hours
from stockbook.valuation.replay import DefaultCosts, Flags, Ints, Money, Movements
from stockbook.valuation.transformations import Leg

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
