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
from stockbook.fleet.lake.relations import SCHEMAS, Program, Relation
from stockbook.lake_url import LakeUrl
from stockbook.limits import Limits
from stockbook.models.comments import write_comments
from stockbook.models.macros import create_macros
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
        _bring_tables(con, relations)
        _bring_macros(con, models_dir, declared)
        write_comments(con, declared.tables)
        con.execute("commit")
        with pg.transaction(), pg.cursor() as cursor:
            cursor.execute("delete from stockbook.lake")
            cursor.execute("insert into stockbook.lake values (%s, %s)", [VERSION, declared.mark])
            cursor.execute("delete from stockbook.defined")
            cursor.executemany(
                "insert into stockbook.defined values (%s, %s)", [(r.name, r.definition) for r in relations]
            )


def _bring_tables(con: duckdb.DuckDBPyConnection, relations: Sequence[Relation]) -> None:
    for schema in (*SCHEMAS, "intermediate"):
        con.execute(f"create schema if not exists {schema}")
    there = {
        name: dict(columns)
        for name, columns in con.execute(
            "select schema_name || '.' || table_name, list((column_name, data_type) order by column_index) "
            "from duckdb_columns() where database_name = current_database() and not internal group by 1"
        ).fetchall()
        if name.partition(".")[0] in (*SCHEMAS, "intermediate")
    }
    for name in sorted(there.keys() - {relation.name for relation in relations}):
        con.execute(f"drop table {name}")
    for relation in relations:
        before = there.get(relation.name)
        if before is None:
            _create(con, relation.name, relation)
        elif before != relation.columns:
            _change(con, relation, before)


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
    wanted = {step.name for step in declared.macros}
    for (name,) in con.execute(
        "select distinct schema_name || '.' || function_name from duckdb_functions() "
        "where database_name = current_database() and function_type = 'table_macro' and not internal"
    ).fetchall():
        if name not in wanted and name.partition(".")[0] in (*SCHEMAS, "intermediate"):
            con.execute(f"drop macro table {name}")
    for step in declared.macros:
        parameters = ", ".join(step.tables[0].parameters)
        con.execute(
            f"create or replace macro {step.name}({parameters}) as table {(step.sql or '').strip().rstrip(';')}"
        )


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]
