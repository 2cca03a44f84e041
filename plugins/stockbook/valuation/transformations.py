"""
Which transformations conserve value, and how their cost is shared out.

A transformation is linked when all its OUTs sort before all its INs and both moved pieces.
The cost that left is then cut into whole shares: price x pieces of each IN when every IN is
priced and that sum is positive, else pieces. Shares are reduced by their common divisor, so
that prices with a few decimals give small numbers.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass


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
    found = []
    for group in groups.values():
        turn = sum(not leg.is_in for leg in group)
        if 0 < turn < len(group) and all(leg.is_in for leg in group[turn:]):
            found.append(Linked([leg.row for leg in group], [0] * turn + shares_of(group[turn:])))
    return sorted(found, key=lambda linked: linked.rows[0])


def shares_of(outputs: Sequence[Leg]) -> list[int]:
    """The share of each IN in the cost that left, as whole numbers without a common divisor."""
    shares = [leg.pieces * leg.price for leg in outputs if leg.price is not None]
    if len(shares) < len(outputs) or sum(shares) <= 0:
        shares = [leg.pieces for leg in outputs]
    divisor = math.gcd(*shares)
    return [share // divisor for share in shares]
