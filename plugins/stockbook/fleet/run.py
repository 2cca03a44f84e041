"""
A run of the fleet without Airflow: every account's night, in this process or in several, and the summary.

A process that dies takes no other with it: its account is tried again by a new one, and goes on where it stood.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from stockbook.errors import WORTH_ANOTHER_TRY, StockbookError
from stockbook.extra_folder import digest_of
from stockbook.fleet.night import BOOKS, EXTRACT, OPEN, READ, books_of_account, extract_account, open_account
from stockbook.fleet.summary import Summary, summarise
from stockbook.fleet.work import Fleet
from stockbook.runs.context import run_id_of

_STEPS = (OPEN, EXTRACT, BOOKS)
_AFTER = {OPEN: EXTRACT, READ: BOOKS}


class Done(NamedTuple):
    """What came of an account's night: empty ``reason`` when it was published."""

    account: str
    reason: str = ""
    is_worth_another_try: bool = False


def run_fleet(
    fleet: Fleet,
    name: str,
    parameters: Mapping[str, object],
    processes: int = 1,
    tries: int = 2,
    load: Callable[[], Fleet] | None = None,
) -> Summary:
    """
    Run the night of every account; what may heal is tried up to ``tries`` times.

    A run of a name that was begun goes on with its accounts: those that are published stay so. ``load`` makes the fleet
    of another process. Raises ConfigError, ControlUnavailable before anything is begun.
    """
    accounts = [account.name for account in fleet.accounts()]
    run = fleet.run_log.begin(run_id_of(name), accounts, digest_of(fleet.settings.extra_dir))
    nights = fleet.run_log.nights(run.run_id)
    left = deque(a for a in run.accounts if a not in nights or nights[a].status != "published")
    fleet.progress.start("accounts", total=len(left), unit="accounts")
    if processes == 1 or load is None:
        _here(fleet, name, parameters, left, tries)
    else:
        _side_by_side(fleet, name, parameters, left, tries, processes, load)
    summary = summarise(fleet, name)
    fleet.progress.finish("accounts", f"{len(summary.lines) - len(summary.red)} of {len(summary.lines)} published")
    return summary


def account_night(fleet: Fleet, name: str, account: str, parameters: Mapping[str, object], again: bool = False) -> Done:
    """
    An account's night, all steps in this process; one that was cut off goes on where it stood.

    A red one begins anew, as its sources may have healed, but ``again``, where only a step failed that may heal.
    """
    night = fleet.run_log.nights(run_id_of(name)).get(account)
    first = _AFTER.get(night.status, OPEN) if night is not None else OPEN
    if again and night is not None and night.status == "red" and night.step in _STEPS:
        first = night.step
    try:
        for step in _STEPS[_STEPS.index(first) :]:
            if step == OPEN:
                open_account(fleet, name, account, parameters)
            elif step == EXTRACT:
                extract_account(fleet, name, account)
            else:
                books_of_account(fleet, name, account)
    except WORTH_ANOTHER_TRY as error:
        return Done(account, f"{type(error).__name__}: {error}", is_worth_another_try=True)
    except StockbookError as error:
        return Done(account, f"{type(error).__name__}: {error}")
    return Done(account)


def _here(fleet: Fleet, name: str, parameters: Mapping[str, object], left: deque[str], tries: int) -> None:
    tried: Counter[str] = Counter()
    while left:
        account = left.popleft()
        tried[account] += 1
        _told(fleet, account_night(fleet, name, account, parameters, again=tried[account] > 1), tried, tries, left)


def _told(fleet: Fleet, done: Done, tried: Counter[str], tries: int, left: deque[str]) -> None:
    again = done.is_worth_another_try and tried[done.account] < tries
    if again:
        left.append(done.account)
    else:
        fleet.progress.advance("accounts", 1)
    said = f"red, {done.reason}" if done.reason else "published"
    fleet.progress.note(f"{done.account}: {said}{' It is tried again.' if again else ''}")


def _side_by_side(
    fleet: Fleet,
    name: str,
    parameters: Mapping[str, object],
    left: deque[str],
    tries: int,
    processes: int,
    load: Callable[[], Fleet],
) -> None:
    tried: Counter[str] = Counter()
    # whoever is forked would have the locks and threads of this process half
    context = get_context("spawn")
    busy: dict[Connection, str] = {}
    workers: dict[Connection, BaseProcess] = {}
    idle: list[Connection] = []
    try:
        while left or busy:
            while left and len(busy) < processes:
                if not idle:
                    ours, its = context.Pipe()
                    process: BaseProcess = context.Process(target=_serve, args=(its, load), daemon=True)
                    process.start()
                    its.close()
                    workers[ours] = process
                    idle.append(ours)
                worker, account = idle.pop(), left.popleft()
                tried[account] += 1
                worker.send((name, account, dict(parameters), tried[account] > 1))
                busy[worker] = account
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)  # noqa: S101  # nothing else was waited for
                account = busy.pop(ready)
                try:
                    done = Done(*ready.recv())
                    idle.append(ready)
                except (EOFError, OSError):
                    workers[ready].join()
                    code = workers.pop(ready).exitcode
                    done = Done(account, f"its process ended with {code}.", is_worth_another_try=True)
                _told(fleet, done, tried, tries, left)
    finally:
        for worker in workers:
            worker.close()
        for process in workers.values():
            process.join()


def _serve(tasks: Connection, load: Callable[[], Fleet]) -> None:
    """Nights of accounts, one after the other, until nobody asks any more."""
    fleet = load()
    while True:
        try:
            name, account, parameters, again = tasks.recv()
        except EOFError:
            return
        try:
            done = account_night(fleet, name, account, parameters, again)
        except Exception as error:  # noted in the control database by the step; the others go on
            done = Done(account, f"an unexpected {type(error).__name__}")
        tasks.send(tuple(done))
