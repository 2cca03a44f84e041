"""
What the dashboards say in another language than English: ``bi/superset/texts/``, one file a language.

English stands in ``dashboards.yml``, and here what is written beside it. What a language has no text for, a dashboard
of a user's own say, stays as it is.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec
import yaml

from stockbook import yaml_file
from stockbook.bi.spec import Chart, Dashboard, Spec
from stockbook.declarations import Table
from stockbook.errors import DeclarationError
from stockbook.sql_text import quoted

# said of a kind by figures, not words
_KEPT = ("share", "currency")


class Page(msgspec.Struct, forbid_unknown_fields=True):
    """The texts of a dashboard."""

    title: str
    intro: str


class Drawn(msgspec.Struct, forbid_unknown_fields=True):
    """The texts of a chart; ``labels`` in the order of its measures."""

    title: str
    says: str
    labels: list[str] = []


class Texts(msgspec.Struct, forbid_unknown_fields=True):
    """All of a language. ``values`` are words for the values of ``codes``."""

    # Superset's own menu, which nobody finds
    drill: str = "A right click on a figure or a bar, then *Drill to detail*, shows its rows."
    beyond: str = "The filter *{filter}* does not reach: {titles}."
    on_the_last_day: str = "on the last day"
    rows: str = "Rows"
    currency_position: Literal["prefix", "suffix"] = "prefix"
    filters: dict[str, str] = {}
    units: dict[str, str] = {}
    dashboards: dict[str, Page] = {}
    charts: dict[str, Drawn] = {}
    headings: dict[str, str] = {}
    codes: list[str] = []
    values: dict[str, str] = {}

    def unit(self, unit: str) -> str:
        """The word for a unit."""
        return self.units.get(unit, unit)

    def filter(self, name: str) -> str:
        """The name of a filter."""
        return self.filters.get(name, name)

    def of_code(self, column: str) -> str:
        """The SQL of a column whose values are words tied by underscores: the words."""
        words = f"replace({column}, '_', ' ')"
        if not self.values:
            return words
        whens = " ".join(f"when {quoted(value)} then {quoted(text)}" for value, text in self.values.items())
        return f"case {column} {whens} else {words} end"

    def spoken(self, spec: Spec) -> Spec:
        """The same dashboards with the texts of this language."""
        pages = [self._page(dashboard) for dashboard in spec.dashboards]
        return Spec(pages, spec.headings | self.headings, sorted({*spec.codes, *self.codes}))

    def with_units(self, table: Table) -> Table:
        """The same table with the words for its units."""
        columns = {
            name: msgspec.structs.replace(column, unit=self.unit(column.unit))
            if column.unit and column.unit not in _KEPT
            else column
            for name, column in table.columns.items()
        }
        return msgspec.structs.replace(table, columns=columns)

    def _page(self, dashboard: Dashboard) -> Dashboard:
        text = self.dashboards.get(dashboard.key, Page(dashboard.title, dashboard.intro))
        rows = [[self._chart(chart) for chart in row] for row in dashboard.rows]
        return msgspec.structs.replace(dashboard, title=text.title, intro=text.intro, rows=rows)

    def _chart(self, chart: Chart) -> Chart:
        text = self.charts.get(chart.key)
        if text is None:
            return chart
        labels = zip(chart.measures, text.labels, strict=True)
        measures = [msgspec.structs.replace(measure, label=label) for measure, label in labels]
        return msgspec.structs.replace(chart, title=text.title, says=text.says, measures=measures)


ENGLISH = Texts()


def texts_of(folder: Path, language: str) -> Texts:
    """The texts of a language; English where it has none. Raises DeclarationError for a file that cannot be read."""
    file = folder / f"{language}.yml"
    if not file.exists():
        return ENGLISH
    try:
        read: Mapping[str, object] = yaml_file.read(file)
        return msgspec.convert(read, Texts)
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        raise DeclarationError(f"{file.name} cannot be read: {error}") from error
