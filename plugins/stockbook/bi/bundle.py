"""
The dashboards as the files Superset imports.

Ids are made from names (UUID 5), so an import replaces what an earlier one made, and the files
change only when what they say does.
"""

import io
import zipfile
from pathlib import Path
from typing import Any

import yaml

from stockbook.bi.charts import VIZ, form_data
from stockbook.bi.dashboard_file import dashboard_file, name_of
from stockbook.bi.headings import headings, words
from stockbook.bi.identity import identity
from stockbook.bi.spec import TIME_TYPES, Chart, Currencies, Spec, relation_of
from stockbook.bi.texts import ENGLISH, Texts
from stockbook.declarations import Column, Table, in_currency
from stockbook.metrics.files import Metrics
from stockbook.metrics.metric import Form, Metric

_FORMATS: dict[Form, str] = {"money": ",.2f", "share": ".1%", "number": ",.2f", "whole": ",d"}
# written into the bundle; `make bi` replaces it by the path of the published file
PLACEHOLDER = "duckdb:////path/to/published/warehouse.duckdb"


def files(
    english: Spec,
    declared: dict[str, Table],
    metrics: Metrics,
    currencies: Currencies,
    uri: str = PLACEHOLDER,
    texts: Texts = ENGLISH,
) -> dict[str, str]:
    """Every file of the bundle by its path, as YAML."""
    spec = texts.spoken(english)
    tables = {name: texts.with_units(table) for name, table in in_currency(declared, *currencies).items()}
    numbers = {chart.key: number for number, chart in enumerate((c for d in spec.dashboards for c in d.charts), 1)}
    # of filters too: the values they offer are read from there
    reports = sorted(
        {chart.report for dashboard in spec.dashboards for chart in dashboard.charts}
        | {wanted.report for dashboard in spec.dashboards for wanted in dashboard.filters if wanted.report}
    )
    documents: dict[str, dict[str, Any]] = {
        # a fixed time: the files change only when the dashboards do
        "metadata.yaml": {"version": "1.0.0", "type": "Dashboard", "timestamp": "2026-01-01T00:00:00+00:00"},
        "databases/stockbook.yaml": _database(uri),
    }
    for report in reports:
        documents[f"datasets/stockbook/{report}.yaml"] = _dataset(
            tables[relation_of(report)], metrics.of_relation(relation_of(report)), currencies, spec, texts
        )
    for dashboard in spec.dashboards:
        for chart in dashboard.charts:
            documents[f"charts/{chart.key}.yaml"] = _chart(chart, tables[chart.relation], currencies, texts)
        documents[f"dashboards/{dashboard.key}.yaml"] = dashboard_file(dashboard, numbers, tables, currencies, texts)
    return {
        path: yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
        for path, content in documents.items()
    }


def archive(bundle: dict[str, str]) -> bytes:
    """The files as the one archive Superset's import reads."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path, text in sorted(bundle.items()):
            zipped.writestr(zipfile.ZipInfo(f"stockbook/{path}"), text)
    return buffer.getvalue()


def write(folder: Path, bundle: dict[str, str]) -> None:
    """Write the files below ``folder``; what an earlier bundle left there goes."""
    for file in folder.rglob("*.yaml"):
        if str(file.relative_to(folder)) not in bundle:
            file.unlink()
    for path, text in bundle.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def _database(uri: str) -> dict[str, Any]:
    return {
        "database_name": "Stockbook",
        "sqlalchemy_uri": uri,
        "cache_timeout": None,
        "expose_in_sqllab": True,
        "allow_run_async": False,
        "allow_ctas": False,
        "allow_cvas": False,
        "allow_dml": False,
        "allow_csv_upload": False,
        # `make bi` opens the file as bi/superset/doors.py says, whatever stands here; another Superset that reads this
        # opens it read-only, with nothing else in reach
        "extra": {
            "allows_virtual_table_explore": True,
            "engine_params": {
                "connect_args": {
                    "read_only": True,
                    "config": {
                        "memory_limit": "1GB",
                        "threads": 2,
                        "enable_external_access": False,
                        "autoload_known_extensions": False,
                        "autoinstall_known_extensions": False,
                        "lock_configuration": True,
                    },
                }
            },
            "metadata_params": {},
            "schemas_allowed_for_file_upload": [],
        },
        "uuid": identity("database"),
        "version": "1.0.0",
    }


def _dataset(table: Table, metrics: list[Metric], currencies: Currencies, spec: Spec, texts: Texts) -> dict[str, Any]:
    over = headings(table.columns, spec.headings)
    times = [name for name, column in table.columns.items() if column.type in TIME_TYPES]
    return {
        "table_name": table.table,
        "main_dttm_col": times[0] if times else None,
        "description": table.description,
        "default_endpoint": None,
        "offset": 0,
        "cache_timeout": None,
        "schema": table.layer,
        "sql": None,
        "params": None,
        "template_params": None,
        "filter_select_enabled": True,
        "fetch_values_predicate": None,
        "extra": None,
        "uuid": identity("dataset", table.table if table.layer == "reports" else table.name),
        "metrics": [
            {
                "metric_name": "count",
                "verbose_name": texts.rows,
                "metric_type": "count",
                "expression": "count(*)",
                "d3format": ",d",
            },
            *(_metric(metric, figure, currencies) for metric in metrics for figure in metric.figures),
        ],
        "columns": [
            _column(name, column, over[name], texts.of_code(name) if name in spec.codes else None)
            for name, column in table.columns.items()
        ],
        "version": "1.0.0",
        "database_uuid": identity("database"),
    }


def _metric(metric: Metric, figure: str, currencies: Currencies) -> dict[str, Any]:
    unit = currencies.named(metric.unit)
    return {
        "metric_name": figure,
        "verbose_name": f"{words(figure)} [{unit}]",
        "metric_type": "expression",
        "expression": metric.aggregate(figure, metric.where),
        "d3format": _FORMATS[metric.form],
        "description": metric.says + (" A balance: of one day only." if metric.type == "last" else ""),
    }


def _column(name: str, column: Column, heading: str, of_code: str | None) -> dict[str, Any]:
    return {
        "column_name": name,
        "verbose_name": heading,
        "is_dttm": column.type in TIME_TYPES,
        "is_active": True,
        "type": column.type.upper(),
        "groupby": True,
        "filterable": True,
        "expression": of_code if column.type == "varchar" else None,
        "description": column.description,
        "python_date_format": None,
    }


def _chart(chart: Chart, table: Table, currencies: Currencies, texts: Texts) -> dict[str, Any]:
    return {
        "slice_name": name_of(chart, currencies, texts),
        "description": chart.says,
        "viz_type": VIZ[chart.kind],
        "params": form_data(chart, table, currencies, texts),
        "query_context": None,
        "cache_timeout": None,
        "uuid": identity("chart", chart.key),
        "version": "1.0.0",
        "dataset_uuid": identity("dataset", chart.report),
    }
