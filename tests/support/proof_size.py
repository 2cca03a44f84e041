"""How much a long randomised proof does: a little in every run of the tests, the whole of it in `make proof-random`."""

import os

LARGE = os.environ.get("PROOF_RANDOM") == "1"


def of(ci: int, proof: int) -> int:
    """The number of examples, seeds or rows: ``ci`` in every run of the tests, ``proof`` in `make proof-random`."""
    return proof if LARGE else ci
