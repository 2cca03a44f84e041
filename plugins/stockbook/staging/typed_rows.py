"""
Landed pages to typed rows: what holds its declaration, and what does not.

Rows are read in bulk as text, cast column by column, and split: accepted rows go on to be merged, refused ones to
``staging.quarantine`` with the reason, without personal data.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import duckdb

from stockbook.declarations import Column, Table
from stockbook.landing.landed_shape import parent_of
from stockbook.projection.personal import HIDDEN
from stockbook.sql_text import quoted
from stockbook.staging import contradicted
from stockbook.staging.text_rows import texts_of
from stockbook.warehouse.casts import cast_of, is_time, text_of, within

# of so many rows DuckDB makes values in less time than it takes to make its plan of them better
_FEW = 2_048


class Arrived(NamedTuple):
    """Rows the pages hold for a table, and how many of them came again later."""

    received: int
    repeated: int


class _TypedCounts(NamedTuple):
    """Rows of ``typed``: all, those that hold their declaration, distinct keys of these."""

    rows: int
    accepted: int
    distinct: int


class Incoming:
    """
    The landed pages of a listing, as rows of the tables it feeds.

    Where a key of the listing's own table came more than once, only its last delivery stays, in all tables;
    ``came_twice`` tells that one did.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        files: list[Path],
        fed: list[Table],
        with_reasons: bool = False,
        rows_of_files: Sequence[int] = (),
    ) -> None:
        """
        ``fed`` are all tables the listing feeds, its own first; ``with_reasons`` tells that rows or parts landed with
        the reason why they are set aside; ``rows_of_files`` is how many rows each file has.
        """
        self._con = con
        self._files = files
        # a listing that feeds only tables of its arrays has none: their rows are made unique one by one
        self._base = fed[0] if fed[0].source is None or not fed[0].source.rows else None
        self._texts = texts_of(con, files, fed, with_reasons)
        # of the rows that landed, those that count, and those whose elements with a key of their own do
        self._valid = self._valid_elements = "true"
        self._ends = list(accumulate(rows_of_files))
        self._disputed = ""
        self.came_twice = False
        self.arrived = Arrived(0, 0)

    def split(self, table: Table, account: str, zone: str, read_at: str) -> bool:
        """
        Make of one table's rows ``accepted`` (account, declared columns, ``_row_hash``), a temporary view of ``typed``,
        and the temporary table ``refused`` (account, row_key, reason, fields, ``parent_key``, keys of the grain as far
        as they could be read).

        The listing's own table must be the first. ``read_at`` is the local wall clock of the observation (ISO). True
        when every row was accepted. ``arrived`` then counts this table.
        """
        con = self._con
        counts = self._make_typed(table, account, zone, read_at)
        # where all values are there and distinct, the texts they come from are distinct too
        if table is self._base and counts.distinct < counts.rows:
            is_contradicted = counts.distinct < counts.accepted and self._is_contradicted(table)
            if is_contradicted:
                self._find_disputed(table)
            if self._find_superseded(table) or is_contradicted:
                counts = self._make_typed(table, account, zone, read_at, is_contradicted)
        is_of_elements = table is not self._base and counts.distinct < counts.accepted
        if is_of_elements and self._is_contradicted(table):
            counts = self._make_typed(table, account, zone, read_at, is_contradicted=True)
        if counts.distinct < counts.accepted:
            self._texts.make_deletable()
            _keep_last(con, table)
        self.arrived = Arrived(self.arrived.received, self.arrived.repeated + counts.accepted - counts.distinct)
        _make_refused(con, table, is_any=counts.accepted < counts.rows)
        return counts.rows == counts.distinct

    def _is_contradicted(self, table: Table) -> bool:
        """Whether rows of one moment speak against each other; ``contradicted`` then has their keys."""
        con, keys = self._con, _keys(table)
        if table is not self._base:
            return contradicted.find_in_elements(con, table, keys, self._ends, in_rows=self._base is not None)
        figures = contradicted.figures(table)
        if figures:
            return contradicted.find_on_pages(con, keys, figures, self._ends)
        return contradicted.find_in_lines(con, keys, self._files, self._ends)

    def delete(self, condition: str) -> int:
        """Take rows of ``typed`` away; how many."""
        self._texts.make_deletable()
        return int(self._con.execute(f"delete from typed where {condition}").fetchall()[0][0])

    def close(self) -> None:
        """Drop ``accepted`` and ``typed``: as soon as they are not needed, for they are the memory of a load."""
        self._con.execute("drop view accepted")
        self._texts.close()

    def _make_typed(
        self, table: Table, account: str, zone: str, read_at: str, is_contradicted: bool = False
    ) -> _TypedCounts:
        con = self._con
        with self._texts.select(table) as select:
            superseded = 0
            valid = self._valid_elements if table is not self._base and table.kind == "snapshot" else self._valid
            if valid != "true":
                query = f"select count(*) from ({select}) where not ({valid})"
                superseded = int(con.execute(query).fetchall()[0][0])
            self.arrived = Arrived(self._texts.size(table), superseded)
            landed = select if valid == "true" else f"select * from ({select}) where {valid}"
            query = typed_select(table, landed, account, zone, read_at, is_contradicted)
            with _unoptimized(con, self.arrived.received):
                self._texts.make_typed(query)
        rows, accepted = con.execute("select count(*), count(*) filter (_reason = '') from typed").fetchall()[0]
        # a view: what is accepted is the bulk, and every copy of it is memory
        columns = ", ".join(["account", *table.columns, "_row_hash"])
        # DuckDB has Arrow's own reader apply conditions, which takes longer than the rest
        condition = "where _reason = ''" if accepted < rows else ""
        con.execute(f"create or replace temp view accepted as select {columns} from typed {condition}")
        if table is not self._base and self._texts.are_unique(table, valid):
            return _TypedCounts(rows, accepted, accepted)
        keys = ", ".join(_keys(table))
        distinct = con.execute(f"select count(*) from (select distinct {keys} from accepted)").fetchall()[0][0]
        return _TypedCounts(rows, accepted, distinct)

    def _find_disputed(self, base: Table) -> None:
        """Let elements with a key of their own speak against each other where the rows they lie in do."""
        keys = ", ".join(_keys(base))
        self._con.execute(f"""
            create or replace temp table disputed as
            select _row
            from typed
            where ({keys}) in (select ({keys}) from contradicted)
        """)
        self._disputed = " or _row in (select d._row from disputed as d)"

    def _find_superseded(self, base: Table) -> bool:
        """Leave out, from now on, rows whose key came again after them; False when there are none."""
        columns = {name: base.columns[name] for name in _keys(base) if base.columns[name].paths}
        keys = [f"staging.id_of({name})" if column.uuid else name for name, column in columns.items()]
        with self._texts.select(base) as select:
            self._con.execute(f"""
                create or replace temp table superseded as
                select _row
                from ({select})
                -- of rows whose key cannot be read none is another one's
                where {" and ".join(_is_readable(name, column) for name, column in columns.items())}
                qualify row_number() over (partition by {", ".join(keys)} order by _row desc) > 1
            """)
        self._valid = "_row not in (select s._row from superseded as s)"
        self._valid_elements = f"({self._valid}{self._disputed})"
        self.came_twice = bool(self._con.execute("select 1 from superseded limit 1").fetchall())
        return self.came_twice


@contextmanager
def _unoptimized(con: duckdb.DuckDBPyConnection, rows: int) -> Iterator[None]:
    """Run a select of few rows as it is written: to look for a better way takes longer than it does."""
    if rows > _FEW:
        yield
        return
    con.execute("pragma disable_optimizer")
    yield
    con.execute("pragma enable_optimizer")


def _is_readable(name: str, column: Column) -> str:
    if column.type == "bigint":
        return f"staging.whole_number_of({name}) is not null"
    return f"coalesce({name}, '') not in ('', {quoted(HIDDEN)})"


def _keys(table: Table) -> list[str]:
    return [name for name in table.grain if name in table.columns]


def typed_select(
    table: Table, landed: str, account: str, zone: str, read_at: str, is_contradicted: bool = False
) -> str:
    """The select that makes ``typed`` of the select ``landed``, with ``_reason`` and ``_row_hash``."""
    wire = _on_wire(table)
    texts = {f"_text_{name}": text_of(name, column) for name, column in wire.items()}
    casts = {name: cast_of(name, column, f"_text_{name}", zone) for name, column in wire.items()}
    derived = {
        name: _derived(column, table, zone, read_at) for name, column in table.columns.items() if name not in wire
    }
    reasons = [reason for name, column in table.columns.items() for reason in _reasons(name, column, zone)]
    if is_contradicted:
        reasons.append(contradicted.reason(_keys(table)))
    hashed = ", ".join(name for name, column in table.columns.items() if not column.observed)
    # one select for each step: a macro repeats its argument, which is to be the name of a column and no calculation
    rows = f"select _row, {_named(texts)}, text_rows._refused from ({landed}) as text_rows"
    for step in (casts, derived):
        rows = f"select *, {_named(step)} from ({rows})" if step else rows
    return f"""
        select
            _row,
            {quoted(account)} as account,
            {", ".join(table.columns)},
            coalesce(_refused, concat_ws('; ', {", ".join(reasons) or "null"})) as _reason,
            hash({hashed}) as _row_hash
        from ({rows})
    """


def _on_wire(table: Table) -> dict[str, Column]:
    return {name: column for name, column in table.columns.items() if column.paths or column.by_array}


def _named(expressions: dict[str, str]) -> str:
    return ", ".join(f"{text} as {name}" for name, text in expressions.items())


def _keep_last(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    order = ["_row desc", *contradicted.places(table), "_row_hash"]
    con.execute(f"""
        delete from typed where rowid in (
            select rowid from typed
            where _reason = ''
            qualify row_number() over (partition by {", ".join(_keys(table))} order by {", ".join(order)}) > 1
        )
    """)


def _make_refused(con: duckdb.DuckDBPyConnection, table: Table, is_any: bool) -> None:
    keys = _keys(table)
    if not is_any:
        types = "".join(f", {name} {table.columns[name].type}" for name in keys)
        con.execute(
            "create or replace temp table refused "
            f"(account varchar, row_key varchar, reason varchar, fields varchar, parent_key varchar{types})"
        )
        return
    key_text = f"concat_ws('/', {', '.join(f'cast({name} as varchar)' for name in keys)})"
    shown = [name for name, column in _on_wire(table).items() if column.personal == "none" and not column.erased]
    # typed values only: a text that broke its declaration could be anybody's data
    fields = f"cast(to_json(struct_pack({', '.join(f'{name} := {name}' for name in shown)})) as varchar)"
    con.execute(f"""
        create or replace temp table refused as
        select
            account,
            {key_text} as row_key,
            _reason as reason,
            {fields} as fields,
            cast({parent_of(table) or "null"} as varchar) as parent_key,
            {", ".join(keys)}
        from typed
        where _reason <> ''
    """)


def _derived(column: Column, table: Table, zone: str, read_at: str) -> str:
    """The value of a column that is not on the wire."""
    if column.observed == "snapshot_at":
        return f"timestamp {quoted(read_at)}"
    if column.observed == "snapshot_date":
        return f"cast(timestamp {quoted(read_at)} as date)"
    local = column.utc_of or ""
    return f"staging.utc_of_text(_text_{local}, {local}, {quoted(table.columns[local].zone or zone)})"


def _reasons(name: str, column: Column, zone: str) -> list[str]:
    """What may be wrong with a column, over its value, its text as ``_text_...``, and its instant's."""
    if column.observed:
        return []
    if column.utc_of:
        return [
            _reason(column.utc_of, "a time in the hour that is skipped in spring", f"{name} is null", column.utc_of)
        ]
    text = f"_text_{name}"
    reasons = []
    if column.required:
        empty = f"coalesce({text}, '') = ''" if column.type == "varchar" else f"{text} is null"
        reasons.append(f"case when {empty} then {quoted(f'{name}: missing')} end")
    if column.type != "varchar":
        reasons.append(_reason(name, f"expected {column.type}", f"{name} is null", text))
    if is_time(column):
        first, last = column.days
        reasons.append(_reason(name, f"not within {first} and {last}", f"not {within(column, name)}", name))
    if (bound := column.bound) is not None:
        reasons.append(_reason(name, f"beyond {bound:,}", f"{name} not between -{bound} and {bound}", name))
    if column.least is not None:
        # what is beyond all bounds was said to be so
        below = f"{name} < {column.least}" + ("" if bound is None else f" and {name} >= -{bound}")
        reasons.append(_reason(name, f"below {column.least}", below, name))
    if column.values:
        allowed = ", ".join(map(quoted, column.values))
        reasons.append(_reason(name, f"none of {', '.join(column.values)}", f"{name} not in ({allowed})", name))
    if column.local:
        there = f"at time zone {quoted(zone)}"
        skipped = f"({name} {there}) {there} <> {name}"
        reasons.append(_reason(name, "a time in the hour that is skipped in spring", skipped, name))
    return reasons


def _reason(name: str, what: str, condition: str, there: str) -> str:
    return f"case when {there} is not null and {condition} then {quoted(f'{name}: {what}')} end"
