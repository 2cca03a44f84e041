"""
Declarations read from their files: the ``.yml`` beside each model, and the texts that columns share.

What one can say stands in ``declarations``. A wrong one is refused with its file and field. What was read of the files
that come with the program is kept between processes.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from stockbook import yaml_file
from stockbook.caches import cached, code_of
from stockbook.cost_methods import for_each_figure
from stockbook.declarations import LAYERS, Column, Table
from stockbook.errors import DeclarationError
from stockbook.project import MODELS, SHIPPED

SHARED_TEXTS = "columns.yml"
"""The file with the texts of columns that several tables have."""

T = TypeVar("T")


def load(models_dir: Path) -> dict[str, Table]:
    """Every declaration under ``models_dir`` by its qualified name. Raises DeclarationError naming file and field."""
    return _load(models_dir.absolute())


@cache
def _load(models_dir: Path) -> dict[str, Table]:
    # one cache for the folder that comes with the program; others are read
    if models_dir != SHIPPED / MODELS:
        return _read_all(models_dir)
    files = sorted(models_dir.rglob("*.yml"))
    texts = (text for file in files for text in (str(file.relative_to(models_dir)).encode(), file.read_bytes()))
    sources = [*code_of(Path(__file__)), *texts]
    return cached("declarations", sources, dict[str, Table], lambda: _read_all(models_dir))


def _read_all(models_dir: Path) -> dict[str, Table]:
    texts = shared_texts(models_dir)
    tables: dict[str, Table] = {}
    for layer in LAYERS:
        for file in sorted((models_dir / layer).rglob("*.yml"), key=lambda file: file.name):
            table = read_file(file, layer, texts)
            table.folder = file.parent.relative_to(models_dir).as_posix()
            if table.name in tables:
                raise DeclarationError(
                    f"{table.name} is declared twice: in {tables[table.name].folder} and {table.folder}."
                )
            tables[table.name] = table
    if not tables:
        raise DeclarationError(f"No declarations found: expected .yml files under {models_dir}/<layer>/.")
    return tables


def shared_texts(models_dir: Path) -> dict[str, str]:
    """The texts of ``columns.yml`` by name; none where the folder has no such file."""
    file = models_dir / SHARED_TEXTS
    texts = _parsed(file, SHARED_TEXTS, dict[str, str]) if file.exists() else {}
    described = for_each_figure({name: {"description": text} for name, text in texts.items()})
    return {name: column["description"] for name, column in described.items()}


def read_file(file: Path, layer: str, texts: dict[str, str]) -> Table:
    """One declaration; ``texts`` are those that columns share. Raises DeclarationError naming file and field."""
    title = f"{file.name} in {layer}"
    table = _parsed(file, title, Table)
    table.layer = layer
    if table.table != file.stem:
        raise DeclarationError(f"{title} declares table {table.table!r}: name and file must agree.")
    for field, name in _named_columns(table):
        if name not in table.columns and name != "account":
            raise DeclarationError(f"{title}: {field} column {name!r} is not declared.")
    for name, column in table.columns.items():
        key = column.text or name
        column.description = column.description or texts.get(key, "")
        if not column.description:
            raise DeclarationError(
                f"{title}: column {name!r} has no description, and {SHARED_TEXTS} has no text {key!r}."
            )
    return table


def _named_columns(table: Table) -> Iterator[tuple[str, str]]:
    """The field and the name of each column that a declaration refers to."""
    yield from (("grain", name) for name in table.grain)
    yield from (("history", name) for name in table.history)
    yield from (("utc_of", column.utc_of) for column in table.columns.values() if column.utc_of)
    yield from ((f"check {check.name!r}:", check.args["column"]) for check in table.checks if "column" in check.args)
    if table.dated:
        yield "dated", table.dated.by


def _parsed(file: Path, title: str, type_: type[T]) -> T:
    content: Any = None
    try:
        content = yaml_file.read(file)
        if isinstance(content, dict) and isinstance(content.get("columns"), dict):
            content["columns"] = for_each_figure(content["columns"])
        return msgspec.convert(content, type_)
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        raise DeclarationError(f"{title} cannot be read: {_with_column(str(error), content)}") from error


def _with_column(message: str, content: Any) -> str:
    """The message with the name of the column, for which msgspec writes ``[...]``."""
    if "`$.columns[...]" in message:
        for name, column in content["columns"].items():
            try:
                msgspec.convert(column, Column)
            except msgspec.ValidationError as error:
                return str(error).replace("`$", f"`$.columns.{name}")
    return message
