"""``stockbook metric``: a figure by its name."""

import sys
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

import typer

from stockbook.cli.printing import Format
from stockbook.errors import ConfigError
from stockbook.settings import Settings

LIST, EXPORT = "list", "export"


class MetricFormat(StrEnum):
    """How an answer is written, and the form of another tool."""

    auto = Format.auto
    table = Format.table
    expanded = Format.expanded
    csv = Format.csv
    json = Format.json
    metricflow = "metricflow"


def metric(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Metrics of one relation, such as stock_value; `list` lists them, `export` writes them for others."
        ),
    ],
    by: Annotated[
        str, typer.Option(help="Dimensions and periods (day, week, month, quarter, year) to cut by, comma separated.")
    ] = "",
    from_: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD.")] = "",
    to: Annotated[str, typer.Option(help="Last day, YYYY-MM-DD.")] = "",
    only: Annotated[list[str] | None, typer.Option(help="Keep one value of a dimension: account=main.")] = None,
    compare: Annotated[str, typer.Option(help="previous: the range before, of as many days, beside it.")] = "",
    as_: Annotated[
        MetricFormat, typer.Option("--format", help="How it is written; metricflow is for `export` only.")
    ] = MetricFormat.auto,
) -> None:
    """Say a figure of the published file, cut as asked; what it cannot answer is refused with the reason."""
    from stockbook import extra_folder
    from stockbook.cli.printing import Printer, terminal_width
    from stockbook.metrics.ask import require_there
    from stockbook.metrics.files import load
    from stockbook.metrics.question import Question
    from stockbook.warehouse.readers import reader

    settings = Settings.load()
    tables = extra_folder.with_extra(settings.models_dir, settings.extra_dir)
    metrics = load(settings.models_dir, tables, settings.extra_dir)
    if names == [LIST]:
        for declared in sorted(metrics.values(), key=lambda metric: (metric.subject, metric.name)):
            cuts = ", ".join((*declared.by, *declared.periods)) or "nothing"
            typer.echo(f"{declared.name} [{declared.unit}]: {declared.says} By {cuts}.")
        return
    if (names == [EXPORT]) != (as_ is MetricFormat.metricflow):
        raise ConfigError("Metrics are exported by `stockbook metric export --format metricflow`: both words or none.")
    if names == [EXPORT]:
        from stockbook.metrics import metricflow

        typer.echo(metricflow.export(metrics, tables).text(), nl=False)
        return
    if compare not in ("", "previous"):
        raise ConfigError(f"--compare must be previous; got {compare!r}.")
    pairs = [text.partition("=") for text in only or []]
    if unpaired := [name for name, sign, _ in pairs if not sign]:
        raise ConfigError(f"--only must be DIMENSION=VALUE; got {unpaired[0]!r}.")
    question = Question(
        tuple(names),
        tuple(name.strip() for name in by.split(",") if name.strip()),
        _day("--from", from_),
        _day("--to", to),
        {name: value for name, _, value in pairs},
        compare == "previous",
    )
    sql = question.sql(metrics)
    with reader(settings.asked, settings.limits) as con:
        require_there(con, metrics, names)
        # a table of figures is shown whole
        Printer(sys.stdout, Format(as_), 0, terminal_width(sys.stdout)).answer(con, sql)


def _day(option: str, text: str) -> date | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007  # a day has no zone
    except ValueError:
        raise ConfigError(f"{option} must be a day YYYY-MM-DD; got {text!r}.") from None
