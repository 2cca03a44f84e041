"""
Where a night's time goes, and how it grows: seconds per step, peak memory and file sizes of nights of invented shops.

A shop's year is served up to some days before its end. After the first night come two equal ones, one a minute later
with nothing new, and nights before which the clock moves on by a share of the year, so that about this share of all
movements and orders is new. Beside each stands the raw fetch of the pages it asked (same concurrency, nothing done with
them) and, where dlt has an environment, dlt's load of orders and movements from the same server at the same clock.

A night is ``stockbook run`` in a process of its own. Every round begins with the same home, copied; the first one is
not timed, it renders the pages and fills caches of compiled code. The round of the median seconds counts. With
``--accounts`` several accounts read the same shop.

``--write`` puts the tables into docs/performance.md.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from extract_load import Bench, Side, dlt_python, middle, pages, paths_fetched, posted, table, watched

from stockbook.connections import conn_id_of
from stockbook.runs.context import run_id_of

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
YEAR = timedelta(days=365)
STEPS = ("open", "extract", "load", "check_staging", "build", "check_marts", "publish", "alert")
HEAD = ("", "total", *STEPS, "starts", "raw fetch", "dlt", "peak MB", "writer MB", "published MB", "landed MB")


class Timed(NamedTuple):
    """A night: its process, and the seconds of each step as its report has them."""

    side: Side
    steps: dict[str, float]


class Nights:
    """Nights of one home over one server."""

    def __init__(self, bench: Bench, accounts: int, rounds: int, dlt: Path | None) -> None:
        self.bench, self.rounds, self.dlt = bench, rounds, dlt
        extra = {"sandbox": True, "requests_per_second": 0, "max_connections": bench.connections}
        connection = json.dumps({"conn_type": "http", "host": bench.url, "password": "sandbox-token", "extra": extra})
        names = ["main", *(f"shop{number}" for number in range(2, accounts + 1))]
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(("STOCKBOOK_", "AIRFLOW_"))}
        self.home = bench.scratch / "home"
        self.environ = inherited | {
            "STOCKBOOK_HOME": str(self.home),
            "STOCKBOOK_HASH_KEY": "a key for the benchmark",
            **{f"AIRFLOW_CONN_{conn_id_of('fulfillment_cz', name).upper()}": connection for name in names},
        }

    def night(self, name: str, as_of: datetime) -> Timed:
        """One whole night, as it is at the shop's clock."""
        command = [sys.executable, "-m", "stockbook", "run", "--name", name, "--as-of", as_of.isoformat()]
        began = time.perf_counter()
        side = watched(command, self.environ)
        side.seconds = time.perf_counter() - began
        report = json.loads((self.home / "runs" / run_id_of(name) / "report.json").read_text())
        steps = dict.fromkeys(STEPS, 0.0)
        for step in report["steps"]:
            steps[step["name"]] += step["seconds"]
        return Timed(side, steps)

    def row(self, name: str, as_of: datetime) -> tuple[str, ...]:
        """Nights at a clock, all from the home as it is, of which the last one's stays; the row of the median one."""
        posted(self.bench.url, f"clock?{as_of.isoformat()}")
        before = self.bench.scratch / "before"
        shutil.rmtree(before, ignore_errors=True)
        if self.home.exists():
            copied(self.home, before)
        paths_fetched(self.bench.url, "DELETE")
        self.night(name, as_of)
        targets = paths_fetched(self.bench.url)
        nights, raws = [], []
        for _ in range(self.rounds):
            shutil.rmtree(self.home)
            if before.exists():
                copied(before, self.home)
            nights.append(self.night(name, as_of))
            raws.append(self.bench.raw(targets))
        median = middle([night.side for night in nights])
        steps = next(night.steps for night in nights if night.side is median)
        seconds = [steps[step] for step in STEPS]
        return (
            name,
            f"{median.seconds:.1f}",
            *(f"{each:.1f}" for each in seconds),
            f"{median.seconds - sum(seconds):.1f}",
            f"{middle(raws).seconds:.1f}",
            f"{self.bench.dlt(self.dlt, 'dlt').seconds:.1f}" if self.dlt else "",
            f"{median.memory:.0f}",
            *(f"{size(self.home / part) / 1e6:.0f}" for part in ("warehouse.duckdb", "published", "landing")),
        )


def copied(folder: Path, to: Path) -> None:
    """Copy a home; where the file system can, without its blocks."""
    subprocess.run(["cp", "-a", "--reflink=auto", str(folder), str(to)], check=True)


def size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    return path.stat().st_size if path.is_file() else sum(f.stat().st_size for f in path.rglob("*") if f.is_file())


def machine() -> str:
    """The hardware, in a sentence."""
    facts = dict(line.partition(":")[::2] for line in Path("/proc/cpuinfo").read_text().splitlines())
    model = {name.strip(): fact.strip() for name, fact in facts.items()}.get("model name", "an unnamed processor")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB, Python {sys.version.split()[0]}"


def nights_of(orders: int, options: argparse.Namespace, scratch: Path) -> list[tuple[str, ...]]:
    """The table of a shop of so many orders."""
    dlt = None if options.without_dlt else dlt_python(options.dlt_venv, scratch)
    with pages(None, orders) as (url, end):
        nights = Nights(Bench(url, end, scratch, options.connections), options.accounts, options.rounds, dlt)
        clock = end - YEAR * sum(options.changes) - timedelta(hours=1)
        # the second of equal nights asks and builds what depends on the rows of the run before, the third nothing
        rows = [HEAD, *(nights.row(name, clock) for name in ("first", "same again", "and again"))]
        for number, share in enumerate(options.changes):
            # a minute where nothing is to be new: what depends on now is asked and built all the same
            clock += YEAR * share or timedelta(minutes=1)
            rows.append(nights.row(f"{number + 1}: {share:.1%} new" if share else "a minute later", clock))
    return rows


def seconds_of_import() -> float:
    """What importing Great Expectations as a check does takes in a process of its own."""
    program = (
        "import time; from stockbook.checks.deferred import UNUSED, deferred\nbegan = time.perf_counter()\n"
        "with deferred(*UNUSED): import great_expectations\nprint(time.perf_counter() - began)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Run the nights and print, or write, a table for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, nargs="+", default=[10_000], help="sizes of shops (default: 10000)")
    parser.add_argument(
        "--changes",
        type=float,
        nargs="+",
        default=[0.0, 0.001, 0.01],
        help="shares of the year (0 0.001 0.01)",
    )
    parser.add_argument("--accounts", type=int, default=1, help="accounts that read the same shop (default: 1)")
    parser.add_argument("--connections", type=int, default=4, help="requests at the same time (default: 4)")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds of every night (default: 3)")
    parser.add_argument("--without-dlt", action="store_true", help="leave dlt out")
    parser.add_argument("--dlt-venv", type=Path, help="make (or take) dlt's virtual environment here and keep it")
    parser.add_argument("--scratch", type=Path, help="folder to write below (default: the system's)")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    options = parser.parse_args()
    texts = []
    for orders in options.orders:
        with tempfile.TemporaryDirectory(prefix="night.", dir=options.scratch) as folder:
            rows = nights_of(orders, options, Path(folder))
        title = f"{orders:,} orders, {options.accounts} account{'s' * (options.accounts > 1)}"
        texts.append((title, table(rows)))
        print(f"{title}; {machine()}\n{texts[-1][1]}", flush=True)
    if options.write:
        DOCUMENT.write_text(document(texts, options.rounds))


def document(texts: list[tuple[str, str]], rounds: int) -> str:
    """docs/performance.md."""
    imported = sorted(seconds_of_import() for _ in range(3))[1]
    sections = "\n\n".join(f"## {title}\n\n```\n{text}\n```" for title, text in texts)
    return f"""# Where a night's time goes

Written by `benchmarks/night.py --write` on {datetime.now(UTC):%d %B %Y}: {machine()}.

Seconds of `stockbook run`, the medians of {rounds} rounds. *same again* and *and again* are nights with the as-of and
the rows of the first; *a minute later* has the rows of before and another as-of, so what depends on now is built and
asked. Where a rule is asked, Great Expectations is imported beside it, {imported:.1f} s here. *starts* is what no
step counts: starting the interpreter and what the command imports. *raw fetch* fetches the same pages and throws them
away: the limit. *dlt* loads orders and movements only, and checks nothing. *peak MB* is memory, the last three columns
are the sizes of files after the night. *extract* asks and reads side by side: it takes as long as the source needs for
its answers, or as one core needs to read them, and of a sandbox on the same cores some of both.

{sections}
"""


if __name__ == "__main__":
    main()
