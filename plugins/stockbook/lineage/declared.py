"""
What the columns are made of that no select makes: declared by each program, in ``include/lineage/<program>.yml``.

A file holds, for each table, columns (several names in one key, ``{figure}`` for every figure) with what they are made
of: ``layer.table.column``; ``layer.table`` for the column of the same name there; a file of policies, ``sla.yml``;
a field of an event, ``shopline whole.fulfillment_order.status``; or ``run``, which is the run itself. ``swayed`` says
what decides the rest: columns by table (``*`` for all), and files of policies; without it all that the program reads.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
import yaml

from stockbook import yaml_file
from stockbook.cost_methods import FIGURES
from stockbook.declarations import Table
from stockbook.errors import DeclarationError
from stockbook.lineage.inputs import ROWS, Inputs, Ref, Relation, Way
from stockbook.lineage.wire import RUN
from stockbook.project import SHIPPED

FOLDER = SHIPPED / "include" / "lineage"
POLICY = "policy"
"""The operator's files, as a source."""
_FIGURE = "{figure}"


class Declared(msgspec.Struct, forbid_unknown_fields=True):
    """What one table's columns are made of; ``swayed`` None: by all that its program reads."""

    columns: dict[str, str | list[str]]
    swayed: dict[str, str] | None = None


def read(folder: Path = FOLDER) -> dict[str, Declared]:
    """The declarations of all programs, by table. Raises DeclarationError."""
    by_table: dict[str, Declared] = {}
    for file in sorted(folder.glob("*.yml")):
        try:
            content = yaml_file.read(file)
            # what several tables are made of stands before them, under names of its own
            tables = {name: of for name, of in content.items() if "." in name}
            by_table |= msgspec.convert(tables, dict[str, Declared])
        except (OSError, yaml.YAMLError, AttributeError, msgspec.ValidationError) as error:
            raise DeclarationError(f"lineage/{file.name} cannot be read: {error}") from error
    return by_table


def relation(
    table: Table, declared: Declared | None, reads: Iterable[str], columns_of: Mapping[str, Iterable[str]]
) -> Relation:
    """
    A table's relation as declared; ``reads`` is all that its program reads.

    Raises DeclarationError for a column without a declaration, or a declaration of none.
    """
    if declared is None:
        raise DeclarationError(f"{table.name}: include/lineage says nothing of it; a program's table must be declared.")
    columns: dict[str, Inputs] = {}
    for key, refs in declared.columns.items():
        for name in _names(key):
            columns[name] = {_ref(table, name, ref, columns_of): Way.WORKED_OUT for ref in _listed(refs)}
    wanted = {*table.columns, *(("account",) if "account" in table.grain or table.is_staged else ())}
    for name in sorted(wanted ^ columns.keys()):
        raise DeclarationError(
            f"{table.name}.{name}: include/lineage and the declaration of the table must agree on it."
        )
    swayed = declared.swayed if declared.swayed is not None else dict.fromkeys(reads, ROWS)
    rows = frozenset(ref for of, names in swayed.items() for ref in _swaying(table, of, names, columns_of))
    return Relation(columns, rows, frozenset({frozenset(table.grain)}) if table.grain else frozenset())


def _listed(refs: str | list[str]) -> list[str]:
    return [refs] if isinstance(refs, str) else refs


def _names(key: str) -> list[str]:
    names = key.split()
    return [name.replace(_FIGURE, figure) for name in names for figure in (FIGURES if _FIGURE in name else FIGURES[:1])]


def _ref(table: Table, column: str, text: str, columns_of: Mapping[str, Iterable[str]]) -> Ref:
    """What a text names. Raises DeclarationError for a column that is not there."""
    if text == RUN or text.endswith(".yml") or " " in text:
        source, _, field = text.partition(" ")
        return Ref(source, field or column.strip("_")) if " " in text or text == RUN else Ref(POLICY, text)
    layer_table, _, named = text.rpartition(".")
    of, name = (text, column) if "." not in layer_table else (layer_table, named)
    if name not in columns_of.get(of, ()):
        raise DeclarationError(f"{table.name}.{column}: include/lineage names {of}.{name}, which is not there.")
    return Ref(of, name)


def _swaying(table: Table, of: str, names: str, columns_of: Mapping[str, Iterable[str]]) -> Iterator[Ref]:
    if of.endswith(".yml"):
        yield Ref(POLICY, of)
        return
    yield Ref(of, ROWS)
    for name in columns_of.get(of, ()) if names == ROWS else names.split():
        yield _ref(table, name, of, columns_of)
