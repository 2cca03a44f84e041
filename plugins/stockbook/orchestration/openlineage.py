"""
What a task of the night moves, as OpenLineage events of Airflow's provider (the extra ``openlineage``).

Nothing is imported where the provider is not installed, and nothing is worked out where it sends nowhere. An event has
names of tables and columns, never a value; a backend that is away leaves the night as it is.
"""

from importlib.util import find_spec
from typing import Any

from stockbook import extra_folder
from stockbook.declarations import Table
from stockbook.progress import Progress
from stockbook.runs import context as runs
from stockbook.runs import step_log
from stockbook.settings import Settings

PROVIDER = "airflow.providers.openlineage"


def tell(task: str, settings: Settings, progress: Progress, run_id: str) -> None:
    """Tell what ``load``, ``build`` or ``publish`` reads and writes, column by column, as part of the running task."""
    if find_spec(PROVIDER) is None:
        return
    from airflow.providers.openlineage import conf

    # its public module takes a second to import, this one nothing
    if conf.is_disabled():
        return
    from airflow.providers.openlineage.api import emit_dataset_lineage, is_openlineage_active

    if not is_openlineage_active():
        return
    from airflow.providers.openlineage.plugins.macros import lineage_job_namespace

    try:
        inputs, outputs = datasets(task, settings, run_id, lineage_job_namespace())
        # a night in which nothing had to be built moved nothing
        if inputs or outputs:
            emit_dataset_lineage(inputs=inputs, outputs=outputs)
    except Exception as error:  # whatever a backend, or a version of the provider, raises
        progress.note(f"warning: OpenLineage could not be told of {task} ({type(error).__name__}).")


def datasets(task: str, settings: Settings, run_id: str, namespace: str) -> tuple[list[Any], list[Any]]:
    """What a task reads and writes, as the provider takes it; of the models those that the run built."""
    from openlineage.client.event_v2 import InputDataset, OutputDataset

    from stockbook.lineage import graph, openlineage

    tables = extra_folder.with_extra(settings.models_dir, settings.extra_dir)
    built = _built(settings, run_id, tables) if task == "build" else None
    lineage_graph = graph.load(settings.models_dir, tables, settings.extra_dir)
    readers_have = openlineage.LAKE if settings.lake else openlineage.PUBLISHED
    job = openlineage.job(task, lineage_graph, tables, namespace, built, readers_have)
    inputs = [InputDataset(namespace=namespace, name=name) for name in job.inputs]
    outputs = [OutputDataset(namespace=namespace, name=name, facets=_facets(of)) for name, of in job.outputs.items()]
    return inputs, outputs


def _built(settings: Settings, run_id: str, tables: dict[str, Table]) -> set[str]:
    """The tables that the run built: the others stand as an earlier night left them."""
    steps = {name for step in step_log.read_all(runs.folder(settings, run_id)) for name in step.models}
    return {
        name
        for name, table in tables.items()
        if name in steps or (table.program and f"program {table.program}" in steps)
    }


def _facets(of: dict[str, Any]) -> dict[str, Any]:
    from openlineage.client.facet_v2 import column_lineage_dataset as columns
    from openlineage.client.facet_v2 import schema_dataset as schema

    def fields(listed: list[dict[str, Any]]) -> list[Any]:
        return [
            columns.InputField(
                field["namespace"],
                field["name"],
                field["field"],
                [columns.Transformation(**way) for way in field["transformations"]],
            )
            for field in listed
        ]

    lineage = of["columnLineage"]
    return {
        "schema": schema.SchemaDatasetFacet(
            fields=[schema.SchemaDatasetFacetFields(**field) for field in of["schema"]["fields"]]
        ),
        "columnLineage": columns.ColumnLineageDatasetFacet(
            fields={
                name: columns.Fields(fields(of_field["inputFields"])) for name, of_field in lineage["fields"].items()
            },
            dataset=fields(lineage.get("dataset", [])),
        ),
    }
