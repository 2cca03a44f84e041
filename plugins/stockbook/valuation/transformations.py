"""
Which transformations conserve value, and how their cost is shared out.

A transformation is linked when all its OUTs sort before all its INs and both moved pieces. Inside one moment what
leaves comes first: an IN that sorts before its group's last OUT of the same time is replayed right after that OUT.
The cost that left is then cut into whole shares: price x pieces of each IN when every IN is
priced and that sum is positive, else pieces. Shares are reduced by their common divisor, so
that prices with a few decimals give small numbers.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Leg:
    """One row of a transformation. ``price`` is the row's own, in 10^-12 of the currency; None when it has none."""

    row: int
    transformation: int
    is_in: bool
    pieces: int
    price: int | None


@dataclass(frozen=True)
class Linked:
    """The rows of one linked transformation, in order, and the shares of its INs (0 for OUTs)."""

    rows: list[int]
    shares: list[int]


def behind_their_outs(group: Ints, is_in: Flags, pieces: Ints, moved_at: Array) -> Ints | None:
    """
    The order in which rows given by time, then id, are replayed; None for the one they are given in.

    ``group`` is a number from 0 of each row's transformation, -1 for none. Only INs move, and each only behind the
    last OUT of its group, when both have the same time; those behind one OUT keep their order.
    """
    legs = np.flatnonzero((group >= 0) & (pieces > 0))
    outs, ins = legs[~is_in[legs]], legs[is_in[legs]]
    last_out = np.full(int(group.max(initial=-1)) + 1, -1)
    last_out[group[outs]] = outs  # the last one of a group stays
    out = last_out[group[ins]]
    is_moved = (ins < out) & (moved_at[ins] == moved_at[out])
    if not is_moved.any():
        return None
    own = np.arange(len(group))
    place, is_behind = own.copy(), np.zeros(len(group), np.bool_)
    place[ins[is_moved]], is_behind[ins[is_moved]] = out[is_moved], True
    return np.lexsort((own, is_behind, place))


def link(legs: Sequence[Leg]) -> list[Linked]:
    """
    The linked transformations among ``legs``, ordered by their first row.

    ``row`` must ascend in replay order. Legs without pieces take no part. Groups that are not
    returned are plain issues and receipts.
    """
    groups: dict[int, list[Leg]] = defaultdict(list)
    for leg in sorted(legs, key=lambda leg: leg.row):
        if leg.pieces > 0:
            groups[leg.transformation].append(leg)
    linked = []
    for group in groups.values():
        turn = sum(not leg.is_in for leg in group)
        if 0 < turn < len(group) and all(leg.is_in for leg in group[turn:]):
            linked.append(Linked([leg.row for leg in group], [0] * turn + shares_of(group[turn:])))
    return sorted(linked, key=lambda transformation: transformation.rows[0])


def linked_rows(legs: Sequence[Leg], rows: int) -> tuple[Ints, Array]:
    """For each of ``rows`` the number of its linked transformation, -1 for none, and its share in its cost."""
    group = np.full(rows, -1, np.int64)
    share: Array = np.zeros(rows, np.int64)
    linked = link(legs)
    if any(part >= 2**63 for transformation in linked for part in transformation.shares):
        share = share.astype(object)
    for number, transformation in enumerate(linked):
        group[transformation.rows] = number
        share[transformation.rows] = transformation.shares
    return group, share


def shares_of(outputs: Sequence[Leg]) -> list[int]:
    """The share of each IN in the cost that left, as whole numbers without a common divisor."""
    shares = [leg.pieces * leg.price for leg in outputs if leg.price is not None]
    if len(shares) < len(outputs) or sum(shares) <= 0:
        shares = [leg.pieces for leg in outputs]
    divisor = math.gcd(*shares)
    return [share // divisor for share in shares]
