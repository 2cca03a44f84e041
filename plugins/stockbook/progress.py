"""
Progress of long work: a moving table on a terminal, one line per listing in a log.

The pipeline speaks to the ``Progress`` protocol and knows no terminal. All methods may be
called from several threads.
"""

import logging
import threading
from types import TracebackType
from typing import Protocol, Self, TextIO

from stockbook.clock import Clock


class Progress(Protocol):
    """Where long work says how far it is."""

    def start(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        """A piece of work begins; ``total`` is the number of rows (or other ``unit``) promised, when known."""
        ...

    def advance(self, name: str, rows: int, total: int | None = None, bytes_: int = 0) -> None:
        """``rows`` more of the unit (and ``bytes_`` bytes) are done; ``total`` corrects the promise."""
        ...

    def finish(self, name: str, summary: str) -> None:
        """A piece of work is done; ``summary`` is its one line for the log."""
        ...

    def note(self, text: str) -> None:
        """Something a reader of the log should know."""
        ...


class Silent:
    """Says nothing: for tests."""

    def start(self, name: str, total: int | None = None, unit: str = "rows") -> None: ...

    def advance(self, name: str, rows: int, total: int | None = None, bytes_: int = 0) -> None: ...

    def finish(self, name: str, summary: str) -> None: ...

    def note(self, text: str) -> None: ...


def logged(clock: Clock, stream: TextIO) -> "Logged":
    """Lines on a stream; of other packages warnings and errors only."""
    logging.basicConfig(format="%(message)s", stream=stream)
    logging.getLogger("stockbook").setLevel(logging.INFO)
    return Logged(clock)


class Logged:
    """One summary line per piece of work, and one every ``every`` seconds while it lasts: for Airflow's task logs."""

    def __init__(self, clock: Clock, every: float = 15.0) -> None:
        """Use the clock's monotonic seconds for rates."""
        self._log = logging.getLogger("stockbook")
        self._clock = clock
        self._every = every
        self._lock = threading.Lock()
        self._work: dict[str, _Work] = {}

    def start(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        with self._lock:
            self._work[name] = _Work(self._clock.monotonic(), total, unit)

    def advance(self, name: str, rows: int, total: int | None = None, bytes_: int = 0) -> None:
        now = self._clock.monotonic()
        with self._lock:
            work = self._work.setdefault(name, _Work(now, None))
            work.add(rows, total, bytes_)
            due = now - work.spoke_at >= self._every
            if due:
                work.spoke_at = now
        if due:
            self._log.info("%s: %s", name, work.line(now))

    def finish(self, name: str, summary: str) -> None:
        with self._lock:
            self._work.pop(name, None)
        self._log.info("%s: %s", name, summary)

    def note(self, text: str) -> None:
        self._log.info("%s", text)


class _Work:
    def __init__(self, now: float, total: int | None, unit: str = "rows") -> None:
        self.began_at = self.spoke_at = now
        self.total = total
        self.unit = unit
        self.rows = 0
        self.bytes = 0

    def add(self, rows: int, total: int | None, bytes_: int) -> None:
        self.rows += rows
        self.bytes += bytes_
        if total is not None:
            self.total = total

    def line(self, now: float) -> str:
        seconds = max(now - self.began_at, 1e-9)
        of = f" of {self.total:,}" if self.total is not None else ""
        size = f"{self.bytes / 1e6:,.1f} MB, " if self.unit == "rows" else ""
        return f"{self.rows:,}{of} {self.unit}, {self.rows / seconds:,.0f} {self.unit}/s, {size}{seconds:.0f} s"


class Terminal:
    """A live table on a terminal: name, rows, rate, time; finished work stays as a line. Use as a context manager."""

    def __init__(self) -> None:
        """Draw on standard error, so that standard output stays clean for results."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self._console = Console(stderr=True)
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._lock = threading.Lock()
        self._ids: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._bars.stop()

    def start(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        with self._lock:
            self._ids[name] = self._bars.add_task(name, total=total, rate="", unit=unit)

    def advance(self, name: str, rows: int, total: int | None = None, bytes_: int = 0) -> None:
        with self._lock:
            if name not in self._ids:
                self._ids[name] = self._bars.add_task(name, total=total, rate="", unit="rows")
            task_id = self._ids[name]
        speed, unit = next(
            ((task.speed, task.fields["unit"]) for task in self._bars.tasks if task.id == task_id), (None, "")
        )
        self._bars.update(task_id, advance=rows, rate=f"{speed:,.0f} {unit}/s" if speed else "")  # type: ignore[arg-type]  # rich types ids as a NewType
        if total is not None:
            self._bars.update(task_id, total=total)  # type: ignore[arg-type]  # as above

    def finish(self, name: str, summary: str) -> None:
        with self._lock:
            task_id = self._ids.pop(name, None)
        if task_id is not None:
            self._bars.remove_task(task_id)  # type: ignore[arg-type]  # as above
        self._console.print(f"  {name}: {summary}", highlight=False, markup=False)

    def note(self, text: str) -> None:
        self._console.print(f"  {text}", highlight=False, markup=False)
