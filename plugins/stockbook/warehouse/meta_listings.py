"""
What is written to the schema ``meta`` of each listing: how far it was read, what came, and what became of its rows.

That is the cursor, the pages of the latest load, the counts of a run, and the fields that nobody declared. Callers
write it in the transaction of the rows. As in ``meta``, each function replaces what an earlier attempt wrote.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import duckdb

from stockbook.sql_text import quoted


class ListingKey(NamedTuple):
    """A listing of an account."""

    account: str
    api: str
    listing: str


class Cursor(NamedTuple):
    """How far a listing was read now: by number, by day."""

    listing: ListingKey
    read_to: int | None
    window_to: str | None = None


_OF_LISTING = "account = ? and api = ? and listing = ?"


def advance_cursors(con: duckdb.DuckDBPyConnection, cursors: Iterable[Cursor], *, as_of: datetime, run_id: str) -> None:
    """How far listings have been read, by number and by day; neither goes back."""
    read_so_far: dict[ListingKey, tuple[Any, ...]] = {
        ListingKey(*key): (ceiling, window_to, first_as_of)
        for *key, ceiling, window_to, first_as_of in con.execute(
            "select account, api, listing, ceiling, window_to, first_as_of from meta.cursor"
        ).fetchall()
    }
    rows = {}
    for listing, read_to, window_to in cursors:
        ceiling, last_day, first_as_of = read_so_far.get(listing, (None, None, as_of))
        ceiling = max((number for number in (ceiling, read_to) if number is not None), default=None)
        last_day = max((str(day) for day in (last_day, window_to) if day is not None), default=None)
        read_so_far[listing] = (ceiling, last_day, first_as_of)
        rows[listing] = {
            **listing._asdict(),
            "ceiling": ceiling,
            "window_to": last_day,
            "first_as_of": first_as_of,
            "as_of": as_of,
            "run_id": run_id,
        }
    _put(con, "meta.cursor", ListingKey._fields, [*rows.values()])


def remove_cursor(con: duckdb.DuckDBPyConnection, listing: ListingKey) -> None:
    """A listing that was never read."""
    con.execute(f"delete from meta.cursor where {_OF_LISTING}", listing)


def write_listings(con: duckdb.DuckDBPyConnection, rows: Sequence[Mapping[str, object]]) -> None:
    """What a run read of listings and what became of their rows; all rows have the same columns."""
    _put(con, "meta.listing", ("run_id", *ListingKey._fields), rows)


def write_loaded_rows(con: duckdb.DuckDBPyConnection, rows: Sequence[Mapping[str, object]]) -> None:
    """What became of the rows of tables in a run; all rows have the same columns."""
    _put(con, "meta.loaded_rows", ("run_id", *ListingKey._fields, "table_name"), rows)


def write_undeclared_field(
    con: duckdb.DuckDBPyConnection,
    listing: ListingKey,
    path: str,
    json_type: str,
    *,
    hidden: str | None,
    rows: int,
    as_of: datetime,
) -> None:
    """A field that came and is not declared; it takes the place of ``hidden``, the hash its name was listed as."""
    where = f"{_OF_LISTING} and json_type = ? and path in (?, ?)"
    key = [*listing, json_type, path, hidden or path]
    first_seen = con.execute(f"select min(first_seen_at) from meta.undeclared_field where {where}", key).fetchall()
    con.execute(f"delete from meta.undeclared_field where {where}", key)
    con.execute(
        "insert into meta.undeclared_field "
        "(account, api, listing, path, json_type, rows_seen, first_seen_at, last_seen_at, is_told) "
        "values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [*listing, path, json_type, rows, first_seen[0][0] or as_of, as_of, bool(hidden)],
    )


def forget_undeclared_fields(con: duckdb.DuckDBPyConnection) -> None:
    """Remove every name."""
    con.execute("delete from meta.undeclared_field")


def forget_undeclared_paths(con: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> None:
    """Remove fields by their paths."""
    con.execute("delete from meta.undeclared_field where path in (select unnest(?::text[]))", [list(paths)])


def write_loaded_pages(con: duckdb.DuckDBPyConnection, listing: ListingKey, read_as: str) -> None:
    """The pages a load read by the declarations ``read_as``: those in the temporary table ``page_keys``."""
    con.execute(
        "insert into meta.loaded_page select ?, ?, ?, sha256, ?, keys from page_keys",
        [*listing, read_as],
    )


def forget_loaded_pages(con: duckdb.DuckDBPyConnection, listing: ListingKey, stayed: Sequence[str] = ()) -> None:
    """Remove the pages of earlier loads but those whose digests ``stayed``."""
    is_other = f"sha256 not in ({', '.join(map(quoted, stayed))})" if stayed else "true"
    con.execute(f"delete from meta.loaded_page where {_OF_LISTING} and {is_other}", listing)


def rename_loaded_pages(con: duckdb.DuckDBPyConnection, digests: Mapping[str, str]) -> None:
    """Other digests of pages that were landed anew."""
    con.execute(
        "update meta.loaded_page as p set sha256 = n.now "
        "from (select unnest(?::text[]) as was, unnest(?::text[]) as now) as n where p.sha256 = n.was",
        [list(digests), list(digests.values())],
    )


def _put(con: duckdb.DuckDBPyConnection, table: str, key: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """Rows of the same columns in place of those with the same key, of which the last one counts."""
    rows = [*{tuple(row[name] for name in key): row for row in rows}.values()]
    if not rows:
        return
    # in one statement: planning one takes as long for a row as for all
    keys = ", ".join([f"({', '.join('?' * len(key))})"] * len(rows))
    con.execute(
        f"delete from {table} where ({', '.join(key)}) in (values {keys})", [row[name] for row in rows for name in key]
    )
    names = list(rows[0])
    values = ", ".join([f"({', '.join('?' * len(names))})"] * len(rows))
    con.execute(
        f"insert into {table} ({', '.join(names)}) values {values}", [row[name] for row in rows for name in names]
    )
