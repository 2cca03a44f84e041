"""
The lineage as OpenLineage tells it: jobs, their datasets, and the facet of column lineage; names only, never a value.

A job is a task of the night. Its inputs and outputs are tables of the writer's file (``warehouse.marts.fct_order``),
of what readers have (``published.marts.fct_order``, in a fleet ``lake.marts.fct_order``), and what sources list
(``fulfillment_cz.orders``). What is made here is plain JSON of the specification 2-0-2 with its facets ColumnLineage
1-2-0 and Schema 1-2-0; nothing of OpenLineage has to be installed.

Accounts are rows of a dataset, in a fleet too, where each has a file of its own: all are made alike, and a table of the
lake has one way back, which no account's run writes over.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from stockbook.declarations import BUILT_LAYERS, EXTRA, Table
from stockbook.lineage.graph import Graph
from stockbook.lineage.inputs import ROWS, Inputs, Ref, Way
from stockbook.version import VERSION

Json = dict[str, Any]

NAMESPACE = "stockbook"
WRITER, PUBLISHED, LAKE = "warehouse", "published", "lake"
PUBLISHED_LAYERS = ("staging", "marts", "reports", "meta", EXTRA)
PRODUCER = f"https://pypi.org/project/stockbook/{VERSION}/"
_SPEC = "https://openlineage.io/spec"
_EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/JobEvent"
_COLUMNS = f"{_SPEC}/facets/1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet"
_SCHEMA = f"{_SPEC}/facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet"
_DIRECT = {Way.COPIED: "IDENTITY", Way.WORKED_OUT: "TRANSFORMATION", Way.AGGREGATED: "AGGREGATION"}


class Job(NamedTuple):
    """A task of the night with the names of what it reads, and what it writes with its facets."""

    name: str
    inputs: list[str]
    outputs: dict[str, Json]


def jobs(
    graph: Graph, tables: Mapping[str, Table], namespace: str = NAMESPACE, readers_have: str = PUBLISHED
) -> list[Job]:
    """The tasks that move columns: load, build and publish."""
    return [job(name, graph, tables, namespace, None, readers_have) for name in ("load", "build", "publish")]


def job(
    name: str,
    graph: Graph,
    tables: Mapping[str, Table],
    namespace: str = NAMESPACE,
    only: Collection[str] | None = None,
    readers_have: str = PUBLISHED,
) -> Job:
    """One of them by its name; ``only`` are tables that it wrote, where it did not write all."""
    if name == "publish":
        return _publish(graph, tables, namespace, readers_have)
    of_layers = (*BUILT_LAYERS, EXTRA) if name == "build" else ("staging",)
    written = [table for table in sorted(graph.tables) if table.startswith(of_layers)]
    written = [table for table in written if only is None or table in only]
    inputs = {ref.table for table in written for inputs in graph.tables[table].values() for ref in inputs}
    read = sorted(_name(table, graph) for table in inputs - {*written} if _is_dataset(table))
    outputs = {_name(table, graph): _facets(table, graph, tables, namespace) for table in written}
    return Job(f"stockbook.{name}", read, outputs)


def events(of_jobs: Iterable[Job], now: datetime, namespace: str = NAMESPACE) -> list[Json]:
    """An event for each job, as it is designed: of no run."""
    return [
        {
            "eventTime": now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "producer": PRODUCER,
            "schemaURL": _EVENT,
            "job": {"namespace": namespace, "name": job.name},
            "inputs": [{"namespace": namespace, "name": name} for name in job.inputs],
            "outputs": [
                {"namespace": namespace, "name": name, "facets": facets} for name, facets in job.outputs.items()
            ],
        }
        for job in of_jobs
    ]


def _is_dataset(table: str) -> bool:
    return table not in ("run", "connection")


def _name(table: str, graph: Graph) -> str:
    """A table of the writer's file, or what a source lists: ``fulfillment_cz orders`` is a listing of that API."""
    return f"{WRITER}.{table}" if table in graph.tables else table.replace(" ", ".")


def _facets(table: str, graph: Graph, tables: Mapping[str, Table], namespace: str) -> Json:
    declared = tables.get(table.removesuffix("_history"))
    columns = {name: inputs for name, inputs in graph.tables[table].items() if name != ROWS}
    return {
        "schema": _schema(columns, declared),
        "columnLineage": {
            "_producer": PRODUCER,
            "_schemaURL": _COLUMNS,
            "fields": {
                name: {"inputFields": _inputs(inputs, graph, namespace, _is_masked(declared, name))}
                for name, inputs in columns.items()
            },
            "dataset": _inputs(graph.tables[table].get(ROWS, {}), graph, namespace),
        },
    }


def _is_masked(table: Table | None, column: str) -> bool:
    return table is not None and column in table.columns and table.columns[column].personal != "none"


def _schema(columns: Iterable[str], table: Table | None) -> Json:
    declared = table.columns if table else {}
    fields = [
        {"name": name, "type": declared[name].type, "description": declared[name].description}
        if name in declared
        else {"name": name}
        for name in columns
    ]
    return {"_producer": PRODUCER, "_schemaURL": _SCHEMA, "fields": fields}


def _inputs(inputs: Inputs, graph: Graph, namespace: str, is_masked: bool = False) -> list[Json]:
    """The inputs of a column or, of a table's rows, of all of them. Which rows there are is a column of no dataset."""
    return [
        {
            "namespace": namespace,
            "name": _name(ref.table, graph),
            "field": ref.column,
            "transformations": [_transformation(way, is_masked)],
        }
        for ref, way in sorted(inputs.items())
        if ref.column != ROWS and _is_dataset(ref.table)
    ]


def _transformation(way: Way, is_masked: bool) -> Json:
    if way is Way.SWAYS:
        return {"type": "INDIRECT"}
    return {"type": "DIRECT", "subtype": _DIRECT[way], "masking": is_masked}


def _publish(graph: Graph, tables: Mapping[str, Table], namespace: str, readers_have: str) -> Job:
    """What readers get: every column is that of the writer's file; in a lake a table without accounts gets them."""
    copied = [name for name in sorted(graph.tables) if name.startswith(PUBLISHED_LAYERS)]
    outputs = {}
    for table in copied:
        columns = [name for name in graph.tables[table] if name != ROWS]
        fields = {name: {"inputFields": _inputs({Ref(table, name): Way.COPIED}, graph, namespace)} for name in columns}
        if readers_have == LAKE and "account" not in columns:
            columns, fields = ["account", *columns], {"account": {"inputFields": list[Json]()}, **fields}
        outputs[f"{readers_have}.{table}"] = {
            "schema": _schema(columns, tables.get(table.removesuffix("_history"))),
            "columnLineage": {"_producer": PRODUCER, "_schemaURL": _COLUMNS, "fields": fields},
        }
    return Job("stockbook.publish", [f"{WRITER}.{name}" for name in copied], outputs)
