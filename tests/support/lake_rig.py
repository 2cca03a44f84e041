"""A lake of small published files: what they hold is written by hand, so that a publish takes no night."""

import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from stockbook.fleet.lake.catalog import PublishedRun
from stockbook.fleet.lake.lake import Lake, data_path
from stockbook.lake_url import LakeUrl
from stockbook.limits import Limits
from stockbook.version import VERSION
from stockbook.warehouse.readers import opened

TABLES = {
    "marts.fct_part": "account varchar, part integer, kind enum('screw', 'nail'), pieces hugeint, tags varchar[]",
    "marts.dim_setting": "unit varchar, times integer default 2",
    "meta.run": "run_id varchar",
}
_DECLARED = {
    "marts/part/fct_part.yml": """
table: fct_part
description: Parts.
grain: [account, part]
columns:
  account: {type: varchar, description: "Whose."}
  part: {type: integer, description: "Which."}
  pieces: {type: bigint, description: "How many.", unit: pieces}
""",
    "marts/part/fct_part.sql": "-- Parts.\nselect 'a' as account, 1 as part, 1 as pieces\n",
    "reports/part/parts_with_unit.yml": """
table: parts_with_unit
description: Parts with the unit of the setting.
grain: [account, part]
kind: view
columns:
  account: {type: varchar, description: "Whose."}
  part: {type: integer, description: "Which."}
""",
    "reports/part/parts_with_unit.sql": "-- Parts.\nselect account, part from marts.fct_part\n",
    "reports/part/parts_of.yml": """
table: parts_of
description: Parts of a kind.
grain: [account, part]
kind: macro
parameters: {wanted: varchar}
columns:
  account: {type: varchar, description: "Whose."}
  part: {type: integer, description: "Which."}
""",
    "reports/part/parts_of.sql": "-- Parts of a kind.\nselect account, part from marts.fct_part where kind = wanted\n",
}


def database(server: str, template: str = "template1") -> str:
    """The address of a new database of a server, a copy of another."""
    name = f"lake_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as con:
        con.execute(f"create database {name} template {template}")
    return server.removesuffix("postgres") + name


def models(folder: Path) -> Path:
    """Declarations of the tables above."""
    for name, text in _DECLARED.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@dataclass
class LakeRig:
    """A lake, and readers of it."""

    url: LakeUrl
    folder: Path
    store: str
    _reader: duckdb.DuckDBPyConnection | None = field(default=None, repr=False)

    @classmethod
    def of(cls, address: str, folder: Path, store: str = "", environ: Mapping[str, str] | None = None) -> "LakeRig":
        """A lake of the database ``address``, its files below ``folder`` or in ``store``."""
        models(folder / "models")
        return cls(LakeUrl.parse(address, environ or {}), folder, store or f"file://{folder}/store")

    def copy(self, server: str, folder: Path) -> "LakeRig":
        """The same lake once more, with files of its own."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        rig = LakeRig.of(database(server, str(self.url.words["dbname"])), folder)
        rig.catalog(
            f"update ducklake_metadata set value = '{rig.lake.data_path}' where key = 'data_path' returning value"
        )
        return rig

    @property
    def lake(self) -> Lake:
        """One for each who asks, as workers have."""
        return Lake(self.url, data_path(self.store), self.folder / "scratch", self.folder / "models", Limits(threads=1))

    def file(self, account: str, parts: int, name: str = "", unit: str = "kg", **tables: str) -> Path:
        """A published file of an account with so many parts; ``tables`` are more tables, or others of the same name."""
        file = self.folder / f"{name or account}.duckdb"
        file.unlink(missing_ok=True)
        with duckdb.connect(str(file)) as con:
            con.execute("create schema marts; create schema reports; create schema meta; create schema intermediate")
            for table, columns in (TABLES | {key.replace("__", "."): text for key, text in tables.items()}).items():
                con.execute(f"create table {table} ({columns})")
            con.execute(
                "insert into marts.fct_part by name select $1 as account, range as part, 'screw' as kind, "
                "170141183460469231731687 + range as pieces, ['a', 'b'] as tags from range($2)",
                [account, parts],
            )
            con.execute("insert into marts.dim_setting (unit) values ($1)", [unit])
            con.execute("insert into meta.run values ('r')")
            for table, columns in tables.items():
                if columns.startswith("account varchar, n"):
                    con.execute(f"insert into {table.replace('__', '.')} (account) values ($1)", [account])
            con.execute(
                "create view reports.parts_with_unit as select p.account, p.part, s.unit "
                "from marts.fct_part as p cross join marts.dim_setting as s"
            )
        return file

    def publish(self, account: str, parts: int, generation: int = 1, **more: Any) -> int:
        """Publish a file of so many parts; returns the snapshot."""
        lake = self.lake
        prepared = lake.prepare(self.file(account, parts, **more), run_of(account, generation))
        return lake.commit(prepared, lambda: None)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a reader is answered who stays: opening a lake takes longer than any question here."""
        if self._reader is None:
            self._reader = opened(self.url)
        return self._reader.execute(query).fetchall()

    def catalog(self, query: str) -> list[tuple[Any, ...]]:
        """What the catalog's database answers."""
        words = dict(self.url.words)
        with psycopg.connect(**words, autocommit=True) as con:  # type: ignore[arg-type]  # libpq's words, all texts
            return con.execute(query).fetchall()


def run_of(account: str, generation: int = 1) -> PublishedRun:
    """A run of an account; each generation is another night."""
    as_of = datetime(2026, 3, generation, 2, 15)
    return PublishedRun(account, f"books/{account}/{generation}", f"run{generation}", generation, as_of, VERSION)
