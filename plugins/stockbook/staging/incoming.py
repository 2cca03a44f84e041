"""
Landed pages to typed rows: what holds its declaration, and what does not.

Rows are read in bulk by DuckDB as text, cast column by column, and split: accepted rows go on
to be merged, refused ones to ``staging.quarantine`` with the reason, without personal data.
"""

from pathlib import Path

import duckdb

from stockbook.declarations import Column, Table
from stockbook.landing.pages import size_of_lines
from stockbook.staging.wire import rows_as_text, tree

# An order may carry long lists; the landed row has no documents in it.
LARGEST_ROW = 64 * 1024 * 1024


def quoted(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def read_landed(con: duckdb.DuckDBPyConnection, files: list[Path], fed: list[Table], table: Table) -> None:
    """
    Read what ``table``, one of those a listing feeds, needs of the listing's pages into the temporary view ``landed``:
    ``_row`` (order of arrival), the wire's members as text.

    Where a key came more than once only its last delivery stays; the first table of the listing decides, and is read
    first. A table at a time: unwrapping what it needs is the cost of reading, all lists of all rows at once the memory.
    """
    members = tree(fed).members()
    needed = ", ".join(f'"{name}"' for name in tree([table]).members())
    if files:
        listed = ", ".join(quoted(str(file)) for file in files)
        columns = ", ".join(f"{quoted(name)}: {quoted(type_)}" for name, type_ in members.items())
        # no row is larger than its page, and every thread keeps a buffer of twice that
        longest = min(LARGEST_ROW, max(map(size_of_lines, files)) + 1)
        con.execute(f"""
            create or replace temp table landed_rows as
            select {needed}
            from read_ndjson([{listed}], columns = {{{columns}}}, compression = 'zstd',
                             maximum_object_size = {longest})
        """)
    else:
        columns = ", ".join(f'"{name}" {type_}' for name, type_ in members.items())
        con.execute(f"create or replace temp table landed_rows ({columns})")
    # a row's place in the table is its place in the pages; numbering rows while they are read takes twice the time
    con.execute("create or replace temp view landed as select rowid as _row, * from landed_rows")
    if table is fed[0]:
        _find_superseded(con, table)
    if con.execute("select 1 from superseded limit 1").fetchall():
        con.execute("delete from landed_rows where rowid in (select _row from superseded)")


def _find_superseded(con: duckdb.DuckDBPyConnection, base: Table) -> None:
    """Make the temporary table ``superseded``: rows whose key came again after them."""
    con.execute("create or replace temp table superseded (_row bigint)")
    if base.source is None or base.source.rows:
        return  # the listing feeds only tables of its arrays: their rows are made unique one by one
    keys = ", ".join(name for name in base.grain if name in base.columns and base.columns[name].paths)
    con.execute(f"create or replace temp view landed_keys as {rows_as_text(base, 'landed', ('_row',))}")
    rows, distinct = con.execute(
        f"select count(*), (select count(*) from (select distinct {keys} from landed_keys)) from landed_keys"
    ).fetchall()[0]
    if rows != distinct:
        con.execute(f"""
            insert into superseded
            select _row from landed_keys
            qualify row_number() over (partition by {keys} order by _row desc) > 1
        """)
    con.execute("drop view landed_keys")


def split(con: duckdb.DuckDBPyConnection, table: Table, account: str, zone: str, read_at: str) -> bool:
    """
    Make the temporary view ``accepted`` (account, declared columns, ``_row_hash``) and table ``refused``
    (account, row_key, reason, fields, keys of the grain as far as they could be read) of one table from ``landed``.

    ``read_at`` is the local wall clock of the observation (ISO). True when every row was accepted.
    """
    wire = [name for name, column in table.columns.items() if column.paths or column.by_array]
    casts = {name: _cast(name, table.columns[name], zone, read_at) for name in table.columns}
    reasons = [reason for name, column in table.columns.items() for reason in _reasons(name, column, zone)]
    shown = [name for name in wire if table.columns[name].personal == "none"]
    hashed = ", ".join(name for name, column in table.columns.items() if not column.observed)
    con.execute(f"""
        create or replace temp table typed as
        with

        text_rows as (
            {rows_as_text(table, "landed", ("_row",))}
        ),

        cast_rows as (
            select
                _row,
                {quoted(account)} as account,
                {", ".join(f"{cast} as {name}" for name, cast in casts.items())},
                concat_ws('; ', {", ".join(reasons) or "null"}) as _reason
            from text_rows
        )

        -- typed values only: a text that broke its declaration could be anybody's data
        select
            *,
            if(_reason = '', null, to_json(struct_pack({", ".join(f"{name} := {name}" for name in shown)}))) as _fields,
            hash({hashed}) as _row_hash
        from cast_rows
    """)
    return _split_typed(con, table)


def _split_typed(con: duckdb.DuckDBPyConnection, table: Table) -> bool:
    columns = ", ".join(["account", *table.columns, "_row_hash"])
    keys = [name for name in table.grain if name in table.columns]
    key_text = f"concat_ws('/', {', '.join(f'cast({name} as varchar)' for name in keys)})"
    # a view: what is accepted is the bulk, and every copy of it is memory
    con.execute(f"create or replace temp view accepted as select {columns} from typed where _reason = ''")
    all_rows = con.execute("select count(*) from typed").fetchall()[0][0]
    rows, distinct = con.execute(
        f"select count(*), (select count(*) from (select distinct {', '.join(keys)} from accepted)) from accepted"
    ).fetchall()[0]
    if rows != distinct:
        con.execute(f"""
            delete from typed where rowid in (
                select rowid from typed
                where _reason = ''
                qualify row_number() over (partition by {", ".join(keys)} order by _row desc, _row_hash) > 1
            )
        """)
    con.execute(f"""
        create or replace temp table refused as
        select distinct account, {key_text} as row_key, _reason as reason, _fields as fields, {", ".join(keys)}
        from typed
        where _reason <> ''
    """)
    return bool(all_rows == distinct)


def _cast(name: str, column: Column, zone: str, read_at: str) -> str:
    if column.observed == "snapshot_at":
        return f"timestamp {quoted(read_at)}"
    if column.observed == "snapshot_date":
        return f"cast(timestamp {quoted(read_at)} as date)"
    if column.utc_of:
        return f"staging.utc_of(try_cast(nullif({column.utc_of}, '') as timestamp), {quoted(zone)})"
    if column.type == "varchar":
        return f"text_rows.{name}"
    return f"try_cast(nullif(text_rows.{name}, '') as {column.type})"


def _reasons(name: str, column: Column, zone: str) -> list[str]:
    if column.observed:
        return []
    if column.utc_of:
        local = f"try_cast(nullif(text_rows.{column.utc_of}, '') as timestamp)"
        skipped = quoted(f"{column.utc_of}: a time in the hour that is skipped in spring")
        return [f"case when {local} is not null and staging.utc_of({local}, {quoted(zone)}) is null then {skipped} end"]
    given = f"nullif(text_rows.{name}, '')"
    found = []
    if column.required:
        found.append(f"case when {given} is null then {quoted(f'{name}: missing')} end")
    if column.type != "varchar":
        expected = quoted(f"{name}: expected {column.type}")
        found.append(
            f"case when {given} is not null and try_cast({given} as {column.type}) is null then {expected} end"
        )
    return found
