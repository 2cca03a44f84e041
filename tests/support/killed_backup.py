"""Backups and restores that are killed while a piece is written: program of `forked`."""

from datetime import date
from pathlib import Path

from backed_up import NOW, Faulty, back_up, nobody, settings_of
from forked import each_in_a_fork, kill_this_process

from stockbook.backup import restore as restoring
from stockbook.backup.store import Folder
from stockbook.clock import ManualClock


def work(what: str, home: str, policy: str, store: str, nth: int) -> None:
    """Take a backup or restore one, and be killed at the nth piece or file; at the nth move with ``what`` move."""
    settings, left = settings_of(Path(home), Path(policy)), [nth]

    def count() -> None:
        left[0] -= 1
        if left[0] < 0:
            kill_this_process()

    if what == "backup":
        back_up(settings, Faulty(Path(store), nth, lambda *_: kill_this_process()))
        return
    if what == "restore":
        bring = restoring._bring

        def killed_bring(*each: object) -> None:
            count()
            bring(*each)

        restoring._bring = killed_bring
    else:
        rename = Path.rename

        def killed_rename(self: Path, target: Path) -> Path:
            count()
            return rename(self, target)

        Path.rename = killed_rename
    restoring.restore(settings, Folder(Path(store)), ManualClock(NOW), nobody, date(2026, 11, 28))


if __name__ == "__main__":
    each_in_a_fork(work)
