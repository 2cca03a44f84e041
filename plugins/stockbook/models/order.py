"""
The order in which models are built, found from their SQL.

A model is a ``.yml`` (declaration) and, unless a program builds it, one select beside it (``models/select.py``).
What it reads is found by parsing the select; nobody writes dependencies down.
"""

from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

from stockbook.declarations import BUILT_LAYERS, Table
from stockbook.errors import DeclarationError
from stockbook.models.programs import PROGRAMS
from stockbook.models.reads import reads_of_all
from stockbook.models.select import names_in, select_of


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
    maker = {table.name: step.name for step in unordered for table in step.tables}
    by_name = {step.name: step for step in unordered}
    loaded = {name for name, table in tables.items() if table.layer in ("staging", "meta")}
    loaded |= {f"{name}_history" for name, table in tables.items() if table.history} | {"staging.quarantine"}
    graph: dict[str, set[str]] = {}
    for step in unordered:
        undeclared = sorted(step.reads - loaded - set(maker))
        if undeclared:
            raise DeclarationError(f"{step.name} reads {undeclared[0]}, which no declaration describes.")
        graph[step.name] = {maker[name] for name in step.reads if name in maker and maker[name] != step.name}
    try:
        order = list(TopologicalSorter({name: sorted(graph[name]) for name in sorted(graph)}).static_order())
    except CycleError as error:
        raise DeclarationError(f"Models read each other in a ring: {' -> '.join(error.args[1])}.") from error
    return [by_name[name] for name in order]


def _sql_steps(models_dir: Path, tables: dict[str, Table]) -> list[Step]:
    selects = {
        table.name: (table, select_of(models_dir, table, tables))
        for table in tables.values()
        if table.layer in BUILT_LAYERS and table.kind not in ("program", "written")
    }
    written = {f"{layer}.{name}" for layer in BUILT_LAYERS for name in names_in(models_dir / layer)}
    if undeclared := sorted(written - selects.keys()):
        raise DeclarationError(f"{undeclared[0]} has a .sql but no declaration (.yml) beside it.")
    reads = reads_of_all({name: sql for name, (_, sql) in selects.items()})
    return [Step(name, (table,), sql, None, reads[name]) for name, (table, sql) in selects.items()]


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
