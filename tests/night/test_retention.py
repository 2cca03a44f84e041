"""
What is older than ``retention.yml`` keeps it goes, and nothing that anybody reads inside of that changes.

The home is the shared one after its first night, with counts of the stock, runs, rows in quarantine and landed nights
of before it, which were made here.
"""

import json
import os
import re
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
from checkout import PROJECT
from msgspec import structs
from night_rig import KEY, ONE_THREAD
from shared_home import FIRST, NAME, copy_of
from typer.testing import CliRunner

from stockbook.cli.main import app
from stockbook.clock import ManualClock
from stockbook.declarations import of_layer, of_listing
from stockbook.errors import ConfigError, RunLocked
from stockbook.inbox import Arrival, Inbox
from stockbook.landing.manifest import Manifest, read_manifest
from stockbook.landing.pages import read_page
from stockbook.night import retained_people, retention
from stockbook.night.building import build
from stockbook.night.finishing import finish
from stockbook.night.reload import replay
from stockbook.night.retained_books import STOCK_LEVELS
from stockbook.night.retaining import retain
from stockbook.night.retention import cannot_answer
from stockbook.night.tonight import Night
from stockbook.progress import Silent
from stockbook.projection.erased import RowEraser, time_of
from stockbook.projection.erasures import Erasures
from stockbook.projection.fields import build as build_shape
from stockbook.retention_policy import Retention, Written, months_before, of, read
from stockbook.runs import context
from stockbook.settings import Settings
from stockbook.warehouse import content_marks
from stockbook.warehouse.connect import writer

# of the clock; that of the books is their night, eleven months before
NOW = datetime(2026, 10, 20, 3, 0, tzinfo=UTC)
KEPT = {"landed_pages_days": 90, "inbox_days": 30, "runs_days": 35, "quarantine_months": 2}
POLICY = KEPT | {"stock_levels_daily_months": 3, "personal_years": 1}
BORDER = date(2025, 8, 1)
FIRST_COUNT = date(2025, 5, 20)
# days of stock, and what "since when" says of a time before the border
OF_A_DAY = {
    "marts.fct_stock_level": "snapshot_date",
    "marts.fct_stock_reconciliation": "snapshot_date",
    "reports.inventory_accuracy": "snapshot_date",
    "reports.stock_level_daily": "date",
    "reports.stock_out_days": "date",
    "intermediate.stock_count": "snapshot_date",
    "intermediate.stock_out": "snapshot_date",
}
# what they say of rows in quarantine
ABOUT = {"reports.alerts": "rule <> 'rows set aside'", "reports.alert_measures": "measure <> 'quarantine_rows'"}
PERSONAL = frozenset(
    {"recipient_key", "city", "postcode", "customer_key", "customer_token_key"}  # what its own columns say, no figure
)
SINCE = {"out_since", "first_seen_date", "due_since", "nights_due"}
OTHERWISE = {
    "reports.stock_out_days": {"dispatched_quantity_28d", "lost_pieces_estimate"},
    # how many rows a table has
    "reports.data_freshness": {"row_count"},
    "reports.alert_measures": {"basis"},
}


def policy(folder: Path, **rules: Any) -> Path:
    """The project's policies with another ``retention.yml``."""
    shutil.copytree(PROJECT / "include" / "policy", folder)
    (folder / "retention.yml").write_text(json.dumps(rules))
    return folder


def night_of(home: Path, policies: Path, now: datetime = NOW, **more: str) -> Night:
    """What retention needs of a night, at a time."""
    variables = {"STOCKBOOK_HOME": str(home), "STOCKBOOK_HASH_KEY": KEY, "STOCKBOOK_POLICY_DIR": str(policies)}
    return Night(Settings.load(variables | ONE_THREAD | more), ManualClock(now), Silent())


def add_old_days(night: Night) -> None:
    """Counts of half a year: every seventh variant ran out before the border, every fifth in every other week."""
    with writer(night.settings) as con:
        con.execute(
            """
            insert into staging.stock_levels by name
            select
                s.* replace (
                    d.day as snapshot_date,
                    d.day + interval 2 hour as snapshot_at,
                    s._first_seen_at - (s.snapshot_date - d.day) * interval 1 day as _first_seen_at,
                    case
                        when s.variant_id % 7 = 0 and d.day > date '2025-07-10' then 0
                        when s.variant_id % 5 = 0 and week(d.day) % 2 = 0 then 0
                        else s.available_quantity
                    end as available_quantity,
                    s.quantity + (s.variant_id + d.day_no) % 3 as quantity
                )
            from staging.stock_levels as s
            cross join (
                select
                    cast(unnest(range($first, $last, interval 1 day)) as date) as day,
                    unnest(range(cast($last as date) - cast($first as date))) as day_no
            ) as d
            where s._deleted_at is null
            """,
            {"first": FIRST_COUNT, "last": FIRST.date()},
        )
        for days in (10, 100, 400):
            at = FIRST - timedelta(days=days)
            con.execute(
                "insert into staging.quarantine values ('main', 'orders', ?, 'x', null, 'first', ?, null)", [days, at]
            )
            con.execute(
                "insert into meta.run by name select * replace (? as run_id, ? as as_of, ? as started_at) "
                "from meta.run where run_id = ?",
                [f"r{days}", at, at, NAME],
            )
            for table in ("meta.check_result", "meta.listing", "meta.loaded_rows"):
                con.execute(
                    f"insert into {table} by name select * replace (? as run_id) from {table} where run_id = ? limit 9",
                    [f"r{days}", NAME],
                )
        con.execute(
            "update meta.check_result set checked_at = r.started_at from meta.run as r "
            "where r.run_id = check_result.run_id"
        )
        content_marks.renew(con, "made", night.tables, ["staging.stock_levels", "staging.quarantine"])


def add_old_files(night: Night) -> None:
    """Landed nights and runs of every month of a year, and events that were drained as long ago."""
    settings = night.settings
    newest = next(settings.landing.glob("*-*-*"))
    for months in range(1, 13):
        at = NOW - timedelta(days=30 * months)
        folder = settings.landing / f"{at:%Y%m%dT%H%M%S}-abcdef01-1"
        shutil.copytree(newest, folder, copy_function=lambda page, link: Path(link).hardlink_to(page))
        (folder / "opened.json").unlink()
        (folder / "opened.json").write_text(json.dumps({"opened_at": at.isoformat()}))
    for days in range(1, 60):
        at = NOW - timedelta(days=days)
        context.save(settings, structs.replace(context.read(settings, NAME), run_id=f"old-{days:02}", started_at=at))
    with Inbox.open(settings.inbox_url) as inbox:
        for number, days in enumerate((5, 50, 70), start=1):
            at = NOW - timedelta(days=days)
            inbox.append(Arrival("shopline", "main", f"k{days}", "x/y", None, None, None, at, "{}")).result(timeout=30)
            inbox.mark_drained([number], "first", at)


def figures(night: Night, before: date) -> dict[str, Any]:
    """
    Rows and digest of everything that is built, days of before a date left out but the last of each month, and of what
    tells "since when" in those relations the columns that cannot know.
    """
    by_name = {}
    with writer(night.settings) as con:
        con.execute("set TimeZone = 'UTC'")
        relations = con.execute(
            "select schema_name || '.' || table_name from duckdb_tables() union all "
            "select schema_name || '.' || view_name from duckdb_views() where not internal"
        ).fetchall()
        for (name,) in sorted(relations):
            if name.split(".")[0] not in ("intermediate", "marts", "reports"):
                continue
            columns = [column for column, *_ in con.execute(f"describe {name}").fetchall()]
            shown = ", ".join(
                column for column in columns if column not in SINCE | PERSONAL | OTHERWISE.get(name, set())
            )
            day, where = OF_A_DAY.get(name), ABOUT.get(name, "true")
            if day:
                where = f"{day} >= date '{before}' or {day} + 1 = date_trunc('month', {day} + 1)"
            rows = f"select {shown} from {name} where {where}"
            query = f"select count(*), coalesce(sum(hash(t)::hugeint), 0) from ({rows}) as t"
            by_name[name] = con.execute(query).fetchall()
    return by_name


class Kept(NamedTuple):
    """A home whose figures were made anew before and after, and what was said on the way."""

    night: Night
    people: tuple[int, int]
    shown: list[str]
    before: dict[str, Any]
    killed: dict[str, int]
    gone: list[retention.Due]
    again: list[str]
    after: dict[str, Any]


def rows_of(night: Night) -> dict[str, int]:
    """How many rows there are of what goes."""
    tables = ("staging.stock_levels", "staging.quarantine", "meta.check_result", "meta.listing", "meta.loaded_rows")
    with writer(night.settings) as con:
        return {name: con.execute(f"select count(*) from {name}").fetchall()[0][0] for name in tables}


class PowerCut(BaseException):
    """The process is gone."""


def no_power(*_: object) -> None:
    """In place of a step."""
    raise PowerCut


def built(night: Night) -> None:
    """Build what is not of the rows that there are."""
    night.lock.take(NAME, whole_run_here=True)
    build(night, NAME)
    night.lock.release(NAME)


@pytest.fixture(scope="module")
def home(home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Told, killed twice, done, asked again."""
    place = tmp_path_factory.mktemp("retention")
    copy_of(home_after_a_night, place / "home")
    night = night_of(place / "home", policy(place / "policy", **POLICY))
    add_old_days(night)
    add_old_files(night)
    built(night)
    before, rows, people = figures(night, BORDER), rows_of(night), told_of(night.settings.warehouse)
    shown = retain(night, is_dry=True)
    assert rows_of(night) == rows
    for step in ("stockbook.night.retention._remove", "stockbook.night.retained_books.content_marks.renew"):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(step, no_power)
            with pytest.raises(PowerCut):
                retain(night)
    killed = {name: rows[name] - left for name, left in rows_of(night).items()}
    gone = retention.drop(night, "again")
    again = retain(night)
    built(night)
    return Kept(night, people, shown, before, killed, gone, again, figures(night, BORDER))


def test_every_figure_inside_what_is_kept_is_as_it_was(home: Kept) -> None:
    """Worth, cost of goods, layers, margins, promises: all of it; days of stock from the border on and month ends."""
    assert {name for name in home.before if home.before[name] != home.after[name]} == set()
    assert home.before["marts.fct_stock_level"][0][0] > 1_000


def test_it_tells_what_would_go_and_what_is_lost_with_it(home: Kept) -> None:
    """Each class with how much, of when, and what cannot be answered later; nothing was changed then."""
    sentences = "\n".join(home.shown)
    for begin in (
        "landed_pages_days 90: 9 nights of landed pages, 0.0 MB, of ",
        "inbox_days 30: 2 events of the inbox, ",
        "runs_days 35: 24 folders of runs, ",
        "runs_days 35: 18 rows of meta.check_result, of 2024-10-14 to 2025-08-10",
        "personal_years 1: ",
        "quarantine_months 2: 2 rows of staging.quarantine, of 2024-10-14 to 2025-08-10",
        "stock_levels_daily_months 3: ",
    ):
        assert begin in sentences
    assert "of 2025-05-21 to 2025-07-30 would go." in sentences
    assert "landed pages: 4 nights, the first as of" in sentences
    assert "the counted stock of an earlier day that is not the last night of its month" in sentences
    assert "retention: landed_pages_days 90, inbox_days 30, runs_days 35" in sentences


def test_a_killed_one_left_all_rows_or_none(home: Kept) -> None:
    """The rows are one transaction; the next one did all of it, and a second finds nothing."""
    assert set(home.killed.values()) == {0}
    assert {due.rule.split(" ")[0] for due in home.gone} == {
        "quarantine_months", "runs_days", "stock_levels_daily_months", "personal_years",
    }  # fmt: skip
    assert home.again == ["Nothing is older than it is kept."]
    assert not (home.night.settings.home / "tmp" / "retention").exists()


def test_first_count_month_ends_and_the_last_months_stay(home: Kept) -> None:
    """What opened the ledger, the last night of each month, every night from the border on."""
    with writer(home.night.settings) as con:
        days = con.execute("select distinct snapshot_date from staging.stock_levels order by 1").fetchall()
        quarantined = con.execute("select row_key from staging.quarantine where reason = 'x'").fetchall()
        runs = con.execute("select distinct run_id from meta.listing order by 1").fetchall()
        remembered = con.execute("select run_id from meta.run order by 1").fetchall()
    assert [day for (day,) in days if day < BORDER] == [
        FIRST_COUNT, date(2025, 5, 31), date(2025, 6, 30), date(2025, 7, 31),
    ]  # fmt: skip
    assert len([day for (day,) in days if day >= BORDER]) == (FIRST.date() - BORDER).days + 1
    assert quarantined == [("10",)]
    assert runs == [(NAME,), ("r10",)]
    # that a run was, and as of when, stays
    assert remembered == [(NAME,), ("r10",), ("r100",), ("r400",)]


def test_folders_and_events_that_are_young_stay(home: Kept) -> None:
    """And of runs the newest twenty, however old."""
    settings = home.night.settings
    assert len(list(settings.landing.glob("*-*-*"))) == 4
    assert len(list(settings.runs.glob("old-*"))) == 35
    with Inbox.open(settings.inbox_url) as inbox:
        assert sum(count.drained for count in inbox.counts()) == 1


def test_what_is_left_of_the_landing_makes_the_same_staging(
    home: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as it reaches: every row but what webhooks said, and of the stock the last night's."""
    again = night_of(tmp_path / "again", home.night.settings.policy_dir)
    # what is made of staging is another test's
    monkeypatch.setattr("stockbook.night.reload.settle", lambda *_: None)
    replay(again, "again", home.night.settings.landing)

    assert staged(again) == staged(home.night)


def staged(night: Night) -> dict[str, Any]:
    """Rows and digest of what staging says of the source now, by table."""
    by_name = {}
    with writer(night.settings) as con:
        for table in of_layer(night.tables, "staging"):
            if table.source is None:
                continue
            columns = ", ".join(name for name, column in table.columns.items() if not column.observed)
            last = f"and snapshot_date >= date '{FIRST:%Y-%m-%d}'" if table.name == STOCK_LEVELS else ""
            rows = f"select {columns} from {table.name} where _deleted_at is null {last}"
            query = f"select count(*), coalesce(sum(hash(t)::hugeint), 0) from ({rows}) as t"
            by_name[table.name] = con.execute(query).fetchall()
    return by_name


def test_it_does_nothing_while_a_night_is_under_way(home: Kept) -> None:
    """And says which; the looking too, since the night writes."""
    night = home.night
    night.lock.take("tonight", whole_run_here=True)
    with pytest.raises(RunLocked, match="tonight"):
        retain(night, is_dry=True)
    night.lock.release("tonight")


def test_the_end_of_a_night_does_it(home: Kept) -> None:
    """A published one, rows and folders; what it did is told."""
    notes: list[str] = []
    progress = Silent()
    progress.note = notes.append  # type: ignore[method-assign]
    night = replace(home.night, progress=progress)
    with writer(night.settings) as con:
        con.execute(
            "insert into staging.quarantine values ('main', 'orders', 'late', 'y', null, 'first', '2025-01-01', null)"
        )
    old = night.settings.runs / "forgotten"
    old.mkdir()
    os.utime(old, (0, 0))
    night.lock.take(NAME, whole_run_here=True)
    finish(night, NAME)

    with writer(night.settings) as con:
        assert con.execute("select count(*) from staging.quarantine where row_key = 'late'").fetchall() == [(0,)]
    assert not old.exists()
    assert "1 rows of staging.quarantine older than they are kept were removed." in notes
    assert night.lock.holder() is None


def told_of(file: Path) -> tuple[int, int]:
    """How many orders of before October tell of somebody, and how many later ones."""
    tells = "recipient_key is not null or city is not null or postcode is not null"
    query = (
        f"select count(*) filter (where created_at < '2025-10-01' and ({tells})), "
        f"count(*) filter (where created_at >= '2025-10-01' and ({tells})) from staging.orders"
    )
    with duckdb.connect(str(file), read_only=True) as con:
        old, young = con.execute(query).fetchall()[0]
        return old, young


def test_people_of_old_orders_are_nobody(home: Kept) -> None:
    """In the books, in what readers have, in landed pages; younger orders are whose they were."""
    settings = home.night.settings
    old, young = home.people
    assert old > 100
    assert young > 100

    assert told_of(settings.warehouse) == told_of(settings.published) == (0, young)
    landed = read_all(settings.landing)
    assert {row["recipient"]["email"] for row in landed if row["created"] < "2025-10-01"} == {None}
    assert None not in {row["recipient"]["city"] for row in landed if row["created"] >= "2025-10-01"}


def test_what_the_source_still_sends_of_old_orders_is_nobody(home: Kept, tmp_path: Path) -> None:
    """A row of an old order lands without its person and as the books have it; a young one byte for byte."""
    night = night_of(tmp_path / "home", policy(tmp_path / "policy", personal_years=1))
    tables = of_listing(night.tables, "fulfillment_cz", "orders")
    erasures = Erasures.of(night.settings, night.clock.utc())
    eraser = RowEraser(erasures, build_shape(tables, ("uuid",)), "fulfillment_cz", "main", ("uuid",), time_of(tables))
    row = {"uuid": "o1", "created": "2025-09-30 23:59:59", "payment": {"variable_symbol": "f" * 64},
           "recipient": {"email": "a" * 64, "city": "Zlín", "zipcode": "760", "country": "CZ"}}  # fmt: skip

    old = eraser.erase(json.dumps(row).encode())
    young = eraser.erase(json.dumps(row | {"created": "2025-10-01 00:00:00"}).encode())

    without = {"email": None, "city": None, "zipcode": None, "country": "CZ"}
    assert json.loads(old or "") == row | {"recipient": without}
    assert young is None
    # nobody is on a list for it
    assert (len(erasures), erasures.save()) == (0, 0)


def read_all(landing: Path) -> list[dict[str, Any]]:
    """Every landed row of orders."""
    folders = sorted(landing.glob("*/main/fulfillment_cz.orders"))
    pages = [(folder, page) for folder in folders for page in manifest_of(folder).pages]
    return [json.loads(line) for folder, page in pages for line in read_page(folder, page).splitlines()]


def manifest_of(folder: Path) -> Manifest:
    """That of a landed listing."""
    manifest = read_manifest(folder)
    assert manifest is not None
    return manifest


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"inbox_days": 2}, "line 1, inbox_days: expected a whole number from 3 to 10000, got 2"),
        ({"runs_days": 7}, "runs_days: expected a whole number from 35"),
        ({"landed_days": 7}, "unknown field, expected one of landed_pages_days, inbox_days"),
        ({"personal_years": "soon"}, "personal_years: expected a whole number, got 'soon'"),
    ],
)
def test_what_cannot_be_meant_is_refused(rules: dict[str, Any], message: str, tmp_path: Path) -> None:
    """With the line and the field."""
    with pytest.raises(ConfigError, match=message):
        read(policy(tmp_path / "policy", **rules))


def test_the_variables_of_before_hold_where_the_file_is_silent(tmp_path: Path) -> None:
    """Both places with different days are refused; without either the defaults hold, and nothing else ever goes."""
    silent, said = policy(tmp_path / "silent"), policy(tmp_path / "said", landed_pages_days=30)
    old = {"STOCKBOOK_LANDING_DAYS": "7", "STOCKBOOK_INBOX_DAYS": "5"}

    assert of(night_of(tmp_path, silent, **old).settings) == Retention(7, 5)
    assert of(night_of(tmp_path, silent).settings) == Retention(90, 30)
    assert of(night_of(tmp_path, PROJECT / "include" / "policy").settings) == Retention(90, 30)
    assert of(night_of(tmp_path, said, STOCKBOOK_LANDING_DAYS="30").settings).landed_pages_days == 30
    with pytest.raises(
        ConfigError, match=r"STOCKBOOK_LANDING_DAYS says 7 and landed_pages_days of retention\.yml says 30"
    ):
        of(night_of(tmp_path, said, **old).settings)
    assert months_before(date(2026, 1, 31), 13) == date(2024, 12, 1)


def test_the_home_of_a_fleet_s_machine_has_no_books_of_its_own(tmp_path: Path) -> None:
    """What it is asked to retain lies elsewhere."""
    fleet = {"STOCKBOOK_CONTROL_URL": "postgresql://u@127.0.0.1:9/x"}
    with pytest.raises(ConfigError, match="whose books are not in this home"):
        retain(night_of(tmp_path, policy(tmp_path / "policy"), **fleet))


def test_people_are_looked_for_anew_when_the_rule_comes_back(tmp_path: Path) -> None:
    """What landed without it tells of them: which day was done last is forgotten with the rule."""
    night = night_of(tmp_path / "home", policy(tmp_path / "policy"))
    night.settings.state.mkdir(parents=True)
    done = night.settings.state / "personal.before"
    retained_people.drop(night, Retention(90, 30, personal_years=1))
    assert done.exists()

    retained_people.drop(night, Retention(90, 30))

    assert not done.exists()


def test_an_empty_home_keeps_nothing_too_long(tmp_path: Path) -> None:
    """Before the first night there is nothing to look at."""
    assert "the first night makes it" in retain(night_of(tmp_path / "home", policy(tmp_path / "policy")))[0]


def test_every_command_of_the_document(home: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is typed as it stands there; its example of a file is right; the doctor says what is in force."""
    document = (PROJECT / "docs" / "retention.md").read_text()
    (words,) = re.findall(r"```sh\n(.*?)```", document, re.DOTALL)
    (example,) = re.findall(r"```yaml\n(.*?)```", document, re.DOTALL)
    policies = policy(tmp_path / "policy")
    (policies / "retention.yml").write_text(example)
    (tmp_path / "home" / "landing").mkdir(parents=True)
    shutil.copytree(home.night.settings.runs, tmp_path / "home" / "runs")
    for name, value in night_of(tmp_path / "home", policies).settings.written.items():
        monkeypatch.setenv(name, value)
    said = []
    for line in words.splitlines():
        typed = line.split("#")[0].split()
        assert typed.pop(0) == "stockbook"
        result = CliRunner().invoke(app, typed, catch_exceptions=False)
        said.append(result.output)

    assert "runs_days 400" in said[0]
    assert read(policies) == Written(90, 30, 400, 24, 13, 10)
    assert any(
        "personal_years: which earlier orders" in text
        for text in cannot_answer(night_of(tmp_path / "home", policies).settings)
    )
    documented = {line.split("|")[1].strip(" `") for line in document.splitlines() if line.startswith("| `")}
    assert documented == set(Written.__struct_fields__)
