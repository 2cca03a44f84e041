"""
Publishing an account's file into the lake that all accounts share.

``prepare`` takes the time and no lock: it tells by digests which tables changed since the account was published last,
and writes their rows as Parquet. ``commit`` takes the lock for a moment: readers see the account's night whole or not
at all. What was prepared and never committed is an orphan that ``maintain`` removes.
"""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from stockbook import declaration_files
from stockbook.errors import PublishFailed
from stockbook.extra_folder import Problem
from stockbook.fleet.lake import catalog, definitions
from stockbook.fleet.lake.catalog import LakeTable, PublishedRun
from stockbook.fleet.lake.exchange import DataFile, Exchange, exchange
from stockbook.fleet.lake.own_reports import OwnReports
from stockbook.fleet.lake.relations import FILE, PUBLISHED, Program, Relation, digest_of, program, relations
from stockbook.lake_url import LakeUrl
from stockbook.limits import Limits
from stockbook.sql_text import quoted
from stockbook.warehouse.lake import beside_lake, unavailable
from stockbook.warehouse.readers import attach

_LAKES_OWN = Relation(
    PUBLISHED,
    {
        "account": "VARCHAR",
        "book": "VARCHAR",
        "run_id": "VARCHAR",
        "generation": "BIGINT",
        "as_of": "TIMESTAMP",
        "program": "VARCHAR",
    },
    "select cast($1 as varchar) as account, cast($2 as varchar) as book, cast($3 as varchar) as run_id, "
    "cast($4 as bigint) as generation, cast($5 as timestamp) as as_of, cast($6 as varchar) as program",
)


class Prepared(NamedTuple):
    """
    An account's night as Parquet beside the lake: what ``commit`` makes the lake's.

    ``problems`` are those of a user's own reports, which have no rows of the account then.
    """

    run: PublishedRun
    change: Exchange
    problems: list[Problem]


def data_path(store: str) -> str:
    """Where the files of a lake lie in a store, as DuckDB names it; of one store one lake."""
    folder = store.removeprefix("file://") if store.startswith("file://") else store
    return folder.rstrip("/") + "/lake/"


class Lake:
    """The lake of a fleet, for who publishes into it."""

    def __init__(
        self,
        url: LakeUrl,
        data_path: str,
        scratch: Path,
        models_dir: Path,
        limits: Limits | None = None,
        own: OwnReports | None = None,
    ) -> None:
        """Its catalog, where its files lie (``data_path``), a folder for what is spilled, and the declarations."""
        self.url, self.data_path, self.scratch = url, data_path, scratch
        self.models_dir, self.limits, self.own = models_dir, limits or Limits(threads=1), own or OwnReports()
        self._declared: Program | None = None

    @property
    def declared(self) -> Program:
        """What the declarations make of a lake."""
        if self._declared is None:
            self._declared = program(self.models_dir, declaration_files.load(self.models_dir), self.own.plan)
        return self._declared

    def prepare(self, published: Path, run: PublishedRun) -> Prepared:
        """
        Write what changed of an account's published file into the store, for ``commit``. Holds no lock.

        Raises LakeUnavailable, PublishFailed where the file holds rows of another account or a report of the user's own
        makes it red, ConfigError where a later version of the program made the lake.
        """
        with beside_lake(self.url, self.data_path, self.scratch, self.limits) as con:
            try:
                attach(con, published, FILE)
                wanted = [*relations(con, run.account, self.declared.private), _LAKES_OWN]
                if missing := sorted(self.declared.private - {relation.name for relation in wanted}):
                    raise PublishFailed(
                        f"The published file of account {run.account} has no {missing[0]}: other models made it than "
                        "this worker has. Build it again."
                    )
                own, problems = list(self.own.relations(con, run.account)), list[Problem]()
                change = self._written(con, [*wanted, *own], run, problems)
            except (duckdb.IOException, duckdb.HTTPException) as error:
                raise unavailable(self.url, error) from None
            if problems and self.own.is_red_for_all:
                raise PublishFailed(" ".join(map(str, problems)))
            return Prepared(run, change, problems)

    def commit(self, prepared: Prepared, before_commit: Callable[[], None]) -> int:
        """
        Make the prepared night what readers see; ``before_commit`` runs under the lock and refuses by raising.

        Returns the snapshot. Raises CommitUnknown where nobody can say whether it was; ``published`` says it later.
        """
        return exchange(self.url, prepared.run.account, prepared.change, prepared.run, before_commit)

    def published(self, account: str) -> PublishedRun | None:
        """Which run of an account stands in the lake; None before the first, and where there is no lake yet."""
        return self.all_published(account).get(account)

    def all_published(self, account: str | None = None) -> dict[str, PublishedRun]:
        """The same of every account."""
        with catalog.connected(self.url) as con:
            return catalog.published(con, account) if catalog.is_there(con) else {}

    def files(self) -> tuple[set[str], set[str]]:
        """Folders of tables, and every file that the catalog has, below the data path."""
        with catalog.connected(self.url) as con:
            return catalog.files(con) if catalog.is_there(con) else (set(), set())

    def remove(self, account: str) -> None:
        """Take an account out of the lake, all its rows at once."""
        with catalog.connected(self.url) as con:
            if not catalog.is_there(con):
                return
            before = catalog.published(con, account).get(account)
            version, tables = catalog.snapshot(con)[1], catalog.tables(con)
        every = sorted(table.table_id for table in tables.values())
        exchange(self.url, account, Exchange(version, before, every, (), {}), None, lambda: None)

    def _written(
        self, con: duckdb.DuckDBPyConnection, wanted: list[Relation], run: PublishedRun, problems: list[Problem]
    ) -> Exchange:
        with catalog.connected(self.url) as pg:
            is_there = definitions.stands(pg, self.data_path, self.declared, wanted)
        if not is_there:
            definitions.bring(self.url, self.data_path, self.models_dir, self.scratch / "lake", self.declared, wanted)
        with catalog.connected(self.url) as pg:
            version, tables = catalog.snapshot(pg)[1], catalog.tables(pg)
            before = catalog.published(pg, run.account).get(run.account)
            stood = catalog.digests(pg, run.account)
        values = [run.account, run.book, run.run_id, run.generation, run.as_of, run.program]
        digests, changed, files = dict[str, str](), list[int](), list[DataFile]()
        for each in wanted:
            relation = each
            if each.name in self.own.plan.tables:
                relation, problem = self.own.taken(con, each, run.account)
                problems += [problem] if problem else []
            rows, digests[relation.name] = (1, run.run_id) if relation is _LAKES_OWN else digest_of(con, relation)
            if relation is not _LAKES_OWN and digests[relation.name] == stood.get(relation.name):
                continue
            changed.append(tables[relation.name].table_id)
            if rows:
                arguments = values if relation is _LAKES_OWN else []
                files.append(self._file(con, relation, tables[relation.name], run.account, arguments))
        return Exchange(version, before, changed, files, digests)

    def _file(
        self, con: duckdb.DuckDBPyConnection, relation: Relation, table: LakeTable, account: str, values: list[Any]
    ) -> DataFile:
        """A relation's rows as one file, its columns with the numbers that the lake knows them by."""
        name = f"account={account}/{secrets.token_hex(16)}.parquet"
        path = f"{self.data_path}{table.folder}{name}"
        if "://" not in path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        written = con.execute(
            f"copy ({relation.select}) to {quoted(path)} "
            f"(format parquet, compression zstd, field_ids {_struct(table.field_ids)}, return_stats)",
            values,
        ).fetchall()
        _, rows, size, footer, statistics, *_ = written[0]
        of_account = statistics['"account"']
        if (of_account.get("min"), of_account.get("max"), of_account.get("null_count")) != (account, account, "0"):
            raise PublishFailed(f"{relation.name} of account {account} holds rows of another account, or of none.")
        return DataFile(table, name, rows, size, footer)


def _struct(field_ids: dict[str, Any]) -> str:
    parts = [
        f"{quoted(name)}: {_struct(number) if isinstance(number, dict) else number}"
        for name, number in field_ids.items()
    ]
    return "{" + ", ".join(parts) + "}"
