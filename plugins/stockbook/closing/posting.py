"""The program ``posting``: ``accounts.yml`` -> the rules by which the journal is written."""

from pathlib import Path
from typing import Protocol

import duckdb
import msgspec

from stockbook.closing import accounts
from stockbook.declarations import Table

RULE = "marts.dim_posting_rule"


class Context(Protocol):
    """What the program needs of a build."""

    @property
    def policy_dir(self) -> Path: ...
    @property
    def tables(self) -> dict[str, Table]: ...


def build(con: duckdb.DuckDBPyConnection, context: Context) -> None:
    """Create or replace the table of rules; it is empty without a file. Raises ConfigError for a wrong one."""
    chosen = accounts.read(context.policy_dir)
    columns = context.tables[RULE].columns
    con.execute(f"create or replace table {RULE} ({', '.join(f'{n} {c.type}' for n, c in columns.items())})")
    if chosen is not None:
        rows = [(chosen.way, *msgspec.structs.astuple(rule)) for rule in accounts.rules(chosen)]
        con.executemany(f"insert into {RULE} values (?, ?, ?, ?, ?, ?, ?)", rows)
