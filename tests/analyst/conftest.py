"""The extra `mcp` is optional for who runs Stockbook; the tests need it."""

from pathlib import Path

import pytest
from analyst_rig import tiny


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a tiny published file, beside another database."""
    home = tiny(tmp_path / "home")
    (home / "other.duckdb").write_bytes((home / "published" / "warehouse.duckdb").read_bytes())
    return home
