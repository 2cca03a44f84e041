"""A year of a real retailer's orders, where somebody put the file; tests that need it are skipped by name elsewhere."""

import os
from pathlib import Path

import pytest
from checkout import PROJECT

FILE = Path(os.environ.get("STOCKBOOK_ORDERS") or PROJECT.parent / "shared" / "data" / "online_retail.parquet")
NEEDED = [
    pytest.mark.slow,
    pytest.mark.real,
    pytest.mark.skipif(
        not FILE.exists(),
        reason=f"{FILE.name} is not there: get Online Retail (doi.org/10.24432/C5BW33) and name it in STOCKBOOK_ORDERS",
    ),
]
