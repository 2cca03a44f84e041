"""How each kind of chart is said in Superset's own words (its form data)."""

from typing import Any

from stockbook.bi.spec import TIME_TYPES, Chart, Currencies, Measure
from stockbook.bi.texts import Texts
from stockbook.declarations import Column, Table

# told apart by colour-blind people too, on white and on Superset's dark ground (tests/morning/test_looks.py measures
# it); registered under this name in superset_config.py
SCHEME = "stockbook"
COLOURS = ("#0072B2", "#EE6002", "#BF2600", "#00A685", "#AA79F2", "#8C5446")
# of the twelve columns of a page
_NARROW = 4
VIZ = {
    "number": "big_number",
    "line": "echarts_timeseries_line",
    "stacked": "echarts_timeseries_bar",
    "bar": "echarts_timeseries_bar",
    "ranked": "echarts_timeseries_bar",
    "table": "table",
}


def form_data(chart: Chart, table: Table, currencies: Currencies, texts: Texts) -> dict[str, Any]:
    """The parameters Superset keeps with a chart of ``table``."""
    params: dict[str, Any] = {"viz_type": VIZ[chart.kind], "color_scheme": SCHEME, "extra_form_data": {}}
    return params | (_table(chart, table) if chart.kind == "table" else _drawn(chart, currencies, texts))


def _measure(measure: Measure) -> dict[str, Any]:
    return {
        "expressionType": "SQL",
        "sqlExpression": measure.sql,
        "label": measure.label,
        "optionName": "metric_" + "".join(c if c.isalnum() else "_" for c in measure.label.lower()),
        "hasCustomLabel": True,
    }


def _conditions(chart: Chart) -> list[dict[str, Any]]:
    conditions: list[dict[str, Any]] = []
    if chart.period:
        # a chart has to name its time column here for the dashboard's period filter to reach it
        period = {"expressionType": "SIMPLE", "operator": "TEMPORAL_RANGE", "subject": chart.period}
        conditions.append({"clause": "WHERE", "comparator": "No filter", **period})
    if chart.where:
        conditions.append({"clause": "WHERE", "expressionType": "SQL", "sqlExpression": chart.where})
    return conditions


def _drawn(chart: Chart, currencies: Currencies, texts: Texts) -> dict[str, Any]:
    measures = [_measure(measure) for measure in chart.measures]
    is_share = chart.format.endswith("%")
    common = {
        "x_axis": chart.x,
        "adhoc_filters": _conditions(chart),
        "row_limit": 10000,
        "y_axis_format": chart.format,
    }
    if chart.kind == "number":
        day = texts.on_the_last_day
        currency = {"symbol": currencies.valuation, "symbolPosition": texts.currency_position}
        return common | {
            "metric": measures[0],
            "time_grain_sqla": chart.grain,
            "show_trend_line": True,
            "start_y_axis_at_zero": True,
            "subheader": day if chart.is_money else f"{texts.unit(chart.unit)} {day}",
            "currency_format": currency if chart.is_money else None,
            "time_format": "%Y-%m-%d",
            "header_font_size": 0.3,
            "rolling_type": "None",
        }
    drawn = common | {
        "metrics": measures,
        "groupby": [],
        "order_desc": True,
        "show_legend": len(measures) > 1,
        "legendType": "scroll",
        "legendOrientation": "top",
        "rich_tooltip": True,
        "tooltipTimeFormat": "%Y-%m-%d",
        "x_axis_time_format": "%Y-%m" if chart.grain == "P1M" else "%Y-%m-%d",
        "xAxisLabelRotation": _slant(chart),
        "y_axis_bounds": [0, 1] if is_share else [None, None],
        "truncateYAxis": is_share,
        # names of categories need the room of a line each
        "orientation": "vertical" if chart.is_over_time else "horizontal",
        "stack": "Stack" if chart.kind == "stacked" else None,
        "only_total": True,
        "show_value": chart.kind in ("bar", "ranked"),
    }
    if chart.is_over_time:
        # of a single month there is no line
        return drawn | {"time_grain_sqla": chart.grain, "markerEnabled": chart.kind == "line" and chart.grain == "P1M"}
    sort = Measure("order", "", f"min({chart.sort})") if chart.sort else chart.measures[0]
    return drawn | {
        "timeseries_limit_metric": _measure(sort),
        "x_axis_sort": sort.label,
        # lying bars begin at the bottom, readers at the top
        "x_axis_sort_asc": chart.kind == "ranked",
        "order_desc": chart.kind == "ranked",
        "xAxisForceCategorical": True,
    }


def _slant(chart: Chart) -> int:
    """Names of months stand close: aslant, in a narrow chart upright, none lies over the next."""
    if not chart.is_over_time or chart.grain != "P1M":
        return 0
    return 45 if chart.width > _NARROW else 90


def _number(name: str, column: Column) -> dict[str, str]:
    """How a column of a table is written: shares as percent, money and hours to two places, days without a time."""
    if column.type == "date":
        return {"d3TimeFormat": "%Y-%m-%d"}
    if column.type == "double" or column.type.startswith("decimal"):
        return {"d3NumberFormat": ".1%" if column.unit == "share" else ",.2f"}
    if column.type == "bigint" and not name.endswith("_id"):
        return {"d3NumberFormat": ",d"}
    return {}


def _bar(name: str, sort: str, table: Table) -> dict[str, bool]:
    """A bar in the cells of the column that a table is ordered by, where it says how much."""
    column = table.columns[name]
    is_amount = column.unit is not None or column.type.startswith("decimal")
    return {"showCellBars": True} if name == sort.lstrip("-") and is_amount and column.type not in TIME_TYPES else {}


def _table(chart: Chart, table: Table) -> dict[str, Any]:
    sort = chart.sort or chart.columns[0]
    return {
        "query_mode": "raw",
        "all_columns": chart.columns,
        "order_by_cols": [f'["{sort.lstrip("-")}", {"false" if sort.startswith("-") else "true"}]'],
        "adhoc_filters": _conditions(chart),
        "row_limit": chart.rows,
        "server_pagination": False,
        "page_length": 10,
        "include_search": False,
        "show_cell_bars": False,
        "table_timestamp_format": "%Y-%m-%d %H:%M",
        "color_pn": False,
        "align_pn": False,
        "column_config": {
            name: form
            for name in chart.columns
            if (form := _number(name, table.columns[name]) | _bar(name, sort, table))
        },
    }
