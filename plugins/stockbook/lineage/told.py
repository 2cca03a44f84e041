"""The lineage of one column in words: the way back to the wire step by step, what sways it, and who uses it."""

from collections.abc import Iterator
from difflib import get_close_matches

from stockbook.errors import ConfigError
from stockbook.lineage.graph import Graph
from stockbook.lineage.inputs import ROWS, Inputs, Ref, Way

WORDS = {Way.COPIED: "as it is", Way.WORKED_OUT: "worked out", Way.AGGREGATED: "aggregated", Way.SWAYS: "sways it"}


def column_of(graph: Graph, text: str) -> Ref:
    """The column that a person names. Raises ConfigError with the names that come near."""
    table, _, column = text.rpartition(".")
    if column in graph.tables.get(table, {}) and column != ROWS:
        return Ref(table, column)
    names = [f"{name}.{each}" for name, columns in graph.tables.items() for each in columns if each != ROWS]
    near = get_close_matches(text, names, 3, 0.7) or get_close_matches(f"marts.{text}", names, 3, 0.7)
    hint = f"; perhaps {', '.join(near)}" if near else "; `stockbook dictionary --to FOLDER` lists all"
    raise ConfigError(f"There is no column {text}: expected layer.table.column, as in marts.fct_order.city{hint}.")


def as_json(graph: Graph, ref: Ref) -> dict[str, object]:
    """The same for a program: each with the way it comes in."""

    def listed(inputs: Inputs) -> list[dict[str, str]]:
        return [
            {"table": far.table, "column": far.column, "way": way.name.lower()}
            for far, way in sorted(inputs.items())
            if far.column != ROWS
        ]

    return {
        "column": str(ref),
        "made_of": listed(graph.direct(ref)),
        "swayed_by": listed(graph.tables[ref.table].get(ROWS, {})),
        "comes_from": [{"source": end.table, "field": end.column} for end in graph.ends(ref)],
        "back": listed(graph.back(ref)),
        "onward": listed(graph.onward(ref)),
    }


def as_text(graph: Graph, ref: Ref) -> Iterator[str]:
    """Lines for a person."""
    yield str(ref)
    ends = list(graph.ends(ref))
    yield f"  comes from {', '.join(f'{end.table} {end.column}' for end in ends) or 'nothing outside'}"
    yield "  step by step:"
    yield from _steps(graph, ref, "    ", {ref})
    back = graph.back(ref)
    swaying = sorted({far.table for far, way in back.items() if way is Way.SWAYS and far.table.startswith("staging.")})
    if swaying:
        yield f"  swayed besides by {len(swaying)} tables of staging: {', '.join(swaying)}"
    onward = graph.onward(ref)
    users = sorted(far for far, way in onward.items() if way < Way.SWAYS)
    yield f"  goes into {len(users)} columns" + (":" if users else "")
    yield from (f"    {far}" for far in users)
    tables = sorted({far.table for far in onward} - {far.table for far in users})
    if tables:
        yield f"  sways {len(tables)} tables more: {', '.join(tables)}"


def _steps(graph: Graph, ref: Ref, indent: str, seen: set[Ref]) -> Iterator[str]:
    for far, way in sorted(graph.direct(ref).items()):
        if way is Way.SWAYS:
            continue
        again = far in seen and bool(graph.direct(far))
        yield (
            f"{indent}{far.table} {far.column}"
            if far.table not in graph.tables
            else (f"{indent}{far} ({WORDS[way]}){', as above' if again else ''}")
        )
        if not again:
            seen.add(far)
            yield from _steps(graph, far, indent + "  ", seen)
