"""The data of the page on which every column shows its way back to the wire and who uses it, small enough for one."""

from collections.abc import Container, Iterable, Mapping
from typing import Any

from stockbook.dictionary.lineage import page_of
from stockbook.lineage.graph import Graph
from stockbook.lineage.inputs import ROWS, Inputs, Ref

PAGE = "lineage.html"


def data(graph: Graph, pages: Container[str], readers: Mapping[tuple[str, str], Iterable[Ref]]) -> dict[str, Any]:
    """
    ``tables``: every table with its page and columns: name, page, columns, what decides its rows.

    A column is its name and what it is made of, in threes: number of the table, number of the column there, the way.
    What comes from outside are tables without a page. Which rows another table has is column -1.
    ``readers``: every metric and question by text and address, with the columns it reads, in twos.
    """
    names: dict[str, dict[str, int]] = {}
    for table, columns in graph.tables.items():
        names[table] = {column: number for number, column in enumerate(name for name in columns if name != ROWS)}
    for columns in graph.tables.values():
        for ref in (ref for inputs in columns.values() for ref in inputs if ref.table not in graph.tables):
            outside = names.setdefault(ref.table, {})
            outside.setdefault(ref.column, len(outside))
    numbers = {table: number for number, table in enumerate(names)}

    def flat(inputs: Inputs) -> list[int]:
        return [
            part
            for ref, way in sorted(inputs.items())
            for part in (numbers[ref.table], -1 if ref.column == ROWS else names[ref.table][ref.column], int(way))
        ]

    listed = [
        [
            table,
            page_of(table, pages) or "",
            [[name, *flat(graph.tables.get(table, {}).get(name, {}))] for name in columns],
            flat(graph.tables.get(table, {}).get(ROWS, {})),
        ]
        for table, columns in names.items()
    ]
    read = [
        [
            text,
            address,
            *(
                part
                for ref in sorted(refs)
                if ref.table in names
                for part in (numbers[ref.table], names[ref.table][ref.column])
            ),
        ]
        for (text, address), refs in readers.items()
    ]
    return {"tables": listed, "readers": read}
