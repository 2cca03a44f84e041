"""
How stock is valued: by each method, at each basis. Each pair of them is a *figure* with columns of its own.

A further method is a name here and its way to take pieces out in the compiled replay (``valuation/``); declarations
name figures by ``{figure}`` and get the columns of all of them.
"""

from itertools import groupby
from typing import Any, Literal, get_args

Method = Literal["fifo", "average"]
Basis = Literal["landed", "bare"]

METHODS: tuple[str, ...] = get_args(Method)
BASES: tuple[str, ...] = get_args(Basis)
FIGURES = tuple(f"{method}_{basis}" for method in METHODS for basis in BASES)

_SPELLED = {"fifo": "FIFO"}
_FIGURE = "{figure}"


def text_of(figure: str) -> str:
    """A figure as sentences name it: ``FIFO, landed``."""
    method, _, basis = figure.partition("_")
    return f"{_SPELLED.get(method, method)}, {basis}"


def for_each_figure(columns: dict[str, Any]) -> dict[str, Any]:
    """
    Declared columns with those whose name holds ``{figure}`` written out for every figure.

    Neighbours whose names begin alike are repeated together: all of them for the first figure, then all for the second.
    """
    written: dict[str, Any] = {}
    for (_, marker), neighbours in groupby(columns.items(), key=lambda item: str(item[0]).partition(_FIGURE)[:2]):
        if not marker:
            written |= neighbours
            continue
        block = list(neighbours)
        for figure in FIGURES:
            written |= {name.replace(_FIGURE, figure): _described(column, figure) for name, column in block}
    return written


def _described(column: Any, figure: str) -> Any:
    if not isinstance(column, dict) or not isinstance(column.get("description"), str):
        return column  # what is wrong with it is said where all columns are read
    return column | {"description": column["description"].replace(_FIGURE, text_of(figure))}
