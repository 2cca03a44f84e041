"""
The select of a model: its ``.sql``, or what its ``.sql.jinja`` gives over the declarations.

A template is for a model that treats many declared tables alike, or that has a figure which others show too. It knows
``tables``, the declarations by name; a table that is declared later is in it the next night. It knows ``figures``, the
pairs of method and basis (``cost_methods.py``). And it writes figures by
the names of ``include/metrics``: ``metric('on_time_rate')`` over rows (``filtered=true`` with the condition inside),
``metric_of_row('on_time_rate', 'c')`` of a row of sums, ``metric_where('overdue_orders')`` for the condition itself.
"""

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path

from stockbook.cost_methods import FIGURES
from stockbook.declarations import Table
from stockbook.errors import DeclarationError
from stockbook.metrics.files import load
from stockbook.metrics.metric import Metric, prefixed

SELECT, TEMPLATE = ".sql", ".sql.jinja"


def select_of(models_dir: Path, table: Table, tables: Mapping[str, Table], extra_dir: Path | None = None) -> str:
    """
    The select of a table, view or macro. Raises DeclarationError when it has none, or a template that fails.

    The folder of one of theirs is where it is; the figures of ``extra_dir`` are for templates of theirs.
    """
    folder = models_dir / table.folder
    if (file := folder / f"{table.table}{SELECT}").exists():
        return file.read_text()
    if (file := folder / f"{table.table}{TEMPLATE}").exists():
        return _expanded(file, models_dir, tables, extra_dir)
    raise DeclarationError(f"{table.name} is declared as a {table.kind} but has no {table.table}{SELECT} beside it.")


def names_in(folder: Path) -> set[str]:
    """The names of all models that have a select somewhere below a folder."""
    return {file.name.removesuffix(end) for end in (SELECT, TEMPLATE) for file in folder.rglob(f"*{end}")}


def _expanded(file: Path, models_dir: Path, tables: Mapping[str, Table], extra_dir: Path | None) -> str:
    from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    metrics = cache(partial(load, models_dir, tables, extra_dir))
    # what it makes is SQL, of names that were validated when they were read; a template reaches nothing but these words
    environment = ImmutableSandboxedEnvironment(  # no HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )

    @cache
    def of(figure: str) -> Metric:
        return metrics().of_figure(figure)

    def over_rows(figure: str, filtered: bool = False) -> str:
        return of(figure).aggregate(figure, of(figure).where if filtered else "")

    environment.globals |= {
        "metric": over_rows,
        "metric_of_row": lambda figure, alias="": of(figure).of_row(figure, alias),
        "figures": list(FIGURES),
        "metric_where": lambda figure, alias="": prefixed(of(figure).where, alias),
    }
    try:
        template = environment.from_string(file.read_text())
        return template.render(tables=sorted(tables.values(), key=lambda table: table.name))
    except TemplateError as error:
        line = f" (line {error.lineno})" if isinstance(error, TemplateSyntaxError) else ""
        raise DeclarationError(f"{file.name} cannot be expanded: {error}{line}") from error
    except (TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise DeclarationError(f"{file.name} cannot be expanded: {error}") from error
