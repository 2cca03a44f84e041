"""
The catalog of a lake, as PostgreSQL has it: what is published, and the one transaction that publishes.

A DuckLake is tables of SQL that its specification describes (version 1.0, ``FORMAT``). The files of an account are
exchanged in them by one transaction of PostgreSQL, with the lock, the look at the generation and what is published
inside it: nothing is read from the store while others wait, and the lock cannot be lost without the transaction. With
DuckDB's extension the same took 4 s in place of 0.06, most of it to look for rows to delete, file by file. Tables are
made and changed by the extension, under the same lock.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from stockbook.errors import CommitUnknown, ConfigError, PublishFailed
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


class DataFile(NamedTuple):
    """A file of a table that was written, and is not yet of the lake."""

    table: LakeTable
    path: str
    rows: int
    bytes: int
    footer: int


class Exchange(NamedTuple):
    """What a publish changes: tables whose rows of the account go, files that come, digests of all relations."""

    schema_version: int
    before: PublishedRun | None
    table_ids: Sequence[int]
    files: Sequence[DataFile]
    digests: dict[str, str]


@contextmanager
def connected(url: LakeUrl, *, autocommit: bool = False) -> Iterator["psycopg.Connection[Any]"]:
    """A session of the catalog. Raises LakeUnavailable, without a secret in it."""
    try:
        import psycopg
    except ImportError:
        raise ConfigError("A lake needs the driver of PostgreSQL: pip install 'stockbook[fleet]'.") from None
    # a server that is gone without a word is found out within 40 s
    alive = {"keepalives_idle": "10", "keepalives_interval": "10", "keepalives_count": "3", "tcp_user_timeout": "30000"}
    words = alive | {"connect_timeout": "10", "application_name": "stockbook"} | dict(url.words)
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


def _table(folder: str, table_id: int, partition_id: int, columns: Sequence[tuple[int, str, int | None]]) -> LakeTable:
    def ids(parent: int | None) -> dict[str, Any]:
        return {
            name: {"__duckdb_field_id": column_id, **within} if (within := ids(column_id)) else column_id
            for column_id, name, owner in columns
            if owner == parent
        }

    field_ids = ids(None)
    return LakeTable(folder, table_id, partition_id, field_ids["account"], field_ids)


def exchange(
    url: LakeUrl, account: str, change: Exchange, run: PublishedRun | None, before_commit: Callable[[], None]
) -> int:
    """
    Put the new files of an account in the place of its old ones; ``run`` is None where it goes. Returns the snapshot.

    Raises what ``before_commit`` raises, PublishFailed where the lake is no longer what was prepared for,
    LakeUnavailable, CommitUnknown where the connection broke and nobody can say yet what became of the transaction.
    """
    import psycopg

    with connected(url) as con:
        con.execute(f"set local statement_timeout = '{WAIT_SECONDS}s'")
        con.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        number, schema_version, next_catalog_id, next_file_id = snapshot(con)
        if schema_version != change.schema_version or published(con, account).get(account) != change.before:
            raise PublishFailed(
                f"The lake's tables, or what it holds of account {account}, changed while this was prepared: try again."
            )
        _write(con, account, change, number + 1, (schema_version, next_catalog_id, next_file_id))
        _remember(con, account, change, run, number + 1)
        before_commit()
        try:
            con.commit()
        except psycopg.OperationalError:
            _require_committed(url, account, run)
    return number + 1


def _write(
    con: "psycopg.Connection[Any]", account: str, change: Exchange, number: int, counters: tuple[int, int, int]
) -> None:
    """DuckLake's own tables: files that end, files that begin, the snapshot."""
    schema_version, next_catalog_id, next_file_id = counters
    table_ids = list(change.table_ids)
    con.execute(
        """
        update public.ducklake_data_file as d
        set end_snapshot = %s
        from public.ducklake_file_partition_value as v
        where
            d.data_file_id = v.data_file_id and v.table_id = d.table_id and v.partition_value = %s
            and d.end_snapshot is null and d.table_id = any(%s)
        """,
        [number, account, table_ids],
    )
    rows = [
        (next_file_id + place, f.table.table_id, f.path, f.rows, f.bytes, f.footer, f.table.partition_id)
        for place, f in enumerate(change.files)
    ]
    with con.cursor() as cursor:
        cursor.executemany(
            """
            insert into public.ducklake_data_file (
                data_file_id, table_id, begin_snapshot, path, path_is_relative, file_format, record_count,
                file_size_bytes, footer_size, partition_id, row_id_start
            )
            select
                %s, %s, %s, %s, true, 'parquet', %s, %s, %s, %s,
                coalesce((select max(next_row_id) from public.ducklake_table_stats where table_id = %s), 0)
            """,
            [(i, t, number, path, n, size, footer, p, t) for i, t, path, n, size, footer, p in rows],
        )
        cursor.executemany(
            "insert into public.ducklake_file_partition_value "
            "(data_file_id, table_id, partition_key_index, partition_value) values (%s, %s, 0, %s)",
            [(next_file_id + place, f.table.table_id, account) for place, f in enumerate(change.files)],
        )
        # of the other columns nothing is said: the one file that an account has of a table is read for any value
        cursor.executemany(
            "insert into public.ducklake_file_column_stats "
            "(data_file_id, table_id, column_id, value_count, null_count, min_value, max_value) "
            "values (%s, %s, %s, %s, 0, %s, %s)",
            [
                (next_file_id + place, f.table.table_id, f.table.account_column, f.rows, account, account)
                for place, f in enumerate(change.files)
            ],
        )
        cursor.executemany(
            "insert into public.ducklake_table_stats (table_id, record_count, next_row_id, file_size_bytes) "
            "select %s, 0, 0, 0 where not exists (select from public.ducklake_table_stats where table_id = %s)",
            [(f.table.table_id, f.table.table_id) for f in change.files],
        )
        cursor.executemany(
            "update public.ducklake_table_stats set next_row_id = next_row_id + %s where table_id = %s",
            [(f.rows, f.table.table_id) for f in change.files],
        )
    con.execute(
        """
        update public.ducklake_table_stats as s
        set record_count = l.rows, file_size_bytes = l.bytes
        from (
            select t.table_id, coalesce(sum(d.record_count), 0) as rows, coalesce(sum(d.file_size_bytes), 0) as bytes
            from unnest(%s::bigint[]) as t (table_id)
            left join public.ducklake_data_file as d on t.table_id = d.table_id and d.end_snapshot is null
            group by t.table_id
        ) as l
        where s.table_id = l.table_id
        """,
        [table_ids],
    )
    changes = [f"inserted_into_table:{f.table.table_id}" for f in change.files]
    changes += [f"deleted_from_table:{table_id}" for table_id in table_ids]
    con.execute(
        "insert into public.ducklake_snapshot values (%s, now(), %s, %s, %s)",
        [number, schema_version, next_catalog_id, next_file_id + len(change.files)],
    )
    con.execute(
        "insert into public.ducklake_snapshot_changes (snapshot_id, changes_made, author, commit_message) "
        "values (%s, %s, 'stockbook', %s)",
        [number, ",".join(changes), f"account {account}"],
    )


def _remember(
    con: "psycopg.Connection[Any]", account: str, change: Exchange, run: PublishedRun | None, number: int
) -> None:
    """Our own tables: the run, and the digests that tell the next one what it need not write."""
    con.execute("delete from stockbook.published where account = %s", [account])
    if run is not None:
        values = (run.account, run.book, run.run_id, run.generation, run.as_of, run.program, number)
        con.execute("insert into stockbook.published values (%s, %s, %s, %s, %s, %s, %s)", values)
    con.execute("delete from stockbook.published_table where account = %s", [account])
    con.execute(
        "insert into stockbook.published_table select %s, * from unnest(%s::text[], %s::text[])",
        [account, list(change.digests), list(change.digests.values())],
    )


def _require_committed(url: LakeUrl, account: str, run: PublishedRun | None) -> None:
    """The connection broke at the commit: once the lock is free the transaction has ended, and the row says how."""
    try:
        with locked(url) as con:
            now = published(con, account).get(account)
    except Exception as error:
        raise CommitUnknown(
            f"The connection broke while account {account} was published, and the lake does not answer since: "
            "meta.published says which run stands there."
        ) from error
    if now != run:
        raise PublishFailed(f"The connection broke before account {account} was published: nothing was.")
