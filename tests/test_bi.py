"""The dashboards: their files, their SQL, and what a person sees of them in a browser."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import psutil
import pytest
from playwright.sync_api import Page, expect

from browser import browser_page, needs_browser
from rig import Rig, nights_before
from stockbook.bi import bundle, spec
from stockbook.bi.serve import FOLDER, Superset
from stockbook.clock import SystemClock
from stockbook.declarations import Table
from stockbook.errors import ConfigError, DeclarationError
from stockbook.sandbox import Shop, running
from stockbook.settings import PROJECT

FIRST, SECOND = nights_before(datetime(2025, 11, 20, 2, 15), 2)
PROGRAMS = PROJECT / ".venv-bi" / "bin"


@pytest.fixture(scope="module")
def dashboards(tables: dict[str, Table]) -> spec.Spec:
    """What the dashboards are to show."""
    return spec.read(FOLDER / "dashboards.yml", tables)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A home with one published night."""
    with running(Shop.small(seed=31), FIRST) as server:
        made = Rig(server, tmp_path_factory.mktemp("home"))
        made.night(FIRST)
        yield made


def test_the_files_in_the_project_are_those_the_dashboards_say(dashboards: spec.Spec, tables: dict[str, Table]) -> None:
    """bi/superset/bundle/ is what `stockbook bi bundle` writes."""
    folder = FOLDER / "bundle"
    there = {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*.yaml")}
    assert there == bundle.files(dashboards, tables)


def test_an_import_replaces_what_an_earlier_one_made(dashboards: spec.Spec, tables: dict[str, Table]) -> None:
    """Every id of a bundle is the same however often and wherever it is made, and no two things share one."""
    ids = [
        line.split(": ")[1]
        for path, text in bundle.files(dashboards, tables, "duckdb:////elsewhere").items()
        for line in text.splitlines()
        if line.startswith("uuid: ") and path
    ]
    again = [line for text in bundle.files(dashboards, tables).values() for line in text.splitlines()]

    assert len(ids) == len(set(ids)) > 10
    assert all(f"uuid: {identity}" in again for identity in ids)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"report": "nothing"}, "reads reports.nothing, which nothing declares"),
        ({"x": "wrong_day"}, "names the column wrong_day, which reports.sla_daily does not have"),
        ({"measures": []}, "needs x and measures"),
        ({"width": 13}, "wider than twelve columns"),
        ({"kind": "pie"}, "Invalid enum value 'pie'"),
    ],
)
def test_a_wrong_dashboard_is_named(
    broken: dict[str, object], said: str, tables: dict[str, Table], tmp_path: Path
) -> None:
    """The message names the chart and the field."""
    chart = {
        "key": "k",
        "title": "T",
        "says": "S",
        "kind": "line",
        "report": "sla_daily",
        "x": "due_date",
        "measures": [{"label": "Orders", "sql": "sum(orders)"}],
    }
    page = {"key": "d", "title": "D", "intro": "I", "filters": [], "rows": [[chart | broken]]}
    file = tmp_path / "dashboards.yml"
    file.write_bytes(msgspec.yaml.encode({"dashboards": [page]}))

    with pytest.raises(DeclarationError, match=r"dashboards\.yml") as raised:
        spec.read(file, tables)
    assert said in str(raised.value)


@pytest.mark.slow
def test_every_chart_has_an_answer_in_the_published_file(rig: Rig, dashboards: spec.Spec) -> None:
    """The SQL of each measure and each column of each table runs over what a night publishes."""
    asked = 0
    for chart in (chart for dashboard in dashboards.dashboards for chart in dashboard.charts):
        where = f"where {chart.where}" if chart.where else ""
        if chart.kind == "table":
            rig.rows(f"select {', '.join(chart.columns)} from reports.{chart.report} {where}")
        else:
            measures = ", ".join(measure.sql for measure in chart.measures)
            rig.rows(f"select {chart.x}, {measures} from reports.{chart.report} {where} group by {chart.x}")
        asked += 1
    assert asked > 6


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

    def open(self, dashboard: spec.Dashboard) -> None:
        """Open a dashboard and wait until every chart of it is drawn."""
        self.page.goto(f"{self.url}/superset/dashboard/{dashboard.key}/")
        for chart in dashboard.charts:
            place = self.page.locator(f'[data-test-chart-name="{chart.title}"]')
            drawn = place.locator("canvas, table, .header-line, :text('No results were returned')")
            place.scroll_into_view_if_needed(timeout=90_000)
            expect(drawn.first).to_be_visible(timeout=90_000)
        expect(self.page.locator("[data-test='loading-indicator']")).to_have_count(0, timeout=90_000)

    def number(self, title: str) -> str:
        """The big number of a chart, as it stands there."""
        return self.page.locator(f'[data-test-chart-name="{title}"] .header-line').inner_text()


@pytest.fixture(scope="module")
def served(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """As `make bi` serves it."""
    if not (PROGRAMS / "superset").exists():
        pytest.skip("needs Superset in .venv-bi: `make test` installs it")
    superset = Superset.at(tmp_path_factory.mktemp("bi"), PROGRAMS)
    superset.prepare(rig.settings.published, lambda text: None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = superset.serve(port)
    try:
        superset.wait_until_up(process, port, SystemClock())
        with browser_page() as (page, wrong):
            url = f"http://127.0.0.1:{port}"
            page.goto(f"{url}/login/")
            page.locator("input#username, input[name=username]").first.fill("admin")
            page.locator("input#password, input[name=password]").first.fill(superset.password)
            page.keyboard.press("Enter")
            page.wait_for_url("**/superset/welcome/**", timeout=90_000)
            wrong.clear()
            yield Served(url, superset, process.pid, page, wrong)
    finally:
        process.terminate()
        process.wait(timeout=30)


@needs_browser
@pytest.mark.slow
def test_both_dashboards_are_drawn_and_say_what_sql_says(
    served: Served, rig: Rig, dashboards: spec.Spec, tmp_path: Path
) -> None:
    """Every chart is there without an error, and numbers read off the page are those of the published file."""
    for dashboard in dashboards.dashboards:
        served.open(dashboard)
        served.page.screenshot(path=tmp_path / f"{dashboard.key}.png", full_page=True)
        text = served.page.locator("body").inner_text()
        assert "Unexpected error" not in text
        assert "An error occurred" not in text
        assert (tmp_path / f"{dashboard.key}.png").stat().st_size > 20_000
    assert served.wrong == []

    served.open(dashboards.dashboards[0])
    value, pieces = rig.rows("""
        select format('{:,}', round(sum(stock_value))::bigint), format('{:,}', sum(quantity)::bigint)
        from reports.stock_value_daily group by date order by date desc limit 1
    """)[0]
    assert (served.number("Stock value"), served.number("Pieces on hand")) == (value, pieces)


@needs_browser
@pytest.mark.slow
def test_a_new_night_shows_without_a_restart(served: Served, rig: Rig, dashboards: spec.Spec) -> None:
    """A night runs while the dashboard is open; the next look shows its number, and the writer's file was its own."""
    stock = dashboards.dashboards[0]
    served.open(stock)
    before = served.number("Stock value")

    rig.night(SECOND)
    served.open(stock)

    after = rig.rows("""
        select format('{:,}', round(sum(stock_value))::bigint)
        from reports.stock_value_daily group by date order by date desc limit 1
    """)[0][0]
    assert served.number("Stock value") == after != before
    process = psutil.Process(served.process_id)
    opened = {file.path for one in [process, *process.children(recursive=True)] for file in one.open_files()}
    assert str(rig.settings.warehouse) not in opened
    told = "".join(file.read_text(errors="replace") for file in served.superset.home.rglob("*") if file.is_file())
    assert str(rig.settings.published) in told
    assert str(rig.settings.warehouse) not in told
