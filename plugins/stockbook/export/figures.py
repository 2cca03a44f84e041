"""Figures of a month for a sheet: metrics, asked together and put beside each other by what they are cut by."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from stockbook.metrics.files import Metrics
from stockbook.metrics.question import Question

if TYPE_CHECKING:
    import duckdb

Key = tuple[Any, ...]
Figures = dict[str, Any]


def asked(
    con: "duckdb.DuckDBPyConnection",
    metrics: Metrics,
    names: Sequence[str],
    by: Sequence[str] = (),
    days: tuple[date | None, date | None] = (None, None),
    only: Mapping[str, str] | None = None,
) -> dict[Key, Figures]:
    """
    Each figure of each cut; one that a cut has no rows of is None.

    Figures of one relation and kind are one question. The cuts are in the order of their names, NULL last.
    """
    together: dict[tuple[str, bool], list[str]] = {}
    for name in names:
        metric = metrics.of_figure(name)
        together.setdefault((metric.of, metric.type == "last"), []).append(name)
    cuts: dict[Key, Figures] = {}
    for figures in together.values():
        sql = Question(tuple(figures), tuple(by), *days, only or {}).sql(metrics)
        for row in con.execute(sql).fetchall():
            cut = cuts.setdefault(tuple(row[: len(by)]), dict.fromkeys(names))
            cut.update(zip(figures, row[len(by) :], strict=True))
    return dict(sorted(cuts.items(), key=lambda pair: [(value is None, value) for value in pair[0]]))
