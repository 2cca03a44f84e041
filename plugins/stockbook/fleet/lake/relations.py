"""
What of an account's published file stands in the lake, and how.

Every table and view of the schemas that readers know, and what of ``intermediate`` the table macros read. A view is a
table there: its rows are those that the account's own file gives, whatever settings, zone or currency it has, and no
figure of it is worked out over the rows of another account. Each relation has ``account``; types that a lake or Parquet
cannot hold stand as the next one that loses nothing.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import duckdb
import msgspec

from stockbook.declarations import Table
from stockbook.models.order import Step, steps
from stockbook.warehouse.content_marks import digest

FILE = "published"
SCHEMAS = ("staging", "marts", "reports", "meta")
# what the lake itself says of each account
PUBLISHED = "meta.published"


class Relation(NamedTuple):
    """A table of the lake: its columns with their types there, and the select over a published file that gives it."""

    name: str
    columns: dict[str, str]
    select: str

    @property
    def definition(self) -> str:
        """The columns as a statement that creates the table has them."""
        return ", ".join(f'"{name}" {kind}' for name, kind in self.columns.items())


class Program(NamedTuple):
    """What the declarations make of a lake: its table macros in the order they build on each other, and a mark."""

    macros: list[Step]
    private: frozenset[str]
    tables: Mapping[str, Table]
    mark: str


def program(models_dir: Path, tables: Mapping[str, Table]) -> Program:
    """Of the declared ``tables``. A view is commented as the table it is in the lake."""
    macros = [step for step in steps(models_dir, dict(tables)) if step.tables[0].kind == "macro"]
    reads = {name for step in macros for name in step.reads} - {step.name for step in macros}
    private = frozenset(name for name in reads if name.startswith("intermediate."))
    in_lake = {
        name: msgspec.structs.replace(table, kind="table") if table.kind == "view" else table
        for name, table in tables.items()
        if table.kind != "macro"
    }
    scalars = [file.read_text() for file in sorted(models_dir.glob("macros/*.sql"))]
    mark = digest(*(msgspec.json.encode(table) for table in tables.values()), *(m.sql or "" for m in macros), *scalars)
    return Program(macros, private, in_lake, mark)


def relations(con: duckdb.DuckDBPyConnection, account: str, private: frozenset[str]) -> Iterator[Relation]:
    """Every relation of the file that is attached as ``published``, in the order of their names."""
    rows = con.execute(
        "select schema_name || '.' || table_name as relation, list((column_name, data_type) order by column_index) "
        f"from duckdb_columns() where database_name = '{FILE}' and not internal group by relation order by relation"
    ).fetchall()
    for name, columns in rows:
        if name.partition(".")[0] in SCHEMAS or name in private:
            yield _relation(name, dict(columns), account)


def _relation(name: str, columns: dict[str, str], account: str) -> Relation:
    types = {"account": "VARCHAR"} if "account" not in columns else {}
    types |= {column: _type(kind) for column, kind in columns.items()}
    parts = []
    for column, kind in types.items():
        if column not in columns:
            parts.append(f"'{account}' as account")
        elif kind != columns[column]:
            parts.append(f'cast("{column}" as {kind}) as "{column}"')
        else:
            parts.append(f'"{column}"')
    return Relation(name, types, f"select {', '.join(parts)} from {FILE}.{name}")


def _type(kind: str) -> str:
    if kind.startswith("ENUM"):
        return "VARCHAR"
    # Parquet has no 128 bits: they would be rounded to a double
    return {"HUGEINT": "DECIMAL(38,0)"}.get(kind, kind)


def digest_of(con: duckdb.DuckDBPyConnection, relation: Relation) -> tuple[int, str]:
    """How many rows a relation has, and a digest of them and of their columns: the same is the same rows."""
    rows, total = con.execute(
        f"select count(*), sum(cast(hash(r) as hugeint)) from ({relation.select}) as r"
    ).fetchall()[0]
    return rows, digest(relation.definition, str(rows), str(total))
