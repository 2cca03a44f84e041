"""Which version was in force when, for whole arrays."""

import numpy as np

from stockbook.compiling import compiled
from stockbook.valuation.replay_tables import Array


@compiled
def in_force(starts: Array, since: Array, thing: Array, moment: Array) -> Array:
    """
    For each row the last version of ``thing`` that began at ``moment`` or before, -1 for none.

    Versions of thing t are at ``starts[t]`` to ``starts[t + 1]``, oldest first, each from ``since`` on.
    """
    found = np.empty(len(thing), np.int32)
    for row in range(len(thing)):
        low, high = starts[thing[row]], starts[thing[row] + 1]
        first = low
        while low < high:
            middle = (low + high) // 2
            if since[middle] <= moment[row]:
                low = middle + 1
            else:
                high = middle
        found[row] = low - 1 if low > first else -1
    return found


def load() -> None:
    """Have the compiled code ready: numba needs half a second before its first call."""
    nothing = np.zeros(0, np.int64)
    in_force(nothing, nothing, nothing, nothing)
