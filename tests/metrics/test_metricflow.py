"""Metrics for MetricFlow: valid for its own reader, and the figures that `stockbook metric` gives."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from checkout import PROJECT
from typer.testing import CliRunner

from stockbook.cli.main import app
from stockbook.declarations import Table
from stockbook.metrics.files import Metrics, load
from stockbook.metrics.metric import Metric
from stockbook.metrics.metricflow import NO_DAY, STORED, Export, export
from stockbook.metrics.question import Question

METRICFLOW = Path(sys.prefix) / "metricflow"
MODELS = PROJECT / "include" / "sql"
VALIDATE = """
import json, sys
from dbt_semantic_interfaces.parsing import dir_to_model
from dbt_semantic_interfaces.validations.semantic_manifest_validator import SemanticManifestValidator

def complaints(folder):
    read = dir_to_model.parse_directory_of_yaml_files_to_semantic_manifest(folder, raise_issues_as_exceptions=False)
    issues = [*read.issues.all_issues]
    if not issues:
        issues = SemanticManifestValidator().validate_semantic_manifest(read.semantic_manifest).all_issues
    return [issue.as_readable_str() for issue in issues], [metric.name for metric in read.semantic_manifest.metrics]

print(json.dumps([complaints(folder) for folder in sys.argv[1:]]))
"""


@pytest.fixture(scope="module")
def metrics(tables: dict[str, Table]) -> Metrics:
    """Those of the project."""
    return load(MODELS, tables)


@pytest.fixture(scope="module")
def exported(metrics: Metrics, tables: dict[str, Table]) -> Export:
    """What is written of them."""
    return export(metrics, tables)


@pytest.mark.skipif(not METRICFLOW.exists(), reason="dbt-semantic-interfaces is not installed: make test does it")
def test_metricflows_own_reader_takes_the_export(exported: Export, tmp_path: Path) -> None:
    """No error and no warning; the same text with a measure taken away is refused."""
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    (tmp_path / "whole" / "manifest.yml").write_text(exported.text())
    (tmp_path / "broken" / "manifest.yml").write_text(
        exported.text().replace("  - name: late_measure\n", "  - name: early_measure\n")
    )
    words = [sys.executable, "-c", VALIDATE, str(tmp_path / "whole"), str(tmp_path / "broken")]
    done = subprocess.run(words, env={"PYTHONPATH": str(METRICFLOW)}, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-3000:]
    (complaints, names), (of_broken, _) = json.loads(done.stdout)
    assert complaints == []
    assert set(names) == {document["metric"]["name"] for document in exported.documents if "metric" in document}
    assert any("late_measure" in complaint for complaint in of_broken)


def test_what_metricflow_cannot_say_is_left_out_with_the_reason(exported: Export, metrics: Metrics) -> None:
    """Each figure is said or left out; a percentile of rows, say, or a figure without a day is not."""
    said = {document["metric"]["name"] for document in exported.documents if "metric" in document}
    figures = {name: figure for name, metric in metrics.items() for figure in metric.figures}

    assert {name for name, figure in figures.items() if figure not in said} == set(exported.left_out)
    assert exported.left_out["click_to_ship_p90"] == STORED
    assert exported.left_out["open_orders"] == NO_DAY
    assert "add up over currency" in exported.left_out["turnover_own_currency"]
    assert len(exported.left_out) < len(metrics) / 2
    head = exported.text().split("\n---\n")[0].splitlines()
    assert all(line.startswith("#") for line in head)
    assert head[-len(exported.left_out) :] == [f"# {name}: {reason}" for name, reason in exported.left_out.items()]


class Manifest:
    """A small reading of a manifest of its own: figures worked out of its expressions alone."""

    def __init__(self, text: str) -> None:
        """Read the documents."""
        documents = [document for document in yaml.safe_load_all(text.replace("$$", "$")) if document]
        self.metrics = {d["metric"]["name"]: d["metric"] for d in documents if "metric" in d}
        self.models = [d["semantic_model"] for d in documents if "semantic_model" in d]
        self.measures = {measure["name"]: (m, measure) for m in self.models for measure in m["measures"]}

    def figures(self, metric: Metric, con: duckdb.DuckDBPyConnection, by: str | None) -> list[tuple[Any, ...]]:
        """The figures of a metric, of everything or by one dimension or period."""
        model, measure = self._first_measure(metric.name)
        relation = f"{model['node_relation']['schema_name']}.{model['node_relation']['alias']}"
        dimensions = {item["name"]: item.get("expr", item["name"]) for item in model["dimensions"]}
        time = dimensions[measure["agg_time_dimension"]]
        cut = f"cast(date_trunc('{by}', {time}) as date)" if by == "month" else dimensions[by] if by else None
        if balance := measure.get("non_additive_dimension"):
            assert (balance["name"], balance["window_choice"]) == (measure["agg_time_dimension"], "max")
            within = f" partition by {cut}" if by == "month" else ""
            relation = f"(from {relation} qualify {time} = max({time}) over ({within}))"
        columns = [self._sql(name) for name in metric.figures]
        cuts, order = ([cut], " group by all order by all") if cut else ([], "")
        return con.execute(f"select {', '.join([*cuts, *columns])} from {relation}{order}").fetchall()

    def _first_measure(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        params = self.metrics[name]["type_params"]
        return (
            self.measures[params["measure"]["name"]]
            if "measure" in params
            else self._first_measure(params["numerator"]["name"])
        )

    def _sql(self, name: str) -> str:
        metric = self.metrics[name]
        params = metric["type_params"]
        if metric["type"] == "ratio":
            return f"{self._sql(params['numerator']['name'])} / nullif({self._sql(params['denominator']['name'])}, 0)"
        _, measure = self.measures[params["measure"]["name"]]
        sql = {
            "sum": "sum({0})",
            "count_distinct": "count(distinct {0})",
            "percentile": "quantile_cont({0}, {1})",
        }[measure["agg"]].format(measure["expr"], measure.get("agg_params", {}).get("percentile"))
        return (
            f"coalesce({sql}, {params['measure']['fill_nulls_with']})"
            if "fill_nulls_with" in params["measure"]
            else sql
        )


def cuts_of(metric: Metric) -> Iterator[str | None]:
    """Everything, a dimension, a month."""
    yield None
    yield metric.by[-1]
    yield "month"


def test_the_exported_expressions_give_the_figures_of_the_command(
    exported: Export, metrics: Metrics, home_after_a_night: Path
) -> None:
    """Of everything, by a dimension and by month: every metric that is said, to the last digit, on a published file."""
    manifest = Manifest(exported.text())
    differing, count, with_figures = [], 0, set()
    with duckdb.connect(str(home_after_a_night / "published" / "warehouse.duckdb"), read_only=True) as con:
        for metric in (metric for name, metric in metrics.items() if name not in exported.left_out):
            for by in cuts_of(metric):
                sql = Question((metric.name,), (by,) if by else ()).sql(metrics)
                ours, of_manifest = con.execute(sql).fetchall(), manifest.figures(metric, con, by)
                count += 1
                with_figures |= {metric.name for row in ours if row[-1] not in (None, 0)}
                # a cut without a row that the metric counts is 0 or unknown there, and no row here
                nothing = [row for row in of_manifest if row not in ours and set(row[1:]) <= {None, 0}]
                if ours != [row for row in of_manifest if by is None or row not in nothing]:
                    differing.append((metric.name, by, ours[:2], of_manifest[:2]))

    assert differing == []
    assert count > 200
    # most of them are of something in that shop
    assert len(with_figures) > count / 6


def test_the_command_writes_it(metrics: Metrics, exported: Export) -> None:
    """`stockbook metric export --format metricflow`; one word without the other is refused."""
    run = CliRunner().invoke

    assert run(app, ["metric", "export", "--format", "metricflow"]).output == exported.text()
    for words in (["metric", "export"], ["metric", "late", "--format", "metricflow"]):
        assert "both words or none" in str(run(app, words).exception)
