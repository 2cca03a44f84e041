"""
Which backups stay, and what may go with the others.

Of each of the last seven days, five weeks and twelve months that have backups the newest stays
(``STOCKBOOK_BACKUP_KEEP``). Pieces that no backup names any more go one backup later: whoever restores or takes one
meanwhile still has them.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from stockbook.backup.manifest import BACKUPS, PIECES, moment_of, names, read
from stockbook.backup.store import Store
from stockbook.errors import StoreDamaged

_PERIODS: tuple[Callable[[datetime], object], ...] = (
    lambda moment: moment.date(),
    lambda moment: moment.isocalendar()[:2],
    lambda moment: (moment.year, moment.month),
)


def staying(listed: Iterable[str], counts: tuple[int, int, int], zone: ZoneInfo) -> set[str]:
    """The names that stay of all backups, for so many days, weeks and months; the newest always does."""
    newest_first = sorted(listed, reverse=True)
    stay = set(newest_first[:1])
    for period_of, count in zip(_PERIODS, counts, strict=True):
        newest_of: dict[object, str] = {}
        for name in newest_first:
            newest_of.setdefault(period_of(moment_of(name).astimezone(zone)), name)
        stay.update(list(newest_of.values())[:count])
    return stay


def drop_old(store: Store, counts: tuple[int, int, int], zone: ZoneInfo) -> list[str]:
    """Remove the backups that do not stay; their names."""
    listed = names(store)
    old = sorted(set(listed) - staying(listed, counts, zone))
    store.delete(f"{BACKUPS}/{name}.json" for name in old)
    return old


def unnamed(store: Store) -> set[str]:
    """
    The pieces that no backup of the store names.

    Raises StoreDamaged where a manifest cannot be read: nobody knows then what it names.
    """
    named: set[str] = set()
    for name in names(store):
        named.update(read(store, name).pieces)
    return store.sizes(PIECES).keys() - named


def sweep(store: Store, leaving: Iterable[str]) -> list[str]:
    """Remove the pieces of ``leaving`` that still no backup names; a sentence on what was not done."""
    try:
        store.delete(f"{PIECES}/{digest}" for digest in unnamed(store).intersection(leaving))
    except StoreDamaged as error:
        return [f"No piece was removed, whatever is unused: {error}"]
    return []
