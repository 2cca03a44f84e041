"""
Walk steps side by side, each once all that it reads is there and in a transaction of its own.

DuckDB plans a statement, writes a small table and commits by one thread, and a program has one thread of Python: a
second core is of use to another step only. Each walker has a cursor of its own of one file, and so all have one limit
of memory.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from graphlib import TopologicalSorter
from queue import SimpleQueue

import duckdb

from stockbook.errors import ModelFailed, StockbookError, first_line
from stockbook.models.order import Step, needs
from stockbook.warehouse.connect import NO_VARIABLES
from stockbook.warehouse.transaction import transaction

Work = Callable[[duckdb.DuckDBPyConnection, Step], None]


def walk(con: duckdb.DuckDBPyConnection, steps: Sequence[Step], stands: set[str], work: Work, walkers: int) -> None:
    """
    Do the work of every step but those that stand, by name, as many at once as there are walkers.

    A step that finds no memory beside another is tried again alone, and so are those behind it. Raises ModelFailed
    naming the step, or what says that the file or its disk is at fault. No other is begun then, and what runs beside it
    is interrupted and taken back.
    """
    order = _longest_first(steps)
    waiting = TopologicalSorter(needs(steps))
    waiting.prepare()
    ready: set[str] = set()
    running: dict[Future[None], Step] = {}
    with _cursors(con, walkers) as begin:
        while waiting.is_active():
            for name in waiting.get_ready():
                if name in stands:
                    waiting.done(name)
                else:
                    ready.add(name)
            for step in [step for step in order if step.name in ready][: walkers - len(running)]:
                ready.remove(step.name)
                running[begin(work, step)] = step
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                step = running.pop(future)
                try:
                    future.result()
                except (StockbookError, duckdb.IOException, duckdb.FatalException, duckdb.TransactionException):
                    # the file or its disk is at fault, perhaps in a commit, not the model: the writer says which
                    raise
                except Exception as error:
                    if isinstance(error, duckdb.OutOfMemoryException) and walkers > 1:
                        walkers = 1
                        ready.add(step.name)
                        continue
                    raise ModelFailed(f"{step.name} could not be built: {first_line(error)}") from error
                waiting.done(step.name)


@contextmanager
def _cursors(con: duckdb.DuckDBPyConnection, count: int) -> Iterator[Callable[[Work, Step], Future[None]]]:
    """What begins the work of a step on a free cursor; all are interrupted by an error, and done at the end."""
    cursors = [con.cursor() for _ in range(count)]
    free: SimpleQueue[duckdb.DuckDBPyConnection] = SimpleQueue()
    for cursor in cursors:
        cursor.execute(NO_VARIABLES)
        free.put(cursor)

    def perform(work: Work, step: Step) -> None:
        cursor = free.get()
        try:
            with transaction(cursor):
                work(cursor, step)
        finally:
            free.put(cursor)

    pool = ThreadPoolExecutor(count, "stockbook-build")
    begun: list[Future[None]] = []

    def begin(work: Work, step: Step) -> Future[None]:
        begun.append(pool.submit(perform, work, step))
        return begun[-1]

    try:
        yield begin
    except BaseException:
        unfinished = set(begun)
        while unfinished:
            for cursor in cursors:
                cursor.interrupt()
            # a statement that began a moment later is told again
            unfinished = wait(unfinished, timeout=0.1).not_done
        raise
    finally:
        pool.shutdown()
        for cursor in cursors:
            cursor.close()


def _longest_first(steps: Sequence[Step]) -> list[Step]:
    """The steps with the longest chain of others behind them first: whatever waits for those waits longest."""
    needed = needs(steps)
    behind = dict.fromkeys(needed, 0)
    for step in reversed(steps):
        for name in needed[step.name]:
            behind[name] = max(behind[name], behind[step.name] + 1)
    return sorted(steps, key=lambda step: -behind[step.name])
