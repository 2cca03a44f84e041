"""Rows of the valuation on their way into the file: in whole row groups, none lost."""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from stockbook.valuation.batches import named
from stockbook.warehouse.row_groups import READY, ROW_GROUP, RowGroups


def rows(first: int, count: int, names: list[str]) -> pa.Table:
    """Numbers from ``first``; every third has no name, the others take turns with this batch's own names."""
    number = np.arange(first, first + count)
    return pa.table({"number": number, "name": named(number // 3 % len(names), names, number % 3 > 0)})


def test_rows_of_many_batches_fill_row_groups(tmp_path: Path) -> None:
    """Batches of any size, each with names of its own, stand in full row groups but the last; no row is another."""
    with duckdb.connect(str(tmp_path / "writer.duckdb")) as con:
        con.execute("create table written (number bigint, name varchar)")
        con.execute("create table given (number bigint, name varchar)")
        row_groups = RowGroups(con)
        first = 0
        for count, names in ((90_000, ["a", "b"]), (200_000, ["b"]), (1, ["c"]), (300_000, ["a", "d", "e"])):
            row_groups.add("written", rows(first, count, names))
            con.executemany(
                "insert into given select n, case when n % 3 > 0 then ?[n // 3 % ? + 1] end from range(?, ?) as r(n)",
                [[names, len(names), first, first + count]],
            )
            first += count
        row_groups.finish()
        con.execute("checkpoint")

        groups = con.execute("""
            select sum(count)
            from pragma_storage_info('written')
            where column_name = 'number' and segment_type <> 'VALIDITY'
            group by row_group_id
            order by row_group_id
        """).fetchall()
        full, left = divmod(first, ROW_GROUP)
        assert [count for (count,) in groups] == [ROW_GROUP] * full + [left]
        assert con.execute("select count(*), count(distinct number) from written").fetchall() == [(first, first)]
        assert con.execute("from given except all from written").fetchall() == []
        assert con.execute("from written except all from given").fetchall() == []


def test_few_rows_are_written_at_the_end(tmp_path: Path) -> None:
    """What fills no row group waits for ``finish``, and a table without rows is none to write."""
    with duckdb.connect(str(tmp_path / "writer.duckdb")) as con:
        con.execute("create table written (number bigint, name varchar)")
        row_groups = RowGroups(con)
        row_groups.add("written", rows(0, READY - 1, ["a"]))
        assert con.execute("select count(*) from written").fetchall() == [(0,)]
        row_groups.add("never", rows(0, 0, ["a"]))
        row_groups.finish()
        assert con.execute("select count(*) from written").fetchall() == [(READY - 1,)]
        row_groups.finish()
        assert con.execute("select count(*) from written").fetchall() == [(READY - 1,)]
