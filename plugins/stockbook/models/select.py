"""
The select of a model: its ``.sql``, or what its ``.sql.jinja`` gives over the declarations.

A template is for a model that treats many declared tables alike. It knows ``tables``, the declarations by name, and
nothing else; a table that is declared later is in it the next night.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from stockbook.declarations import Table
from stockbook.errors import DeclarationError

SELECT, TEMPLATE = ".sql", ".sql.jinja"


def select_of(models_dir: Path, table: Table, tables: Mapping[str, Table]) -> str:
    """The select of a table, view or macro. Raises DeclarationError when it has none, or a template that fails."""
    folder = models_dir / table.folder
    if (file := folder / f"{table.table}{SELECT}").exists():
        return file.read_text()
    if (file := folder / f"{table.table}{TEMPLATE}").exists():
        return _expanded(file, tables.values())
    raise DeclarationError(f"{table.name} is declared as a {table.kind} but has no {table.table}{SELECT} beside it.")


def names_in(folder: Path) -> set[str]:
    """The names of all models that have a select somewhere below a folder."""
    return {file.name.removesuffix(end) for end in (SELECT, TEMPLATE) for file in folder.rglob(f"*{end}")}


def _expanded(file: Path, tables: Iterable[Table]) -> str:
    from jinja2 import Environment, StrictUndefined, TemplateError

    # what it makes is SQL, of names that were validated when they were read
    environment = Environment(  # noqa: S701  # no HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    try:
        template = environment.from_string(file.read_text())
        return template.render(tables=sorted(tables, key=lambda table: table.name))
    except TemplateError as error:
        raise DeclarationError(f"{file.name} cannot be expanded: {error}") from error
