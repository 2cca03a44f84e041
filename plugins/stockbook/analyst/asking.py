"""
Asking what is published: each question goes to a process of its own, which is ended when it does not answer in time.

The processes stay for the next question, at most ``at_once`` of them. Each opens the file anew for each question, so
what a night publishes meanwhile is seen.
"""

import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, LifoQueue

import msgspec

from stockbook import own_process
from stockbook.analyst.question import Read, Wanted
from stockbook.analyst.worker import READY, Place
from stockbook.errors import ConfigError, StockbookError
from stockbook.settings import Settings

# names and descriptions are as many as they are
_OURS_ROWS, _OURS_KILOBYTES = 10_000, 10_000
# on a busy machine
_START_SECONDS = 120
# DuckDB is interrupted first, which is answered by a sentence of its own
_GRACE_SECONDS = 3
_LATE = b"late"
# what libpq and the object store of a lake are told
_PASSED_OF_LAKES = ("PG", "AWS_", "SSL_")


class Questions:
    """What may be asked of a home's published file, or of the lake: use it as ``with Questions(settings)``."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is started before the first question."""
        self.limits = settings.analyst
        self._place = Place(settings.analyst, settings.published, settings.lake)
        self._free: LifoQueue[_Worker | None] = LifoQueue()
        for _ in range(self.limits.at_once):
            self._free.put(None)

    def __enter__(self) -> "Questions":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Empty):
            while True:
                if worker := self._free.get_nowait():
                    worker.end()

    def ask(self, sql: str, rows: int = 0) -> Read:
        """
        The answer to one query.

        ``rows`` are answered at most, 0: as many as the limits allow. Raises ConfigError with the sentence why there is
        no answer.
        """
        most = min(rows or self.limits.rows, self.limits.rows)
        return self._asked(Wanted(sql, most, self.limits.kilobytes))

    def about(self) -> Read:
        """The night and the currencies of what is published. Raises as ``ask``."""
        return self._asked(Wanted(None, 0, 0))

    def look_up(self, sql: str) -> Read:
        """The whole answer to a query of ours, of names and descriptions. Raises as ``ask``."""
        return self._asked(Wanted(sql, _OURS_ROWS, _OURS_KILOBYTES))

    def _asked(self, wanted: Wanted) -> Read:
        with self._worker() as worker:
            answer = worker.ask(wanted)
        if answer.error:
            raise ConfigError(answer.error)
        return answer

    @contextmanager
    def _worker(self) -> Iterator["_Worker"]:
        try:
            worker = self._free.get(timeout=self.limits.of_one.seconds)
        except Empty:
            raise ConfigError(
                f"STOCKBOOK_MCP_AT_ONCE ({self.limits.at_once}) questions are being answered already: ask again in a "
                "moment."
            ) from None
        try:
            if worker is None or worker.has_ended:
                worker = _Worker(self._place)
            yield worker
        finally:
            self._free.put(worker)


class _Worker:
    """A process that answers, with a folder of its own for what its memory does not hold."""

    def __init__(self, place: Place) -> None:
        self._limits = place.limits
        spill = place.limits.of_one.spill
        if spill is not None:
            spill.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="stockbook-mcp-", dir=spill))
        self._process = subprocess.Popen(  # our own program
            [sys.executable, "-P", "-m", "stockbook.analyst.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=own_process.environ(*(_PASSED_OF_LAKES if place.lake else ())),
        )
        limits = replace(place.limits, of_one=replace(place.limits.of_one, spill=self._folder))
        self._write(Place(limits, place.file, place.lake))
        if self._line(_START_SECONDS) != READY:
            self.end()
            raise StockbookError(
                "The process that asks the published file did not start: is the machine out of memory?"
            )

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def ask(self, wanted: Wanted) -> Read:
        """What it answers; where it does not in time, or does not bear the question, it is ended, and a sentence."""
        self._write(wanted)
        line = self._line(self._limits.of_one.seconds + _GRACE_SECONDS)
        if line.endswith(b"\n"):
            return msgspec.json.decode(line, type=Read)
        self.end()
        return Read(error=self._limits.too_long if line == _LATE else self._limits.too_large)

    def _line(self, seconds: float) -> bytes:
        """The next line it writes; what has no end where it ended first, ``_LATE`` where it was ended."""
        late = threading.Event()

        def end() -> None:
            late.set()
            self._process.kill()

        watch = threading.Timer(seconds, end)
        watch.daemon = True
        watch.start()
        try:
            assert self._process.stdout is not None  # noqa: S101  # a pipe
            line = self._process.stdout.readline()
        finally:
            watch.cancel()
        return line if line.endswith(b"\n") or not late.is_set() else _LATE

    def _write(self, message: Place | Wanted) -> None:
        assert self._process.stdin is not None  # noqa: S101  # a pipe
        with suppress(BrokenPipeError):  # it has ended: there will be no answer
            self._process.stdin.write(msgspec.json.encode(message, enc_hook=str) + b"\n")
            self._process.stdin.flush()

    def end(self) -> None:
        """End it, and remove what it put on the disk."""
        self._process.kill()
        self._process.communicate()
        shutil.rmtree(self._folder, ignore_errors=True)
