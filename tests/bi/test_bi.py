"""The dashboards: their files, their SQL, and what a person sees of them in a browser."""

import json
import re
import socket
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import msgspec
import proof_size
import psutil
import pytest
import requests
import yaml
from browser import browser_page, needs_browser
from checkout import PROJECT
from night_rig import Rig, leave_out_checks
from playwright.sync_api import Page, Response, expect
from shared_home import FIRST, SECOND, copy_of, small_shop

from stockbook.bi import bundle, spec
from stockbook.bi.charts import COLOURS, SCHEME
from stockbook.bi.dashboard_file import name_of
from stockbook.bi.empty import empty_charts
from stockbook.bi.extra import dashboards_of
from stockbook.bi.headings import headings
from stockbook.bi.identity import identity
from stockbook.bi.serve import FOLDER, Superset
from stockbook.cli.extra import EXAMPLE
from stockbook.clock import SystemClock
from stockbook.declarations import Column, Table
from stockbook.errors import ConfigError, DeclarationError
from stockbook.extra_folder import with_extra
from stockbook.metrics.files import Metrics, load
from stockbook.metrics.question import Question
from stockbook.warehouse.readers import reader
from stockbook_sandbox import running

PROGRAMS = PROJECT / ".venv-bi" / "bin"
CROWNS, EUROS = spec.Currencies("CZK", "CZK"), spec.Currencies("EUR", "USD")
PERIOD_OF = {"P1D": "day", "P1W": "week", "P1M": "month"}


@pytest.fixture(scope="module")
def metrics(tables: dict[str, Table]) -> Metrics:
    """The figures that charts may name."""
    return load(PROJECT / "include" / "sql", tables)


@pytest.fixture(scope="module")
def dashboards(tables: dict[str, Table], metrics: Metrics) -> spec.Spec:
    """What the dashboards are to show."""
    return spec.read(FOLDER / "dashboards.yml", tables, metrics)


@pytest.fixture(scope="module")
def rig(home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A home with one published night, and a folder of own reports."""
    with running(small_shop(), FIRST) as server:
        home = copy_of(home_after_a_night, tmp_path_factory.mktemp("bi") / "home")
        rig = Rig(server, home, {"STOCKBOOK_EXTRA_DIR": str(EXAMPLE)})
        # as that night had built the example of a user's own report; the second night of the tests does
        report = EXAMPLE / "sql" / "reports" / "turnover_by_weekday.sql"
        with duckdb.connect(str(rig.settings.published)) as con:
            con.execute(f"create schema extra; create table extra.turnover_by_weekday as {report.read_text()}")
        yield rig


def content(written: dict[str, str]) -> dict[str, Any]:
    """The files of a bundle, read."""
    return {path: yaml.load(text, yaml.CSafeLoader) for path, text in written.items()}


@pytest.fixture(scope="module")
def files(dashboards: spec.Spec, tables: dict[str, Table], metrics: Metrics) -> dict[str, Any]:
    """What a bundle in crowns holds."""
    return content(bundle.files(dashboards, tables, metrics, CROWNS))


@pytest.fixture
def file_stays_open(rig: Rig) -> Iterator[None]:
    """Opening the published file takes longer than most questions; a night that publishes would not be seen."""
    with duckdb.connect(str(rig.settings.published), read_only=True):
        yield


def test_the_files_in_the_project_are_those_the_dashboards_say(
    dashboards: spec.Spec, tables: dict[str, Table], metrics: Metrics
) -> None:
    """bi/superset/bundle/ is what `stockbook bi bundle` writes."""
    folder = FOLDER / "bundle"
    there = {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*.yaml")}
    assert there == bundle.files(dashboards, tables, metrics, CROWNS)


def test_an_import_replaces_what_an_earlier_one_made(
    dashboards: spec.Spec, tables: dict[str, Table], metrics: Metrics
) -> None:
    """Every id of a bundle is the same however often and wherever it is made, and no two things share one."""
    ids = [
        line.split(": ")[1]
        for path, text in bundle.files(dashboards, tables, metrics, CROWNS, "duckdb:////elsewhere").items()
        for line in text.splitlines()
        if line.startswith("uuid: ") and path
    ]
    again = [line for text in bundle.files(dashboards, tables, metrics, EUROS).values() for line in text.splitlines()]

    assert len(ids) == len(set(ids)) > 10
    assert all(f"uuid: {identity}" in again for identity in ids)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"report": "nothing"}, "reads reports.nothing, which is not declared"),
        ({"x": "wrong_day"}, "names the column wrong_day, which reports.sla_daily_delivery_method does not have"),
        ({"measures": []}, "needs x and measures"),
        ({"width": 13}, "wider than twelve columns"),
        ({"kind": "pie"}, "Invalid enum value 'pie'"),
        ({"kind": "bar", "x": "account", "time": "account"}, "takes account for a time"),
        ({"kind": "bar"}, "draws the times of due_date as names"),
        ({"kind": "bar", "x": "account", "sort": "delivery_name"}, "ordered by delivery_name, which is no number"),
        ({"fixed": ["wrong_column"]}, "names the column wrong_column"),
        ({"measures": [{"label": "O", "metric": "orders_done"}]}, "There is no metric 'orders_done'"),
        ({"measures": [{"label": "O", "metric": "late", "sql": "sum(late)"}]}, "carries SQL of its own"),
        ({"where": "late > 0"}, "carries SQL of its own"),
        (
            {"measures": [{"label": "O", "metric": "orders_due"}, {"label": "R", "metric": "on_time_rate"}]},
            "draws several units on one axis: orders_due in orders, on_time_rate in share",
        ),
        ({"measures": [{"label": "O", "metric": "open_orders"}]}, "open_orders is of reports.backlog"),
        ({"x": "delivery_id", "kind": "bar"}, "orders_due cannot be cut by delivery_id"),
    ],
)
def test_a_wrong_dashboard_is_named(
    broken: dict[str, object], said: str, tables: dict[str, Table], metrics: Metrics, tmp_path: Path
) -> None:
    """The message names the chart and the field."""
    chart = {
        "key": "k",
        "title": "T",
        "says": "S",
        "kind": "line",
        "report": "sla_daily_delivery_method",
        "x": "due_date",
        "measures": [{"label": "Orders", "metric": "orders_due"}],
    }
    page = {"key": "d", "title": "D", "intro": "I", "filters": [], "rows": [[chart | broken]]}
    file = tmp_path / "dashboards.yml"
    file.write_bytes(msgspec.yaml.encode({"dashboards": [page]}))

    with pytest.raises(DeclarationError, match=r"dashboards\.yml") as raised:
        spec.read(file, tables, metrics)
    assert said in str(raised.value)


def test_a_filter_reaches_a_chart_or_the_page_says_that_it_does_not(
    files: dict[str, Any], dashboards: spec.Spec, tables: dict[str, Table]
) -> None:
    """Each chart in a filter's scope has its column, or a time for the period; each other one is named on top."""
    outside = 0
    for dashboard in dashboards.dashboards:
        page = files[f"dashboards/{dashboard.key}.yaml"]
        cards = [
            card["meta"] for card in page["position"].values() if isinstance(card, dict) and card["type"] == "CHART"
        ]
        intro = page["position"]["MARKDOWN-intro"]["meta"]["code"]
        for wanted in page["metadata"]["native_filter_configuration"]:
            sentence = intro.partition(f"The filter *{wanted['name']}* does not reach: ")[2].split(".")[0]
            named = set(sentence.split("; ")) - {""}
            charts = {chart.key: chart for chart in dashboard.charts}
            for card in cards:
                chart = next(c for c in charts.values() if identity("chart", c.key) == card["uuid"])
                if card["chartId"] in wanted["scope"]["excluded"]:
                    assert chart.title in named
                    outside += 1
                    continue
                assert chart.title not in named
                if wanted["filterType"] == "filter_time":
                    conditions = files[f"charts/{chart.key}.yaml"]["params"]["adhoc_filters"]
                    assert [c["subject"] for c in conditions if c.get("operator") == "TEMPORAL_RANGE"] == [chart.period]
                else:
                    column = wanted["targets"][0]["column"]["name"]
                    assert column in tables[f"reports.{chart.report}"].columns
    assert outside > 2


def test_money_is_written_with_the_code_of_its_currency(
    dashboards: spec.Spec, tables: dict[str, Table], metrics: Metrics
) -> None:
    """Numbers, titles, columns and the text on top name the currencies of stock and of sales, whichever they are."""
    files = content(bundle.files(dashboards, tables, metrics, EUROS))
    said = str(files)

    assert "valuation currency" not in said
    assert "CZK" not in said
    assert files["charts/stock_value_now.yaml"]["params"]["currency_format"]["symbol"] == "EUR"
    assert files["charts/stock_ageing.yaml"]["slice_name"] == "How old the sellable stock is (EUR)"
    assert files["charts/turnover.yaml"]["slice_name"] == "Turnover by month, in one currency (USD)"
    assert "Margin [USD]" in str(files["datasets/stockbook/order_margin.yaml"])
    assert "Stock value [EUR]" in str(files["datasets/stockbook/slow_movers.yaml"])
    assert "Values in EUR;" in files["dashboards/stock.yaml"]["description"]


def test_no_two_figures_of_a_chart_have_one_colour(files: dict[str, Any], dashboards: spec.Spec) -> None:
    """A label has its colour in the whole dashboard, and no other label of a chart has the same."""
    shared = 0
    for dashboard in dashboards.dashboards:
        colours = files[f"dashboards/{dashboard.key}.yaml"]["metadata"]["label_colors"]
        for chart in dashboard.charts:
            of_chart = [colours[measure.label] for measure in chart.measures]
            assert len(of_chart) == len(set(of_chart)), chart.key
            shared += len(of_chart) > 1
    assert shared > 4


def test_no_axis_has_a_title_over_its_labels_or_rounds_them(files: dict[str, Any]) -> None:
    """Titles of charts name the unit, so no axis does; labels of small counts are not rounded to 0 1 1 2 2."""
    drawn = [chart["params"] for path, chart in files.items() if path.startswith("charts/")]
    axes = [params for params in drawn if "show_legend" in params]

    assert len(axes) > 6
    assert not any(key for params in axes for key in params if key.endswith("_axis_title"))
    assert {params["y_axis_format"] for params in axes} == {",.2~f", ".1~%"}


def test_no_axis_lies(files: dict[str, Any]) -> None:
    """Bars, lines and the small line below a number begin at zero; only shares have an end, which is the whole."""
    drawn = [chart["params"] for path, chart in files.items() if path.startswith("charts/")]
    numbers = [params for params in drawn if params["viz_type"] == "big_number"]
    axes = [params for params in drawn if "y_axis_bounds" in params]

    assert all(params["start_y_axis_at_zero"] for params in numbers)
    assert len(numbers) == 3
    for params in axes:
        is_share = params["y_axis_format"].endswith("%")
        assert (params["truncateYAxis"], params["y_axis_bounds"]) == (is_share, [0, 1] if is_share else [None, None])
    assert {params["xAxisLabelRotation"] for params in axes if params["x_axis_time_format"] == "%Y-%m"} == {45, 90}


def test_no_name_of_a_column_is_shown(files: dict[str, Any], dashboards: spec.Spec) -> None:
    """Whatever stands over a column, a figure or a row behind one is words."""
    datasets = [text for path, text in files.items() if path.startswith("datasets/")]
    shown = [column["verbose_name"] for dataset in datasets for column in (*dataset["columns"], *dataset["metrics"])]
    shown += [measure.label for dashboard in dashboards.dashboards for c in dashboard.charts for measure in c.measures]

    assert len(shown) > 300
    assert [heading for heading in shown if not heading or "_" in heading or heading[0].islower()] == []


def test_the_colours_are_registered_as_they_are_used() -> None:
    """Superset knows the palette by the name that charts say."""
    config = (FOLDER / "superset_config.py").read_text()
    assert json.dumps(list(COLOURS)) in config
    assert f'"id": "{SCHEME}"' in config


@pytest.mark.slow
@pytest.mark.usefixtures("file_stays_open")
def test_a_filtered_chart_is_a_part_of_the_whole(rig: Rig, dashboards: spec.Spec, tables: dict[str, Table]) -> None:
    """Every row of a chart in scope belongs to a value the filter offers; the headline is the sum over categories."""
    pairs = 0
    for dashboard in dashboards.dashboards:
        for wanted in (wanted for wanted in dashboard.filters if wanted.column is not None):
            values = f"select {wanted.column} from reports.{wanted.report} where {wanted.column} is not null"
            for chart in dashboard.charts:
                if wanted.reaches(chart, tables):
                    where = f"({chart.where}) and " if chart.where else ""
                    missed = (
                        f"select count(*) from reports.{chart.report} where {where} {wanted.column} not in ({values})"
                    )
                    assert rig.rows(missed) == [(0,)], (wanted.name, chart.key)
                    pairs += 1
    assert pairs > 20
    of_categories, whole = rig.rows("""
        select sum(stock_value), sum(damaged_value_nrv), sum(quantity) from reports.stock_value_daily_category
        where date = (select max(date) from reports.stock_value_daily_category)
        union all
        select sum(stock_value), sum(damaged_value_nrv), sum(quantity) from reports.stock_value_daily
        where date = (select max(date) from reports.stock_value_daily)
    """)
    assert of_categories == whole
    assert len(rig.rows("select distinct category_path from reports.stock_value_daily_category")) > 1


@pytest.mark.slow
@pytest.mark.usefixtures("file_stays_open")
def test_charts_beside_the_headline_add_up_to_it(rig: Rig, dashboards: spec.Spec) -> None:
    """The bars of the ages, and the headline's line on its last day, are the stock value that stands above them."""
    charts = {chart.key: chart for dashboard in dashboards.dashboards for chart in dashboard.charts}

    def values(key: str, label: str) -> list[tuple[Any, ...]]:
        chart = charts[key]
        measure = next(measure.sql for measure in chart.measures if measure.label == label)
        where = f"where {chart.where}" if chart.where else ""
        return rig.rows(f"select {chart.x}, {measure} from reports.{chart.report} {where} group by 1 order by 1")

    headline = values("stock_value_now", "Stock value")[-1][1]
    ages = values("stock_ageing", "Value")

    assert headline > 0
    # bars are rounded, each by half at most
    assert sum(value for _, value in ages) == pytest.approx(headline, abs=len(ages) / 2)
    assert values("stock_value_by_method", "Average landed")[-1][1] == pytest.approx(headline, abs=0.5)
    assert rig.rows("select sum(damaged_value) > 0 from reports.stock_value_daily_category") == [(True,)]


@pytest.mark.slow
def test_every_chart_has_an_answer_in_the_published_file(rig: Rig, dashboards: spec.Spec) -> None:
    """The SQL of each measure and each column of each table runs over what a night publishes."""
    queries = 0
    with reader(rig.settings.published) as con:
        for chart in (chart for dashboard in dashboards.dashboards for chart in dashboard.charts):
            where = f"where {chart.where}" if chart.where else ""
            if chart.kind == "table":
                con.execute(f"select {', '.join(chart.columns)} from reports.{chart.report} {where}").fetchall()
            else:
                measures = ", ".join(measure.sql for measure in chart.measures)
                of_chart = f"select {chart.x}, {measures} from reports.{chart.report} {where} group by {chart.x}"
                con.execute(of_chart).fetchall()
            queries += 1
    assert queries > 6


@pytest.mark.parametrize(
    ("kind", "rows", "is_empty"),
    [
        ("line", "(date '2026-01-01', 1), (date '2026-01-02', null)", False),
        ("line", "(date '2026-01-01', null)", True),
        ("table", "(date '2026-01-01', null)", False),
        ("table", "(date '2025-01-01', 1)", True),
    ],
)
def test_a_chart_without_a_row_or_a_figure_is_empty(kind: str, rows: str, is_empty: bool, tmp_path: Path) -> None:
    """What its condition leaves out is no row of it, and a line of unknown figures is none."""
    file = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute(f"create schema reports; create table reports.r as from (values {rows}) as r(day, figure)")
    chart = {"key": "k", "title": "T", "says": "S", "kind": kind, "report": "r", "x": "day", "columns": ["day"]}
    shown = {"measures": [{"label": "F", "metric": "f", "sql": "sum(figure)"}], "where": "day > date '2025-12-31'"}
    page = spec.Dashboard("d", "D", "I", [], [[msgspec.convert(chart | shown, spec.Chart)]])

    assert empty_charts(spec.Spec([page]), file) == (["T"] if is_empty else [])


@pytest.mark.slow
def test_what_a_shop_does_not_have_is_named_empty(rig: Rig, dashboards: spec.Spec) -> None:
    """A shop that SHOPLINE tells nothing has no chart of its orders; the value of its stock is drawn."""
    empty = empty_charts(dashboards, rig.settings.published)

    assert {chart.title for d in dashboards.dashboards for chart in d.charts if "SHOPLINE" in chart.title} <= set(empty)
    assert not {"Stock value", "Turnover by month, in one currency", "Parcels by month"} & set(empty)


@pytest.mark.parametrize(
    ("column", "unit", "heading"),
    [
        ("stock_value", "CZK", "Stock value [CZK]"),
        ("days_left", "days", "Days left"),
        ("margin_share", "share", "Margin share"),
        ("due_at_utc", None, "Due (UTC)"),
        ("variant_id", None, "Variant ID"),
        ("created_at", None, "Created at"),
        ("sla_state", None, "State"),
    ],
)
def test_a_heading_is_made_of_a_name(column: str, unit: str | None, heading: str) -> None:
    """A heading names the unit once, leaves out what the type says, and tells two columns apart."""
    columns = {column: Column(type="varchar", unit=unit), "created_date": Column(type="date")}

    assert headings(columns, {"sla_state": "State"})[column] == heading


def test_superset_that_is_not_installed_is_named(tmp_path: Path) -> None:
    """The message says what installs it."""
    with pytest.raises(ConfigError, match="make bi"):
        Superset.at(tmp_path / "bi", tmp_path / "bin")


@dataclass
class Served:
    """Superset over a published file, and a browser that is logged in."""

    url: str
    superset: Superset
    process_id: int
    page: Page
    wrong: list[str]
    answers: list[Response]

    def open(self, dashboard: spec.Dashboard, *keys: str) -> None:
        """Open a dashboard and wait until every chart of it is drawn, or those of these keys."""
        self.page.goto(self.address(dashboard), timeout=90_000)
        for chart in dashboard.charts:
            if keys and chart.key not in keys:
                continue
            place = self.page.locator(f'[data-test-chart-name="{name_of(chart, CROWNS)}"]')
            drawn = place.locator("canvas, table, .header-line, :text('No results were returned')")
            place.scroll_into_view_if_needed(timeout=90_000)
            expect(drawn.first).to_be_visible(timeout=90_000)
        expect(self.page.locator("[data-test='loading-indicator']")).to_have_count(0, timeout=90_000)

    def address(self, dashboard: spec.Dashboard) -> str:
        """Where a dashboard is."""
        return f"{self.url}/superset/dashboard/{dashboard.key}/"

    def number(self, title: str) -> str:
        """The big number of a chart, as it stands there."""
        return self.page.locator(f'[data-test-chart-name="{title}"] .header-line').inner_text()

    def rows(self, dashboard: spec.Dashboard) -> dict[str, list[dict[str, Any]]]:
        """The rows that the page was given for each chart of the dashboard it shows, by the chart's name."""
        charts = self.page.request.get(f"{self.url}/api/v1/dashboard/{dashboard.key}/charts").json()["result"]
        names = {chart["id"]: chart["slice_name"] for chart in charts}
        return {
            names[json.loads(parse_qs(urlsplit(answer.url).query)["form_data"][0])["slice_id"]]: answer.json()[
                "result"
            ][0]["data"]
            for answer in self.answers
        }


def logged_in(url: str, username: str, password: str) -> requests.Session:
    """A session of somebody, as the form of the login page begins it."""
    session = requests.Session()
    form = session.get(f"{url}/login/", timeout=60).text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form) or re.search(
        r"csrf_token&#34;: &#34;([^&]+)&", form
    )
    login = {"username": username, "password": password, "csrf_token": token[1] if token else ""}
    session.post(f"{url}/login/", data=login, timeout=60)
    return session


@pytest.fixture(scope="module")
def served(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """As `make bi` serves it."""
    if not (PROGRAMS / "superset").exists():
        pytest.skip("needs Superset in .venv-bi: `make test` installs it")
    superset = Superset.at(tmp_path_factory.mktemp("bi"), PROGRAMS)
    superset.prepare(rig.settings.published, lambda text: None, EXAMPLE)
    if proof_size.LARGE:
        # a chart of an earlier version: preparing again has to replace it
        with closing(sqlite3.connect(superset.home / "superset.db")) as state, state:
            state.execute("update slices set slice_name = 'of an earlier version', params = '{}'")
        superset.prepare(rig.settings.published, lambda text: None, EXAMPLE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = superset.serve(port)
    try:
        superset.wait_until_up(process, port, SystemClock(), seconds=300)
        with browser_page() as (page, wrong):
            url = f"http://127.0.0.1:{port}"
            cookies = logged_in(url, "admin", superset.password).cookies
            page.context.add_cookies([{"name": c.name, "value": str(c.value), "url": url} for c in cookies])
            answers: list[Response] = []
            page.on("response", lambda answer: answers.append(answer) if "/api/v1/chart/data?" in answer.url else None)
            yield Served(url, superset, process.pid, page, wrong, answers)
    finally:
        process.terminate()
        # it lets answers that are under way end, for half a minute
        process.wait(timeout=60)


def in_order(values: Iterable[Any]) -> list[Any]:
    """Figures, the smallest first; those that nobody knows before them."""
    figures = [None if value is None else round(float(value), 9) for value in values]
    return sorted(figures, key=lambda figure: (figure is not None, figure or 0))


@needs_browser
@pytest.mark.slow
@pytest.mark.usefixtures("file_stays_open")
def test_dashboards_are_drawn_and_say_what_their_metrics_say(
    served: Served, rig: Rig, dashboards: spec.Spec, metrics: Metrics, tmp_path: Path
) -> None:
    """
    Every chart is there without an error; what the page draws of each measure are the figures of its metric.

    Of two dashboards in every run of the tests, of all three in `make proof-random`.
    """
    drawn = 0
    # the first one last: the tests below go on from its page
    for dashboard in reversed(proof_size.every(2, dashboards.dashboards)):
        served.answers.clear()
        served.open(dashboard)
        of_page = served.rows(dashboard)
        for chart in dashboard.charts:
            for measure in chart.measures:
                metric = metrics.of_figure(measure.metric)
                if metric.is_stored or chart.where:
                    continue
                x = PERIOD_OF[chart.grain] if chart.x == metric.time else str(chart.x)
                figures = [row[1] for row in rig.rows(Question((measure.metric,), (x,)).sql(metrics))]
                cents = 0 if metric.form == "money" and chart.kind != "number" else 9
                assert in_order(row[measure.label] for row in of_page[name_of(chart, CROWNS)]) == in_order(
                    None if value is None else round(value, cents) for value in figures
                ), measure.metric
                drawn += 1
        served.page.screenshot(path=tmp_path / f"{dashboard.key}.png", full_page=True, timeout=90_000)
        text = served.page.locator("body").inner_text()
        assert "Unexpected error" not in text
        assert "An error occurred" not in text
        assert (tmp_path / f"{dashboard.key}.png").stat().st_size > 20_000
    assert served.wrong == []
    assert drawn > 5

    value, pieces = rig.rows("""
        select format('{:,}', round(sum(stock_value))::bigint), format('{:,}', sum(quantity)::bigint)
        from reports.stock_value_daily group by date order by date desc limit 1
    """)[0]
    assert (served.number("Stock value"), served.number("Pieces on hand")) == (f"CZK {value}", pieces)


@needs_browser
@pytest.mark.slow
def test_the_viewer_sees_the_dashboards_and_changes_nothing(served: Served) -> None:
    """The second login is given dashboards, charts and their data; SQL Lab, data sets and every change are refused."""
    session, base = logged_in(served.url, "viewer", served.superset.viewer_password), f"{served.url}/api/v1"
    session.headers["X-CSRFToken"] = session.get(f"{base}/security/csrf_token/", timeout=60).json()["result"]
    session.headers["Referer"] = served.url

    charts = session.get(f"{base}/chart/?q=(page_size:100)", timeout=60).json()["result"]
    chart = next(chart for chart in charts if chart["slice_name"] == "Stock value")
    query = {"metrics": [{"expressionType": "SQL", "sqlExpression": "sum(stock_value)", "label": "v"}], "columns": []}
    source = {"id": chart["datasource_id"], "type": "table"}
    request = {"datasource": source, "queries": [query], "form_data": {"slice_id": chart["id"]}}
    rows = f"{served.url}/datasource/samples?datasource_type=table&datasource_id={chart['datasource_id']}&force=false"
    # what *Drill to detail* asks: the rows behind a figure
    detail = session.post(f"{rows}&page=1&per_page=5", json={"filters": []}, timeout=60)
    seen = [
        session.get(f"{base}/dashboard/stock", timeout=60).status_code,
        session.post(f"{base}/chart/data", json=request, timeout=60).status_code,
        detail.status_code,
    ]
    refused = [
        session.post(f"{base}/sqllab/execute/", json={"database_id": 1, "sql": "select 1"}, timeout=60).status_code,
        session.get(f"{base}/database/", timeout=60).status_code,
        session.get(f"{base}/dataset/", timeout=60).status_code,
        session.put(f"{base}/dashboard/1", json={"dashboard_title": "x"}, timeout=60).status_code,
        session.put(f"{base}/chart/{chart['id']}", json={"slice_name": "x"}, timeout=60).status_code,
        session.delete(f"{base}/chart/{chart['id']}", timeout=60).status_code,
        session.get(f"{base}/security/users/", timeout=60).status_code,
    ]

    assert seen == [200, 200, 200]
    assert len(detail.json()["result"]["data"]) == 5
    assert set(refused) <= {403, 404}
    assert (served.superset.home / "secrets.json").stat().st_mode & 0o777 == 0o600


@needs_browser
@pytest.mark.slow
def test_a_new_night_shows_without_a_restart(
    served: Served, rig: Rig, dashboards: spec.Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night runs while the dashboard is open; the next look shows its number, and the writer's file was its own."""
    stock = dashboards.dashboards[0]
    if not served.page.url.startswith(served.address(stock)):
        served.open(stock)
    before = served.number("Stock value")

    leave_out_checks(monkeypatch.setattr)
    rig.night(SECOND)
    served.open(stock, "stock_value_now")

    after = rig.rows("""
        select format('{:,}', round(sum(stock_value))::bigint)
        from reports.stock_value_daily group by date order by date desc limit 1
    """)[0][0]
    assert served.number("Stock value") == f"CZK {after}" != before
    process = psutil.Process(served.process_id)
    opened = {
        file.path
        for running_process in [process, *process.children(recursive=True)]
        for file in running_process.open_files()
    }
    assert str(rig.settings.warehouse) not in opened
    written = "".join(file.read_text(errors="replace") for file in served.superset.home.rglob("*") if file.is_file())
    assert str(rig.settings.published) in written
    assert str(rig.settings.warehouse) not in written


@needs_browser
@pytest.mark.slow
def test_a_phone_shows_the_charts(served: Served, dashboards: spec.Spec) -> None:
    """At 375 pixels the filters take no room from the charts, of which Superset draws none on less than 100."""
    stock = dashboards.dashboards[0]
    if f"/dashboard/{stock.key}/" not in served.page.url:
        served.open(stock)
    served.page.set_viewport_size({"width": 375, "height": 800})
    number = """document.querySelector('[data-test-chart-name="Stock value"] .header-line')"""
    served.page.wait_for_function(f"{number}?.getBoundingClientRect().right < 375", timeout=90_000)
    served.page.set_viewport_size({"width": 1400, "height": 1800})


@needs_browser
@pytest.mark.slow
def test_a_dashboard_of_ones_own_stands_beside_ours(served: Served, rig: Rig) -> None:
    """The chart of a user's folder is drawn of the figures of its metric."""
    models_dir = PROJECT / "include" / "sql"
    tables = with_extra(models_dir, EXAMPLE)
    (own,) = dashboards_of(EXAMPLE, models_dir, tables).specs[0].dashboards
    served.answers.clear()
    served.open(own)
    (rows,) = served.rows(own).values()

    figures = rig.rows(Question(("weekday_turnover",), ("weekday",)).sql(load(models_dir, tables, EXAMPLE)))
    assert len(figures) > 5
    # bars are of whole amounts, half of one is rounded up
    whole = {day: float(value.quantize(Decimal(1), ROUND_HALF_UP)) for day, value in figures}
    assert {row["weekday"]: row["Turnover"] for row in rows} == whole
