"""
The one transaction that publishes: the files of an account exchanged for its new ones in the catalog of a lake.

It is of PostgreSQL, with the lock, the look at the generation and what is published inside it: nothing is read from the
store while others wait, and the lock cannot be lost without the transaction. With DuckDB's extension the same took 4 s
in place of 0.06, most of it to look for rows to delete, file by file.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from stockbook.errors import CommitUnknown, PublishFailed
from stockbook.fleet.lake import catalog
from stockbook.fleet.lake.catalog import LakeTable, PublishedRun
from stockbook.lake_url import LakeUrl

if TYPE_CHECKING:
    import psycopg


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


def exchange(
    url: LakeUrl, account: str, change: Exchange, run: PublishedRun | None, before_commit: Callable[[], None]
) -> int:
    """
    Put the new files of an account in the place of its old ones; ``run`` is None where it goes. Returns the snapshot.

    Raises what ``before_commit`` raises, PublishFailed where the lake is no longer what was prepared for,
    LakeUnavailable, CommitUnknown where the connection broke and nobody can say yet what became of the transaction.
    """
    import psycopg

    with catalog.connected(url) as con:
        con.execute(f"set local statement_timeout = '{catalog.WAIT_SECONDS}s'")
        con.execute("select pg_advisory_xact_lock(%s)", [catalog.LOCK])
        number, schema_version, next_catalog_id, next_file_id = catalog.snapshot(con)
        if schema_version != change.schema_version or catalog.published(con, account).get(account) != change.before:
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
        with catalog.locked(url) as con:
            now = catalog.published(con, account).get(account)
    except Exception as error:
        raise CommitUnknown(
            f"The connection broke while account {account} was published, and the lake does not answer since: "
            "meta.published says which run stands there."
        ) from error
    if now != run:
        raise PublishFailed(f"The connection broke before account {account} was published: nothing was.")
