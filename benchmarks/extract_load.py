"""
How fast a night reads and loads, against the raw fetch of the same pages and against dlt.

One process serves a sandbox shop from pages rendered once. In one run this times, each in processes of their own:
the raw fetch of the pages our first load asks (same concurrency, no parsing: the limit), our first load
(extract + load into staging) with the fast path of ``jsonscan`` and without, our night with nothing new, and dlt's
first load and its night with nothing new.
dlt gets a virtual environment of its own. Everything is written below a scratch folder and removed afterwards.

The first round of every side is not timed: it renders the pages and fills caches of compiled code. Seconds are of
the whole process, from its first line on (imports too); of several rounds the median counts. CPU and peak memory are
those of the process and its children together. The raw rate is an upper limit that depends on the machine: server
and reader share its cores, and a page that is only thrown away costs almost nothing. ``--line`` therefore repeats raw
fetch and first load with a server that sends no faster than a line of so many MB/s.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
HISTORY = PROJECT.parent / "shared" / "data" / "online_retail.parquet"
DLT = ("dlt[duckdb]==1.31.0", "duckdb==1.5.5", "pyarrow")
TOKEN = "sandbox-token"


@dataclass
class Side:
    """What one process took; memory in MB, ``reading`` are the seconds until the last page had landed."""

    seconds: float
    memory: float
    cpu: float
    bytes: int = 0
    requests: int = 0
    reading: float = 0.0
    output: str = ""

    @property
    def rate(self) -> float:
        """MB a second while it read."""
        return self.bytes / 1e6 / self.reading if self.reading else 0.0


def watched(command: list[str], environ: dict[str, str]) -> Side:
    """Run a process and watch the memory of it and its children; raises when it fails."""
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    root, peak, ended = psutil.Process(process.pid), 0, threading.Event()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.1):
            memory = 0
            try:
                for member in (root, *root.children(recursive=True)):
                    memory += member.memory_info().rss
            except psutil.Error:
                continue
            peak = max(peak, memory)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, errors = process.communicate()
    ended.set()
    watcher.join()
    if process.returncode:
        sys.exit(f"{' '.join(command[:3])} failed:\n{errors[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Side(0.0, peak / 1e6, cpu, output=output)


@contextmanager
def pages(orders: Path | None, size: int) -> Iterator[tuple[str, datetime]]:
    """The server of pages: (base URL, its clock)."""
    shop = ["--orders", str(orders)] if orders else ["--size", str(size)]
    server = subprocess.Popen([sys.executable, str(HERE / "page_server.py"), *shop], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url, clock = server.stdout.readline().split()
        yield url, datetime.fromisoformat(clock)
    finally:
        server.terminate()
        server.wait()


def paths_fetched(url: str, method: str = "GET") -> list[str]:
    """The paths that were fetched from the server since the last DELETE."""
    request = urllib.request.Request(f"{url}/_pages/asked", method=method)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


class Bench:
    """The sides, over one server and one scratch folder."""

    def __init__(self, url: str, clock: datetime, scratch: Path, connections: int) -> None:
        self.url, self.clock, self.scratch, self.connections = url, clock, scratch, connections

    def ours(self, home: str, minutes: int, fast_path: str = "yes") -> Side:
        """A night up to its load, some minutes after the shop's clock; ``fast_path`` is the switch of jsonscan."""
        extra = {"sandbox": True, "requests_per_second": 0, "max_connections": self.connections}
        connection = {"conn_type": "http", "host": self.url, "password": TOKEN, "extra": extra}
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(("STOCKBOOK_", "AIRFLOW_"))}
        environ = inherited | {
            "STOCKBOOK_HOME": str(self.scratch / home),
            "STOCKBOOK_HASH_KEY": "a key for the benchmark",
            "STOCKBOOK_JSON_FAST_PATH": fast_path,
            "AIRFLOW_CONN_FULFILLMENT_CZ": json.dumps(connection),
        }
        as_of = self.clock + timedelta(minutes=minutes)
        command = [sys.executable, str(HERE / "our_side.py"), f"night{minutes}", as_of.isoformat()]
        side = watched(command, environ)
        result = json.loads(side.output)
        side.seconds, side.bytes, side.requests = result["seconds"], result["bytes"], result["requests"]
        side.reading = result["extract"]
        return side

    def raw(self, targets: list[str]) -> Side:
        """The same pages, unread."""
        file = self.scratch / "targets.json"
        file.write_text(json.dumps(targets))
        command = [sys.executable, str(HERE / "raw_side.py"), self.url, TOKEN, str(file), str(self.connections)]
        side = watched(command, dict(os.environ))
        result = json.loads(side.output)
        side.seconds, side.bytes, side.requests = result["seconds"], result["bytes"], result["requests"]
        side.reading = side.seconds
        return side

    def dlt(self, python: Path, folder: str) -> Side:
        """One run of dlt's pipeline."""
        paths_fetched(self.url, "DELETE")
        environ = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
        environ["DLT_DATA_DIR"] = str(self.scratch / "dlt_data")
        command = [str(python), str(HERE / "dlt_side.py"), self.url, TOKEN, str(self.scratch / folder)]
        side = watched(command, environ)
        side.seconds = float(side.output.strip().splitlines()[-1])
        side.requests = len(paths_fetched(self.url)) - 1
        return side


def dlt_python(venv: Path | None, scratch: Path) -> Path:
    """The Python of a virtual environment with dlt; made below the scratch folder unless one is named."""
    folder = venv or scratch / "dlt_venv"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        uv = Path(sys.executable).with_name("uv")
        pip = [str(uv), "pip", "install", "--python"] if uv.exists() else [sys.executable, "-m", "pip", "--python"]
        command = [*pip, str(python)] if uv.exists() else [*pip, str(python), "install"]
        subprocess.run([*command, "-q", *DLT], check=True)
    return python


def line(name: str, side: Side, limit: Side | None = None, other: Side | None = None) -> tuple[str, ...]:
    """A row of the table."""
    return (
        name,
        f"{side.seconds:.2f}",
        f"{side.cpu:.1f}",
        f"{side.memory:.0f}",
        f"{side.requests}",
        f"{side.bytes / 1e6:.0f}" if side.bytes else "",
        f"{side.rate:.0f}" if side.reading else "",
        f"{side.rate / limit.rate:.0%}" if limit else "",
        f"1/{other.seconds / side.seconds:.1f}" if other else "",
    )


HEAD = ("", "seconds", "CPU s", "peak MB", "requests", "MB", "MB/s reading", "of raw rate", "of dlt's time")


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows of text, aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )


def middle(sides: list[Side]) -> Side:
    """The round with the median seconds."""
    return sorted(sides, key=lambda side: side.seconds)[(len(sides) - 1) // 2]


def posted(url: str, what: str) -> None:
    """Tell the server something: ``pace?<MB/s>``, 0 for as fast as it can, or ``clock?<local time>``."""
    urllib.request.urlopen(urllib.request.Request(f"{url}/_pages/{what}", method="POST")).close()


def run(bench: Bench, python: Path | None, rounds: int, rate: float) -> list[tuple[str, ...]]:
    """All rounds; gives the table."""

    def first_load(fast_path: str = "yes") -> Side:
        shutil.rmtree(bench.scratch / "again", ignore_errors=True)
        return bench.ours("again", 0, fast_path)

    paths_fetched(bench.url, "DELETE")
    bench.ours("nights", 0)
    targets = paths_fetched(bench.url)
    bench.ours("nights", 1)
    turns = [(bench.raw(targets), first_load(), first_load("no")) for _ in range(rounds)]
    raw, first, plain = (middle(list(sides)) for sides in zip(*turns, strict=True))
    idle = middle([bench.ours("nights", 2 + number) for number in range(rounds)])
    dlt_first = dlt_idle = None
    if python is not None:
        for listing, limit in (("warehouse-movements", 1000), ("orders", 100)):
            bench.raw([f"/v2/fulfillment/{listing}?limit={limit}&offset={n * limit}" for n in range(1000)])
        dlt_first = bench.dlt(python, "dlt")
        bench.dlt(python, "dlt")
        dlt_idle = bench.dlt(python, "dlt")
    rows = [HEAD, line("raw fetch", raw), line("our first load", first, raw, dlt_first)]
    rows.append(line("the same without fast path", plain, raw, dlt_first))
    rows.append(line("our idle night", idle, None, dlt_idle))
    if dlt_first is not None and dlt_idle is not None:
        rows += [line("dlt's first load", dlt_first), line("dlt's idle night", dlt_idle)]
    if rate:
        posted(bench.url, f"pace?{rate}")
        slow = bench.raw(targets)
        rows += [line(f"raw fetch at {rate:g} MB/s", slow), line("our first load so", first_load(), slow)]
    return rows


def main() -> None:
    """Time the sides and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    history_file = HISTORY if HISTORY.exists() else None
    parser.add_argument(
        "--orders", type=Path, default=history_file, help=f"history to replay (default: {history_file})"
    )
    parser.add_argument("--size", type=int, default=0, help="invent a shop of so many orders instead")
    parser.add_argument("--connections", type=int, default=4, help="requests at the same time (default: 4)")
    parser.add_argument("--rounds", type=int, default=3, help="timed rounds of our side and the raw fetch (default: 3)")
    parser.add_argument("--line", type=float, default=50.0, help="MB/s of the slower server, 0 = leave it out (50)")
    parser.add_argument("--without-dlt", action="store_true", help="leave the other side out")
    parser.add_argument("--dlt-venv", type=Path, help="make (or take) dlt's virtual environment here and keep it")
    parser.add_argument("--scratch", type=Path, help="folder to write below (default: the system's)")
    options = parser.parse_args()
    history = None if options.size else options.orders
    size = options.size or 12_000
    with tempfile.TemporaryDirectory(prefix="extract_load.", dir=options.scratch) as folder:
        scratch = Path(folder)
        python = None if options.without_dlt else dlt_python(options.dlt_venv, scratch)
        with pages(history, size) as (url, clock):
            rows = run(Bench(url, clock, scratch, options.connections), python, options.rounds, options.line)
    shop = f"the order history {history.name}" if history else f"{size:,} invented orders"
    print(f"{shop}, {options.connections} connections, {os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d}")
    print(table(rows))


if __name__ == "__main__":
    main()
