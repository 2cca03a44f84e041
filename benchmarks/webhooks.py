"""
How many webhooks a second the stand-alone receiver accepts, each on the disk before its 200.

Starts `stockbook hooks serve` in a process of its own, sends it signed events of the three systems over loopback, and
says rate, latency, memory and what the disk itself can do: without group commit nobody could accept more events a
second than the disk syncs. Events are sent on a timetable and latency counts from the moment an event was due, so a
receiver that stalls is not excused; `--rate 0` sends as fast as answers come instead.

    python benchmarks/webhooks.py                    # SQLite, 30 s at 1,200 events a second
    python benchmarks/webhooks.py --database both    # PostgreSQL too, where its programs are installed
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil

PROJECT = Path(__file__).resolve().parents[1]
sys.path.append(str(PROJECT / "tests" / "support"))

import hooks_rig as hooks  # noqa: E402  # the tests know how the three systems sign
from postgres import postgres  # noqa: E402

from stockbook.inbox import Inbox  # noqa: E402
from stockbook.settings import Settings  # noqa: E402

WANTED_RATE, WANTED_P99 = 1_000, 0.050


def requests_of(events: int, host: str, prefix: str) -> list[bytes]:
    """That many different events as bytes of HTTP, the three systems in turn: one in seven a whole order."""
    requests = []
    for n in range(events):
        if n % 3 == 0:
            sent = hooks.fulfillment_cz(n, "OrderCreated", hooks.an_order(n)) if n % 7 == 0 else hooks.fulfillment_cz(n)
        elif n % 3 == 1:
            sent = hooks.shopline("fulfillment_order/update", hooks.a_fulfillment_order(n), f"{n:024x}")
        else:
            sent = hooks.flickrocket("product/update", "product", str(n))
        head = f"POST {prefix}{sent.path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(sent.body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in sent.headers.items())
        requests.append(head.encode() + b"\r\n" + sent.body)
    return requests


@dataclass
class Results:
    """What was answered: latencies in seconds, and how many answers were not 200."""

    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    seconds: float = 0.0


class Sender(asyncio.Protocol):
    """A kept connection: one request at a time, the next one waiting in the shared queue."""

    def __init__(self, results: Results, idle: "list[Sender]", waiting: "list[tuple[float, bytes]]") -> None:
        self.results, self.idle, self.waiting = results, idle, waiting
        self.due = 0.0
        self.answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.idle.append(self)

    def send(self, due: float, request: bytes) -> None:
        self.due = due
        self.transport.write(request)  # type: ignore[attr-defined]  # of a stream

    def data_received(self, data: bytes) -> None:
        self.answer += data
        if not self.answer.endswith(b"}"):
            return
        self.results.latencies.append(time.perf_counter() - self.due)
        self.results.refused += not self.answer.startswith(b"HTTP/1.1 200")
        self.answer = b""
        if self.waiting:
            self.send(*self.waiting.pop())
        else:
            self.idle.append(self)


async def send_all(url: str, requests: list[bytes], rate: float, connections: int) -> Results:
    """Send on the timetable of a rate (0: as fast as answers come)."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    results, idle = Results(), []
    waiting: list[tuple[float, bytes]] = []
    for _ in range(connections):
        await loop.create_connection(lambda: Sender(results, idle, waiting), parts.hostname, parts.port)
    start = time.perf_counter()
    sent = 0
    while len(results.latencies) < len(requests):
        now = time.perf_counter()
        due = len(requests) if not rate else min(len(requests), int((now - start) * rate) + 1)
        while sent < due and (idle or rate):
            moment = now if not rate else start + sent / rate
            if idle:
                idle.pop().send(moment, requests[sent])
            else:
                waiting.insert(0, (moment, requests[sent]))
            sent += 1
        await asyncio.sleep(0 if not rate else 0.001)
    results.seconds = time.perf_counter() - start
    return results


def syncs_a_second(folder: Path, seconds: float = 1.0) -> float:
    """How often the disk syncs four kilobytes appended to a file."""
    file = folder / "syncs"
    with file.open("wb", buffering=0) as out:
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            out.write(b"x" * 4096)
            os.fdatasync(out.fileno())
            done += 1
        rate = done / (time.perf_counter() - start)
    file.unlink()
    return rate


@contextmanager
def database(kind: str) -> Iterator[dict[str, str]]:
    """The setting that names the inbox."""
    with postgres() if kind == "postgresql" else nullcontext("") as url:
        yield {"STOCKBOOK_INBOX_URL": url} if url else {}


async def watched(sending: "asyncio.Task[Results]", process: psutil.Process) -> tuple[list[int], float]:
    """Bytes of memory the receiver holds, every second, and the seconds of processor it used."""
    before = sum(process.cpu_times()[:2])
    sizes = []
    while not sending.done():
        sizes.append(process.memory_info().rss)
        await asyncio.wait([sending], timeout=1)
    return sizes, sum(process.cpu_times()[:2]) - before


def measure(kind: str, folder: Path, options: argparse.Namespace) -> bool:
    """One run; prints its lines and says whether it reached what is wanted."""
    with database(kind) as setting:
        environ = hooks.variables(folder / "home", **setting)
        syncs = [syncs_a_second(folder)]
        with hooks.receiving(environ, folder) as receiver:
            at = urlsplit(receiver.url)
            events = int(options.seconds * (options.rate or 4_000))
            requests = requests_of(events, at.netloc, at.path)

            async def run() -> tuple[Results, list[int], float]:
                sending = asyncio.ensure_future(send_all(receiver.url, requests, options.rate, options.connections))
                sizes, used = await watched(sending, psutil.Process(receiver.process.pid))
                return sending.result(), sizes, used

            results, sizes, used = asyncio.run(run())
        syncs.append(syncs_a_second(folder))
        with Inbox.open(Settings.load(environ).inbox_url) as inbox:
            stored = sum(count.pending for count in inbox.counts())
    accepted = len(results.latencies) - results.refused
    rate, disk = accepted / results.seconds, statistics.mean(syncs)
    points = statistics.quantiles(results.latencies, n=1000)
    settled = sizes[len(sizes) // 3 :]
    figures = {
        "database": kind,
        "events accepted": accepted,
        "events stored": stored,
        "answers other than 200": results.refused,
        "seconds": round(results.seconds, 1),
        "events a second": round(rate),
        "latency ms p50 / p99 / p99.9 / most": " / ".join(
            f"{value * 1000:.1f}" for value in (points[499], points[989], points[998], max(results.latencies))
        ),
        "disk syncs a second, before / after": " / ".join(f"{value:.0f}" for value in syncs),
        "events for each sync the disk could do": round(rate / disk, 1),
        "receiver's memory MB, after a third / at the end": f"{settled[0] >> 20} / {settled[-1] >> 20}",
        "receiver's share of one core": f"{used / results.seconds:.0%}",
        "load of the machine (1 min)": round(os.getloadavg()[0], 1),
    }
    for name, value in figures.items():
        print(f"{name:52} {value}", flush=True)
    if options.json:
        with options.json.open("a") as out:
            out.write(json.dumps(figures) + "\n")
    return stored == accepted == events and rate >= WANTED_RATE * 0.99 and points[989] < WANTED_P99


def main() -> int:
    """Measure; exit code 0 when every run reached 1,000 events a second with p99 under 50 ms and lost nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="how long to send (default 30)")
    parser.add_argument("--rate", type=float, default=1_200, help="events a second; 0 = as fast as answers come")
    parser.add_argument("--connections", type=int, default=64, help="kept connections (default 64)")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="sqlite")
    parser.add_argument(
        "--folder", type=Path, help="where the inbox lies: the disk that is measured (default: temporary)"
    )
    parser.add_argument("--json", type=Path, help="append the figures to this file, one JSON object a run")
    options = parser.parse_args()
    # what was started is stopped, whoever ends this program
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    reached = True
    for kind in ["sqlite", "postgresql"] if options.database == "both" else [options.database]:
        with tempfile.TemporaryDirectory(prefix="stockbook-webhooks-", dir=options.folder) as folder:
            reached &= measure(kind, Path(folder), options)
        print()
    print("reached" if reached else f"NOT reached: {WANTED_RATE} events a second, p99 under {WANTED_P99 * 1000:.0f} ms")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
