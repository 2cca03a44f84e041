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

from stockbook.declarations import EXTRA, Table
from stockbook.models.extra import Plan
from stockbook.models.order import Step, steps
from stockbook.warehouse.content_marks import digest

FILE = "published"
SCHEMAS = ("staging", "marts", "reports", "meta")
# all that a lake has of ours and of a user's own
MADE = (*SCHEMAS, EXTRA, "intermediate")
# what neither a lake nor Parquet holds as it is: 128 bits would be rounded to a double
_STANDS_AS = {"HUGEINT": "DECIMAL(38,0)", "UHUGEINT": "DECIMAL(38,0)"} | dict.fromkeys(
    ("BIT", "BIGNUM", "GEOMETRY", "VARIANT", "TIME WITH TIME ZONE"), "VARCHAR"
)
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
    """
    What the declarations make of a lake: its table macros in the order they build on each other, and a mark.

    ``extra`` are the table macros of a user's own folder; ``tables`` and ``mark`` are of theirs too.
    """

    macros: list[Step]
    extra: list[Step]
    private: frozenset[str]
    tables: Mapping[str, Table]
    mark: str


def program(models_dir: Path, ours: Mapping[str, Table], own_plan: Plan) -> Program:
    """Of the tables that we declare and those of a user's own. A view is commented as the table it is in the lake."""
    macros = [step for step in steps(models_dir, dict(ours)) if step.tables[0].kind == "macro"]
    extra = [step for step in own_plan.steps if step.tables[0].kind == "macro"]
    tables = {**ours, **own_plan.tables}
    reads = {name for step in (*macros, *extra) for name in step.reads} - {step.name for step in (*macros, *extra)}
    private = frozenset(name for name in reads if name.startswith("intermediate."))
    in_lake = {
        name: msgspec.structs.replace(table, kind="table") if table.kind == "view" else table
        for name, table in tables.items()
        if table.kind != "macro"
    }
    scalars = [file.read_text() for file in sorted(models_dir.glob("macros/*.sql"))]
    selects = (step.sql or "" for step in (*macros, *extra))
    mark = digest(*(msgspec.json.encode(table) for table in map(_anywhere, tables.values())), *selects, *scalars)
    return Program(macros, extra, private, in_lake, mark)


def _anywhere(table: Table) -> Table:
    """A declaration without the folder it was read from, which is another one on another machine."""
    return msgspec.structs.replace(table, folder="")


def relations(con: duckdb.DuckDBPyConnection, account: str, private: frozenset[str]) -> Iterator[Relation]:
    """Every relation of the file that is attached as ``published``, in the order of their names."""
    rows = con.execute(
        "select schema_name || '.' || table_name as relation, list((column_name, data_type) order by column_index) "
        f"from duckdb_columns() where database_name = '{FILE}' and not internal group by relation order by relation"
    ).fetchall()
    for name, columns in rows:
        if name.partition(".")[0] in SCHEMAS or name in private:
            yield relation_of(name, dict(columns), account)


def relation_of(name: str, columns: dict[str, str], account: str) -> Relation:
    """A relation of the file by its columns there."""
    types = {"account": "VARCHAR"} if "account" not in columns else {}
    types |= {column: type_in_lake(kind) for column, kind in columns.items()}
    parts = []
    for column, kind in types.items():
        if column not in columns:
            parts.append(f"'{account}' as account")
        elif kind != columns[column]:
            parts.append(f'cast("{column}" as {kind}) as "{column}"')
        else:
            parts.append(f'"{column}"')
    return Relation(name, types, f"select {', '.join(parts)} from {FILE}.{name}")


def type_in_lake(kind: str) -> str:
    """The type that a column of a file has in a lake."""
    if kind.startswith("ENUM"):
        return "VARCHAR"
    of_one = kind.removesuffix("[]")
    return _STANDS_AS.get(of_one, of_one) + kind.removeprefix(of_one)


def digest_of(con: duckdb.DuckDBPyConnection, relation: Relation) -> tuple[int, str]:
    """How many rows a relation has, and a digest of them and of their columns: the same is the same rows."""
    rows, total = con.execute(
        f"select count(*), sum(cast(hash(r) as hugeint)) from ({relation.select}) as r"
    ).fetchall()[0]
    return rows, digest(relation.definition, str(rows), str(total))
