"""How much a long randomised proof does: a little in every run of the tests, the whole of it in `make proof-random`."""

import os

LARGE = os.environ.get("PROOF_RANDOM") == "1"
"""Whether a proof whose cases repeat a mechanism is to take the long way with each of them."""


def of(ci: int, proof: int) -> int:
    """The number of examples, seeds or rows: ``ci`` in every run of the tests, ``proof`` in `make proof-random`."""
    return proof if LARGE else ci
