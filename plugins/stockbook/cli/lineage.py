"""``stockbook lineage``: where a column comes from and who uses it; all of it for other tools."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from stockbook.clock import SystemClock
from stockbook.errors import ConfigError
from stockbook.settings import Settings

EXPORT = "export"


class ExportFormat(StrEnum):
    """What ``export`` can write."""

    openlineage = "openlineage"


def lineage(
    what: Annotated[
        str, typer.Argument(metavar="COLUMN", help="A column, as marts.fct_order.city; `export` writes all of them.")
    ],
    is_json: Annotated[bool, typer.Option("--json", help="For a program: one object.")] = False,
    as_: Annotated[
        ExportFormat | None, typer.Option("--format", help="Of `export`: openlineage, an event a line for each task.")
    ] = None,
    namespace: Annotated[str, typer.Option(help="Of `export`: the namespace of jobs and datasets.")] = "stockbook",
) -> None:
    """Say where a column comes from, step by step to the field on the wire, and who uses it."""
    from stockbook import extra_folder
    from stockbook.lineage import graph, openlineage, told

    if (what == EXPORT) != (as_ is not None):
        raise ConfigError("`lineage export` needs --format openlineage, and a column has no --format.")
    settings = Settings.load()
    tables = extra_folder.with_extra(settings.models_dir, settings.extra_dir)
    lineage_graph = graph.load(settings.models_dir, tables, settings.extra_dir)
    if what == EXPORT:
        readers_have = openlineage.LAKE if settings.lake else openlineage.PUBLISHED
        of_jobs = openlineage.jobs(lineage_graph, tables, namespace, readers_have)
        for event in openlineage.events(of_jobs, SystemClock().utc(), namespace):
            typer.echo(json.dumps(event))
        return
    column = told.column_of(lineage_graph, what)
    if is_json:
        typer.echo(json.dumps(told.as_json(lineage_graph, column), indent=2))
    else:
        typer.echo("\n".join(told.as_text(lineage_graph, column)))
