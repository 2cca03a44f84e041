"""The morning report and the summary pages are drawn from."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from html import unescape
from pathlib import Path

import msgspec
import psutil
import pytest
from babel import Locale
from browser import A4_WIDTH, browser_page, needs_browser
from night_rig import KEY, Rig, nights_before
from playwright.sync_api import Page

from stockbook import connections
from stockbook.clock import SystemClock
from stockbook.errors import ConfigError, SourceError
from stockbook.health import parts
from stockbook.metrics.files import load
from stockbook.morning.drawn import drawn
from stockbook.morning.figures import CHARTS, FIGURES, PARTS
from stockbook.morning.history import Point
from stockbook.morning.locale import locale_of
from stockbook.morning.mail import lines
from stockbook.morning.page import airflow_html, problem_html, report_html, shown
from stockbook.morning.publish_files import pages, write_report_files
from stockbook.morning.published_summary import make
from stockbook.morning.summary import ChartPoints, Summary, Value, read
from stockbook.morning.texts import Texts
from stockbook.morning.written import day_of
from stockbook.night.steps import Night, open_run
from stockbook.progress import Silent
from stockbook.runs import context as runs
from stockbook.runs.context import RunContext, parse_parameters
from stockbook.runs.last_run import last_ended, under_way
from stockbook.runs.lock import RunLock
from stockbook.runs.report import Report
from stockbook.runs.step_log import recorded
from stockbook.settings import Settings
from stockbook_sandbox import Shop, running

FIRST, SECOND = nights_before(datetime(2025, 11, 20, 2, 15), 2)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A home with one published night, numbers written as in Czechia."""
    with running(Shop.small(seed=41), FIRST) as server:
        night_rig = Rig(server, tmp_path_factory.mktemp("home"), {"STOCKBOOK_LOCALE": "cs_CZ"})
        night_rig.night(FIRST)
        yield night_rig


@pytest.fixture(scope="module")
def page(rig: Rig) -> Iterator[Page]:
    """The report, opened from disk in a browser without a network."""
    with browser_page(1100, 900) as (opened, wrong):
        opened.context.set_offline(True)
        opened.goto((rig.settings.published.parent / "report.html").as_uri())
        yield opened
        assert wrong == []


@needs_browser
@pytest.mark.slow
def test_every_figure_of_the_report_is_that_of_sql(rig: Rig, page: Page) -> None:
    """Each figure the report names stands in it, digit by digit as the published file has it."""
    locale, metrics = Locale.parse("cs_CZ"), load(rig.settings.models_dir, rig.tonight().tables)
    shown_figures = {
        str(card.get_attribute("data-figure")): card.inner_text() for card in page.locator("[data-figure]").all()
    }
    expected = {}
    for figure in FIGURES:
        ((value,),) = rig.rows(figure.sql(metrics, FIRST.date()))
        number = None if value is None else Decimal(str(value))
        expected[figure.key] = shown(Value(figure.key, "", figure.form, "", number), "CZK", locale)

    # a browser gives the no-break spaces between digits back as they are
    assert shown_figures == expected
    assert len(shown_figures) > 10
    assert shown_figures["stock_value"].endswith("Kč")


@pytest.mark.slow
def test_the_change_is_of_the_last_whole_day(rig: Rig) -> None:
    """A night at 02:15 compares the last day that is over with the one before it, and names both."""
    summary = read(rig.settings)
    assert summary is not None
    change = next(figure for figure in summary.figures if figure.key == "stock_value_change")
    last, before = (FIRST.date() - timedelta(days=days) for days in (1, 2))
    value = "select sum(stock_value) from reports.stock_value_on(date '{}')"

    ((expected,),) = rig.rows(f"select ({value.format(last)}) - ({value.format(before)})")

    assert change.value == expected != 0
    english = Locale.parse("en_GB")
    unit = f"end of {day_of(last, english)} less end of {day_of(before, english)}"
    assert unit in report_html(summary, english)
    assert unit.replace("\xa0", " ") == f"end of {last:%a %-d %b} less end of {before:%a %-d %b}"


@pytest.mark.slow
def test_the_answer_is_that_of_the_metrics_and_adds_up(rig: Rig) -> None:
    """Parts and rest are the change of the stock value, states and on time the orders due; all are those of SQL."""
    summary = read(rig.settings)
    assert summary is not None
    assert summary.answer is not None
    stock, promise = summary.answer.stock, summary.answer.promise
    day, week = FIRST.date() - timedelta(days=1), timedelta(days=7)
    ((value,),) = rig.rows(f"select sum(stock_value) from reports.stock_value_on(date '{day}')")
    orders = rig.rows(f"""
        select due_date > date '{day - week}', sum(orders), sum(on_time), sum(late), sum(overdue)
        from reports.sla_daily_delivery_method
        where due_date > date '{day - 2 * week}' and due_date <= date '{day}' group by 1 order by 1
    """)
    rates = [Decimal(str(on_time / (on_time + late + overdue))) for _, _, on_time, late, overdue in orders]

    assert (stock.day, stock.value) == (day, value)
    assert stock.change == sum(stock.parts.values(), Decimal(0)) != 0
    assert stock.rest == 0
    assert {"cost_of_goods"} <= stock.parts.keys()
    assert [promise.before, promise.rate] == rates
    assert (promise.due, promise.on_time) == orders[-1][1:3]
    assert promise.due == promise.on_time + sum(promise.states.values())


@pytest.mark.slow
def test_what_happened_on_a_day_is_the_change_of_the_stock_value(rig: Rig) -> None:
    """On every day and of both pools: what receipts, issues and the like changed is what the value gained."""
    ((days,),) = rig.rows("select count(distinct date) from reports.stock_change_daily")
    assert days > 30
    assert (
        rig.rows("""
        with gained as (
            select date, unnest(['sellable', 'damaged']) as pool,
            unnest([stock_value - coalesce(lag(stock_value) over (order by date), 0),
                    damaged_value - coalesce(lag(damaged_value) over (order by date), 0)]) as gained
            from (select date, sum(stock_value) as stock_value, sum(damaged_value) as damaged_value
                  from reports.stock_value_daily group by date)
        )
        select * from gained full join
            (select date, pool, sum(value_change) as moved from reports.stock_change_daily group by all) as m
        using (date, pool) where coalesce(gained, 0) <> coalesce(moved, 0)
    """)
        == []
    )


@pytest.mark.slow
def test_a_small_line_ends_in_its_figure(rig: Rig) -> None:
    """The last point of every line is the figure itself; it is compared with the point a week or month before."""
    summary = read(rig.settings)
    assert summary is not None
    compared = 0
    for value in summary.figures:
        assert (value.points[-1].value if value.points else None) == value.value, value.key
        if value.before is None:
            continue
        days = (value.points[-1].day - value.before.day).days
        assert days in ((28, 29, 30, 31) if value.is_monthly else (7,))
        assert value.before in value.points
        compared += 1
    assert compared > 5


@pytest.mark.slow
def test_a_figure_of_now_remembers_what_earlier_nights_said(rig: Rig, tmp_path: Path) -> None:
    """The published file has no past of open orders: the summaries of the nights before have it, five weeks of it."""
    moved = tmp_path / "warehouse.duckdb"
    shutil.copyfile(rig.settings.published, moved)
    former, today = read(rig.settings), FIRST.date()
    assert former is not None
    of_open = next(value for value in former.figures if value.key == "open_orders")
    of_open.points = [Point(today - timedelta(days=back), Decimal(back)) for back in (60, 7, 1, 0)]
    (tmp_path / "summary.json").write_bytes(msgspec.json.encode(former))

    open_orders = next(value for value in make(moved).figures if value.key == "open_orders")

    assert [point.day for point in open_orders.points] == [today - timedelta(days=back) for back in (7, 1, 0)]
    assert open_orders.points[-1].value == open_orders.value
    assert open_orders.before == Point(today - timedelta(days=7), Decimal(7))


@pytest.mark.slow
def test_charts_of_stock_add_up_to_the_stock_value(rig: Rig) -> None:
    """The ages together, and the last point of the headline's line, are the headline; damaged pieces are in neither."""
    metrics = load(rig.settings.models_dir, rig.tonight().tables)
    sql = {chart.key: chart.sql(metrics, FIRST.date()) for chart in CHARTS}
    ((value, damaged),) = rig.rows("""
        select sum(stock_value)::double, sum(damaged_value)::double
        from reports.stock_value_daily where date = (select max(date) from reports.stock_value_daily)
    """)

    assert damaged > 0
    assert rig.rows(f"select sum(c.value) from ({sql['ageing']}) as c(x, series, value)") == [(pytest.approx(value),)]
    line = f"select arg_max(value, x) from ({sql['stock_value']}) where series = 'average_landed'"
    assert rig.rows(line) == [(pytest.approx(value),)]


@needs_browser
@pytest.mark.slow
def test_the_currency_is_named_by_its_code(rig: Rig, page: Page) -> None:
    """Captions, key figures, dictionary and comments say CZK, and nothing says that it is the valuation currency."""
    captions = page.locator("figcaption, caption").all_inner_texts()

    assert sum("(CZK" in caption for caption in captions) == 2
    assert "valuation currency" not in page.content()
    table = (rig.settings.published.parent / "dictionary" / "reports.stock_value_daily.html").read_text()
    assert "<td>CZK</td>" in table
    assert "valuation currency" not in table
    assert rig.rows("""
        select comment from duckdb_columns()
        where table_name = 'stock_value_daily' and column_name = 'damaged_value_nrv'
    """) == [("The same at net realisable value. Unit: CZK.",)]


@needs_browser
@pytest.mark.slow
def test_no_axis_has_a_label_twice(page: Page) -> None:
    """Captions name the units, so no axis does; no two ticks of an axis are written alike."""
    charts = page.locator("figure svg.chart").all()
    assert len(charts) == 2
    for chart in charts:
        for axis in ("text.tick", "text.day"):
            labels = chart.locator(axis).all_text_contents()
            assert len(labels) == len(set(labels)) > 1
    assert page.locator("figure svg.chart text").count() == page.locator("text.tick, text.day").count()


@pytest.mark.parametrize("chart", [chart.key for chart in CHARTS if chart.kind != "bars"])
def test_few_things_get_few_ticks(chart: str) -> None:
    """One order late or two, in the first days of a shop: no label of an axis stands there twice."""
    shape = next(each for each in CHARTS if each.key == chart)
    english, step = Locale.parse("en_GB"), 0.01 if shape.form == "share" else 1
    for count in range(1, 13):
        points = [(f"2026-01-{day + 1:02}", name, day * step) for day in range(count) for name in shape.series]
        svg = drawn(ChartPoints(chart, shape.kind, shape.form, points), "CZK", Texts(english), english).svg
        for axis in ("tick", "day"):
            labels = re.findall(f'class="{axis}"[^>]*>([^<]+)<', svg)
            assert labels
            assert len(labels) == len(set(labels)), (count, labels)


@needs_browser
@pytest.mark.slow
def test_paper_and_phone_show_the_whole_report(page: Page) -> None:
    """On A4 no table runs out of its card; on a phone only cards scroll, the page itself does not."""
    parts = "[...document.querySelectorAll('html, .scroll')]"
    wider = f"Math.max(...{parts}.map(part => part.scrollWidth - part.clientWidth))"
    page.emulate_media(media="print")
    page.set_viewport_size({"width": A4_WIDTH, "height": 900})
    on_paper = page.evaluate(wider)
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 375, "height": 812})
    on_a_phone = page.evaluate("document.documentElement.scrollWidth")

    assert on_paper <= 0
    assert on_a_phone == 375


@needs_browser
@pytest.mark.slow
def test_the_report_needs_nothing_but_itself(rig: Rig, page: Page) -> None:
    """It is below 500 KB, holds its charts, and names no address that would be fetched."""
    file = rig.settings.published.parent / "report.html"
    text = file.read_text()

    assert file.stat().st_size < 500_000
    assert page.locator("figure svg.chart").count() == 2
    assert page.locator("svg.spark").count() > 10
    assert page.locator("[src], link[href], script").count() == 0
    assert "Europe/Prague" in text
    assert "url(" not in text


@pytest.mark.slow
def test_the_summary_says_what_the_night_did(rig: Rig) -> None:
    """Listings with what they brought, checks asked and broken: as meta has them."""
    summary = read(rig.settings)

    assert summary is not None
    assert summary.as_of == FIRST
    assert [(row.account, row.api, row.listing, row.received) for row in summary.listings] == rig.rows(
        "select account, api, listing, rows_received from meta.listing order by all"
    )
    assert [(summary.checks_asked, len(summary.checks_broken))] == rig.rows(
        "select count(*), count(*) filter (not success) from meta.check_result"
    )


@pytest.mark.slow
def test_a_red_night_leaves_the_pages_of_the_one_before(rig: Rig) -> None:
    """What lies beside the published file is of the published night."""
    files = {name: (rig.settings.published.parent / name).read_bytes() for name in ("summary.json", "report.html")}
    rig.server.faults([{"path": "/v2/fulfillment/warehouse-movements", "kind": "status", "status": 401}])
    try:
        with pytest.raises(SourceError, match="fulfillment_cz"):
            rig.night(SECOND)
    finally:
        rig.server.faults([])

    assert {name: (rig.settings.published.parent / name).read_bytes() for name in files} == files


def test_a_report_that_cannot_be_written_is_said_and_the_old_one_goes(tmp_path: Path) -> None:
    """Without a published file there is a note, and no page of another night is left to be taken for this one's."""
    settings = Settings.load({"STOCKBOOK_HOME": str(tmp_path)})
    settings.published.parent.mkdir(parents=True)
    (settings.published.parent / "report.html").write_text("of the night before")

    notes = write_report_files(settings)

    assert len(notes) == 1
    assert notes[0].startswith("The morning report could not be written")
    assert list(settings.published.parent.iterdir()) == []


@pytest.mark.slow
def test_a_summary_made_ahead_is_shown_and_one_that_failed_is_made_again(rig: Rig) -> None:
    """The night reads and draws while the copy is compared; what went wrong there is no reason for no report."""
    summary = read(rig.settings)
    assert summary is not None

    def fails() -> Summary:
        raise OSError("the copy has its name already")

    assert write_report_files(rig.settings, ahead=lambda: msgspec.structs.replace(summary, method="ahead")) == []
    assert getattr(read(rig.settings), "method", "") == "ahead"
    assert write_report_files(rig.settings, ahead=fails) == []
    assert read(rig.settings) == summary


def test_a_home_without_a_night_has_a_page_that_says_so() -> None:
    """Neither a run nor a publication: the page says both."""
    html = airflow_html(None, None, Locale.parse("en_GB"), {})
    assert "No night has read anything yet" in html
    assert "Nothing is published yet" in html
    assert "Next step:" in html


CONNECTION = {"AIRFLOW_CONN_FULFILLMENT_CZ": '{"conn_type": "http", "host": "http://127.0.0.1:9", "password": "x"}'}


@pytest.mark.parametrize(
    ("variables", "params", "reason"),
    [
        (CONNECTION | {"STOCKBOOK_HASH_KEY": ""}, {}, "STOCKBOOK_HASH_KEY must be set"),
        ({}, {}, "needs a fulfillment.cz account and found none"),
        (CONNECTION, {"as_of": "tomorrow"}, "as_of must be a local date-time"),
        (CONNECTION, {"backfill_from": "2025-11-01"}, "backfill_from and backfill_to go together"),
        (CONNECTION | {"STOCKBOOK_POLICY_DIR": "/nowhere"}, {}, "was expected in /nowhere"),
        (CONNECTION | {"STOCKBOOK_ALERT_NOTIFIER": "{"}, {}, "STOCKBOOK_ALERT_NOTIFIER"),
    ],
)
def test_a_night_that_failed_in_its_first_step_is_shown(
    variables: dict[str, str], params: dict[str, object], reason: str, tmp_path: Path
) -> None:
    """The page names the run, why it is red and the next step, and links to nothing that is not there."""
    environ = {"STOCKBOOK_HOME": str(tmp_path), "STOCKBOOK_HASH_KEY": KEY} | variables
    settings = Settings.load(environ)
    tonight = Night(settings, SystemClock(), Silent(), lambda name: connections.from_environment(name, environ))

    with pytest.raises(ConfigError):
        open_run(tonight, "scheduled__1", params, connections.conn_ids_in_environment(environ))

    last = last_ended(settings)
    html = unescape(airflow_html(read(settings), last, Locale.parse("en_GB"), pages(settings), under_way(settings)))

    assert last is not None
    assert (last.run_id, last.failed_step) == ("scheduled__1", "open")
    assert reason in html
    assert "Next step:" in html
    assert "No night has read anything yet" not in html
    # but the way past the head of the page
    assert re.findall('href="(.+?)"', html) == ["#main"]


def test_a_run_without_a_report_is_told_of_by_its_steps(tmp_path: Path) -> None:
    """While it holds the lock it is under way; when it was killed, what its steps say is the reason."""
    settings, clock = Settings.load({"STOCKBOOK_HOME": str(tmp_path)}), SystemClock()
    run = RunContext("r1", FIRST, "Europe/Prague", clock.utc(), "n1", True, False, None, None, ())
    runs.save(settings, run)
    lock = RunLock(settings.lock, clock, 60)
    lock.take("r1")
    with suppress(SourceError), lock.step("r1", "load"), recorded(tmp_path / "runs" / "r1", "load", clock):
        raise SourceError("the page was torn")

    at_work = airflow_html(None, last_ended(settings), Locale.parse("en_GB"), {}, under_way(settings))
    lock.release("r1")
    ended = airflow_html(None, last_ended(settings), Locale.parse("en_GB"), {}, under_way(settings))

    assert "Run r1 is under way" in at_work
    assert "Next step:" not in at_work
    assert "the page was torn" not in at_work
    assert "under way" not in ended
    assert "the page was torn" in ended


def test_a_run_whose_process_was_killed_is_under_way_no_more(tmp_path: Path) -> None:
    """Nobody lets its lock go: health, page and `report` say that it is red, and no earlier night stands for it."""
    settings, clock = Settings.load({"STOCKBOOK_HOME": str(tmp_path)}), SystemClock()
    for name in ("earlier", "killed"):
        runs.save(settings, RunContext(name, FIRST, "Europe/Prague", clock.utc(), "n1", True, False, None, None, ()))
        with recorded(settings.runs / name, "load", clock):
            pass
    lock = RunLock(settings.lock, clock, 60)
    # not waited for: it stays a zombie until the end of the block
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        lock.take("killed")
        holder = lock.holder()
        assert holder is not None
        began = psutil.Process(process.pid).create_time()
        written = msgspec.structs.replace(holder, process=(process.pid, began))
        settings.lock.with_name(settings.lock.name + ".json").write_bytes(msgspec.json.encode(written))
        assert under_way(settings) == written
        process.kill()
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            pass

        ended = last_ended(settings)

        assert under_way(settings) is None
        assert ended is not None
        assert (ended.run_id, ended.status) == ("killed", "failed")
        assert parts.last_night(settings, clock) == {
            "status": "red",
            "as_of": FIRST.isoformat(),
            "ended_at": ended.finished_at.isoformat(),
            "run": "killed",
        }


def test_a_run_that_opens_in_its_second_try_is_red_no_more(tmp_path: Path) -> None:
    """The report of the try that failed goes as soon as the run is opened."""
    environ = {"STOCKBOOK_HOME": str(tmp_path), "STOCKBOOK_HASH_KEY": KEY} | CONNECTION
    for policy, failed in (("/nowhere", True), ("", False)):
        settings = Settings.load(environ | {"STOCKBOOK_POLICY_DIR": policy})
        tonight = Night(settings, SystemClock(), Silent(), lambda name: connections.from_environment(name, environ))
        with suppress(ConfigError):
            open_run(tonight, "r1", parse_parameters({}), ["fulfillment_cz"])
        assert (last_ended(settings) is not None) == failed


def test_a_page_that_cannot_be_shown_says_why() -> None:
    """A setting that cannot be read is said as text, with the next step."""
    html = problem_html("STOCKBOOK_ZONE must be <a zone>")
    assert "STOCKBOOK_ZONE must be &lt;a zone&gt;" in html
    assert "Next step:" in html


def test_what_a_red_run_says_cannot_become_markup() -> None:
    """A reason with markup in it is shown as text."""
    now = datetime(2026, 3, 1, 1, 15)
    red = Report("r1", now, "failed", now, now, 1.0, 1, "load", "<script>alert(1)</script>", [])
    html = airflow_html(None, red, Locale.parse("en_GB"), {})
    assert "&lt;script&gt;" in html
    assert "<script>" not in html


@pytest.mark.parametrize(
    ("form", "value", "locale", "text"),
    [
        ("money", "1234567.005", "en_GB", "CZK\xa01,234,567.01"),
        ("money", "1234567.005", "cs_CZ", "1\xa0234\xa0567,01\xa0Kč"),
        ("change", "12", "en_GB", "+CZK\xa012.00"),
        ("change", "-12", "cs_CZ", "-12,00\xa0Kč"),
        ("change", "-12", "en_GB", "-CZK\xa012.00"),
        ("share", "0.98765", "en_GB", "98.8\xa0%"),
        ("count", "6791", "cs_CZ", "6\xa0791"),
        ("weight", "79412", "cs_CZ", "79,4\xa0kg"),
        ("count", None, "cs_CZ", "–"),
    ],
)
def test_figures_are_written_as_people_write_them(form: str, value: str | None, locale: str, text: str) -> None:
    """Digits, marks and currency by the locale; half a cent goes up; a dash where nobody can know."""
    figure = Value("k", "", form, "", None if value is None else Decimal(value))
    assert shown(figure, "CZK", Locale.parse(locale)).replace(" ", "\xa0") == text


def test_sales_in_another_currency_than_stock_are_written_in_theirs() -> None:
    """An amount that names its currency has it; the others are in that of the stock."""
    turnover = Value("turnover", "", "money", "", Decimal("12.5"), currency="EUR")
    assert shown(turnover, "CZK", Locale.parse("en_GB")) == "€12.50"


@pytest.mark.slow
def test_figures_stand_under_their_dashboards(rig: Rig) -> None:
    """Report and page have three headings, each over the figures of the dashboard of that name."""
    summary = read(rig.settings)
    assert summary is not None
    for html in (
        report_html(summary, Locale.parse("en_GB")),
        airflow_html(summary, None, Locale.parse("en_GB"), {}),
    ):
        parts = re.split("<h3>(.+)</h3>", html)[1:]
        assert {
            part: re.findall('data-figure="(.+?)"', figures)
            for part, figures in zip(parts[::2], parts[1::2], strict=True)
        } == {part: [figure.key for figure in figures] for part, figures in PARTS.items()}


def test_the_mail_says_figures_as_people_write_them() -> None:
    """Money with its currency and two digits, counts with their unit; what nobody knows is left out."""
    figures = [
        Value("value", "Stock value", "money", "", Decimal("1507367.083333333333")),
        Value("pieces", "Pieces on hand", "count", "pieces", Decimal(6791)),
        Value("share", "On time", "share", "of the orders due", None),
    ]
    assert lines(figures, "CZK", Locale.parse("en_GB")) == [
        "Stock value: CZK\xa01,507,367.08",
        "Pieces on hand: 6,791 pieces",
    ]


def test_an_unknown_locale_is_named() -> None:
    """The message says the variable and what it expects."""
    with pytest.raises(ConfigError, match="STOCKBOOK_LOCALE must be a locale such as en_GB"):
        locale_of(Settings.load({"STOCKBOOK_LOCALE": "elvish"}))
