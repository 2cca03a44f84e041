"""
People are forgotten in a fleet: in the books of two accounts, older ones too, in lake, store and both databases.

The tests go on from each other: who is forgotten by a command that is killed at each step, then the night after it.
"""

import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import proof_size
import psycopg
import pytest
from checkout import PROJECT
from fleet_rig import Site, connections, databases, move_in, programs, variables
from forgotten_people import Someone, content, someones
from forked import forks
from night_rig import leave_out_checks
from points import arm
from seaweed import Seaweed
from shared_home import FIRST, SECOND, small_shop
from typer.testing import CliRunner

from stockbook.cli.main import app
from stockbook.erasure.search import Search
from stockbook.erasure.spelling import Kind
from stockbook.errors import ConfigError, RunLocked
from stockbook.fleet import clearing, forgetting, holding, proof, retaining
from stockbook.fleet.holding import hold
from stockbook.fleet.run import Done, account_night
from stockbook.fleet.work import discard_outdated, restored, taken
from stockbook.inbox import Arrival, Inbox
from stockbook.lake_url import LakeUrl
from stockbook.retention_policy import Retention
from stockbook.warehouse.readers import reader
from stockbook_sandbox import Running, running

pytestmark = pytest.mark.slow
pytest.importorskip("duckdb_extension_ducklake", reason="DuckDB's extensions are not installed: stockbook[fleet]")

NOW = datetime(2025, 11, 18, 2, 0, tzinfo=UTC)
# who ordered before it in the account main goes by age
BORDER = date(2025, 10, 1)
TELLS = "created_at < $border and (recipient_key is not null or city is not null or postcode is not null)"
ACCOUNTS = ["main", "second"]
CLEARING = "stockbook.fleet.clearing"
# where a command may be killed: what was done by then is not all
POINTS = {
    "erased here, landed pages in the store": f"before:{CLEARING}:_bring",
    "between commit and pointer": "after:stockbook.fleet.lake.lake:Lake.commit",
    "published, older books there": f"before:{CLEARING}:prune",
    "older books gone, the lake's past there": f"before:{CLEARING}:forget_past",
}


class Killed(Exception):
    """What stands for a process that ends here."""


def kill() -> None:
    """End it."""
    raise Killed


class Forgetting(Site):
    """A fleet of two accounts of the same buyers, and those of them who are forgotten."""

    who: list[Someone]
    figures: dict[str, dict[str, Any]]

    @property
    def texts(self) -> list[str]:
        """Everything that is known of them."""
        return [text for someone in self.who for text in (someone.plain, *someone.hashes)]

    @property
    def search(self) -> Search:
        """For all of it."""
        return Search(self.texts)

    def places(self) -> set[str]:
        """Where in the fleet something of them is: the kind of object, or the table."""
        hits = proof.hits(self.fleet(), self.search, ACCOUNTS)
        return {hit.place.partition("/")[0] if "/" in hit.place else hit.place for hit in hits}

    def published_files(self, *accounts: str) -> dict[str, dict[str, Any]]:
        """What the published file of each account, or of some, holds besides people."""
        files = {}
        for account in accounts or ACCOUNTS:
            fleet = self.fleet(STOCKBOOK_SCRATCH=str(self.folder / "look"))
            with taken(fleet, fleet.account(account), "look", "look") as work:
                restored(fleet, work)
                files[account] = content(work.night.settings.published)
        shutil.rmtree(self.folder / "look")
        return files

    def of_lake(self, query: str) -> list[tuple[Any, ...]]:
        """What the catalog of the lake answers."""
        with psycopg.connect(self.environ["STOCKBOOK_LAKE"]) as con:
            return con.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]  # a text of this file


def second_home(home: Path, place: Path) -> Path:
    """The same books as those of an account called second."""
    shutil.copytree(home, place)
    for file in (place / "warehouse.duckdb", place / "published" / "warehouse.duckdb"):
        with duckdb.connect(str(file)) as con:
            for (table,) in con.execute(
                "select distinct c.schema_name || '.' || c.table_name from duckdb_columns() as c semi join "
                "duckdb_tables() as t on c.table_oid = t.table_oid where column_name = 'account'"
            ).fetchall():
                con.execute(f"update {table} set account = 'second' where account = 'main'")
    return place


def receive(site: Forgetting, key: str, person: str) -> None:
    """An event about a customer, as a receiver stores it."""
    body = f'{{"data":{{"type":"customer","id":"{person}"}}}}'
    with Inbox.open(site.environ["STOCKBOOK_INBOX_URL"]) as inbox:
        arrival = Arrival("flickrocket", "main", key, "customer/update", "customer", person, None, NOW, body)
        inbox.append(arrival).result(timeout=60)


def in_inbox(site: Forgetting) -> bytes:
    """Every event that the shared inbox has."""
    with psycopg.connect(site.environ["STOCKBOOK_INBOX_URL"].replace("+psycopg", "")) as con:
        rows = con.execute("select cast(e as text) from inbox_event as e").fetchall()
    assert rows
    return "\n".join(row for (row,) in rows).encode()


def in_books(site: Forgetting, query: str) -> list[tuple[Any, ...]]:
    """What the newest book of the account main answers."""
    fleet = site.fleet(STOCKBOOK_SCRATCH=str(site.folder / "look"))
    with taken(fleet, fleet.account("main"), "look", "look") as work:
        restored(fleet, work)
        with duckdb.connect(str(work.night.settings.warehouse), read_only=True) as con:
            rows = con.execute(query, {"border": BORDER}).fetchall()
    shutil.rmtree(site.folder / "look")
    return rows


def fill(site: Forgetting) -> None:
    """An event about each of them, a report that quotes them, files that nobody committed, and a disk of before."""
    fleet = site.fleet()
    fleet.run_log.begin("before", ACCOUNTS)
    for number, someone in enumerate(site.who):
        [person, *_] = someone.hashes
        receive(site, f"before{number}", person)
        fleet.run_log.note(
            "before", "main", "published", "books", report=f'{{"quoted": "{person}"}}', reason=f"of {person}"
        )
    fleet.run_log.end("before", "published")
    fleet.store.put("reports/main/morning.html", f"<p>{person}</p>".encode())
    [key, *_] = (key for key in fleet.store.list("lake/") if "/fct_order/account=main/" in key)
    fleet.store.put(f"{key.rpartition('/')[0]}/never-committed.parquet", fleet.store.get(key))
    fleet.store.put("landing/main/2025-01-01/main/fulfillment_cz.orders/answered.jsonl", person.encode())
    for account in ACCOUNTS:
        disk = site.fleet(STOCKBOOK_SCRATCH=str(site.folder / "other"))
        with taken(disk, disk.account(account), "look", "look") as work:
            restored(disk, work)
            work.home.trust()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Running]:
    """The shop that goes on sending them."""
    with running(small_shop(), FIRST) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def killed(site: Forgetting) -> Iterator[Callable[[str], int]]:
    """How a process ended that was killed when the books were in the store, and not pointed to; of an address."""
    with forks("killed_fleet.py", site.environ) as ask:
        yield lambda email: ask(
            point="before:stockbook.fleet.holding:Holding.save",
            as_of=FIRST.isoformat(),
            name="killed",
            account="main",
            environ=dict(site.environ),
            email=email,
        )


@pytest.fixture(scope="module")
def site(
    server: str, s3: Seaweed, sandbox: Running, home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Forgetting]:
    """Both accounts published twice, so that there are older books and snapshots; an event in the inbox."""
    folder = tmp_path_factory.mktemp("forgetting")
    control, lake, inbox = databases(server, "forget", "forget_lake", "forget_inbox")
    policies = [shutil.copytree(PROJECT / "include" / "policy", folder / "policy" / name) for name in ACCOUNTS]
    listed = {name: {"policy_dir": str(place)} for name, place in zip(ACCOUNTS, policies, strict=True)}
    (folder / "accounts.yml").write_text(json.dumps({"accounts": listed}))
    environ = s3.variables | programs() | connections(sandbox) | variables(folder, "s3://books/forget", control, lake)
    environ |= {"STOCKBOOK_ACCOUNTS": f"file:{folder / 'accounts.yml'}", "STOCKBOOK_THREADS": "1"}
    environ |= {"STOCKBOOK_INBOX_URL": inbox.replace("postgresql:", "postgresql+psycopg:")}
    with pytest.MonkeyPatch.context() as patch:
        for name, text in environ.items():
            patch.setenv(name, text)
        site = Forgetting(environ, folder)
        second = second_home(home_after_a_night, folder / "second")
        for account, home in (("main", home_after_a_night), ("second", second)):
            move_in(site.fleet(), account, home)
        with duckdb.connect(str(home_after_a_night / "warehouse.duckdb"), read_only=True) as con:
            numbers = dict(con.execute("select order_id, number from staging.orders").fetchall())
        everybody = someones(sandbox.shop, numbers, 4)
        site.who = [someone for someone in everybody if someone.kind in (Kind.email, Kind.order)]
        fill(site)
        site.figures = site.published_files()
        yield site


def test_they_were_in_every_place(site: Forgetting) -> None:
    """Without it the searches that follow would prove nothing."""
    expected = {"books", "pages", "reports", "landing", "lake", "control database: public.account_night"}
    assert expected <= site.places()
    assert site.search.encodings_in(in_inbox(site))


def test_killed_at_each_step_nothing_is_half(
    site: Forgetting, killed: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody holds the account then, readers have its night, and it is known that something is left to do."""
    [email] = [someone.value for someone in site.who if someone.kind is Kind.email]
    night = site.published()[0][0]
    for what, point in proof_size.every(4, POINTS.items()):
        with monkeypatch.context() as patch:
            arm(point, kill, patch.setattr)
            with pytest.raises(Killed):
                forgetting.forget(site.fleet(), Kind.email, email, "main")
        assert clearing.behind(site.fleet()) == ACCOUNTS, what
        assert site.published()[1][0] == night, what
    assert killed(email) == -signal.SIGKILL
    assert site.let_go()
    assert clearing.behind(site.fleet()) == ACCOUNTS


def test_an_account_at_work_is_left_and_named(site: Forgetting, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the command, which ends with 1 when the other is done; an order is not looked for while one is at work."""
    monkeypatch.setattr(holding, "LOOKS", 1)
    values = {kind: next(each.value for each in site.who if each.kind is kind) for kind in (Kind.email, Kind.order)}
    with hold(site.fleet().control, "main", "elsewhere", "books"):
        done = CliRunner().invoke(app, ["forget", "--email"], input=f" {values[Kind.email].upper()}\n")
        with pytest.raises(RunLocked, match="Account main is held by run elsewhere"):
            forgetting.forget(site.fleet(), Kind.order, values[Kind.order])
    assert done.exit_code == 1, done.output
    assert "NO  main: Account main is held by run elsewhere" in done.output
    assert "Every object of 1 account in the store" in done.output
    assert clearing.behind(site.fleet()) == ["main"]


def test_maintenance_finishes_what_was_left(site: Forgetting) -> None:
    """What killed commands and a busy account left needs nobody's name."""
    done = CliRunner().invoke(app, ["fleet", "maintain"])
    assert done.exit_code == 0, done.output
    assert "People who were forgotten: " in done.output
    assert clearing.behind(site.fleet()) == []


def test_a_request_is_done_in_every_account(site: Forgetting) -> None:
    """It waits in the inbox that machines share, and nothing in it tells who it is about."""
    [order] = [someone for someone in site.who if someone.kind is Kind.order]
    later = CliRunner().invoke(app, ["forget", "--order", "--later"], input=order.value)
    due = CliRunner().invoke(app, ["forget", "--due"])
    assert (later.exit_code, due.exit_code) == (0, 0), (later.output, due.output)
    assert "done, " in due.output
    assert "waits" not in CliRunner().invoke(app, ["forget", "--requests"]).output


def test_nothing_of_before_can_be_gone_back_to(site: Forgetting) -> None:
    """No snapshot of the lake, no event, no older book; other machines discard their copies with their next step."""
    for account, book in site.fleet().control.books().items():
        assert set(site.fleet().store.list(f"books/{account}/")) == {book.latest_book, book.published_book}
    assert site.of_lake("select count(*) from ducklake_snapshot") == [(1,)]
    assert site.of_lake("select count(*) from ducklake_data_file where end_snapshot is not null") == [(0,)]
    assert site.search.encodings_in(in_inbox(site)) == set()
    disk = site.folder / "other"
    assert all(site.search.hits(disk / account / "published") for account in ACCOUNTS)
    discard_outdated(site.fleet(STOCKBOOK_SCRATCH=str(disk)))
    assert site.search.hits(disk) == []


def test_figures_are_as_they_were(site: Forgetting) -> None:
    """Every table and view but the columns of people; the lake has as many orders, and says when, not who."""
    after = site.published_files()
    for account, before in site.figures.items():
        assert {name for name in before if after[account].get(name) != before[name]} == set(), account
    with reader(LakeUrl.parse(site.environ["STOCKBOOK_LAKE"], os.environ)) as con:
        rows = con.execute(
            "select account, sum(rows_erased) > 0, min(erased_at_utc) > timestamp '2025-01-01' from meta.erasure "
            "group by account order by account"
        ).fetchall()
    assert rows == [("main", True, True), ("second", True, True)]


def test_the_next_night_stores_nothing_of_them(site: Forgetting, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The shop sends them still, and events about them: no object, file or row of anything has them. A second command
    finds nothing to do, and nothing of them where it searches: everywhere.
    """
    receive(site, "after", site.who[0].hashes[0])
    leave_out_checks(monkeypatch.setattr)
    assert account_night(site.fleet(), "next", "main", {"as_of": SECOND.isoformat()}) == Done("main")
    generations = {name: book.generation for name, book in site.fleet().control.books().items()}
    [email] = [someone.value for someone in site.who if someone.kind is Kind.email]

    with monkeypatch.context() as patch:
        # its own search is for everything that is known of all of them
        patch.setattr(forgetting, "Search", lambda texts: Search([*texts, *site.texts]))
        again = forgetting.forget(site.fleet(), Kind.email, email)

    assert "Every object of 2 accounts in the store, their files of the lake and both databases" in again.sentences[-1]
    assert site.search.encodings_in(in_inbox(site)) == set()
    assert "1 named, 0 of them new on the list" in again.sentences[0]
    assert again.rows == {}
    assert {name: book.generation for name, book in site.fleet().control.books().items()} == generations


@pytest.fixture
def border(site: Forgetting, monkeypatch: pytest.MonkeyPatch) -> Callable[[date], None]:
    """
    Sets the day before which an order of the account main is too old, whatever day this is; second keeps its people,
    and no landed night.
    """
    (site.folder / "policy" / "main" / "retention.yml").write_text("personal_years: 1\n")
    (site.folder / "policy" / "second" / "retention.yml").write_text("landed_pages_days: 0\n")

    def set_to(day: date) -> None:
        monkeypatch.setattr(Retention, "personal_before", lambda rules, _: day if rules.personal_years else None)

    return set_to


def retention(*options: str) -> tuple[int, str]:
    """What the command ends with, and says."""
    done = CliRunner().invoke(app, ["retention", *options])
    return done.exit_code, done.output


def saved(site: Forgetting, account: str) -> tuple[Any, ...]:
    """What counts of an account: how many books were saved, the published one, books and pages of the store."""
    fleet = site.fleet()
    book = fleet.control.books()[account]
    objects = (sorted(fleet.store.list(f"{kind}/{account}/")) for kind in ("books", "pages"))
    return (book.generation, book.published_book, *objects)


def test_where_no_order_is_too_old_nothing_is_lost_for_it(site: Forgetting, border: Callable[[date], None]) -> None:
    """Not the lake's past, nor an older book; it is noted once. Landed nights go by each account's own policies."""
    border(BORDER.replace(year=2020))
    before, past = saved(site, "main"), site.of_lake("select count(*) from ducklake_snapshot")
    assert clearing.behind(site.fleet()) == ["main"]

    _, looked = retention("--dry-run")
    assert site.fleet().store.list("landing/second/")
    code, said = retention()

    assert code == 0, said
    for text, gone in ((looked, "would go"), (said, "are gone")):
        assert re.search(rf"^second: landed_pages_days 0: 1 nights of landed pages.* {gone}\.$", text, re.MULTILINE)
    assert not site.fleet().store.list("landing/second/")
    assert saved(site, "main") == before
    assert site.of_lake("select count(*) from ducklake_snapshot") == past > [(1,)]
    assert clearing.behind(site.fleet()) == []


def test_it_says_how_many_rows_and_leaves_who_is_at_work(
    site: Forgetting, border: Callable[[date], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the account whose policies say so; nothing goes, and the busy account is named."""
    border(BORDER)
    monkeypatch.setattr(holding, "LOOKS", 1)
    before, [(rows,)] = saved(site, "main"), in_books(site, f"select count(*) from staging.orders where {TELLS}")

    code, looked = retention("--dry-run")
    with hold(site.fleet().control, "main", "elsewhere", "books"):
        busy, refusal = retention()

    [counted] = re.findall(r"^main: personal_years 1: (\d+) rows of people of old orders", looked, re.MULTILINE)
    assert (code, busy) == (0, 1)
    assert int(counted) >= rows > 0
    assert "second: " not in looked
    assert "NO  main: Account main is held by run elsewhere" in refusal
    assert saved(site, "main") == before


def test_people_of_old_orders_are_nowhere_in_their_account(
    site: Forgetting, border: Callable[[date], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed command is finished by the next. Who ordered since stays; so does everybody of another account."""
    buyers = "select recipient_key, max(created_at) < $border from staging.orders group by 1 having recipient_key <> ''"
    people = dict(in_books(site, buyers))
    search = Search([text for text, is_old in people.items() if is_old])
    files, other = site.published_files("main"), saved(site, "second")
    kinds = {hit.place.partition("/")[0] for hit in proof.hits(site.fleet(), search, ["main"])}
    assert kinds >= {"books", "pages", "lake"}
    border(BORDER - timedelta(days=7))
    with monkeypatch.context() as patch:
        arm(POINTS["published, older books there"], kill, patch.setattr)
        with pytest.raises(Killed):
            retaining.retain(site.fleet())
    assert clearing.behind(site.fleet()) == ["main"]
    border(BORDER)

    code, said = retention()

    assert code == 0, said
    assert re.search(r"never since: \d+ keyed values of theirs were searched for", said)
    assert clearing.behind(site.fleet()) == []
    assert proof.hits(site.fleet(), search, ["main"]) == []
    tell = f"select 'rows that tell', true from staging.orders where {TELLS}"
    left = in_books(site, f"({buyers}) union all ({tell})")
    assert dict(left) == {text: False for text, is_old in people.items() if not is_old}
    assert saved(site, "second") == other
    after = site.published_files("main")
    assert {name for name, said in files["main"].items() if after["main"].get(name) != said} == set()
    assert site.of_lake("select count(*) from ducklake_snapshot") == [(1,)]
    here = saved(site, "main")
    assert retention() == (0, "Nothing is older than it is kept.\n")
    assert saved(site, "main") == here


def test_a_machine_with_another_key_forgets_nobody(site: Forgetting) -> None:
    """Nobody would be known by it."""
    with pytest.raises(ConfigError, match="is not the key the books of account main were begun with"):
        forgetting.forget(site.fleet(STOCKBOOK_HASH_KEY="another key, as long as it"), Kind.email, "a@example.com")
