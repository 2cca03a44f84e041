"""
Tables without rows, and views: made one by one, or laid all at once with their comments for a build to fill.

A comment is a statement of a quarter of a millisecond, whatever it says, and what a build makes anew has four thousand
of them. To copy a schema takes as long as two hundred, comments included. So every table and view that will be built is
laid beside the one that stands, and takes its place when it has its rows.
"""

import tempfile
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import duckdb
import msgspec

from stockbook.caches import cached, code_of
from stockbook.declarations import LAYERS, Table, in_currency
from stockbook.models.comments import write_comments
from stockbook.models.macros import create_macros
from stockbook.models.order import Step
from stockbook.models.orphans import drop_orphans
from stockbook.project import MODELS, SHIPPED
from stockbook.sql_text import quoted
from stockbook.warehouse.connect import BLOCK, STORAGE
from stockbook.warehouse.schema import create_all
from stockbook.warehouse.spared_pandas import spare_pandas

# what a blank's name has behind that of its table
BLANK = "__blank"
_MACROS = """
select distinct schema_name || '.' || function_name
from duckdb_functions()
where database_name = current_database() and function_type = 'macro' and not internal
"""
# the comments of fewer tables and views take no longer than the copy
FEW = 30


def create(con: duckdb.DuckDBPyConnection, table: Table, sql: str) -> None:
    """Create or replace a view or macro of a select, or a table of exactly the declared columns, without rows."""
    if table.kind == "view":
        con.execute(f"create or replace view {table.name} as {sql}")
    elif table.kind == "macro":
        con.execute(f"create or replace macro {table.name}({', '.join(table.parameters)}) as table {sql}")
    else:
        columns = {"account": "varchar"} if "account" in table.grain and "account" not in table.columns else {}
        columns |= {name: column.type for name, column in table.columns.items()}
        con.execute(f"create or replace table {table.name} ({', '.join(f'{n} {t}' for n, t in columns.items())})")


def lay(
    con: duckdb.DuckDBPyConnection,
    models_dir: Path,
    tables: dict[str, Table],
    in_order: Sequence[Step],
    stands: Set[str],
    currency: str,
) -> set[str]:
    """
    Lay a blank of each table and view that a select makes, but of steps that stand; returns the names of these steps.

    Their comments name the valuation currency by its code. None are laid where few would be, of models that are not the
    ones which come with the program, or where no file can be written.
    """
    names = {step.name for step in in_order if step.sql is not None and step.tables[0].kind in ("table", "view")}
    missing = names - stands
    if len(missing) < FEW or models_dir.absolute() != SHIPPED / MODELS:
        return set()
    # thousands of columns: only where there is something to lay
    tables = in_currency(tables, currency)
    blanks = {step.name: tables[step.name] for step in in_order if step.name in names}
    selected = [(step.sql or "").encode() for step in in_order]
    sources = [msgspec.msgpack.encode(tables), *selected, *code_of(Path(__file__))]
    # of each version and currency its own: a machine may have several in turn
    name = f"blanks-{duckdb.__version__}-{currency}"
    (here,) = con.execute("select current_database()").fetchall()[0]
    try:
        content = cached(name, sources, bytes, lambda: _file_of(models_dir, tables, in_order, blanks))
        with tempfile.TemporaryDirectory(prefix="stockbook-") as folder:
            file = Path(folder) / "blanks.duckdb"
            file.write_bytes(content)
            con.execute(f"attach {quoted(str(file))} as blanks (read_only)")
            try:
                con.execute(f'copy from database blanks to "{here}" (schema)')
            finally:
                con.execute("detach blanks")
    except (OSError, duckdb.IOException):
        # where the books' own disk is at fault, the first model says so
        return set()
    con.execute(";".join(f"drop {blanks[name].kind} {name}{BLANK}" for name in names & stands))
    return missing


def put_in_place(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """A blank takes the place of the table or view of its name, which is dropped."""
    con.execute(f"drop {table.kind} if exists {table.name}")
    con.execute(f"alter {table.kind} {table.name}{BLANK} rename to {table.name.partition('.')[2]}")


def _file_of(
    models_dir: Path, tables: dict[str, Table], in_order: Sequence[Step], blanks: Mapping[str, Table]
) -> bytes:
    """A DuckDB file that has the blanks, with their comments, and nothing else."""
    with tempfile.TemporaryDirectory(prefix="stockbook-") as folder, duckdb.connect() as con:
        spare_pandas(con)
        create_all(con, tables)
        create_macros(con, models_dir)
        for step in in_order:
            for table in step.tables:
                create(con, table, step.sql or "")
        write_comments(con, {table.name: table for table in blanks.values()})
        file = Path(folder) / "blanks.duckdb"
        con.execute(f"attach {quoted(str(file))} as blanks (storage_version {quoted(STORAGE)}, block_size {BLOCK})")
        for table in blanks.values():
            con.execute(f"alter {table.kind} {table.name} rename to {table.name.partition('.')[2]}{BLANK}")
        con.execute(";".join(f"drop macro {name}" for (name,) in con.execute(_MACROS).fetchall()))
        drop_orphans(con, {f"{name}{BLANK}": table for name, table in blanks.items()}, LAYERS)
        con.execute("copy from database memory to blanks (schema)")
        con.execute("detach blanks")
        return file.read_bytes()
