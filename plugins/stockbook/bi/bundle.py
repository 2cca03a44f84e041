"""
The dashboards as the files Superset imports.

Ids are made from names (UUID 5), so an import replaces what an earlier one made, and the files
change only when what they say does.
"""

import io
import zipfile
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import yaml

from stockbook.bi.charts import VIZ, form_data
from stockbook.bi.spec import TIME_TYPES, Chart, Dashboard, Filter, Spec
from stockbook.declarations import VALUATION_CURRENCY, Column, Table, in_currency

SPACE = UUID("6f1a3d52-4a1e-5b0e-9d53-0a6c2b6e7f10")
# written into the bundle; who serves it puts the published file's own path in
PLACEHOLDER = "duckdb:////path/to/published/warehouse.duckdb"


def identity(*words: str) -> str:
    """The stable id of what these words name."""
    return str(uuid5(SPACE, "/".join(words)))


def files(spec: Spec, declared: dict[str, Table], currency: str, uri: str = PLACEHOLDER) -> dict[str, str]:
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
        documents[f"datasets/stockbook/{report}.yaml"] = _dataset(tables[f"reports.{report}"])
    for dashboard in spec.dashboards:
        for chart in dashboard.charts:
            documents[f"charts/{chart.key}.yaml"] = _chart(chart, tables[f"reports.{chart.report}"], currency)
        documents[f"dashboards/{dashboard.key}.yaml"] = _dashboard(dashboard, numbers, tables, currency)
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


def _dataset(table: Table) -> dict[str, Any]:
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
            }
        ],
        "columns": [_column(name, column) for name, column in table.columns.items()],
        "version": "1.0.0",
        "database_uuid": identity("database"),
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


def name_of(chart: Chart, currency: str) -> str:
    """The title as it stands over a chart, with the unit: a title of an axis would lie over its labels."""
    if chart.kind in ("number", "table") or not chart.unit:
        return chart.title
    return f"{chart.title} ({chart.unit.replace(VALUATION_CURRENCY, currency)})"


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


def intro(dashboard: Dashboard, tables: dict[str, Table], currency: str) -> str:
    """What stands on top of a dashboard: its own words, and which charts a filter leaves as they are."""
    text = dashboard.intro.replace(VALUATION_CURRENCY, currency)
    for wanted in dashboard.filters:
        titles = [chart.title for chart in dashboard.beyond(wanted, tables)]
        if titles:
            text += f" The filter *{wanted.name}* does not reach: {'; '.join(titles)}."
    return text


def _dashboard(
    dashboard: Dashboard, numbers: dict[str, int], tables: dict[str, Table], currency: str
) -> dict[str, Any]:
    text = intro(dashboard, tables, currency)
    return {
        "dashboard_title": dashboard.title,
        "description": text,
        "css": "",
        "slug": dashboard.key,
        "uuid": identity("dashboard", dashboard.key),
        "position": _layout(dashboard, numbers, text, currency),
        "metadata": {
            "color_scheme": "stockbook",
            "refresh_frequency": 0,
            "cross_filters_enabled": False,
            "native_filter_configuration": [
                _filter(dashboard, wanted, numbers, tables) for wanted in dashboard.filters
            ],
        },
        "published": True,
        "version": "1.0.0",
    }


def _layout(dashboard: Dashboard, numbers: dict[str, int], text: str, currency: str) -> dict[str, Any]:
    layout: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"children": ["GRID_ID"], "id": "ROOT_ID", "type": "ROOT"},
        "HEADER_ID": {"id": "HEADER_ID", "meta": {"text": dashboard.title}, "type": "HEADER"},
        "GRID_ID": {"children": ["ROW-intro"], "id": "GRID_ID", "parents": ["ROOT_ID"], "type": "GRID"},
        "ROW-intro": {
            "children": ["MARKDOWN-intro"],
            "id": "ROW-intro",
            "meta": {"background": "BACKGROUND_TRANSPARENT"},
            "parents": ["ROOT_ID", "GRID_ID"],
            "type": "ROW",
        },
        "MARKDOWN-intro": {
            "children": [],
            "id": "MARKDOWN-intro",
            "meta": {"code": text, "height": 16, "width": 12},
            "parents": ["ROOT_ID", "GRID_ID", "ROW-intro"],
            "type": "MARKDOWN",
        },
    }
    for number, row in enumerate(dashboard.rows, 1):
        row_id = f"ROW-{number}"
        layout["GRID_ID"]["children"].append(row_id)
        layout[row_id] = {
            "children": [f"CHART-{chart.key}" for chart in row],
            "id": row_id,
            "meta": {"background": "BACKGROUND_TRANSPARENT"},
            "parents": ["ROOT_ID", "GRID_ID"],
            "type": "ROW",
        }
        for chart in row:
            layout[f"CHART-{chart.key}"] = {
                "children": [],
                "id": f"CHART-{chart.key}",
                "meta": {
                    "chartId": numbers[chart.key],
                    "height": chart.height,
                    "width": chart.width,
                    "sliceName": name_of(chart, currency),
                    "uuid": identity("chart", chart.key),
                },
                "parents": ["ROOT_ID", "GRID_ID", row_id],
                "type": "CHART",
            }
    return layout


def _filter(dashboard: Dashboard, wanted: Filter, numbers: dict[str, int], tables: dict[str, Table]) -> dict[str, Any]:
    # a chart out of scope shows no mark of the filter, and the text on top of the page names it
    beyond = [numbers[chart.key] for chart in dashboard.beyond(wanted, tables)]
    document: dict[str, Any] = {
        "id": f"NATIVE_FILTER-{identity('filter', dashboard.key, wanted.name)}",
        "name": wanted.name,
        "type": "NATIVE_FILTER",
        "cascadeParentIds": [],
        "defaultDataMask": {"extraFormData": {}, "filterState": {}},
        "scope": {"rootPath": ["ROOT_ID"], "excluded": beyond},
        "controlValues": {"enableEmptyFilter": False},
        "description": "",
    }
    if wanted.column is None:
        return document | {"filterType": "filter_time", "targets": [{}]}
    return document | {
        "filterType": "filter_select",
        "targets": [
            {"datasetUuid": identity("dataset", wanted.report or ""), "column": {"name": wanted.column}},
        ],
        "controlValues": {
            "enableEmptyFilter": False,
            "multiSelect": True,
            "searchAllOptions": False,
            "inverseSelection": False,
            "defaultToFirstItem": False,
        },
    }
