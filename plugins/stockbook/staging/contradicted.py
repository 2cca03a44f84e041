"""
Rows of one key with other values that are of one moment: whichever counted, the figure could be wrong. None does.

A row that comes again on a later page has moved while pages were read, and the last one counts. On one page each speaks
against the other: rows of a stock listing for each warehouse are parts of a count, and two receivings of one number,
or two movements, cannot both be meant. Of two currency rates of one day none is the day's: the last day before has
one. Within one row of a listing, one element of a list speaks against another: two amounts of one price in euro.
An element with a key of its own does so within one page: a variant that two products, or two copies of one, list at
two prices.
"""

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

import duckdb

from stockbook.declarations import Table
from stockbook.landing.copies import says
from stockbook.landing.pages import unverified
from stockbook.sql_text import quoted

_REASON = "came several times at once with other values (by warehouse?): which of them counts is not known"


def figures(table: Table) -> list[str]:
    """What two rows of one moment may not differ in; nothing where it is all that landed of them."""
    if table.kind == "daily":
        return ["_row_hash"]
    # a rate may tell its hour besides
    return [name for name, column in table.columns.items() if table.kind == "dated" and column.type.startswith("dec")]


def places(table: Table) -> list[str]:
    """Where an element stands in its list."""
    return [name for name, column in table.columns.items() if "#" in column.paths]


def content(table: Table) -> list[str]:
    """What two elements of one list may not differ in: all but the place they stand at."""
    return [name for name, column in table.columns.items() if not column.observed and name not in places(table)]


def own(table: Table) -> list[str]:
    """Of that what it says itself, and not the row it lies in."""
    return [name for name in content(table) if not any(path.startswith("^") for path in table.columns[name].paths)]


def find_on_pages(
    con: duckdb.DuckDBPyConnection, keys: Sequence[str], figures: Sequence[str], ends: Sequence[int]
) -> bool:
    """
    Make ``contradicted`` of keys whose rows in ``typed`` differ in ``figures``, where some do on one page.

    ``ends`` are the pages' last rows, counted from 1 over all pages. False when there are none.
    """
    listed = ", ".join(keys)
    con.execute(
        f"""
        create or replace temp table contradicted as
        with

        -- of a table made in the same transaction DuckDB does not number rows from 0
        numbered as (

            select
                *,
                hash({", ".join(figures)}) as figure_hash,
                _row - min(_row) over () as place
            from typed

        ),

        differing as (

            select
                {listed},
                figure_hash,
                len(list_filter($ends, lambda row_end: row_end <= place)) as page
            from numbered
            where _reason = ''
            qualify min(figure_hash) over (partition by {listed}) <> max(figure_hash) over (partition by {listed})

        ),

        on_one_page as (

            select 1
            from differing
            group by {listed}, page
            having count(distinct figure_hash) > 1

        )

        select distinct {listed}
        from differing
        where exists (from on_one_page)
        """,
        {"ends": list(ends)},
    )
    return _has_some(con)


def find_in_rows(con: duckdb.DuckDBPyConnection, keys: Sequence[str], figures: Sequence[str]) -> bool:
    """Make ``contradicted`` of keys whose elements in one row differ in ``figures``; False when there are none."""
    listed = ", ".join(keys)
    con.execute(f"""
        create or replace temp table contradicted as
        select distinct {listed}
        from typed
        where _reason = ''
        group by {listed}, _row
        having count(distinct hash({", ".join(figures)})) > 1
    """)
    return _has_some(con)


def find_in_elements(
    con: duckdb.DuckDBPyConnection, table: Table, keys: Sequence[str], ends: Sequence[int], in_rows: bool
) -> bool:
    """
    Make ``contradicted`` of keys of a table of arrays; False when there are none.

    ``in_rows`` tells that the rows which the arrays lie in have a table of their own.
    """
    if find_in_rows(con, keys, content(table)):
        return True
    # without it, rows of one key may be elements of several rows
    if not in_rows:
        return find_on_pages(con, keys, content(table), ends)
    # so may what has a key of its own: a variant that two products list is theirs, but it has one price
    return table.kind == "snapshot" and find_on_pages(con, keys, own(table), ends)


def find_in_lines(
    con: duckdb.DuckDBPyConnection, keys: Sequence[str], files: Sequence[Path], ends: Sequence[int]
) -> bool:
    """
    Make ``contradicted`` of keys whose rows in ``typed`` differ in whatever landed of them, where they are on one page.

    ``files`` are the pages, ``ends`` as in ``find_on_pages``. False when there are none.
    """
    listed = ", ".join(keys)
    copies = con.execute(f"""
        with

        numbered as (

            select
                *,
                _row - min(_row) over () as place
            from typed

        )

        select
            hash({listed}),
            place
        from numbered
        where _reason = ''
        qualify count(*) over (partition by {listed}) > 1
        order by place
    """).fetchall()
    by_page: dict[int, dict[int, list[int]]] = {}
    for key, place in copies:
        by_page.setdefault(bisect_right(ends, place), {}).setdefault(key, []).append(place)
    places: list[int] = []
    for page, by_key in by_page.items():
        on_page = [several for several in by_key.values() if len(several) > 1]
        lines = unverified(files[page]).splitlines() if on_page else []
        first = ends[page - 1] if page else 0
        places += [several[0] for several in on_page if len({says(lines[at - first]) for at in several}) > 1]
    con.execute(
        f"""
        create or replace temp table contradicted as
        select distinct {listed}
        from (
            select
                *,
                _row - min(_row) over () as place
            from typed
        )
        where place in (select unnest($places))
        """,
        {"places": places},
    )
    return bool(places)


def _has_some(con: duckdb.DuckDBPyConnection) -> bool:
    return bool(con.execute("select 1 from contradicted limit 1").fetchall())


def reason(keys: Sequence[str]) -> str:
    """The reason of a row, as SQL; NULL where its key is not contradicted."""
    listed = ", ".join(keys)
    return f"case when ({listed}) in (select ({listed}) from contradicted) then {quoted(_REASON)} end"
