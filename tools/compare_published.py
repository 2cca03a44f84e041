"""
Say whether two published files show the same, row by row: ``python tools/compare_published.py BEFORE AFTER``.

Compared are all tables and views of staging, marts and reports: their columns in order, their types, and their rows,
less ``_run_id`` and ``_loaded_at``, which name the run. Table macros are compared by their parameters and by their
rows for the last day of the books, or for a text. Of ``meta``, checks and listings are compared by what came of them.
Ends with 1 where anything differs.
"""

import sys
from collections.abc import Iterator

import duckdb

SCHEMAS = ("staging", "marts", "reports")
OF_THE_RUN = ("_run_id", "_loaded_at")
# what does not depend on the run's clock, and the rows it is taken from
META = {
    "check_result": (
        "suite, stage, severity, count(*) as checks, count(*) filter (success) as held, count(failing_rows) as asked",
        "where split_part(suite, '.', 1) in ('staging', 'marts', 'reports') group by all",
    ),
    "listing": (
        "account, api, listing, proof, pages, rows_received, distinct_keys, promised_total, rows_new, rows_changed, "
        "rows_unchanged, rows_gone, rows_quarantined",
        "",
    ),
}


def columns(con: duckdb.DuckDBPyConnection, file: str) -> dict[str, list[tuple[str, str]]]:
    """The columns and types of each table and view, in their order."""
    rows = con.execute(
        "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns() "
        f"where database_name = '{file}' and schema_name in {SCHEMAS} order by schema_name, table_name, column_index"
    ).fetchall()
    tables: dict[str, list[tuple[str, str]]] = {}
    for table, column, data_type in rows:
        tables.setdefault(table, []).append((column, data_type))
    return tables


def macros(con: duckdb.DuckDBPyConnection, file: str) -> dict[str, list[str]]:
    """The parameters of each table macro of the reports."""
    return dict(
        con.execute(
            "select schema_name || '.' || function_name, parameters from duckdb_functions() where "
            f"database_name = '{file}' and function_type = 'table_macro' and schema_name = 'reports' order by all"
        ).fetchall()
    )


def differing(con: duckdb.DuckDBPyConnection, before: str, after: str) -> tuple[int, int, int]:
    """Rows of the first select, rows only it has, and rows only the second has."""
    (rows,), (gone,), (new,) = (
        con.execute(f"select count(*) from ({select})").fetchall()[0]
        for select in (before, f"{before} except all {after}", f"{after} except all {before}")
    )
    return rows, gone, new


def compared(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, bool]]:
    """A line for each object and whether it is the same in both files."""
    before, after = columns(con, "before"), columns(con, "after")
    for name in sorted(before | after):
        if before.get(name) != after.get(name):
            yield f"{name}: columns {before.get(name)} before, {after.get(name)} after", False
            continue
        names = ", ".join(f'"{column}"' for column, _ in before[name] if column not in OF_THE_RUN)
        rows, gone, new = differing(con, f"select {names} from before.{name}", f"select {names} from after.{name}")
        yield f"{name}: {rows:,} rows, {gone} only before, {new} only after", not gone and not new
    before_macros, after_macros = macros(con, "before"), macros(con, "after")
    ((last_day,),) = con.execute("select cast(as_of as date) from before.meta.current_run").fetchall()
    for name in sorted(before_macros | after_macros):
        if before_macros.get(name) != after_macros.get(name):
            yield f"{name}: takes {before_macros.get(name)} before, {after_macros.get(name)} after", False
            continue
        # a parameter that is no day is a text
        arguments = ", ".join(
            f"date '{last_day}'" if parameter.endswith("day") else "'A-1'" for parameter in before_macros[name]
        )
        call = f"{name}({arguments})"
        for file in ("before", "after"):
            # a macro finds its tables in the file that is in use
            con.execute(f"use {file}")
            con.execute(f"create or replace temp table {file}_rows as from {call}")
        rows, gone, new = differing(con, "from before_rows", "from after_rows")
        yield f"{name}: {rows:,} rows, {gone} only before, {new} only after", not gone and not new
    for name, (results, rest) in META.items():
        rows, gone, new = differing(
            con, f"select {results} from before.meta.{name} {rest}", f"select {results} from after.meta.{name} {rest}"
        )
        yield f"meta.{name}: {rows:,} results, {gone} only before, {new} only after", not gone and not new


def main(before: str, after: str) -> int:
    """Print what differs and how much was compared."""
    with duckdb.connect() as con:
        con.execute(f"attach '{before}' as before (read_only)")
        con.execute(f"attach '{after}' as after (read_only)")
        results = list(compared(con))
    for line, is_same in results:
        print("same     " if is_same else "DIFFERENT", line)
    different = sum(not is_same for _, is_same in results)
    empty = sum(": 0 rows, 0 only" in line for line, _ in results)
    print(f"{len(results)} compared, {different} different; {empty} have no rows and show nothing")
    return 1 if different or empty == len(results) else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2]))
