"""What the columns of staging are made of: fields on the wire, the run that wrote a row, and nothing else."""

from collections.abc import Iterator, Mapping

from stockbook.declarations import Table
from stockbook.lineage.inputs import ROWS, Inputs, Ref, Relation, Way
from stockbook.sources.field_ledger import declared
from stockbook.warehouse.schema import HISTORY_COLUMNS, QUARANTINE_COLUMNS, ROW_COLUMNS, history_columns

RUN = "run"
"""The run itself, as a source: what it stamps on rows."""
CONNECTION = Ref("connection", "account")
"""The connection's name for the account that was read."""


def relations(tables: dict[str, Table]) -> Iterator[tuple[str, Relation]]:
    """Every table of staging that a listing feeds, with the histories of all."""
    fields = _fields(tables)
    for table in tables.values():
        if table.layer != "staging":
            continue
        columns = {
            "account": {CONNECTION: Way.COPIED},
            **{name: _of(table, name, fields) for name in table.columns},
            **{name: {Ref(RUN, name.strip("_")): Way.COPIED} for name in ROW_COLUMNS},
        }
        if table.is_staged and table.kind != "drained":
            yield table.name, Relation(columns, frozenset())
        if table.history:
            yield f"{table.name}_history", _history(table)
    quarantine = {name: {Ref(RUN, name.strip("_")): Way.COPIED} for name in QUARANTINE_COLUMNS}
    yield "staging.quarantine", Relation(quarantine, frozenset())


def _history(table: Table) -> Relation:
    columns: dict[str, Inputs] = {name: {Ref(table.name, name): Way.COPIED} for name in history_columns(table)}
    columns |= {name: {Ref(RUN, name.strip("_")): Way.COPIED} for name in HISTORY_COLUMNS}
    return Relation(columns, frozenset({Ref(table.name, ROWS)}))


def _of(table: Table, name: str, fields: Mapping[tuple[str, str], list[Ref]]) -> Inputs:
    column = table.columns[name]
    if column.utc_of:
        return {Ref(table.name, column.utc_of): Way.WORKED_OUT}
    if column.observed in ("snapshot_at", "snapshot_date"):
        return {Ref(RUN, column.observed): Way.COPIED}
    way = Way.COPIED if column.personal == "none" else Way.WORKED_OUT
    if column.by_array:
        return {Ref(_listing(table), f"{array}[]"): Way.WORKED_OUT for array in column.by_array}
    inputs: Inputs = dict.fromkeys(fields.get((table.name, name), ()), way)
    if "#" in column.paths:
        inputs[Ref(_listing(table), "#")] = Way.WORKED_OUT
    return inputs


def _listing(table: Table) -> str:
    return f"{table.source.api} {table.source.listing}" if table.source else "webhooks"


def _fields(tables: dict[str, Table]) -> dict[tuple[str, str], list[Ref]]:
    """The fields on the wire of each column, by table and column."""
    by_column: dict[tuple[str, str], list[Ref]] = {}
    for listing, paths in declared(tables).items():
        api, _, name = listing.partition(".")
        for path, columns in paths.items():
            for table, column, _ in columns:
                by_column.setdefault((table.name, column), []).append(Ref(f"{api} {name}", path))
    return by_column
