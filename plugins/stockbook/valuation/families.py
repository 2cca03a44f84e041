"""Families: variants that transformations tie together, directly or through others. Cost passes between them."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def first_of_family(variants: int, transformation: Ints, variant: Ints) -> Ints:
    """
    For each of ``variants``, numbered from 0, the first one of its family; its own number where nothing ties it.

    ``transformation`` and ``variant`` are pairs of numbers from 0: this variant takes part in that transformation.
    """
    if not len(transformation):
        return np.arange(variants)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    nodes = variants + int(transformation.max()) + 1
    ties = coo_array((np.ones(len(variant)), (variant, variants + transformation)), shape=(nodes, nodes))
    _, component = connected_components(ties, directed=False)
    _, first, family = np.unique(component[:variants], return_index=True, return_inverse=True)
    return first[family]
