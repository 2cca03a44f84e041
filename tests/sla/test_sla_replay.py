"""What another policy would have promised: compared in memory, printed, never written."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from model_runner import MODELS, POLICY
from order_rows import Orders, Seen, at, policy_folder
from typer.testing import CliRunner

from stockbook.cli.main import app
from stockbook.declaration_files import load
from stockbook.errors import ConfigError
from stockbook.settings import Settings
from stockbook.sla.what_if import compare
from stockbook.warehouse.schema import create_all

AS_OF = "2025-03-12 02:15"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose published file holds five orders: two on time, one late, one on hold, one created before all."""
    home = tmp_path_factory.mktemp("home")
    (home / "published").mkdir()
    con = duckdb.connect(str(home / "published" / "warehouse.duckdb"))
    create_all(con, load(MODELS))
    orders = Orders(con=con)
    orders.order("early", "2025-03-04 09:00", out="2025-03-04 10:00")
    orders.order("at noon", "2025-03-04 12:00", out="2025-03-05 15:00")
    orders.order("late", "2025-03-04 09:00", out="2025-03-05 10:00")
    orders.order("told", "2025-03-04 09:00", Seen("created", "2025-03-05 02:15", on_hold=True), out="2025-03-06 15:00")
    orders.event("told", "OrderPushedToExpedition", "2025-03-06 11:30")
    orders.order("held", "2025-03-04 09:00", Seen("created", "2025-03-05 02:15", "2025-03-11 02:15", on_hold=True))
    orders.build(AS_OF)
    con.close()
    return home


@pytest.fixture
def settings(home: Path) -> Iterator[Settings]:
    """Its settings; nothing in the home may change while a test runs."""

    def content() -> dict[Path, str]:
        return {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in home.rglob("*") if file.is_file()}

    before = content()
    yield Settings.load({"STOCKBOOK_HOME": str(home)})
    assert content() == before


def other(folder: Path, **changes: str) -> Path:
    """A policy like the project's with fields written otherwise."""
    return policy_folder(folder, **changes) / "sla.yml"


def test_the_same_policy_changes_nothing(settings: Settings) -> None:
    """Judged by the policy they were promised by, orders are as they were published."""
    comparison = compare(settings, POLICY / "sla.yml")

    assert comparison.states(False) == comparison.states(True)
    assert {state: count for state, count in comparison.states(True).items() if count} == {
        "on_time": 3,
        "late": 1,
        "pending": 1,
    }
    assert (comparison.changed, comparison.notes, comparison.as_of) == ([], [], at(AS_OF))


def test_the_published_file_of_a_whole_night_is_judged(home_after_a_night: Path) -> None:
    """It has more tables than the orders', of programs that make some in several layers."""
    comparison = compare(Settings.load({"STOCKBOOK_HOME": str(home_after_a_night)}), POLICY / "sla.yml")

    assert comparison.states(False) == comparison.states(True)
    assert sum(comparison.states(True).values()) > 0


def test_an_earlier_cut_off_moves_promises_and_states(settings: Settings, tmp_path: Path) -> None:
    """Cut-off at 9:00 instead of 12:00: orders of 9:00 are due a day later, and the late one is in time."""
    comparison = compare(settings, other(tmp_path, cutoff='"09:00"'))

    assert comparison.moved == {("late", "on_time"): 1, ("on_time", "on_time"): 3, ("pending", "pending"): 1}
    assert {
        order.order_id: (order.state, order.other_state, order.due_at, order.other_due_at)
        for order in comparison.changed
    } == {
        "early": ("on_time", "on_time", at("2025-03-04 18:00"), at("2025-03-05 18:00")),
        "late": ("late", "on_time", at("2025-03-04 18:00"), at("2025-03-05 18:00")),
        "told": ("on_time", "on_time", at("2025-03-06 18:00"), at("2025-03-07 18:00")),
    }


def test_a_policy_from_a_later_day_changes_no_older_promise(settings: Settings, tmp_path: Path) -> None:
    """A version valid from the Monday after the last order leaves every promise as it was."""
    file = tmp_path / "next.yml"
    file.write_text(
        (POLICY / "sla.yml").read_text()
        + "  - version: strict-2\n    valid_from: 2025-03-17\n    calendar: cz-1\n"
        + '    cutoff: "09:00"\n    dispatch_end: "10:00"\n'
    )

    assert compare(settings, file).changed == []


def test_another_calendar_may_come_with_it(settings: Settings, tmp_path: Path) -> None:
    """With Wednesday closed for stock-take what was due then is due on Thursday; a calendar too short says so."""
    calendar = tmp_path / "calendar.yml"
    text = (POLICY / "calendar.yml").read_text()
    calendar.write_text(
        text.replace("exceptions: []", "exceptions: [{date: 2025-03-05, hours: closed, reason: stock-take}]")
    )
    closed = compare(settings, POLICY / "sla.yml", calendar)
    calendar.write_text(text.replace("    holidays: CZ", "    covers_to: 2025-03-04\n    holidays: CZ"))
    short = compare(settings, POLICY / "sla.yml", calendar)

    assert [(order.order_id, order.other_due_at) for order in closed.changed] == [("at noon", at("2025-03-06 18:00"))]
    assert short.moved[("on_time", "unknown")] == 2
    assert len(short.notes) == 1
    assert "covers the beginning to 2025-03-04 and 2 orders fall due outside" in short.notes[0]
    assert short.notes[0].startswith("calendar.yml line 6, calendars[0].covers_to: ")


def test_the_command_prints_both_sides(settings: Settings, tmp_path: Path) -> None:
    """States side by side, then the changed orders; --json gives them to programs; help says nothing is written."""
    run = CliRunner()
    environ = {"STOCKBOOK_HOME": str(settings.home)}
    file = str(other(tmp_path, cutoff='"09:00"'))

    result = run.invoke(app, ["sla", "replay", "--policy", file, "--limit", "2"], env=environ)
    rows = run.invoke(app, ["sla", "replay", "--policy", file, "--json"], env=environ)
    helped = run.invoke(app, ["sla", "replay", "--help"])

    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "on_time 3 4" in lines
    assert "late 1 0" in lines
    assert "rate 75.0% 100.0%" in lines
    assert "1 orders change their state, 2 more their due time only." in lines
    assert "late late, due 2025-03-04 18:00 on_time, due 2025-03-05 18:00" in lines
    assert "... and 1 more (--limit 0 shows all, --json for programs)" in lines
    assert {json.loads(line)["order_id"] for line in rows.stdout.splitlines()} == {"early", "late", "told"}
    assert "Nothing is written" in " ".join(helped.stdout.split())


def test_a_wrong_policy_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    """The message names line and field of the file that was given, whether or not anything was published."""
    empty = Settings.load({"STOCKBOOK_HOME": str(tmp_path / "empty")})
    file = tmp_path / "wrong.yml"
    file.write_text((POLICY / "sla.yml").read_text().replace('cutoff: "12:00"', 'cutoff: "19:00"'))

    with pytest.raises(
        ConfigError, match=r"^wrong\.yml line 10, versions\[0\]\.cutoff: 19:00 lies outside the opening"
    ):
        compare(empty, file)
    with pytest.raises(ConfigError, match="Nothing has been published yet"):
        compare(empty, POLICY / "sla.yml")
