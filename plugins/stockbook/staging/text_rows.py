"""
The columns of landed rows as text, in one of two ways that give the same.

DuckDB parses the pages of a listing, table by table. Large listings are read as columns by compiled code, once for
all the tables they feed (``jsonscan``).

"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from stockbook.declarations import Table
from stockbook.jsonscan import fast_path
from stockbook.landing.landed_shape import arrays_of, rows_as_text, rows_of_texts, size_of, tree
from stockbook.landing.pages import REASON, size_of_lines
from stockbook.sql_text import file_pattern, quoted
from stockbook.warehouse.arrow_view import ArrowView
from stockbook.warehouse.connect import ROW_GROUP

if TYPE_CHECKING:
    from stockbook.jsonscan.fast_path import Columns

# An order may carry long lists; the landed row has no documents in it.
LARGEST_ROW = 64 * 1024 * 1024
LITTLE = 32 * 1024 * 1024
"""So many bytes of landed lines are parsed once for all tables they feed."""


def texts_of(
    con: duckdb.DuckDBPyConnection, files: list[Path], fed: list[Table], with_reasons: bool = False
) -> "ParsedTexts | ColumnTexts":
    """
    The texts of a listing's landed pages; ``fed`` are all tables it feeds.

    ``with_reasons`` tells that rows or parts landed with the reason why they are set aside.
    """
    sizes = [size_of_lines(file) for file in files]
    threads = int(con.execute("select current_setting('threads')").fetchall()[0][0])
    columns = fast_path.columns_of(tree(fed, with_reasons), files, sizes, threads)
    if columns is not None:
        return ColumnTexts(con, columns, fed, with_reasons)
    return ParsedTexts(con, files, fed, sizes, with_reasons)


class ParsedTexts:
    """
    Texts as DuckDB parses them: once where that is little, else a table at a time, for all lists of all rows at once
    would be the memory of a load.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        files: list[Path],
        fed: list[Table],
        sizes: list[int],
        with_reasons: bool = False,
    ) -> None:
        """``sizes`` are the bytes of the pages; ``with_reasons`` as in ``texts_of``."""
        self._con = con
        self._files = files
        self._with_reasons = with_reasons
        self._members = tree(fed, with_reasons).members()
        # no row is larger than its page, and every thread keeps a buffer of twice that
        self._longest = min(LARGEST_ROW, max(sizes, default=0) + 1)
        self._is_little = len(fed) > 1 and sum(sizes) <= LITTLE
        self._is_parsed = False

    @contextmanager
    def select(self, table: Table) -> Iterator[str]:
        """
        A query for the rows of one table the listing feeds: ``_row`` (order of arrival of the landed row) and every
        column that is on the wire, as text. It holds within the context.
        """
        if not self._is_parsed:
            self._parse(self._members if self._is_little else tree([table], self._with_reasons).members())
            self._is_parsed = self._is_little
        # a row's place in the table is its place in the pages; numbering rows while they are read takes twice the time
        yield rows_as_text(table, "(select rowid as _row, * from landed_rows)", ("_row",), self._with_reasons)
        if not self._is_little:
            self._con.execute("drop table landed_rows")

    def _parse(self, members: Iterable[str]) -> None:
        needed = ", ".join(f'"{name}"' for name in members)
        columns = ", ".join(f"'{name}': '{type_}'" for name, type_ in self._members.items())
        if self._files:
            listed = ", ".join(quoted(file_pattern(file)) for file in self._files)
            self._con.execute(f"""
                create or replace temp table landed_rows as
                select {needed}
                from read_ndjson([{listed}], columns = {{{columns}}}, compression = 'zstd',
                                 maximum_object_size = {self._longest})
            """)
        else:
            columns = ", ".join(f'"{name}" {type_}' for name, type_ in self._members.items())
            self._con.execute(f"create or replace temp table landed_rows ({columns})")

    def size(self, table: Table) -> int:
        """How many rows of the table the pages hold, counted without reading them; within ``select`` only."""
        counted = self._con.execute(f"select coalesce(sum({size_of(table)}), 0) from landed_rows").fetchall()
        return int(counted[0][0])

    def make_typed(self, query: str) -> None:
        """Make the temporary relation ``typed`` of a query's rows; it holds until ``close``."""
        self._con.execute(f"create or replace temp table typed as {query}")

    def make_deletable(self) -> None:
        """From now on rows of ``typed`` can be deleted."""

    def close(self) -> None:
        """Drop ``typed``."""
        self._con.execute("drop table typed")

    def are_unique(self, table: Table, valid: str) -> bool:
        """
        Whether the keys of a table of arrays are known to be distinct without looking at its rows: here they are not.

        ``valid`` is a condition on ``_row``: rows that count.
        """
        return False


class ColumnTexts:
    """
    Texts as compiled code reads them, of all tables at once.

    What is made of them stays in Arrow: of a temporary table made in the same transaction DuckDB reads with one thread,
    and keeps it in memory after it was dropped.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, columns: "Columns", fed: list[Table], with_reasons: bool = False
    ) -> None:
        """
        ``fed`` are all tables that the listing feeds, in the order in which they will be asked for; ``with_reasons`` as
        in ``texts_of``.
        """
        self._with_reasons = with_reasons
        self._con = con
        self._columns = columns
        self._left = list(fed)
        self._typed: ArrowView | None = None

    @contextmanager
    def select(self, table: Table) -> Iterator[str]:
        """As ``ParsedTexts.select``."""
        paths = list(dict.fromkeys(path for column in table.columns.values() for path in column.paths if path != "#"))
        paths += [REASON] if self._with_reasons else []
        arrays = arrays_of(table)
        names = [f"landed_texts_{number}" for number in range(len(arrays))]
        views = [
            ArrowView(self._con, name, self._columns.rows(tuple(array), paths))
            for name, array in zip(names, arrays, strict=True)
        ]
        yield rows_of_texts(table, names, self._with_reasons)
        for view in views:
            view.release()

    def size(self, table: Table) -> int:
        """As ``ParsedTexts.size``."""
        return sum(self._columns.size(tuple(array)) for array in arrays_of(table))

    def make_typed(self, query: str) -> None:
        """As ``ParsedTexts.make_typed``."""
        self._typed = ArrowView(self._con, "typed_rows", self._con.sql(query).to_arrow_table(ROW_GROUP))
        self._con.execute("create or replace temp view typed as select * from typed_rows")

    def make_deletable(self) -> None:
        """As ``ParsedTexts.make_deletable``."""
        if self._typed is not None:
            self._con.execute("drop view typed")
            self._con.execute("create temp table typed as select * from typed_rows")
            self._typed.release()
            self._typed = None

    def close(self) -> None:
        """As ``ParsedTexts.close``."""
        if self._typed is None:
            self._con.execute("drop table typed")
        else:
            self._con.execute("drop view typed")
            self._typed.release()
            self._typed = None
        del self._left[0]
        self._columns.keep(tree(self._left, self._with_reasons))

    def are_unique(self, table: Table, valid: str) -> bool:
        """
        As ``ParsedTexts.are_unique``. Places in an array are distinct; so keys are, where those of the rows that the
        arrays lie in are. Of texts only: different ones may be the same number.
        """
        arrays = arrays_of(table)
        keys = [table.columns[name] for name in table.grain if name in table.columns]
        above = [key for key in keys if key.paths != ["#"]]
        are_below_one = len(keys) - len(above) == 1 and all(
            key.type == "varchar" and len(key.paths) == 1 and key.paths[0].startswith("^") for key in above
        )
        if len(arrays) != 1 or not arrays[0] or not are_below_one:
            return False
        # seen from one level up
        paths = [key.paths[0].removeprefix("^").removeprefix(".") for key in above]
        rows = self._columns.rows(tuple(arrays[0][:-1]), paths)
        view = ArrowView(self._con, "landed_above", rows)
        named = ", ".join(f'"{path}"' for path in paths)
        counts = self._con.execute(f"""
            with

            rows_above as (
                select {named}
                from landed_above
                where {valid}
            )

            select count(*) = (select count(*) from (select distinct {named} from rows_above))
            from rows_above
        """).fetchall()
        view.release()
        return bool(counts[0][0])
