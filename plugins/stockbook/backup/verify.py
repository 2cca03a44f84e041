"""`backup verify`: every piece of backups read, unpacked and compared with its digest, as a restore would."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

from stockbook.backup.manifest import PIECES, Backup, fetched, names, read
from stockbook.backup.store import Store
from stockbook.errors import StoreDamaged

_SIDE_BY_SIDE = 8


class Verdict(NamedTuple):
    """The backups whose manifests can be read, and what is wrong, a sentence each."""

    backups: list[Backup]
    problems: list[str]


def verify(store: Store, everything: bool = False, repair: bool = False) -> Verdict:
    """
    Verify the newest backup, or all of a store; ``repair`` removes pieces that are not what was written, so that the
    next backup sends them again. Raises StoreUnavailable.
    """
    listed = names(store)
    backups: list[Backup] = []
    problems: list[str] = []
    for name in listed if everything else listed[-1:]:
        try:
            backups.append(read(store, name))
        except StoreDamaged as error:
            problems.append(str(error))
    lost = set(_damaged(store, {digest for backup in backups for digest in backup.pieces}))
    if repair:
        store.delete(f"{PIECES}/{digest}" for digest in sorted(lost))
    for backup in backups:
        of = [path for path, entry in backup.files.items() if lost.intersection(entry.pieces)]
        if of:
            problems.append(
                f"Backup {backup.name} cannot bring back {len(of)} files: {', '.join(of[:5])}{' …' * (len(of) > 5)}. "
                "With --repair the next backup sends again what the home still has."
            )
    return Verdict(backups, problems)


def _damaged(store: Store, pieces: Iterable[str]) -> Iterator[str]:
    left = iter(sorted(pieces))
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        # some at a time: a piece is four megabytes
        while batch := list(islice(left, _SIDE_BY_SIDE)):
            yield from (lost for lost in pool.map(lambda digest: _lost(store, digest), batch) if lost)


def _lost(store: Store, digest: str) -> str | None:
    try:
        fetched(store, digest)
    except StoreDamaged:
        return digest
    return None
