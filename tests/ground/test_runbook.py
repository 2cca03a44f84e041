"""Every page of the runbook: its trouble is planted, its commands are run in order, and all is well at the end."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import proof_size
import psutil
import pytest
from checkout import PROJECT
from night_rig import KEY, Rig
from shared_home import FIRST, copy_of, small_shop
from typer.testing import CliRunner

from stockbook import clock as clocks
from stockbook.cli.main import app
from stockbook.clock import ManualClock
from stockbook.inbox import Arrival, Inbox
from stockbook.runs import report
from stockbook.runs.lock import RunLock
from stockbook.sources import http
from stockbook_sandbox import Running, running

pytestmark = pytest.mark.slow  # a night for each page

FOLDER = PROJECT / "docs" / "runbook"
INDEX = (PROJECT / "docs" / "runbook.md").read_text()
# some hours after the night of the shared home: a night then has next to nothing new, and costs next to nothing
NOW = datetime(2025, 11, 18, 7, 15, tzinfo=UTC)
HAND = "**By hand**"


class Page(NamedTuple):
    """A page: what is seen, the commands before a person does something, those behind it."""

    seen: list[str]
    before: list[str]
    after: list[str]


def page(name: str) -> Page:
    text = (FOLDER / f"{name}.md").read_text()
    [seen] = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    before, after = text.split(HAND)
    commands = [
        [line for block in re.findall(r"```sh\n(.*?)```", half, re.DOTALL) for line in block.splitlines()]
        for half in (before, after)
    ]
    return Page(seen.splitlines(), *commands)


@dataclass
class Shift:
    """A home whose second night is due, and a clock, an environment and a shop that a trouble may be planted in."""

    rig: Rig
    patch: pytest.MonkeyPatch
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    output: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, value in self.rig.environ.items():
            self.patch.setenv(name, value)
        self.patch.setattr(clocks, "SystemClock", lambda: self.clock)
        for module in ("nights", "main", "hooks"):
            self.patch.setattr(f"stockbook.cli.{module}.SystemClock", lambda: self.clock, raising=False)

    @property
    def home(self) -> Path:
        return self.rig.home

    def run(self, line: str) -> int:
        """One line of a page, as who is on call types it."""
        self.clock.sleep(60)
        words = shlex.split(os.path.expandvars(line), comments=True)
        if words[0] != "stockbook":
            done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
            self.output.append(done.stdout + done.stderr)
            return done.returncode
        result = CliRunner().invoke(app, words[1:])
        self.output.append(f"{result.output}\n{result.exception}")
        return result.exit_code


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """The shop of the shared home, a day later."""
    with running(small_shop(), FIRST) as served:
        yield served


@pytest.fixture
def shift(
    server: Running, home_after_a_night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shift]:
    """A home after its first night; its report says when that was, and not when the test ran."""
    home = tmp_path / "home"
    copy_of(home_after_a_night, home)
    for folder in (home / "runs").iterdir():
        ended = report.read(folder)
        assert ended is not None
        ended.finished_at = NOW - timedelta(hours=5)
        report.write(folder, ended)
    policy = tmp_path / "policy"
    shutil.copytree(PROJECT / "include" / "policy", policy)
    server.set_clock(FIRST)
    rig = Rig(server, home, {"STOCKBOOK_POLICY_DIR": str(policy)})
    yield Shift(rig, monkeypatch)
    server.faults([])


def nothing(_: Shift) -> None:
    """Nobody has to do anything but wait."""


def night(shift: Shift) -> None:
    """The night that shows the trouble."""
    assert shift.run("stockbook run") != 0


def fault(**rule: Any) -> Callable[[Shift], None]:
    def plant(shift: Shift) -> None:
        # a minute of tries is enough to see it
        once = http.RetryPolicy(tries=1)
        shift.patch.setattr(http, "RetryPolicy", lambda: once)
        shift.rig.server.faults([rule])
        night(shift)

    return plant


def source_heals(shift: Shift) -> None:
    shift.rig.server.faults([])


def wrong_token(shift: Shift) -> None:
    right = os.environ["AIRFLOW_CONN_FULFILLMENT_CZ"]
    shift.patch.setenv("AIRFLOW_CONN_FULFILLMENT_CZ", right.replace(shift.rig.server.token, "another-token"))
    night(shift)


def right_token(shift: Shift) -> None:
    shift.patch.setenv("AIRFLOW_CONN_FULFILLMENT_CZ", shift.rig.environ["AIRFLOW_CONN_FULFILLMENT_CZ"])


def in_the_books(statement: str) -> Callable[[Shift], None]:
    def change(shift: Shift) -> None:
        with duckdb.connect(str(shift.rig.settings.warehouse)) as con:
            con.execute(statement)

    return change


def books_flipped(shift: Shift) -> None:
    file = shift.rig.settings.warehouse
    # a block that holds rows: half of a file may lie in one that nothing is in
    with duckdb.connect(str(file)) as con:
        in_use = "select max(block_id) from pragma_storage_info('staging.orders') where persistent"
        block, size = con.execute(f"select ({in_use}), block_size from pragma_database_size()").fetchall()[0]
    content = bytearray(file.read_bytes())
    content[3 * 4096 + block * size + size // 2] ^= 1
    file.write_bytes(content)
    night(shift)


def disk_of(free: int) -> Callable[[Shift], None]:
    def plant(shift: Shift) -> None:
        usage = psutil.disk_usage("/")._replace(free=free)
        shift.patch.setattr(psutil, "disk_usage", lambda _: usage)
        shift.patch.setattr(shutil, "disk_usage", lambda _: usage)

    return plant


def full(shift: Shift) -> None:
    disk_of(1_000_000)(shift)
    night(shift)


def left_lock(shift: Shift) -> None:
    settings = shift.rig.settings
    RunLock(settings.lock, ManualClock(NOW - timedelta(hours=3)), settings.lock_lease_seconds).take("yesterday")


def a_day_later(shift: Shift) -> None:
    shift.clock = ManualClock(NOW + timedelta(days=2))


def clock_of(when: datetime) -> Callable[[Shift], None]:
    def turn(shift: Shift) -> None:
        shift.clock = ManualClock(when)
        # accounts of a vendor, whose clock is right
        for name in ("AIRFLOW_CONN_FULFILLMENT_CZ", "AIRFLOW_CONN_FLICKROCKET"):
            shift.patch.setenv(name, os.environ[name].replace('"sandbox": true', '"sandbox": false'))
        shift.patch.setattr(http, "answered_at", lambda _: NOW)

    return turn


def key(text: str) -> Callable[[Shift], None]:
    return lambda shift: shift.patch.setenv("STOCKBOOK_HASH_KEY", text)


def policy(old: str, new: str) -> Callable[[Shift], None]:
    def edit(_: Shift) -> None:
        file = Path(os.environ["STOCKBOOK_POLICY_DIR"]) / "sla.yml"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new, 1))

    return edit


def waits(shift: Shift) -> None:
    arrival = Arrival(
        source="shopline", account="main", event_key="1", event_type="orders/create", subject_kind="order",
        subject_id="1", occurred_text=None, received_at_utc=NOW - timedelta(hours=40), payload="{}",
    )  # fmt: skip
    with Inbox.open(shift.rig.settings.inbox_url) as inbox:
        inbox.append(arrival).result(timeout=30)


def back_up(shift: Shift) -> None:
    shift.patch.setenv("STOCKBOOK_BACKUP_TO", str(shift.home.with_name("store")))
    assert shift.run('stockbook backup --to "$STOCKBOOK_BACKUP_TO"') == 0


def inbox_flipped(shift: Shift) -> None:
    waits(shift)
    file = shift.rig.settings.state / "inbox.db"
    content = file.read_bytes()
    file.write_bytes(content[:100] + bytes(byte ^ 0x5A for byte in content[100:]))


def inbox_away(shift: Shift) -> None:
    for file in shift.rig.settings.state.glob("inbox.db*"):
        file.rename(shift.home.with_name(file.name))


def store_loses_a_piece(shift: Shift) -> None:
    back_up(shift)
    piece = max((Path(os.environ["STOCKBOOK_BACKUP_TO"])).rglob("*"), key=lambda file: file.stat().st_size)
    piece.write_bytes(piece.read_bytes()[:-1])


def home_gone(shift: Shift) -> None:
    back_up(shift)
    shutil.rmtree(shift.home)


Step = Callable[[Shift], None]
TROUBLES: dict[str, tuple[Step, Step]] = {
    "token-refused": (wrong_token, right_token),
    "source-does-not-answer": (fault(kind="status", path="*/orders*"), source_heals),
    "listing-incomplete": (fault(kind="wrong_total", path="*/warehouse-variants*"), source_heals),
    "check-failed": (
        in_the_books("insert into marts.fct_order select * from marts.fct_order limit 1"),
        in_the_books("delete from marts.fct_order where rowid = (select max(rowid) from marts.fct_order)"),
    ),
    "books-damaged": (books_flipped, nothing),
    "disk-full": (full, disk_of(10**12)),
    "run-under-way": (left_lock, nothing),
    "clock-wrong": (clock_of(NOW - timedelta(days=30)), clock_of(NOW)),
    "key-wrong": (key("a key that somebody made anew"), key(KEY)),
    "setting-wrong": (
        policy("handling_days: 0", "handling_days: soon"),
        policy("handling_days: soon", "handling_days: 0"),
    ),
    "no-night": (a_day_later, nothing),
    "events-wait": (waits, nothing),
    "inbox-damaged": (inbox_flipped, inbox_away),
    "backup-damaged": (store_loses_a_piece, nothing),
    "home-lost": (home_gone, nothing),
    "volume-alert": (nothing, nothing),
}  # fmt: skip


# a night for each page takes a minute in all: `make proof-runbook` tries all of them, every run of the tests these
ALWAYS = ("token-refused", "clock-wrong", "volume-alert")


@pytest.mark.parametrize("name", TROUBLES if proof_size.LARGE else ALWAYS)
def test_a_page_leads_out_of_its_trouble(name: str, shift: Shift) -> None:
    """What the page shows is seen before anybody does anything, and behind that every command succeeds."""
    plant, by_hand = TROUBLES[name]
    seen, before, after = page(name)
    plant(shift)
    for line in before:
        shift.run(line)
    shown = "\n".join(shift.output)
    by_hand(shift)
    codes = {line: shift.run(line) - line.endswith("# exit code 1") for line in after}

    assert [words for words in seen if words not in shown] == [], shown
    assert [line for line, code in codes.items() if code != 0] == [], "\n".join(shift.output)


def test_every_page_is_tried_and_stands_in_the_index() -> None:
    """And the index names no page that is not there."""
    pages = {file.stem for file in FOLDER.glob("*.md")}

    assert pages == set(TROUBLES)
    assert pages == set(re.findall(r"\(runbook/([a-z-]+)\.md\)", INDEX))
