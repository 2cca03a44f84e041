"""The file of one dashboard: its text, its rows of charts, its filters."""

import math
from typing import Any

from stockbook.bi.charts import COLOURS, SCHEME
from stockbook.bi.identity import identity
from stockbook.bi.spec import Chart, Currencies, Dashboard, Filter
from stockbook.bi.texts import ENGLISH, Texts
from stockbook.declarations import Table

# the width of a desk's screen on a page of A4; on a phone a chart of half a row fills the screen, and a row is swiped
SCREENS = """\
@media print { body { zoom: 0.5; } [data-test="filterbar-action-buttons"] { display: none; } }
@media screen and (max-width: 600px) { .grid-container { min-width: 720px; } }
"""
# signs of a line of the text on top at the width of a desk's screen, and the heights of a line and of what is around it
_LINE, _LINE_HEIGHT, _AROUND = 145, 3, 5


def name_of(chart: Chart, currencies: Currencies, texts: Texts = ENGLISH) -> str:
    """The title as it stands over a chart, with the unit it does not name: an axis' title would lie over its labels."""
    unit = texts.unit(chart.unit)
    if chart.kind in ("number", "table") or not unit or unit in chart.title.lower():
        return chart.title
    return f"{chart.title} ({currencies.named(unit)})"


def intro(dashboard: Dashboard, tables: dict[str, Table], currencies: Currencies, texts: Texts) -> str:
    """What stands on top of a dashboard: its own words, and which charts a filter leaves as they are."""
    text = currencies.named(dashboard.intro)
    for wanted in dashboard.filters:
        titles = [chart.title for chart in dashboard.beyond(wanted, tables)]
        if titles:
            text += " " + texts.beyond.format(filter=texts.filter(wanted.name), titles="; ".join(titles))
    return f"{text} {texts.drill}"


def colours(dashboard: Dashboard) -> dict[str, str]:
    """
    A colour for each label, two of a chart in different ones.

    Superset gives out colours as charts happen to be drawn, and keeps them for all charts: two labels of one chart met
    in the same.
    """
    of_label: dict[str, str] = {}
    for chart in dashboard.charts:
        labels = [measure.label for measure in chart.measures]
        for label in labels:
            taken = {of_label[other] for other in labels if other in of_label}
            of_label.setdefault(label, next(colour for colour in COLOURS if colour not in taken))
    return of_label


def dashboard_file(
    dashboard: Dashboard, numbers: dict[str, int], tables: dict[str, Table], currencies: Currencies, texts: Texts
) -> dict[str, Any]:
    """The content of the file; ``numbers`` are the charts' ids by key."""
    text = intro(dashboard, tables, currencies, texts)
    return {
        "dashboard_title": dashboard.title,
        "description": text,
        "css": SCREENS,
        "slug": dashboard.key,
        "uuid": identity("dashboard", dashboard.key),
        "position": _layout(dashboard, numbers, text, currencies, texts),
        "metadata": {
            "color_scheme": SCHEME,
            "label_colors": colours(dashboard),
            "refresh_frequency": 0,
            "cross_filters_enabled": False,
            # beside the charts it takes 260 pixels: below 360 Superset then draws no chart at all
            "filter_bar_orientation": "HORIZONTAL",
            "native_filter_configuration": [
                _filter(dashboard, wanted, numbers, tables) | {"name": texts.filter(wanted.name)}
                for wanted in dashboard.filters
            ],
        },
        "published": True,
        "version": "1.0.0",
    }


def _layout(
    dashboard: Dashboard, numbers: dict[str, int], text: str, currencies: Currencies, texts: Texts
) -> dict[str, Any]:
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
            "meta": {"code": text, "height": _AROUND + _LINE_HEIGHT * math.ceil(len(text) / _LINE), "width": 12},
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
                    "sliceName": name_of(chart, currencies, texts),
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
