"""
One DuckDB file without the people on the list: its staging, what was built of it, what was noted beside it.

Staging is changed by its declarations. What was built has the same columns under the same names beside the same order,
and hashes are found in it by themselves, whatever the column is called; so the file is right at once, and the night
that follows builds it anew from staging.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import compress
from typing import NamedTuple

import duckdb
import msgspec

from stockbook.declarations import Table
from stockbook.erasure.finding import EVENTS, columns_of, old_orders, orders_on_list, personal_in, rows_of
from stockbook.erasure.personal_tables import PersonalTable
from stockbook.projection.erased import HASHED
from stockbook.projection.erasures import Erasures, order_name
from stockbook.projection.undeclared_names import HIDDEN_NAME
from stockbook.warehouse import content_marks, meta, meta_listings
from stockbook.warehouse.schema import declared_ddl
from stockbook.warehouse.transaction import transaction
from stockbook.webhooks.erased_events import EventErasers

QUARANTINE, UNDECLARED = "staging.quarantine", "meta.undeclared_field"


class _TextColumn(NamedTuple):
    table: str
    name: str
    type: str


class Books:
    """The erasure of one file; ``rows`` counts what was changed, table by table."""

    def __init__(self, con: duckdb.DuckDBPyConnection, tables: dict[str, Table], erasures: Erasures) -> None:
        """``con`` has the file open for writing."""
        self.con, self.tables, self.erasures = con, tables, erasures
        self.rows: Counter[str] = Counter()
        self._columns = columns_of(con)
        self._personal = personal_in(tables, self._columns)
        # of each table the orders of too many years ago
        self._old: dict[str, set[tuple[str, str]]] = {}

    def erase(self, at: datetime, elsewhere: Mapping[str, int], digests: Mapping[str, str]) -> bool:
        """
        Change the file; whether there was anything to change.

        ``elsewhere`` are rows that were erased outside of it, ``digests`` new ones of landed pages by the old ones.
        """
        with transaction(self.con):
            for each in self._personal:
                self._empty(each)
            self._rewrite_events()
            for table, columns in self._columns.items():
                for column in self._with_hashes(table, columns):
                    self._replace_hashes(column)
            self._strip_quarantine()
            self._forget_names()
            rows = Counter(elsewhere) + self.rows
            if not rows:
                return False
            if "meta.loaded_page" in self._columns and digests:
                meta_listings.rename_loaded_pages(self.con, digests)
            staged = [name for name in self.rows if name in self.tables and self.tables[name].is_staged]
            if "meta.content_mark" in self._columns:
                content_marks.renew(self.con, "erasure", self.tables, [*staged, QUARANTINE] if staged else [])
            self.con.execute(declared_ddl(self.tables["meta.erasure"]))
            meta.write_erasure(self.con, at, rows)
        return True

    def _empty(self, each: PersonalTable) -> None:
        """What tells of a person, from the rows of erased orders and from what was built of them."""
        self._find_orders(each)
        for name, columns in self._columns.items():
            emptied = [column for column in each.emptied if column in columns]
            if not emptied or each.order not in columns or "account" not in columns or not _holds(name, each):
                continue
            there = " or ".join(f"t.{column} is not null" for column in emptied)
            values = [f"{column} = null" for column in emptied]
            if name == each.table.name:
                values.append(f"_row_hash = {self._row_hash(each.table, dict.fromkeys(emptied, 'null'))}")
            self.rows[name] += _changed(
                self.con,
                f"update {name} as t set {', '.join(values)} from erased_orders as e "
                f"where t.account = e.account and lower(t.{each.order}) = e.order_id and ({there})",
            )

    def _find_orders(self, each: PersonalTable) -> None:
        """Make ``erased_orders``."""
        listed = orders_on_list(self.con, each, self.erasures) if len(self.erasures) else set()
        self._old[each.table.name] = old = old_orders(self.con, each, self.erasures.before)
        orders = sorted(listed | old)
        self.con.execute(
            "create or replace temp table erased_orders as "
            "select unnest(?::text[]) as account, unnest(?::text[]) as order_id",
            [[account for account, _ in orders], [order for _, order in orders]],
        )

    def _rewrite_events(self) -> None:
        if EVENTS not in self._columns:
            return
        erasers = EventErasers(self.erasures)
        query = (
            f"select received_no, source, account, event_type, subject_id, cast(payload as varchar) from {EVENTS} "
            "where payload is not null or length(subject_id) = 64"
        )
        changed = [
            (number, *new)
            for number, source, account, topic, subject, payload in rows_of(self.con, query)
            if (new := erasers.parts(source, account, topic, subject, payload)) != (subject, payload)
        ]
        if not changed:
            return
        row_hash = self._row_hash(self.tables[EVENTS], {"subject_id": "n.subject_id", "payload": "n.payload"})
        self.rows[EVENTS] += _changed(
            self.con,
            f"update {EVENTS} as t set subject_id = n.subject_id, payload = n.payload, _row_hash = {row_hash} "
            "from (select unnest(?::bigint[]) as received_no, unnest(?::text[]) as subject_id, "
            "cast(unnest(?::text[]) as json) as payload) as n where t.received_no = n.received_no",
            [list(column) for column in zip(*changed, strict=True)],
        )

    def _with_hashes(self, table: str, columns: Mapping[str, str]) -> list[_TextColumn]:
        """The columns of a table that have a hash of some kind in a text."""
        texts = [_TextColumn(table, name, type_) for name, type_ in columns.items() if type_ in ("VARCHAR", "JSON")]
        # the long ones first: to prepare a pattern takes longer than to read a small table
        for condition in (_is_long, _has_hash):
            if texts:
                # all columns in one question: a file has a thousand
                conditions = ", ".join(f"coalesce(bool_or({condition(column.name)}), false)" for column in texts)
                (holds,) = self.con.execute(f"select {conditions} from {table}").fetchall()
                texts = list(compress(texts, holds))
        return texts

    def _replace_hashes(self, column: _TextColumn) -> None:
        """Hashes on the list, alone in a column or within a text, wherever they were copied to."""
        rows = self.con.execute(
            f"select distinct cast({column.name} as varchar) from {column.table} where {_has_hash(column.name)}"
        ).fetchall()
        emptied = any(column.name in each.emptied and _holds(column.table, each) for each in self._personal)
        new: dict[str, str | None] = {}
        for (text,) in rows:
            if emptied and HASHED.fullmatch(text) and self.erasures.has("person", text):
                new[text] = None
            elif (replaced := HASHED.sub(lambda match: self.erasures.stand_in(match.group()), text)) != text:
                new[text] = replaced
        if not new:
            return
        values = [f"{column.name} = cast(n.new as {column.type})"]
        table = self.tables.get(column.table)
        if table is not None and table.is_staged:
            values.append(f"_row_hash = {self._row_hash(table, {column.name: 'n.new'})}")
        self.rows[column.table] += _changed(
            self.con,
            f"update {column.table} as t set {', '.join(values)} "
            "from (select unnest(?::text[]) as old, unnest(?::text[]) as new) as n "
            f"where cast(t.{column.name} as varchar) = n.old",
            [list(new), list(new.values())],
        )

    def _row_hash(self, table: Table, instead: Mapping[str, str]) -> str:
        """The hash of a row of staging as a load makes it, with other values in some columns."""
        hashed = [name for name, column in table.columns.items() if not column.observed or table.source is None]
        if not all(name in self._columns[table.name] for name in hashed):
            return "t._row_hash"  # of an earlier version: the next load sees another row anyhow
        columns = [
            f"cast({instead[name]} as {table.columns[name].type})" if name in instead else f"t.{name}"
            for name in hashed
        ]
        return f"hash({', '.join(columns)})"

    def _strip_quarantine(self) -> None:
        """What is shown of rows in quarantine whose order was erased."""
        if QUARANTINE not in self._columns:
            return
        by_name = {each.table.table: each for each in self._personal if each.emptied}
        rows = self.con.execute(
            f"select rowid, account, table_name, row_key, parent_key, cast(fields as varchar) from {QUARANTINE} "
            "where fields is not null"
        ).fetchall()
        for row_id, account, table, row_key, parent_key, fields in rows:
            each = by_name.get(table)
            if each is None:
                continue
            shown = msgspec.json.decode(fields)
            is_old = self.erasures.is_old(shown.get(each.time))
            if not is_old and not self._is_erased(each, account, (row_key, parent_key)):
                continue
            left = {name: value for name, value in shown.items() if name not in each.emptied}
            if left != shown:
                self.rows[QUARANTINE] += _changed(
                    self.con,
                    f"update {QUARANTINE} set fields = ?::json where rowid = ?",
                    [msgspec.json.encode(left).decode(), row_id],
                )

    def _is_erased(self, each: PersonalTable, account: str, keys: Iterable[str | None]) -> bool:
        listed, old = self.erasures.has, self._old[each.table.name]
        return any(
            (account, key.lower()) in old or listed("order", order_name(each.system, account, key))
            for key in keys
            if key
        )

    def _forget_names(self) -> None:
        if UNDECLARED not in self._columns:
            return
        paths = [path for (path,) in self.con.execute(f"select distinct path from {UNDECLARED}").fetchall()]
        listed = [path for path in paths if any(self.erasures.has("name", name) for name in HIDDEN_NAME.findall(path))]
        if listed:
            self.rows[UNDECLARED] += len(listed)
            meta_listings.forget_undeclared_paths(self.con, listed)


def _holds(table: str, each: PersonalTable) -> bool:
    """Whether a column of this table that is called like one of staging is the same one: not in another's staging."""
    return not table.startswith("staging.") or table in (each.table.name, f"{each.table.name}_history")


def _is_long(column: str) -> str:
    return f"strlen(cast({column} as varchar)) >= 64"


def _has_hash(column: str) -> str:
    return f"{_is_long(column)} and regexp_matches(cast({column} as varchar), '[0-9a-f]{{64}}')"


def _changed(con: duckdb.DuckDBPyConnection, statement: str, parameters: list[object] | None = None) -> int:
    return int(con.execute(statement, parameters).fetchall()[0][0])
