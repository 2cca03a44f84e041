"""
The catalog of a lake, as PostgreSQL has it: how it is reached and locked, which tables it has, and what is published.

A DuckLake is tables of SQL that its specification describes (version 1.0, ``FORMAT``); those of ``stockbook`` beside
them are ours.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from stockbook.errors import ConfigError
from stockbook.fleet.alive import ALIVE
from stockbook.lake_url import LakeUrl
from stockbook.warehouse.lake import unavailable

if TYPE_CHECKING:
    import psycopg

FORMAT = "1.0"
# of all publishers and of the maintenance of one lake
LOCK = 7_001
WAIT_SECONDS = 600

_OWN_TABLES = """
create schema if not exists stockbook;
create table if not exists stockbook.lake (program text not null, mark text not null);
create table if not exists stockbook.defined (relation text primary key, definition text not null);
create table if not exists stockbook.published (
    account text primary key, book text not null, run_id text not null, generation bigint not null,
    as_of timestamp not null, program text not null, snapshot_id bigint not null
);
create table if not exists stockbook.published_table (
    account text, relation text, digest text not null, primary key (account, relation)
);
create index if not exists stockbook_data_file on ducklake_data_file (table_id, end_snapshot);
create index if not exists stockbook_file_column_stats on ducklake_file_column_stats (table_id, column_id);
create index if not exists stockbook_file_partition_value on ducklake_file_partition_value (table_id, partition_value);
create index if not exists stockbook_file_stats_of_file on ducklake_file_column_stats (data_file_id);
create index if not exists stockbook_partition_of_file on ducklake_file_partition_value (data_file_id);
create index if not exists stockbook_delete_file on ducklake_delete_file (table_id)
"""


class PublishedRun(msgspec.Struct, frozen=True):
    """Whose figures of which night stand in the lake, and the book that they were published from."""

    account: str
    book: str
    run_id: str
    generation: int
    as_of: datetime
    program: str


class LakeTable(NamedTuple):
    """A table of the lake: its folder below the data path, its numbers, and those of its columns as field ids."""

    folder: str
    table_id: int
    partition_id: int
    account_column: int
    field_ids: dict[str, Any]


@contextmanager
def connected(url: LakeUrl, *, autocommit: bool = False) -> Iterator["psycopg.Connection[Any]"]:
    """A session of the catalog. Raises LakeUnavailable, without a secret in it."""
    try:
        import psycopg
    except ImportError:
        raise ConfigError("A lake needs the driver of PostgreSQL: pip install 'stockbook[fleet]'.") from None
    words = ALIVE | {"application_name": "stockbook"} | dict(url.words)
    if url.password:
        words["password"] = url.password
    # a machine that is gone keeps the lock for a minute at most
    words["options"] = (
        "-c idle_in_transaction_session_timeout=60s -c tcp_keepalives_idle=20 -c tcp_keepalives_interval=10"
    )
    con = None
    try:
        con = psycopg.connect(**words, autocommit=autocommit)  # type: ignore[arg-type]  # libpq's words, all texts
        yield con
    except psycopg.Error as error:
        raise unavailable(url, error) from None
    finally:
        if con is not None:
            con.close()


@contextmanager
def locked(url: LakeUrl) -> Iterator["psycopg.Connection[Any]"]:
    """The lock of the lake in a session of its own, for what DuckDB's extension writes."""
    with connected(url, autocommit=True) as con:
        con.execute(f"set statement_timeout = '{WAIT_SECONDS}s'")
        con.execute("select pg_advisory_lock(%s)", [LOCK])
        yield con


def is_there(con: "psycopg.Connection[Any]") -> bool:
    """Whether the database holds a lake of ours. Raises ConfigError for one of another version of DuckLake."""
    if con.execute("select to_regclass('stockbook.lake') is null").fetchone() == (True,):
        return False
    versions = con.execute("select value from public.ducklake_metadata where key = 'version'").fetchall()
    if versions != [(FORMAT,)]:
        raise ConfigError(f"The lake must be of DuckLake {FORMAT}; it is of {versions[0][0] if versions else 'none'}.")
    return True


def data_path(con: "psycopg.Connection[Any]") -> str:
    """Where the files of the lake lie."""
    row = con.execute("select value from public.ducklake_metadata where key = 'data_path'").fetchone()
    return str(row[0]) if row else ""


def make_own_tables(con: "psycopg.Connection[Any]") -> None:
    """Make what we keep beside DuckLake's tables, and the indexes these come without."""
    con.execute(_OWN_TABLES)


def published(con: "psycopg.Connection[Any]", account: str | None = None) -> dict[str, PublishedRun]:
    """What is published of each account, or of one."""
    rows = con.execute(
        "select account, book, run_id, generation, as_of, program from stockbook.published "
        "where account = %(account)s or %(account)s::text is null",
        {"account": account},
    ).fetchall()
    return {row[0]: PublishedRun(*row) for row in rows}


def digests(con: "psycopg.Connection[Any]", account: str) -> dict[str, str]:
    """The digest of each relation as it was published last."""
    query = "select relation, digest from stockbook.published_table where account = %s"
    return dict(con.execute(query, [account]).fetchall())


def snapshot(con: "psycopg.Connection[Any]") -> tuple[int, int, int, int]:
    """Number, schema version, next catalog id and next file id of the newest snapshot."""
    row = con.execute(
        "select snapshot_id, schema_version, next_catalog_id, next_file_id "
        "from public.ducklake_snapshot order by snapshot_id desc limit 1"
    ).fetchone()
    return row or (0, 0, 0, 0)


def tables(con: "psycopg.Connection[Any]") -> dict[str, LakeTable]:
    """Every table of the lake by its name."""
    columns: dict[int, list[tuple[int, str, int | None]]] = {}
    for table_id, column_id, name, parent in con.execute(
        "select table_id, column_id, column_name, parent_column from public.ducklake_column "
        "where end_snapshot is null order by table_id, column_order"
    ).fetchall():
        columns.setdefault(table_id, []).append((column_id, name, parent))
    rows = con.execute(
        """
        select s.schema_name || '.' || t.table_name, s.path || t.path, t.table_id, p.partition_id
        from public.ducklake_table as t
        inner join public.ducklake_schema as s on t.schema_id = s.schema_id and s.end_snapshot is null
        inner join public.ducklake_partition_info as p on t.table_id = p.table_id and p.end_snapshot is null
        where t.end_snapshot is null
        """
    ).fetchall()
    return {name: _table(folder, number, partition, columns[number]) for name, folder, number, partition in rows}


def files(con: "psycopg.Connection[Any]") -> tuple[set[str], set[str]]:
    """Folders of tables, and every file of any snapshot or to be removed: what the catalog has below the data path."""
    rows = con.execute(
        """
        select distinct s.path || t.path, f.path
        from public.ducklake_table as t
        inner join public.ducklake_schema as s on t.schema_id = s.schema_id
        left join public.ducklake_data_file as f on t.table_id = f.table_id
        """
    ).fetchall()
    leaving = con.execute("select path from public.ducklake_files_scheduled_for_deletion").fetchall()
    return {folder for folder, _ in rows}, {f"{folder}{path}" for folder, path in rows} | {path for (path,) in leaving}


def texts(con: "psycopg.Connection[Any]", accounts: Collection[str]) -> Iterator[tuple[str, str]]:
    """
    Every row of every table of a database that is no system's, as a text behind the table's name; where a table says
    whose its rows are, those of some ``accounts``.
    """
    for schema, table, is_by_account in con.execute(
        "select table_schema, table_name, bool_or(column_name = 'account') from information_schema.columns "
        "inner join information_schema.tables using (table_schema, table_name) where table_type = 'BASE TABLE' "
        "and table_schema not in ('pg_catalog', 'information_schema') group by 1, 2 order by 1, 2"
    ).fetchall():
        rows = con.execute(
            f'select cast(t as text) from "{schema}"."{table}" as t'
            + (" where account = any(%(accounts)s)" if is_by_account else ""),
            {"accounts": sorted(accounts)},
        )
        for (row,) in rows:
            yield f"{schema}.{table}", row


def _table(folder: str, table_id: int, partition_id: int, columns: Sequence[tuple[int, str, int | None]]) -> LakeTable:
    def ids(parent: int | None) -> dict[str, Any]:
        return {
            name: {"__duckdb_field_id": column_id, **within} if (within := ids(column_id)) else column_id
            for column_id, name, owner in columns
            if owner == parent
        }

    field_ids = ids(None)
    return LakeTable(folder, table_id, partition_id, field_ids["account"], field_ids)
