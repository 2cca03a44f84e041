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
from stockbook.bi.identity import identity
from stockbook.bi.spec import TIME_TYPES, Chart, Spec
from stockbook.declarations import VALUATION_CURRENCY, Column, Table, in_currency
from stockbook.metrics.files import Metrics
from stockbook.metrics.metric import Form, Metric

_FORMATS: dict[Form, str] = {"money": ",.2f", "share": ".1%", "number": ",.2f", "whole": ",d"}
# written into the bundle; `make bi` replaces it by the path of the published file
PLACEHOLDER = "duckdb:////path/to/published/warehouse.duckdb"


def files(
    spec: Spec, declared: dict[str, Table], metrics: Metrics, currency: str, uri: str = PLACEHOLDER
) -> dict[str, str]:
    """Every file of the bundle by its path, as YAML. ``currency`` is the code of the valuation currency."""
    tables = in_currency(declared, currency)
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
            tables[f"reports.{report}"], metrics.of_relation(f"reports.{report}"), currency
        )
    for dashboard in spec.dashboards:
        for chart in dashboard.charts:
            documents[f"charts/{chart.key}.yaml"] = _chart(chart, tables[f"reports.{chart.report}"], currency)
        documents[f"dashboards/{dashboard.key}.yaml"] = dashboard_file(dashboard, numbers, tables, currency)
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


def _dataset(table: Table, metrics: list[Metric], currency: str) -> dict[str, Any]:
    times = [name for name, column in table.columns.items() if column.type in TIME_TYPES]
    return {
        "table_name": table.table,
        "main_dttm_col": times[0] if times else None,
        "description": table.description,
        "default_endpoint": None,
        "offset": 0,
        "cache_timeout": None,
        "schema": "reports",
        "sql": None,
        "params": None,
        "template_params": None,
        "filter_select_enabled": True,
        "fetch_values_predicate": None,
        "extra": None,
        "uuid": identity("dataset", table.table),
        "metrics": [
            {
                "metric_name": "count",
                "verbose_name": "Rows",
                "metric_type": "count",
                "expression": "count(*)",
                "d3format": ",d",
            },
            *(_metric(metric, figure, currency) for metric in metrics for figure in metric.figures),
        ],
        "columns": [_column(name, column) for name, column in table.columns.items()],
        "version": "1.0.0",
        "database_uuid": identity("database"),
    }


def _metric(metric: Metric, figure: str, currency: str) -> dict[str, Any]:
    unit = metric.unit.replace(VALUATION_CURRENCY, currency)
    return {
        "metric_name": figure,
        "verbose_name": f"{figure.replace('_', ' ')} [{unit}]",
        "metric_type": "expression",
        "expression": metric.aggregate(figure, metric.where),
        "d3format": _FORMATS[metric.form],
        "description": metric.says + (" A balance: of one day only." if metric.type == "last" else ""),
    }


def _column(name: str, column: Column) -> dict[str, Any]:
    unit = f" [{column.unit}]" if column.unit else ""
    return {
        "column_name": name,
        "verbose_name": name.replace("_", " ") + unit,
        "is_dttm": column.type in TIME_TYPES,
        "is_active": True,
        "type": column.type.upper(),
        "groupby": True,
        "filterable": True,
        "expression": None,
        "description": column.description,
        "python_date_format": None,
    }


def _chart(chart: Chart, table: Table, currency: str) -> dict[str, Any]:
    return {
        "slice_name": name_of(chart, currency),
        "description": chart.says,
        "viz_type": VIZ[chart.kind],
        "params": form_data(chart, table, currency),
        "query_context": None,
        "cache_timeout": None,
        "uuid": identity("chart", chart.key),
        "version": "1.0.0",
        "dataset_uuid": identity("dataset", chart.report),
    }
