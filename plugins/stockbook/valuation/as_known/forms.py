"""The forms of movements and prices, and since when each was known, as arrays."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

NEVER = np.int64(2**40)
ALWAYS = np.int64(-1)
EPOCH = "date '1970-01-01'"


@dataclass(frozen=True)
class Knowing:
    """
    How it is told since when a form was known: expressions of SQL over the ``_valid_from`` of its night.

    ``number`` makes a whole number of a moment. With ``is_of_first_load`` what the first load brought was known before
    it: a row since its own day, a price since ever.
    """

    number: Callable[[str], str]
    is_of_first_load: bool


# what was known on a local day
BY_DAY = Knowing(lambda at: f"date_diff('day', {EPOCH}, cast({at} as date))", is_of_first_load=True)
# what a night knew: two nights of one day are told apart
BY_NIGHT = Knowing(lambda at: f"cast(floor(epoch({at})) as bigint)", is_of_first_load=False)


@dataclass(frozen=True)
class Versions:
    """
    Forms of movements in replay order, one entry each; days are numbers from 1970-01-01.

    ``known_from`` and ``known_to`` say when a form was known (``Knowing``; ``NEVER``: until now). ``account``,
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
    transformation_id: Ints
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
