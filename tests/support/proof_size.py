"""How much a long proof does: a little in every run of the tests, the whole of it in `make proof-random`."""

import os
from collections.abc import Iterable
from typing import TypeVar

Case = TypeVar("Case")

LARGE = os.environ.get("PROOF_RANDOM") == "1"
"""Whether a proof whose cases repeat a mechanism is to take the long way with each of them."""


def of(ci: int, proof: int) -> int:
    """The number of examples, seeds or rows: ``ci`` in every run of the tests, ``proof`` in `make proof-random`."""
    return proof if LARGE else ci


def every(step: int, cases: Iterable[Case]) -> list[Case]:
    """Every so-many-th of the cases, the first among them, in every run of the tests; all in `make proof-random`."""
    return list(cases)[:: 1 if LARGE else step]
