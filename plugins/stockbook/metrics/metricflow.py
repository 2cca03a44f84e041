"""
The metrics as a semantic manifest of MetricFlow: YAML as ``dbt-semantic-interfaces`` reads it, a document each.

A relation is a semantic model, a figure a metric over a measure, a share two and a ratio. What MetricFlow cannot say is
left out with the reason and never said nearly: it would let a sum go through that ``stockbook metric`` refuses.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from stockbook.declarations import Table
from stockbook.metrics.files import Metrics
from stockbook.metrics.metric import PERIODS, Metric, Share
from stockbook.version import VERSION

STORED = "each row has its percentile already: rows cannot be put together"
NO_DAY = "of the last night, without a day; MetricFlow wants every figure on a time dimension"
NOT_OVER = "it does not add up over {}, and MetricFlow cannot demand that a question cuts by it"
_HEAD = """\
# Metrics of Stockbook {version} for MetricFlow, made by `stockbook metric export --format metricflow`. Do not edit.
# Expressions are DuckDB's, over the published file. A question that filters a balance (`non_additive_dimension`) may
# take another last day than `stockbook metric`, which filters first; a cut of which a metric has no rows is 0 or NULL
# here and no row there. None is cumulative or derived, as none of ours is; entities are for names, not for joins.
#
# Left out, because MetricFlow cannot say it:
"""


class Export(NamedTuple):
    """The documents, and what is left out with the reason."""

    documents: list[dict[str, Any]]
    left_out: dict[str, str]

    def text(self) -> str:
        """As YAML; the head tells what is left out."""
        lines = "".join(f"# {name}: {reason}\n" for name, reason in self.left_out.items())
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        written = yaml.dump_all(self.documents, Dumper=dumper, sort_keys=False, allow_unicode=True, width=120)
        # the reader fills in `$name`
        return _HEAD.format(version=VERSION) + lines + "---\n" + written.replace("$", "$$")


def export(metrics: Metrics, tables: Mapping[str, Table]) -> Export:
    """Every metric that MetricFlow can say."""
    left_out = {name: reason for name, metric in metrics.items() if (reason := _unsayable(metric))}
    said = [metric for name, metric in metrics.items() if name not in left_out]
    documents: list[dict[str, Any]] = [{"project_configuration": {"time_spines": [_SPINE]}}]
    for relation in dict.fromkeys(metric.of for metric in said):
        of_relation = [metric for metric in said if metric.of == relation]
        documents.append({"semantic_model": _model(tables[relation], of_relation)})
        documents += [{"metric": written} for metric in of_relation for written in _metrics(metric)]
    return Export(documents, left_out)


_SPINE = {
    "node_relation": {"schema_name": "marts", "alias": "dim_date"},
    "primary_column": {"name": "date", "time_granularity": "day"},
}


def _unsayable(metric: Metric) -> str:
    """Why MetricFlow cannot say it; empty where it can."""
    if metric.is_stored:
        return STORED
    if not metric.time:
        return NO_DAY
    return NOT_OVER.format(" and ".join(metric.to_name)) if metric.to_name else ""


def _model(table: Table, metrics: list[Metric]) -> dict[str, Any]:
    times = list(dict.fromkeys((metric.time or "", metric.grain) for metric in metrics))
    by = dict.fromkeys(name for metric in metrics for name in metric.by)
    return {
        "name": table.table,
        "description": table.description.strip(),
        "node_relation": {"schema_name": table.layer, "alias": table.table},
        "defaults": {"agg_time_dimension": _name(times[0][0])},
        "primary_entity": f"{table.table}_row",
        "dimensions": [
            *(_time_dimension(name, grain, table) for name, grain in times),
            *(
                {"name": name, "type": "categorical", "description": table.columns[name].description.strip()}
                for name in by
                if name not in {name for name, _ in times}
            ),
        ],
        "measures": [measure for metric in metrics for measure in _measures(metric)],
    }


def _name(column: str) -> str:
    """A time dimension may not be called by a period."""
    return f"{column}_start" if column in PERIODS else column


def _time_dimension(column: str, grain: str, table: Table) -> dict[str, Any]:
    is_day = table.columns[column].type == "date"
    return {
        "name": _name(column),
        "type": "time",
        "description": table.columns[column].description.strip(),
        "type_params": {"time_granularity": grain},
        **({} if is_day and _name(column) == column else {"expr": column if is_day else f"cast({column} as date)"}),
    }


def _measures(metric: Metric) -> Iterator[dict[str, Any]]:
    for figure, share in metric.figures.items():
        if share.over:
            yield _measure(metric, f"{figure}_part", share.sql)
            yield _measure(metric, f"{figure}_whole", share.over)
        else:
            yield _measure(metric, figure, _of_row(metric, share))


def _of_row(metric: Metric, share: Share) -> str:
    if metric.distinct:
        return f"({', '.join(metric.distinct)})"
    return share.sql or "1"


def _measure(metric: Metric, figure: str, sql: str) -> dict[str, Any]:
    agg: dict[str, Any] = {"agg": "count_distinct" if metric.distinct else "sum"}
    if metric.type == "percentile":
        agg = {"agg": "percentile", "agg_params": {"percentile": metric.at, "use_discrete_percentile": False}}
    if metric.type == "last":
        agg["non_additive_dimension"] = {"name": _name(metric.time or ""), "window_choice": "max"}
    expr = f"case when {metric.where} then {sql} end" if metric.where else sql
    return {"name": f"{figure}_measure", "expr": expr, "agg_time_dimension": _name(metric.time or ""), **agg}


def _metrics(metric: Metric) -> Iterator[dict[str, Any]]:
    meta = {"unit": metric.unit, "more_is": metric.up, "owner": metric.owner, "subject": metric.subject}
    for figure, share in metric.figures.items():
        common = {"name": figure, "description": metric.says, "config": {"meta": meta}}
        if not share.over:
            yield {**common, **_simple(f"{figure}_measure", is_count=metric.type == "count")}
            continue
        for part in ("part", "whole"):
            hidden = _simple(f"{figure}_{part}_measure")
            yield {"name": f"{figure}_{part}", "description": f"The {part} of {figure}.", **hidden}
        params = {"numerator": {"name": f"{figure}_part"}, "denominator": {"name": f"{figure}_whole"}}
        yield {**common, "type": "ratio", "type_params": params}


def _simple(measure: str, *, is_count: bool = False) -> dict[str, Any]:
    # a count of nothing is 0, a sum of nothing is unknown
    return {
        "type": "simple",
        "type_params": {"measure": {"name": measure, **({"fill_nulls_with": 0} if is_count else {})}},
    }
