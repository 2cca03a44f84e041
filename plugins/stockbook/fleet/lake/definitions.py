"""
Making the tables, comments and macros of a lake, and bringing them to what this program declares.

Only a new program finds something to do here. It is written by DuckDB's extension in one transaction, under the lock.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from stockbook.errors import ConfigError
from stockbook.fleet.lake import catalog
from stockbook.fleet.lake.relations import MADE, Program, Relation
from stockbook.lake_url import LakeUrl
from stockbook.limits import Limits
from stockbook.models.comments import write_comments
from stockbook.models.macros import create_macros
from stockbook.models.order import Step
from stockbook.version import VERSION
from stockbook.warehouse.lake import attach_lake, beside_lake

if TYPE_CHECKING:
    import psycopg


def stands(con: "psycopg.Connection[Any]", data_path: str, declared: Program, relations: Sequence[Relation]) -> bool:
    """
    Whether the lake has exactly these relations, comments and macros.

    Raises ConfigError where a later version of the program made it, since an earlier one does not take columns away, or
    where its files lie elsewhere.
    """
    if not catalog.is_there(con):
        return False
    require_place(con, data_path)
    stored = con.execute("select program, mark from stockbook.lake").fetchall()
    for version, _ in stored:
        if _numbers(version) > _numbers(VERSION):
            raise ConfigError(
                f"The lake was published by Stockbook {version}, this worker has {VERSION}: install that version here."
            )
    defined = dict(con.execute("select relation, definition from stockbook.defined").fetchall())
    return stored == [(VERSION, declared.mark)] and defined == {r.name: r.definition for r in relations}


def require_place(con: "psycopg.Connection[Any]", data_path: str) -> None:
    """Raise ConfigError unless the files of the lake lie there."""
    if (path := catalog.data_path(con)) != data_path:
        raise ConfigError(f"The files of this lake lie in {path}, and STOCKBOOK_STORE means {data_path}: one is wrong.")


def bring(
    url: LakeUrl, data_path: str, models_dir: Path, scratch: Path, declared: Program, relations: Sequence[Relation]
) -> None:
    """Make the lake if there is none, and its tables, comments and macros what is declared. Rows stay."""
    with catalog.locked(url) as pg, beside_lake(url, data_path, scratch, Limits()) as con:
        if stands(pg, data_path, declared, relations):
            return  # another worker was first
        if "://" not in data_path:
            Path(data_path).mkdir(parents=True, exist_ok=True)
        attach_lake(con, url, data_path)
        catalog.make_own_tables(pg)
        con.execute("begin transaction")
        renewed = _bring_tables(con, relations)
        _bring_macros(con, models_dir, declared)
        write_comments(con, declared.tables)
        # a table that comes back is empty: nobody's rows stand in it as they were published last
        pg.execute("delete from stockbook.published_table where relation = any(%s)", [renewed])
        con.execute("commit")
        _bring_extra(con, declared)
        with pg.transaction(), pg.cursor() as cursor:
            cursor.execute("delete from stockbook.lake")
            cursor.execute("insert into stockbook.lake values (%s, %s)", [VERSION, declared.mark])
            cursor.execute("delete from stockbook.defined")
            cursor.executemany(
                "insert into stockbook.defined values (%s, %s)", [(r.name, r.definition) for r in relations]
            )


def _bring_tables(con: duckdb.DuckDBPyConnection, relations: Sequence[Relation]) -> list[str]:
    """Returns the tables that went, or are new."""
    for schema in MADE:
        con.execute(f"create schema if not exists {schema}")
    there = {
        name: dict(columns)
        for name, columns in con.execute(
            "select schema_name || '.' || table_name, list((column_name, data_type) order by column_index) "
            "from duckdb_columns() where database_name = current_database() and not internal group by 1"
        ).fetchall()
        if name.partition(".")[0] in MADE
    }
    declared = {relation.name for relation in relations}
    for name in sorted(there.keys() - declared):
        con.execute(f"drop table {name}")
    for relation in relations:
        before = there.get(relation.name)
        if before is None:
            _create(con, relation.name, relation)
        elif before != relation.columns:
            _change(con, relation, before)
    return sorted(there.keys() ^ declared)


def _create(con: duckdb.DuckDBPyConnection, name: str, relation: Relation) -> None:
    con.execute(f"create table {name} ({relation.definition})")
    con.execute(f"alter table {name} set partitioned by (account)")


def _change(con: duckdb.DuckDBPyConnection, relation: Relation, before: dict[str, str]) -> None:
    """Columns come and go in place; where a type is another one the rows are written anew, of all accounts."""
    if all(before[name] == relation.columns[name] for name in before.keys() & relation.columns.keys()):
        for name in before.keys() - relation.columns.keys():
            con.execute(f'alter table {relation.name} drop column "{name}"')
        for name in relation.columns.keys() - before.keys():
            con.execute(f'alter table {relation.name} add column "{name}" {relation.columns[name]}')
        return
    schema, table = relation.name.split(".")
    _create(con, f"{schema}.new_{table}", relation)
    columns = ", ".join(
        f'cast("{name}" as {kind}) as "{name}"' for name, kind in relation.columns.items() if name in before
    )
    con.execute(f"insert into {schema}.new_{table} by name select {columns} from {relation.name}")
    con.execute(f"drop table {relation.name}")
    con.execute(f"alter table {schema}.new_{table} rename to {table}")


def _bring_macros(con: duckdb.DuckDBPyConnection, models_dir: Path, declared: Program) -> None:
    create_macros(con, models_dir)
    wanted = {step.name for step in (*declared.macros, *declared.extra)}
    for (name,) in con.execute(
        "select distinct schema_name || '.' || function_name from duckdb_functions() "
        "where database_name = current_database() and function_type = 'table_macro' and not internal"
    ).fetchall():
        if name not in wanted and name.partition(".")[0] in MADE:
            con.execute(f"drop macro table {name}")
    for step in declared.macros:
        con.execute(_macro(step))


def _bring_extra(con: duckdb.DuckDBPyConnection, declared: Program) -> None:
    """The macros of a user's own, each for itself: one that the lake does not take keeps nothing of ours from it."""
    for step in declared.extra:
        try:
            con.execute(_macro(step))
        except duckdb.Error:
            con.execute(f"drop macro table if exists {step.name}")


def _macro(step: Step) -> str:
    parameters = ", ".join(step.tables[0].parameters)
    return f"create or replace macro {step.name}({parameters}) as table {(step.sql or '').strip().rstrip(';')}"


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]
