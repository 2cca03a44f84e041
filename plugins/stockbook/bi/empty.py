"""Which charts have nothing to draw of a published file."""

from pathlib import Path

from stockbook.bi.spec import Chart, Spec
from stockbook.warehouse.readers import reader


def empty_charts(spec: Spec, published: Path) -> list[str]:
    """The titles of the charts without a row, or without a figure in any."""
    charts = [chart for dashboard in spec.dashboards for chart in dashboard.charts]
    with reader(published) as con:
        return [chart.title for chart in charts if not con.execute(_something_of(chart)).fetchall()]


def _something_of(chart: Chart) -> str:
    rows = chart.relation + (f" where {chart.where}" if chart.where else "")
    if chart.kind == "table":
        return f"select {', '.join(chart.columns)} from {rows} limit 1"
    figures = ", ".join(measure.sql for measure in chart.measures)
    each = f"select unnest([{figures}]::double[]) as figure from {rows} group by {chart.x}"
    return f"from ({each}) where figure is not null limit 1"
