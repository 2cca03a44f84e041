"""
The relations of the published schemas, from the declarations.

Beside what is declared stand what staging adds by itself: the bookkeeping columns, a history for each table that tracks
columns, and the rows that were set aside.
"""

from collections.abc import Iterator, Mapping

from stockbook.contracts.relation import Contract, PublishedColumn, Relation, as_duckdb_writes
from stockbook.declarations import Column, Table
from stockbook.models.comments import ACCOUNT
from stockbook.sources.field_ledger import WAYS
from stockbook.version import VERSION
from stockbook.warehouse.content_marks import QUARANTINE
from stockbook.warehouse.schema import (
    HISTORY_COLUMNS,
    QUARANTINE_COLUMNS,
    QUARANTINE_TEXT,
    ROW_COLUMNS,
    history_columns,
)

SCHEMAS = {
    "marts": "Facts and dimensions: orders, stock, promises, prices; a row for each thing as it is known now.",
    "reports": "Tables, views and table macros made to be charted and read.",
    "staging": "Typed, de-duplicated rows of the sources as they are now, and their histories.",
    "meta": "Runs, listings and checks: how the figures came about.",
}
"""The schemas that readers may rely on, and what each holds."""


def contract(tables: Mapping[str, Table], currencies: Mapping[str, str] | None = None) -> Contract:
    """What this version promises; with ``currencies`` what this installation does."""
    relations = {relation.name: relation for table in tables.values() for relation in _relations(table)}
    relations[QUARANTINE] = _quarantine()
    ordered = {name: relations[name] for schema in SCHEMAS for name in sorted(relations) if _is_in(name, schema)}
    return Contract(VERSION, ordered, dict(currencies or {}))


def _is_in(name: str, schema: str) -> bool:
    return name.startswith(f"{schema}.")


def _relations(table: Table) -> Iterator[Relation]:
    if table.layer not in SCHEMAS:
        return
    kind = table.kind if table.kind in ("view", "macro") else "table"
    columns = {name: _column(column) for name, column in table.columns.items()}
    if table.is_staged or ("account" in table.grain and "account" not in columns):
        columns = {"account": PublishedColumn("VARCHAR", ACCOUNT, is_required=True)} | columns
    key = tuple(table.grain)
    parameters = {name: as_duckdb_writes(type_) for name, type_ in table.parameters.items()}
    yield Relation(
        table.name,
        kind,
        table.description.strip(),
        key,
        columns | (_added(ROW_COLUMNS) if table.is_staged else {}),
        parameters,
        table.owner,
    )
    if table.is_staged and table.history:
        yield Relation(
            f"{table.name}_history",
            "table",
            f"Versions of {table.name}: {table.description.strip()}",
            (*key, "_version"),
            {name: columns[name] for name in history_columns(table)} | _added(HISTORY_COLUMNS),
            {},
            table.owner,
        )


def _column(column: Column) -> PublishedColumn:
    way = "" if column.personal == "none" and not column.erased else WAYS[column.personal]
    return PublishedColumn(
        as_duckdb_writes(column.type),
        column.description.strip(),
        column.required,
        column.unit or "",
        way,
        tuple(column.values),
    )


def _added(columns: Mapping[str, tuple[str, str]]) -> dict[str, PublishedColumn]:
    return {name: PublishedColumn(as_duckdb_writes(type_), text) for name, (type_, text) in columns.items()}


def _quarantine() -> Relation:
    return Relation(QUARANTINE, "table", QUARANTINE_TEXT, (), _added(QUARANTINE_COLUMNS), {}, "data")
