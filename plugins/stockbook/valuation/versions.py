"""Which version was in force when, for whole arrays."""

import numpy as np

from stockbook.compiling import compiled
from stockbook.valuation.replay_tables import Array


@compiled
def in_force(starts: Array, since: Array, item: Array, moment: Array) -> Array:
    """
    For each row the last version of its ``item`` that began at ``moment`` or before, -1 for none.

    Versions of item i are at ``starts[i]`` to ``starts[i + 1]``, oldest first, each from ``since`` on.
    """
    version = np.empty(len(item), np.int32)
    for row in range(len(item)):
        low, high = starts[item[row]], starts[item[row] + 1]
        first = low
        while low < high:
            middle = (low + high) // 2
            if since[middle] <= moment[row]:
                low = middle + 1
            else:
                high = middle
        version[row] = low - 1 if low > first else -1
    return version


def load() -> None:
    """Have the compiled code ready: numba needs half a second before its first call."""
    empty = np.zeros(0, np.int64)
    in_force(empty, empty, empty, empty)
