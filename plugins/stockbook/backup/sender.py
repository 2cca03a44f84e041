"""
Sending the pieces of files that a store of backups does not have, packed, several at a time.

A piece is there if the store lists it with the size that was sent. What a killed backup sent whole is taken over; what
was lost since the backup before is sent again.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import zstandard

from stockbook.backup.manifest import PIECES, Backup, Entry, pieces_of
from stockbook.backup.store import Store

_SIDE_BY_SIDE = 8


class Sender:
    """Sends the pieces that the store does not have."""

    def __init__(self, store: Store, before: Backup | None) -> None:
        """Lists the store once; ``before`` is its newest backup."""
        self._store, self._before = store, before
        self._there = store.sizes(PIECES)
        # a piece that a finished backup names was whole then
        self._sizes = dict(before.pieces) if before is not None else {}
        self._packer = zstandard.ZstdCompressor(level=1, write_checksum=True)
        self.new_pieces = self.new_bytes = 0

    def whole(self) -> dict[str, Entry]:
        """The files of the backup before whose pieces are all there; the others are sent again."""
        files = self._before.files if self._before is not None else {}
        return {path: entry for path, entry in files.items() if all(map(self._has, entry.pieces))}

    def _has(self, digest: str) -> bool:
        return digest in self._sizes and self._there.get(digest) == self._sizes[digest]

    def send(self, file: Path) -> list[str]:
        """The digests of a file's pieces, which the store has from now on."""
        pieces: list[str] = []
        lost = self._lost_pieces(file, pieces)
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            while batch := list(islice(lost, _SIDE_BY_SIDE)):
                list(pool.map(lambda each: self._store.put(f"{PIECES}/{each[0]}", each[1]), batch))
                self.new_pieces += len(batch)
                self.new_bytes += sum(len(packed) for _, packed in batch)
        return pieces

    def _lost_pieces(self, file: Path, pieces: list[str]) -> Iterator[tuple[str, bytes]]:
        for digest, content in pieces_of(file):
            pieces.append(digest)
            if not self._has(digest):
                packed = self._packer.compress(content)
                self._sizes[digest] = len(packed)
                # what a killed backup sent is taken over where it is whole
                if self._there.get(digest) != len(packed):
                    yield digest, packed
                self._there[digest] = len(packed)

    def sizes_of(self, files: Mapping[str, Entry]) -> dict[str, int]:
        """The packed size of every piece of some files."""
        return {digest: self._sizes[digest] for entry in files.values() for digest in entry.pieces}
