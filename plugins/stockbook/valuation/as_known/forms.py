"""The forms of movements and prices, and since when each was known, as arrays."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

NEVER = np.int64(2**40)
ALWAYS = np.int64(-1)


@dataclass(frozen=True)
class Versions:
    """
    Forms of movements in replay order, one entry each; days are numbers from 1970-01-01.

    ``known_from`` and ``known_to`` say when a form was known (``NEVER``: until now). ``account``,
    ``variant``, ``family``, ``order``, ``transformation`` and ``lot`` (receiving_lines.py) are numbers from 0, -1 for
    none; ``own_price`` is the row's own price or -1. ``moved_at`` is the time of a row; rows of one ``moment`` sort by
    id alone. An opening row has ``is_opening``; what is counted less the movements ``before_count`` is
    its quantity (``counted``, by variant and pool; -1 where nothing is opened).
    """

    account: Ints
    movement_id: Ints
    version: Ints
    variant: Ints
    family: Ints
    is_in: npt.NDArray[np.bool_]
    quantity: Ints
    damaged_quantity: Ints
    own_price: Array
    lot: Ints
    extra_cost: Array
    day: Ints
    moved_at: Ints
    moment: Ints
    order: Ints
    transformation: Ints
    known_from: Ints
    known_to: Ints
    is_opening: npt.NDArray[np.bool_]
    before_count: npt.NDArray[np.bool_]
    counted: Ints
    count_day: Ints

    def __len__(self) -> int:
        return len(self.movement_id)

    def taken(self, rows: Array) -> "Versions":
        """Some of the rows."""
        by_variant = {"counted", "count_day"}
        return replace(
            self, **{name: getattr(self, name)[rows] for name in self.__dataclass_fields__ if name not in by_variant}
        )


@dataclass(frozen=True)
class Prices:
    """
    Versions of default costs by variant, then day; each in force and known from ``from_day``.

    ``known_from`` is ``ALWAYS`` for the versions of an account's first load.
    """

    variant: Ints
    from_day: Ints
    known_from: Ints
    price: Array
    is_known: npt.NDArray[np.bool_]
