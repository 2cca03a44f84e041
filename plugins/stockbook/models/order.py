"""
The order in which models are built, found from their SQL.

A model is a ``.yml`` (declaration) and, unless a program builds it, one select beside it (``models/select.py``).
What it reads is found by parsing the select; nobody writes dependencies down.
"""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import duckdb
import msgspec

from stockbook.caches import cached, code_of
from stockbook.declarations import BUILT_LAYERS, Table
from stockbook.errors import DeclarationError
from stockbook.metrics.files import folder_of
from stockbook.models import reads, select
from stockbook.models.programs import PROGRAMS
from stockbook.models.reads import reads_of_all
from stockbook.models.select import names_in, select_of
from stockbook.project import MODELS, SHIPPED

# name of a model to its select and what that reads
_Selects = dict[str, tuple[str, frozenset[str]]]


class Step(NamedTuple):
    """One thing to build: the declared tables it makes, the select (None for a program), what it reads."""

    name: str
    tables: tuple[Table, ...]
    sql: str | None
    program: str | None
    reads: frozenset[str]


def steps(models_dir: Path, tables: dict[str, Table]) -> list[Step]:
    """
    Every step in an order in which each comes after what it reads.

    Raises DeclarationError for a select that cannot be parsed, reads a table nobody declares, or
    stands in a circle.
    """
    unordered = [*_sql_steps(models_dir, tables), *_program_steps(tables)]
    by_name = {step.name: step for step in unordered}
    loaded = _loaded(tables)
    built = {table.name for step in unordered for table in step.tables}
    for step in unordered:
        undeclared = sorted(step.reads - loaded - built)
        if undeclared:
            raise DeclarationError(f"{step.name} reads {undeclared[0]}, which no declaration describes.")
    graph = needs(unordered)
    try:
        order = list(TopologicalSorter({name: sorted(graph[name]) for name in sorted(graph)}).static_order())
    except CycleError as error:
        raise DeclarationError(f"Models read each other in a ring: {' -> '.join(error.args[1])}.") from error
    return [by_name[name] for name in order]


def readable(tables: Mapping[str, Table]) -> set[str]:
    """The relations that a model may read where these are declared."""
    return _loaded(tables) | {name for name, table in tables.items() if table.layer in BUILT_LAYERS}


def _loaded(tables: Mapping[str, Table]) -> set[str]:
    loaded = {name for name, table in tables.items() if table.layer in ("staging", "meta")}
    return loaded | {f"{name}_history" for name, table in tables.items() if table.history} | {"staging.quarantine"}


def needs(steps: Sequence[Step]) -> dict[str, set[str]]:
    """Of each step the steps that make what it reads."""
    maker = {table.name: step.name for step in steps for table in step.tables}
    return {step.name: {maker[name] for name in step.reads if name in maker} - {step.name} for step in steps}


def _sql_steps(models_dir: Path, tables: dict[str, Table]) -> list[Step]:
    selected = {
        table.name: table
        for table in tables.values()
        if table.layer in BUILT_LAYERS and table.kind not in ("program", "written")
    }
    written = {f"{layer}.{name}" for layer in BUILT_LAYERS for name in names_in(models_dir / layer)}
    if undeclared := sorted(written - selected.keys()):
        raise DeclarationError(f"{undeclared[0]} has a .sql but no declaration (.yml) beside it.")

    def selects() -> _Selects:
        texts = {name: select_of(models_dir, table, tables) for name, table in selected.items()}
        return {name: (texts[name], names) for name, names in reads_of_all(texts).items()}

    is_shipped = models_dir.absolute() == SHIPPED / MODELS
    of_all = cached("selects", _sources(tables), _Selects, selects) if is_shipped else selects()
    return [Step(name, (table,), of_all[name][0], None, of_all[name][1]) for name, table in selected.items()]


def _sources(tables: dict[str, Table]) -> Iterator[bytes]:
    """All that the selects which come with the program are expanded and parsed from."""
    yield duckdb.__version__.encode()
    yield msgspec.msgpack.encode(tables)
    for module in (select, reads):
        yield from code_of(Path(str(module.__file__)))
    models_dir = SHIPPED / MODELS
    for file in sorted([*models_dir.rglob("*.sql*"), *folder_of(models_dir).glob("*.yml")]):
        yield file.name.encode()
        yield file.read_bytes()


def _program_steps(tables: dict[str, Table]) -> list[Step]:
    programs: dict[str, list[Table]] = {}
    for table in tables.values():
        if table.kind == "program":
            if table.program not in PROGRAMS:
                raise DeclarationError(
                    f"{table.name} names program {table.program!r}; expected one of {', '.join(sorted(PROGRAMS))}."
                )
            programs.setdefault(table.program, []).append(table)
    return [
        Step(f"program {name}", tuple(built), None, name, frozenset(PROGRAMS[name].reads))
        for name, built in programs.items()
    ]
