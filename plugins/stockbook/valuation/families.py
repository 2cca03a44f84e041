"""Families: variants that transformations tie together, directly or through others. Cost passes between them."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def first_of_family(variants: int, transformation: Ints, variant: Ints) -> Ints:
    """
    For each of ``variants``, numbered from 0, the first one of its family; its own number where nothing ties it.

    ``transformation`` and ``variant`` are pairs of numbers from 0: this variant takes part in that transformation.
    """
    first, lower = np.arange(0), np.arange(variants)
    # until nothing is lower: what is first among those a transformation ties, and the first one's own first
    while not np.array_equal(first, lower):
        first = lower
        tied = np.full(transformation.max(initial=-1) + 1, variants)
        np.minimum.at(tied, transformation, first[variant])
        lower = first.copy()
        np.minimum.at(lower, first[variant], tied[transformation])
        lower = lower[lower]
    return lower
