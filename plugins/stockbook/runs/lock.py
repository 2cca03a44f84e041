"""
One run at a time in a home: a lock held for a whole run, across processes.

A run's steps may be processes of their own, so no process lives as long as the run. Two things
together are the lock: a small file that says which run holds it, and a kernel lock (``flock``)
that every step shares while it works. The kernel drops its part when a process dies, so a killed
run is recognised at once; only a run that lies *between* two steps is given ``lease_seconds`` to
go on before another may take over.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import msgspec
import psutil

from stockbook.atomic_files import RESERVE, refused_by_disk, write_atomically
from stockbook.clock import Clock
from stockbook.errors import ConfigError, DiskRefused, RunLocked

# steps of a drain, of a close, of a backup, of an erasure, of retention and of compaction: short ones, which a night
# waits for
DRAIN, CLOSE, BACKUP, FORGET, RETENTION, COMPACT = "drain", "close", "backup", "forget", "retention", "compact"
SHORT = (DRAIN, CLOSE, BACKUP, FORGET, RETENTION, COMPACT)


class Holder(msgspec.Struct):
    """
    Who holds the lock. ``step`` is the step at work, None between two steps; times are UTC.

    ``process`` (number and start) is set when the whole run lives in one process and dies with it.
    """

    run_id: str
    taken_at: datetime
    renewed_at: datetime
    step: str | None = None
    process: tuple[int, float] | None = None


class RunLock:
    """The lock of a home; see the module."""

    def __init__(self, path: Path, clock: Clock, lease_seconds: float) -> None:
        """``path`` is the kernel lock's file; the holder stands beside it."""
        self._path = path
        self._holder = path.with_name(path.name + ".json")
        self._clock = clock
        self._lease = lease_seconds

    def take(self, run_id: str, wait: bool = True, whole_run_here: bool = False, take_over: bool = True) -> None:
        """
        Make ``run_id`` the holder. ``whole_run_here`` says that all its steps run in this process.

        Waits (at most the lease) for a holder that lies between two steps, or for a ``SHORT`` step, or refuses at once
        with ``wait=False``. With ``take_over=False`` a run whose steps are processes of their own keeps the
        lock until somebody finishes it, however long it lies there. Raises RunLocked when another run is at work,
        ConfigError when the home cannot be written.
        """
        waited = 0.0
        while True:
            with self._kernel(fcntl.LOCK_EX) as alone:
                holder = self.holder()
                if not alone and not (wait and waited < self._lease and holder is not None and holder.step in SHORT):
                    raise RunLocked(_busy(holder, run_id))
                left = 0.0 if holder is None or holder.run_id == run_id else self._left(holder)
                if holder is not None and holder.process is None and not take_over:
                    left = float("inf")
                if alone and left <= 0:
                    now = self._clock.utc()
                    process = _this_process() if whole_run_here else None
                    self._write(Holder(run_id, taken_at=now, renewed_at=now, process=process))
                    return
            if not wait:
                raise RunLocked(_busy(holder, run_id))
            pause = min(left, 1.0) if left > 0 else 0.2
            self._clock.sleep(pause)
            waited += pause

    @contextmanager
    def step(self, run_id: str, step: str) -> Iterator[None]:
        """Work on one step of a run that holds the lock; steps of one run may work side by side. Raises RunLocked."""
        with self._kernel(fcntl.LOCK_SH):
            holder = self.holder()
            if holder is None or holder.run_id != run_id:
                raise RunLocked(
                    f"Run {run_id} no longer holds the lock of {self._path.parent}"
                    + (f": run {holder.run_id} took over" if holder else "")
                    + ". Nothing was written by this step; start the night again."
                )
            self._write(msgspec.structs.replace(holder, renewed_at=self._clock.utc(), step=step))
            try:
                yield
            finally:
                # on a full disk the step's own error is the one to raise; a lock that names a step
                # which is not at work is taken over at once
                with suppress(DiskRefused):
                    self._write(msgspec.structs.replace(holder, renewed_at=self._clock.utc(), step=None))

    def release(self, run_id: str) -> None:
        """Let go, if ``run_id`` is the holder."""
        holder = self.holder()
        if holder is not None and holder.run_id == run_id:
            with suppress(OSError):  # a disk that takes nothing: the lock of a process that ended is taken over
                self._holder.unlink(missing_ok=True)

    def state(self) -> str:
        """Who holds the lock and whether it is at work, in words."""
        holder = self.holder() if self._path.exists() else None
        if holder is None:
            return "free"
        with self._kernel(fcntl.LOCK_EX) as alone:
            at_work = not alone
        if at_work:
            return f"held by run {holder.run_id}, at work" + (f" at {holder.step}" if holder.step else "")
        left = self._left(holder)
        if left <= 0:
            return f"left behind by run {holder.run_id}, which is not at work any more: the next run takes it over"
        return (
            f"held by run {holder.run_id}, between two steps: if it does not go on, the next run may take it over in "
            f"{left:.0f} s"
        )

    def holder(self) -> Holder | None:
        """Who holds the lock, or None."""
        try:
            return msgspec.json.decode(self._holder.read_bytes(), type=Holder)
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None  # written atomically, so only a person can have damaged it; the kernel lock still protects

    def _left(self, holder: Holder) -> float:
        if holder.step is not None:
            return 0.0  # it was at work and the kernel says it is not any more: it was killed
        if has_died(holder):
            return 0.0
        # a clock set back by hours would keep the lock for hours; a run that is taken over all the same stops there
        return self._lease - abs((self._clock.utc() - holder.renewed_at).total_seconds())

    def _write(self, holder: Holder) -> None:
        try:
            write_atomically(self._holder, msgspec.json.encode(holder), self._path.with_name(RESERVE))
        except OSError as error:
            raise refused_by_disk(error) from error

    @contextmanager
    def _kernel(self, mode: int) -> Iterator[bool]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o640)
        except OSError as error:
            raise ConfigError(
                f"STOCKBOOK_HOME must be a folder that can be written; {self._path.parent} cannot: {error.strerror}."
            ) from error
        try:
            try:
                # a newcomer holds the exclusive lock only for a look at the holder: steps wait for that
                fcntl.flock(descriptor, mode if mode == fcntl.LOCK_SH else mode | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)


def _this_process() -> tuple[int, float]:
    return os.getpid(), psutil.Process().create_time()


def has_died(holder: Holder) -> bool:
    """Whether the whole run lived in one process, and that has ended: it was killed."""
    return holder.process is not None and not _is_alive(holder.process)


def _is_alive(process: tuple[int, float]) -> bool:
    number, began = process
    try:
        there = psutil.Process(number)
        # a zombie works on nothing: it waits for a parent to ask how it ended, in a container perhaps for ever
        return bool(there.create_time() == began) and there.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _busy(holder: Holder | None, run_id: str) -> str:
    if holder is None:
        return f"Another run is being opened in this home: run {run_id} was not started. Try again in a minute."
    at = f"at step {holder.step}" if holder.step else "between two steps"
    return (
        f"Run {holder.run_id} is under way ({at}, since {holder.taken_at:%Y-%m-%d %H:%M:%S} UTC): "
        f"run {run_id} was not started. Wait for it to end, then start again."
    )
