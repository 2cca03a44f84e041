"""
Rows of one key with other values that are of one moment: whichever counted, the figure could be wrong. None does.

A row that comes again on a later page has moved while pages were read, and the last one counts. On one page of counts
each is a part: of a stock listing with a row for each warehouse, say. Of two currency rates of one day none is the
day's: the last day before has one. Within one row of a listing, one element of a list speaks against another: two
amounts of one price in euro.
"""

from collections.abc import Sequence

import duckdb

from stockbook.sql_text import quoted

_REASON = "came several times at once with other values (by warehouse?): which of them counts is not known"


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


def _has_some(con: duckdb.DuckDBPyConnection) -> bool:
    return bool(con.execute("select 1 from contradicted limit 1").fetchall())


def reason(keys: Sequence[str]) -> str:
    """The reason of a row, as SQL; NULL where its key is not contradicted."""
    listed = ", ".join(keys)
    return f"case when ({listed}) in (select ({listed}) from contradicted) then {quoted(_REASON)} end"
