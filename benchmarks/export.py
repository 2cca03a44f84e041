"""
How fast the published file leaves, and in how much memory: rows of fct_stock_movement as Parquet and CSV.

Invents a published file with ``--rows`` movements in the columns that are declared, then runs ``stockbook export
table`` in a process of its own for each format, with the limits of a reader. Prints rows, seconds, megabytes of the
file and the peak of memory, and ends with 1 where that is above ``--megabytes``.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "plugins")]

import duckdb  # noqa: E402  # the paths above come first

from stockbook import declaration_files  # noqa: E402

TABLE = "marts.fct_stock_movement"
# a value of the row n for each kind of column
VALUES = {
    "bigint": "n + {at}",
    "integer": "cast(n % 1000 as integer)",
    "boolean": "n % 7 = 0",
    "date": "date '2025-01-01' + cast(n % 400 as integer)",
    "timestamp": "timestamp '2025-01-01 08:00' + to_seconds(n % 34000000)",
    "decimal": "cast(hash(n, {at}) % 100000000 as decimal(20, 0)) / 1000",
    "double": "hash(n, {at}) / 1e9",
    "varchar": "'text ' || hash(n, {at}) % 1000",
}


def invent(home: Path, rows: int) -> None:
    """A published file with so many movements."""
    columns = declaration_files.load(ROOT / "include" / "sql")[TABLE].columns
    values = []
    for at, (name, column) in enumerate(columns.items()):
        kind = next((kind for kind in VALUES if column.type.startswith(kind)), "varchar")
        values.append(f"cast({VALUES[kind].format(at=at)} as {column.type}) as {name}")
    (home / "published").mkdir(parents=True)
    with duckdb.connect(str(home / "published" / "warehouse.duckdb")) as con:
        con.execute("set preserve_insertion_order = false; create schema marts")
        con.execute(f"create table {TABLE} as select {', '.join(values)} from range({rows}) as r(n)")


def export(home: Path, file: Path) -> tuple[float, int]:
    """Seconds and peak memory in bytes of one export."""
    environ = os.environ | {"STOCKBOOK_HOME": str(home), "PYTHONPATH": str(ROOT / "plugins")}
    command = [sys.executable, "-m", "stockbook", "export", "table", TABLE, "--to", str(file)]
    code = (
        "import resource, subprocess, sys; ended = subprocess.run(sys.argv[1:]).returncode; "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(ended)"
    )
    began = time.perf_counter()
    watched = [sys.executable, "-c", code, *command]
    ended = subprocess.run(watched, env=environ, check=True, stdout=subprocess.PIPE, text=True)
    return time.perf_counter() - began, int(ended.stdout.split()[-1]) * 1024


def main() -> int:
    """Invent, export, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--megabytes", type=int, default=1000, help="memory that an export may take")
    parser.add_argument("--formats", nargs="+", choices=("parquet", "csv"), default=("parquet", "csv"))
    arguments = parser.parse_args()
    worst = 0
    with tempfile.TemporaryDirectory(prefix="stockbook-export-") as folder:
        home = Path(folder) / "home"
        invent(home, arguments.rows)
        for ending in arguments.formats:
            file = Path(folder) / f"movements.{ending}"
            seconds, peak = export(home, file)
            worst = max(worst, peak)
            size = file.stat().st_size / 1e6
            print(f"{ending:8} {arguments.rows:,} rows {seconds:.1f} s {size:,.0f} MB, memory {peak / 1e6:,.0f} MB")
            file.unlink()
    return int(worst > arguments.megabytes * 1e6)


if __name__ == "__main__":
    sys.exit(main())
