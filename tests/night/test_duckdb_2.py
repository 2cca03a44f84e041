"""The code runs on DuckDB 2 too: tests of a night, an old home and readers, in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # nights

DUCKDB_2 = Path(sys.prefix) / "duckdb-2"
TESTS = Path(__file__).parents[1]
ON_BOTH = [
    "night/test_night_examples.py::test_the_published_file_has_every_figure_of_the_page",
    "night/test_home_0_1.py::test_an_old_file_is_migrated_once",
    "warehouse/test_arrow_view.py",
    "warehouse/test_damage.py::test_a_reader_of_a_damaged_block_is_told",
    "warehouse/test_readers.py::test_every_door_refuses_what_is_not_the_published_file",
    "warehouse/test_readers.py::test_ordinary_use_goes_on",
]


@pytest.mark.skipif(not DUCKDB_2.exists(), reason="DuckDB 2 is not installed beside the environment: make test does it")
def test_nights_old_homes_and_readers_on_duckdb_2() -> None:
    """The version is the newer one, and every test passes; `make proof-duckdb-2` runs whole rooms on it."""
    first = [str(DUCKDB_2), *filter(None, [os.environ.get("PYTHONPATH")])]
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(first)}
    variables.pop("PYTEST_XDIST_WORKER", None)
    version = [sys.executable, "-c", "import duckdb; print(duckdb.__version__)"]
    assert subprocess.run(version, env=variables, capture_output=True, text=True, check=True).stdout.startswith("2.")

    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(str(TESTS / name) for name in ON_BOTH)]
    done = subprocess.run(words, env=variables, cwd=TESTS.parent, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-5000:]
    assert " skipped" not in done.stdout
