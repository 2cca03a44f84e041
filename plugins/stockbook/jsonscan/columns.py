"""
The columns of a listing's landed pages, as Arrow tables of texts.

Pages are read in chunks of some megabytes, so that the lines and cells of only a few are in memory at a time. What
stays are the texts of every level, in arrays of one row group of DuckDB (docs/decisions/valuation.md).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import zstandard

from stockbook.jsonscan import column_texts, columns_kernel, tokens
from stockbook.jsonscan.column_layout import ColumnLayout, Unsure
from stockbook.landing.landed_shape import Node, levels_up
from stockbook.landing.pages import size_of_lines
from stockbook.warehouse.connect import ROW_GROUP

_CHUNK = 2 * 1024 * 1024
_MOST_BYTES = 2**31 - 2**20


class _Chunk:
    """Room for the cells of some pages' lines; used again for the next ones."""

    def __init__(self, layout: ColumnLayout) -> None:
        self._arrays = layout.arrays
        self.width = np.array([columns_kernel.CELLS + 2 * len(level.leaves) for level in layout.levels])
        self.rows = np.zeros(len(layout.levels), np.int64)
        self.sizes = np.zeros((len(layout.levels), max(1, *(len(level.leaves) for level in layout.levels))), np.int64)
        self.base = np.zeros(len(layout.levels), np.int64)
        self.buffer: Any = np.zeros(0, np.uint8)
        self.cells: Any = np.zeros(0, np.int32)
        self._most = self.base
        self._stack = np.zeros((columns_kernel.DEPTH, 6), np.int64)
        self._guess = np.full(layout.guesses, -1)

    def places(self, level: int) -> Any:
        """The rows that a level's rows lie in, and their places there, as two columns."""
        rows, width, base = int(self.rows[level]), int(self.width[level]), int(self.base[level])
        return self.cells[base : base + rows * width].reshape(rows, width)[:, : columns_kernel.CELLS]

    def read(self, files: list[Path]) -> None:
        """Mark the cells of the pages. Raises Unsure."""
        self.mark(b"".join(zstandard.ZstdDecompressor().decompress(file.read_bytes()) for file in files))

    def mark(self, lines: bytes) -> None:
        """Mark the cells of lines. Raises Unsure."""
        size = len(lines)
        if size > _MOST_BYTES:
            raise Unsure
        self.buffer = np.frombuffer(lines + tokens.ZEROS, np.uint8)
        # room for rows of 32 bytes and more; what is not used is not touched
        most = size // 32 + 1024
        code = columns_kernel.FULL
        while code == columns_kernel.FULL:
            if len(self._most) == 0 or self._most[0] < most:
                self._most = np.full(len(self.width), most)
                self.base = np.concatenate([[0], np.cumsum(self._most * self.width)[:-1]])
                self.cells = np.empty(int((self._most * self.width).sum()), np.int32)
            state = (self.base, self.width, self._most, self.cells, self.rows, self.sizes, self._stack, self._guess)
            code = columns_kernel.mark_cells(*(self.buffer, size, *self._arrays, *state))
            most *= 4
        if code < 0:
            raise Unsure


class _Column:
    """The texts of one leaf, in arrays of a row group."""

    def __init__(self, level: int, number: int) -> None:
        self.level, self.number = level, number
        self.done: list[Any] = []
        self._rows = self._end = 0
        self._text = np.empty(0, np.uint8)
        self._ends, self._is_present = np.zeros(ROW_GROUP + 1, np.int32), np.empty(ROW_GROUP, np.bool_)

    def add(self, chunk: _Chunk) -> None:
        """Take the column's texts of a chunk."""
        count, width = int(chunk.rows[self.level]), int(chunk.width[self.level])
        first = int(chunk.base[self.level]) + columns_kernel.CELLS + 2 * self.number
        size = int(chunk.sizes[self.level, self.number])
        taken = 0
        while taken < count:
            rows = min(ROW_GROUP - self._rows, count - taken)
            self._make_room(size)
            start = first + taken * width
            column = (self._text, self._end, self._ends, self._is_present, self._rows)
            self._end = column_texts.write_column(chunk.buffer, chunk.cells, start, width, rows, *column)
            taken += rows
            self._rows += rows
            if self._rows == ROW_GROUP:
                self.close()

    def _make_room(self, size: int) -> None:
        needed = self._end + size
        if needed > _MOST_BYTES:
            raise Unsure
        if needed > len(self._text):
            text = np.empty(needed + needed // 2, np.uint8)
            text[: self._end] = self._text[: self._end]
            self._text = text

    def close(self) -> None:
        """Make an array of what there is."""
        rows = self._rows
        if rows == 0:
            return
        is_present = self._is_present[:rows]
        valid = None if is_present.all() else pa.py_buffer(np.packbits(is_present, bitorder="little"))
        ends, text = pa.py_buffer(self._ends[: rows + 1].copy()), pa.py_buffer(self._text[: self._end].copy())
        self.done.append(pa.StringArray.from_buffers(rows, ends, text, valid))
        self._rows = self._end = 0


class Columns:
    """The texts of a listing's landed rows, level by level."""

    def __init__(
        self, layout: ColumnLayout, columns: list[list[Any]], parents: list[Any], positions: list[Any]
    ) -> None:
        """Of each level: its leaves' arrays, the rows that its rows lie in one level up, their places there from 1."""
        self._layout = layout
        self._columns = columns
        self._parents, self._positions = parents, positions

    def rows(self, array: tuple[str, ...], paths: list[str]) -> Any:
        """
        The Arrow table of an array's elements, or of the listing's rows where ``array`` is empty.

        Its columns are ``_row`` (number of the landed row, from 0), ``_n`` (place in the array, from 1), and the texts
        at the paths, under the paths as they are declared (``^`` climbs).
        """
        levels = self._layout.levels
        upwards = [next(number for number, level in enumerate(levels) if level.array == array)]
        while upwards[-1] > 0:
            upwards.append(levels[upwards[-1]].parent)
        text, outer = pa.string(), pa.dictionary(pa.int32(), pa.string())
        types = [pa.int64(), pa.int32(), *(outer if path.startswith("^") else text for path in paths)]
        schema = pa.schema(list(zip(["_row", "_n", *paths], types, strict=True)))
        rows = len(self._positions[upwards[0]])
        batches = [
            pa.record_batch(list(self._batch(upwards, paths, at, min(at + ROW_GROUP, rows))), schema=schema)
            for at in range(0, rows, ROW_GROUP)
        ]
        return pa.Table.from_batches(batches, schema)

    def size(self, array: tuple[str, ...]) -> int:
        """How many elements the array has in all rows, or how many rows there are where ``array`` is empty."""
        return len(self._positions[next(at for at, level in enumerate(self._layout.levels) if level.array == array)])

    def keep(self, root: Node) -> None:
        """Let the texts go that a part of the listing's declarations does not read."""
        read = {(level.array, leaf) for level in ColumnLayout(root).levels for leaf in level.leaves}
        for level, columns in zip(self._layout.levels, self._columns, strict=True):
            for number, leaf in enumerate(level.leaves):
                if (level.array, leaf) not in read:
                    columns[number] = []

    def _batch(self, upwards: list[int], paths: list[str], start: int, end: int) -> Iterator[Any]:
        # of every level: which of its rows each row lies in
        above = [np.arange(start, end)]
        for number in upwards[:-1]:
            above.append(self._parents[number][above[-1]])
        yield pa.array(above[-1], pa.int64())
        yield pa.array(self._positions[upwards[0]][start:end])
        for path in paths:
            climbed, leaf = levels_up(path)
            level = upwards[climbed]
            arrays = self._columns[level][self._layout.levels[level].leaves.index(leaf)]
            if climbed == 0:
                yield arrays[start // ROW_GROUP]
                continue
            # once for each row of the outer level
            first, last = int(above[climbed][0]), int(above[climbed][-1])
            texts = pa.chunked_array(arrays, pa.string()).slice(first, last - first + 1).combine_chunks()
            yield pa.DictionaryArray.from_arrays(pa.array(above[climbed] - first, pa.int32()), texts)


def read_columns(root: Node, files: list[Path], threads: int) -> Columns:
    """Read landed pages. Raises Unsure where DuckDB must."""
    layout = ColumnLayout(root)
    columns = [[_Column(number, at) for at in range(len(level.leaves))] for number, level in enumerate(layout.levels)]
    parents: list[list[Any]] = [[] for _ in layout.levels]
    positions: list[list[Any]] = [[] for _ in layout.levels]
    counts = np.zeros(len(layout.levels), np.int64)
    chunks = [_Chunk(layout) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        for groups in _batched(_groups(files), threads):
            read = chunks[: len(groups)]
            list(pool.map(_Chunk.read, read, groups))
            for chunk in read:
                for number, level in enumerate(layout.levels):
                    places = chunk.places(number)
                    parents[number].append(places[:, 0] + np.int32(counts[level.parent] if level.parent >= 0 else 0))
                    positions[number].append(places[:, 1].copy())
                counts += chunk.rows
            list(
                pool.map(lambda column, read=read: [column.add(chunk) for chunk in read], chain.from_iterable(columns))
            )
    for column in chain.from_iterable(columns):
        column.close()
    done = [[column.done for column in level] for level in columns]
    return Columns(
        layout,
        done,
        *([np.concatenate(arrays or [np.empty(0, np.int32)]) for arrays in places] for places in (parents, positions)),
    )


def warm_up() -> None:
    """Load the compiled code, and compile it where no cache of it is kept."""
    root = Node(leaves={"id"})
    layout = ColumnLayout(root)
    chunk, column = _Chunk(layout), _Column(0, 0)
    chunk.mark(b'{"id":1}\n')
    column.add(chunk)


def _batched(groups: Iterator[list[Path]], size: int) -> Iterator[list[list[Path]]]:
    while batch := list(islice(groups, size)):
        yield batch


def _groups(files: list[Path]) -> Iterator[list[Path]]:
    """Neighbouring pages of about the size of a chunk."""
    group: list[Path] = []
    size = 0
    for file in files:
        group.append(file)
        size += size_of_lines(file)
        if size >= _CHUNK:
            yield group
            group, size = [], 0
    if group:
        yield group
