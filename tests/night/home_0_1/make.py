"""
Makes ``home.tar.zst``: the home of version 0.1 after one night over a tiny shop.

Run in a checkout of commit 3ccddc3, from its folder ``tests`` with its ``plugins`` importable:

    python <this file> <folder for the archive>
"""

import io
import sys
import tarfile
import tempfile
from datetime import date, datetime
from pathlib import Path

import zstandard
from rig import Rig

from stockbook.sandbox import Shop, running

# test_home_0_1.py goes on with the same shop
SHOP = {"seed": 5, "variants": 12, "orders": 30, "first": date(2025, 10, 20), "last": date(2025, 11, 20), "places": 10}
FIRST = datetime(2025, 11, 19, 2, 15)


def main(target: Path) -> None:
    """One night, and everything it left, packed."""
    with tempfile.TemporaryDirectory() as folder, running(Shop(**SHOP), FIRST) as server:
        home = Path(folder) / "home"
        report = Rig(server, home).night(FIRST, "first")
        assert report.status == "published", report.reason
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for file in sorted(path for path in home.rglob("*") if path.is_file()):
                if file.name != "reserve" and file.parts[-2] != "published" and "dictionary" not in file.parts:
                    archive.add(file, file.relative_to(home))
            archive.add(home / "published" / "warehouse.duckdb", "published/warehouse.duckdb")
        (target / "home.tar.zst").write_bytes(zstandard.compress(packed.getvalue(), 22))
        print(f"{len(packed.getvalue()):,} bytes, {(target / 'home.tar.zst').stat().st_size:,} packed")


main(Path(sys.argv[1]))
