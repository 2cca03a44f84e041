"""
Counts of which one page has several rows with other values: a stock listing with a row for each warehouse, say.

A row that comes again on a later page has moved while pages were read, and the last one counts. On one page all rows
are of one moment: each is a part, and whichever counted would be a wrong figure. So none of them does.
"""

from collections.abc import Sequence

import duckdb

from stockbook.declarations import Table
from stockbook.sql_text import quoted

_REASON = "several rows on one page with other values (of several warehouses?): which of them counts is not known"


def find(con: duckdb.DuckDBPyConnection, table: Table, keys: Sequence[str], ends: Sequence[int]) -> bool:
    """
    Make ``contradicted`` of keys of a table of counts whose rows in ``typed`` differ, where some do on one page.

    ``ends`` are the pages' last rows, counted from 1 over all pages. False when there are none.
    """
    if table.kind != "daily":
        return False
    listed = ", ".join(keys)
    con.execute(
        f"""
        create or replace temp table contradicted as
        with

        -- of a table made in the same transaction DuckDB does not number rows from 0
        numbered as (

            select
                *,
                _row - min(_row) over () as place
            from typed

        ),

        differing as (

            select
                {listed},
                _row_hash,
                len(list_filter($ends, lambda row_end: row_end <= place)) as page
            from numbered
            where _reason = ''
            qualify min(_row_hash) over (partition by {listed}) <> max(_row_hash) over (partition by {listed})

        ),

        on_one_page as (

            select 1
            from differing
            group by {listed}, page
            having count(distinct _row_hash) > 1

        )

        select distinct {listed}
        from differing
        where exists (from on_one_page)
        """,
        {"ends": list(ends)},
    )
    return bool(con.execute("select 1 from contradicted limit 1").fetchall())


def reason(keys: Sequence[str]) -> str:
    """The reason of a row, as SQL; NULL where its key is not contradicted."""
    listed = ", ".join(keys)
    return f"case when ({listed}) in (select ({listed}) from contradicted) then {quoted(_REASON)} end"
