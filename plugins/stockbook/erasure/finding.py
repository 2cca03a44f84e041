"""What belongs to people on the list: the rows of their orders, in each system, and what these show besides."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import duckdb

from stockbook.declarations import Table
from stockbook.erasure.personal_tables import PersonalTable, personal_tables
from stockbook.projection.erased import HASHED
from stockbook.projection.erasures import Erasures, order_name

EVENTS = "staging.webhook_events"
_JOINED = "marts.fct_channel_order"
_ROWS = 50_000


def columns_of(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """The columns of every table of a file and their types, by the table's qualified name."""
    columns: dict[str, dict[str, str]] = {}
    for table, name, type_ in con.execute(
        "select c.schema_name || '.' || c.table_name, c.column_name, c.data_type from duckdb_columns() as c "
        "semi join duckdb_tables() as t on c.table_oid = t.table_oid and c.database_name = t.database_name "
        "where c.database_name = current_database() and not c.internal order by 1, c.column_index"
    ).fetchall():
        columns.setdefault(table, {})[name] = type_
    return columns


def personal_in(tables: dict[str, Table], columns: Mapping[str, Mapping[str, str]]) -> list[PersonalTable]:
    """The tables about people that a file has, with the columns it has of them: it may be of an earlier version."""
    return [
        each._replace(
            naming=[name for name in each.naming if name in there],
            emptied=[name for name in each.emptied if name in there],
            renamed=[name for name in each.renamed if name in there],
            time=each.time if each.time in there else None,
        )
        for each in personal_tables(tables)
        if each.order in (there := columns.get(each.table.name, {}))
    ]


def complete(con: duckdb.DuckDBPyConnection, tables: dict[str, Table], erasures: Erasures) -> None:
    """Put on the list what the books tell of those who are on it: other hashes of theirs, orders, joined orders."""
    there = columns_of(con)
    personal = personal_in(tables, there)
    pairs = _joined_pairs(con) if _JOINED in there else set()
    size_before = -1
    while size_before != (size_before := len(erasures)):
        for each in personal:
            orders_on_list(con, each, erasures)
        for order, same in pairs:
            if erasures.has("order", order):
                erasures.add("order", same)
        for each in personal:
            for column in each.naming:
                _add_known_by_these(con, each, column, {name for name, _ in pairs}, erasures)


def orders_on_list(con: duckdb.DuckDBPyConnection, each: PersonalTable, erasures: Erasures) -> set[tuple[str, str]]:
    """The orders (account, id in small letters) of erased people; what their rows show is put on the list."""
    query = (
        f"select distinct account, {', '.join([each.order, *each.naming, *each.renamed])} from {each.table.name} "
        f"where {each.order} is not null"
    )
    orders = set()
    for account, order, *texts in rows_of(con, query):
        persons = [text for text in texts[: len(each.naming)] if text]
        name = order_name(each.system, account, order)
        is_person = any(erasures.has("person", text) for text in persons)
        if not is_person and not erasures.has("order", name):
            continue
        erasures.add("order", name)
        for text in persons if is_person else []:
            erasures.add("person", text)
        for text in texts[len(each.naming) :]:
            if text and HASHED.fullmatch(text):
                erasures.add("value", text)
        orders.add((account, str(order).lower()))
    return orders


def old_orders(con: duckdb.DuckDBPyConnection, each: PersonalTable, before: date | None) -> set[tuple[str, str]]:
    """The orders (account, id in small letters) of days before one that still tell of somebody."""
    if before is None or each.time is None or not each.emptied:
        return set()
    tells = " or ".join(f"{name} is not null" for name in each.emptied)
    query = (
        f"select distinct account, lower({each.order}) from {each.table.name} "
        f"where {each.order} is not null and {each.time} < $before and ({tells})"
    )
    return set(con.execute(query, {"before": before}).fetchall())


def is_before(con: duckdb.DuckDBPyConnection, each: PersonalTable, before: date) -> bool:
    """Whether an order is of a day before one, whether it tells of somebody or not."""
    if each.time is None:
        return False
    query = f"select count(*) > 0 from {each.table.name} where {each.time} < $before"
    return bool(con.execute(query, {"before": before}).fetchall()[0][0])


def people_before(con: duckdb.DuckDBPyConnection, personal: Iterable[PersonalTable], before: date) -> set[str]:
    """The hashes of those who ordered before a day, and never since."""
    earlier, since = set[str](), set[str]()
    for each in personal:
        is_old = f"coalesce(max({each.time}) < date '{before}', false)" if each.time is not None else "false"
        for name in each.naming:
            query = f"select {name}, {is_old} from {each.table.name} where {name} is not null group by {name}"
            for text, old in rows_of(con, query):
                (earlier if old else since).add(text)
    return earlier - since


def people_of_events(con: duckdb.DuckDBPyConnection, columns: Mapping[str, object]) -> set[str]:
    """The hashes that events of webhooks tell of, whatever they are of."""
    if EVENTS not in columns:
        return set()
    query = f"select concat_ws(' ', subject_id, cast(payload as varchar)) from {EVENTS}"
    return {text for (event,) in rows_of(con, query) for text in HASHED.findall(event)}


def _joined_pairs(con: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    """Orders of two systems that are one purchase, each with the other, both ways round."""
    rows = con.execute(
        f"select system, account, order_id, joined_system, joined_account, joined_order_id from {_JOINED} "
        "where join_state = 'matched' and joined_order_id is not null"
    ).fetchall()
    pairs = {(order_name(*row[:3]), order_name(*row[3:])) for row in rows}
    return pairs | {(same, order) for order, same in pairs}


def _add_known_by_these(
    con: duckdb.DuckDBPyConnection, each: PersonalTable, column: str, joined: set[str], erasures: Erasures
) -> None:
    """
    Put on the list who is known by orders on it and nothing else.

    A buyer may order for somebody else: a customer of one system, or a recipient of another, is the same person only
    where every order of theirs that is joined is on the list.
    """
    query = (
        f"select distinct account, {each.order}, {column} from {each.table.name} "
        f"where {each.order} is not null and {column} is not null"
    )

    def named() -> Iterator[tuple[str, str]]:
        for account, order, text in rows_of(con, query):
            name = order_name(each.system, account, order)
            if name in joined:
                yield name, text

    candidates = {text for name, text in named() if erasures.has("order", name)}
    if candidates:
        elsewhere = {text for name, text in named() if text in candidates and not erasures.has("order", name)}
        for text in candidates - elsewhere:
            erasures.add("person", text)


def rows_of(con: duckdb.DuckDBPyConnection, query: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, some at a time: there may be a million. The connection is asked nothing else meanwhile."""
    result = con.execute(query)
    while rows := result.fetchmany(_ROWS):
        yield from rows
