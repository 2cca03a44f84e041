"""
People are forgotten in every place of a home: in orders, events of three systems, quarantine, unknown fields.

``make proof-erasure`` does the same with twenty people, and compares the night that follows with an undisturbed one.
"""

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
from forgotten_people import KEY_BYTES, NOTED, PERSONAL, Someone, content, someones
from night_rig import KEY, Rig
from shared_home import FIRST, SECOND, copy_of, small_shop

from stockbook.clock import ManualClock, SystemClock
from stockbook.closing.verifying import verify
from stockbook.erasure import heal
from stockbook.erasure.forgetting import Forgotten, forget
from stockbook.erasure.search import Search
from stockbook.erasure.spelling import Kind
from stockbook.errors import ConfigError, RunLocked
from stockbook.inbox import Arrival, Inbox
from stockbook.night import steps
from stockbook.night.closing import answer
from stockbook.projection.erasures import FILE, Erasures
from stockbook.projection.personal import hashed
from stockbook.projection.undeclared_names import hashed_name
from stockbook.runs.lock import RunLock
from stockbook.settings import Settings
from stockbook.warehouse import meta_listings
from stockbook.warehouse.connect import writer
from stockbook.warehouse.meta_listings import ListingKey
from stockbook.webhooks.event_fields import EVENTS, Declarations
from stockbook_sandbox import Running, Shop, people, running
from stockbook_sandbox.events import Events

pytestmark = pytest.mark.slow

COUNT = int(os.environ.get("FORGOTTEN_PEOPLE", "4"))
# behind the night of the shared home, which was made just now
NOW = SystemClock().utc().replace(microsecond=0) + timedelta(hours=1)
TOPICS = {
    source: Declarations(EVENTS / f"{source}_events.yml") for source in ("fulfillment_cz", "flickrocket", "shopline")
}


def fill_inbox(rig: Rig, shop: Shop) -> None:
    """All events of the shop up to now, and one about each customer, as a receiver stores them."""
    at = int(FIRST.timestamp())
    with Inbox.open(rig.settings.inbox_url) as inbox:
        stored = []
        events = Events(shop).between(at - 60 * 86_400, at)
        customers = [
            (
                "flickrocket",
                "customer/update",
                f"c{n}",
                {"data": {"type": "customer", "id": str(people.customer_number(n))}},
            )
            for n in sorted(set(shop.flickrocket.person.tolist()))
        ]
        sent = [(event.source, event.topic, f"{number}-{event.key}", event.body) for number, event in enumerate(events)]
        for source, topic, key, body in [*sent, *customers]:
            reduced = TOPICS[source].reduce(topic, json.loads(json.dumps(body)), KEY_BYTES)
            stored.append(
                inbox.append(
                    Arrival(
                        source=source,
                        account="main",
                        event_key=key[:160],
                        event_type=topic,
                        subject_kind=reduced.subject_kind,
                        subject_id=reduced.subject_id,
                        occurred_text=reduced.occurred_text,
                        received_at_utc=NOW - timedelta(hours=1),
                        payload=reduced.payload,
                    )
                )
            )
        for future in stored:
            future.result(timeout=60)


def put_elsewhere(rig: Rig, who: list[Someone], shop: Shop) -> None:
    """Rows in quarantine, and fields that are called like somebody, of each person."""
    with writer(rig.settings) as con:
        for someone in who:
            for order in someone.orders[:1]:
                con.execute(
                    "insert into staging.quarantine values ('main', 'orders', ?, 'x', ?::json, 'first', ?, null)",
                    [shop.order_uuid[order], json.dumps({"number": "1", "city": "Zlín"}), FIRST],
                )
            if someone.kind is Kind.order:
                continue  # how they are called nobody said
            listing = ListingKey("main", "fulfillment_cz", "orders")
            path = f"contact.#{hashed_name(someone.plain, KEY_BYTES)}"
            meta_listings.write_undeclared_field(con, listing, path, "number", hidden=None, rows=1, as_of=FIRST)


PLACES = (
    "landing",
    "state",
    "warehouse.duckdb: staging.orders.recipient_key",
    "warehouse.duckdb: staging.orders.payment_key",
    "warehouse.duckdb: staging.webhook_events.payload",
    "warehouse.duckdb: staging.webhook_events.subject_id",
    "warehouse.duckdb: staging.flickrocket_fulfillments.customer_key",
    "warehouse.duckdb: marts.fct_order.recipient_key",
    "published/warehouse.duckdb: marts.fct_order.recipient_key",
    "published/warehouse.duckdb: marts.fct_parcel.tracking_number",
)


class Home(NamedTuple):
    """
    A home, the shop it reads, who is forgotten; what its published file held before, and where something of them was.

    ``healed`` are the rows that were left when the last command was killed.
    """

    rig: Rig
    server: Running
    who: list[Someone]
    before: dict[str, Any]
    places_before: set[str]
    healed: dict[str, int]
    signed: dict[str, bytes]

    @property
    def search(self) -> Search:
        """For everything that is known of them."""
        return Search([text for someone in self.who for text in (someone.plain, *someone.hashes)])

    @property
    def order_ids(self) -> list[str]:
        """The orders of all of them."""
        return [self.server.shop.order_uuid[order] for someone in self.who for order in someone.orders]

    def is_in(self, place: str) -> bool:
        """Whether something of them is in a folder of the home, or in a column of one of its files."""
        if ":" not in place:
            return bool(self.search.hits(self.rig.settings.home / place))
        file, column = place.split(": ")
        schema, table, name = column.split(".")
        with duckdb.connect(str(self.rig.settings.home / file), read_only=True) as con:
            texts = con.execute(f"select distinct cast({name} as varchar) from {schema}.{table}").fetchall()
        return bool(self.search.encodings_in("\n".join(text for (text,) in texts if text).encode()))

    def places(self) -> set[str]:
        """The files and columns where something of them is."""
        return {hit.place for hit in self.search.hits(self.rig.settings.home)}


@pytest.fixture(scope="module")
def home(home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """
    People in every place of a home. Four commands to forget them are killed, each at another step; what they left is
    finished as a night, or a restore, would do it.
    """
    place = tmp_path_factory.mktemp("forget") / "home"
    copy_of(home_after_a_night, place)
    shop = small_shop()
    with running(shop, FIRST) as server:
        rig = Rig(server, place, clock=ManualClock(NOW))
        who = someones(shop, dict(rig.rows("select order_id, number from staging.orders")), COUNT)
        sign_last_month(rig)
        fill_inbox(rig, shop)
        steps.drain(rig.tonight(), "drain")
        put_elsewhere(rig, who, shop)
        unforgotten = Home(rig, server, who, content(rig.settings.published), set(), {}, signed(rig))
        places_before = {place for place in PLACES if unforgotten.is_in(place)}
        for kind, step in (
            (Kind.order, "stockbook.erasure.applying._complete"),
            (Kind.email, "stockbook.warehouse.rewriting._copy_content"),
            (Kind.phone, "stockbook.erasure.applying._erase_landing"),
            (Kind.flickrocket_customer, "stockbook.erasure.applying._erase_inbox"),
        ):
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(step, killed)
                with pytest.raises(KeyboardInterrupt):
                    ask(rig, who, kind)
        healed = heal(rig.settings, ManualClock(NOW))
        yield unforgotten._replace(places_before=places_before, healed=dict(healed))


def sign_last_month(rig: Rig) -> None:
    """Close a month in which most of them ordered."""
    answer(rig.tonight(), {"month": "2025-10", "by": "Finance"}, is_dry=False)


def signed(rig: Rig) -> dict[str, bytes]:
    """The files of closed months."""
    return {str(file): file.read_bytes() for file in sorted(rig.settings.closes.rglob("*")) if file.is_file()}


def killed(*_: object) -> Any:
    """What stands for a process that ends here."""
    raise KeyboardInterrupt


def ask(rig: Rig, who: list[Someone], kind: Kind) -> Forgotten:
    """The command for all people who are named like that, spelled otherwise than the source does."""
    values = [someone.value for someone in who if someone.kind is kind]
    spelled = {
        Kind.email: [f" {value.upper()}" for value in values],
        Kind.phone: [value.removeprefix("+420") for value in values],
    }.get(kind, values)
    return forget(rig.settings, ManualClock(NOW), kind, "\n".join(spelled))


def test_they_were_in_every_place(home: Home) -> None:
    """Without it the search that follows would prove nothing."""
    assert home.places_before == set(PLACES)


def test_nothing_of_their_rows_tells_who_they_are(home: Home) -> None:
    """No key, town or postcode of their orders; nothing of it in quarantine, nor a field that is called like them."""
    orders = home.rig.rows(
        "select recipient_key, city, postcode from marts.fct_order where list_contains(?, order_id)", [home.order_ids]
    )
    assert len(orders) > COUNT - 2
    assert set(orders) == {(None, None, None)}
    with duckdb.connect(str(home.rig.settings.warehouse), read_only=True) as con:
        set_aside = con.execute("select cast(fields as varchar) from staging.quarantine where reason = 'x'").fetchall()
        field_names = con.execute("select count(*) from meta.undeclared_field where path like 'contact.#%'").fetchall()
    assert set_aside == [('{"number":"1"}',)] * (COUNT - 1)
    assert field_names == [(0,)]


def test_what_killed_commands_left_is_found_by_the_list_alone(home: Home) -> None:
    """It is written first; nobody had to be named again."""
    assert {"inbox", "staging.orders", "staging.flickrocket_fulfillments", "marts.fct_order"} <= home.healed.keys()


def test_every_figure_of_the_published_file_is_as_it_was(home: Home) -> None:
    """Tables, views, checks and runs: all but the columns that are declared personal and their digests."""
    after = content(home.rig.settings.published)
    assert {name for name in after.keys() | home.before.keys() if after.get(name) != home.before.get(name)} == set()


def test_parcels_of_two_systems_still_meet(home: Home) -> None:
    """A tracking number has another hash, the same one in orders, parcels and events."""
    erasures = Erasures.of(home.rig.settings, NOW)
    numbers = [hashed(people.tracking_number(order), KEY_BYTES) or "" for each in home.who for order in each.orders]
    renamed = [erasures.renamed(number) for number in numbers]
    query = "select tracking_number from {} where list_contains(?, tracking_number)"
    for table in ("marts.fct_parcel", "marts.fct_order", "staging.orders"):
        assert home.rig.rows(query.format(table), [renamed])


def test_it_is_told_when_and_how_many_rows_and_not_who(home: Home) -> None:
    """In both files, place by place."""
    rows = dict(home.rig.rows("select place, sum(rows_erased) from meta.erasure group by 1"))
    assert rows["staging.orders"] > COUNT - 2
    assert rows["inbox"] > 0
    assert {at for (at,) in home.rig.rows("select distinct erased_at_utc from meta.erasure")} == {
        NOW.replace(tzinfo=None)
    }


def test_a_second_run_finds_nothing_to_do_and_nothing_of_them(home: Home) -> None:
    """It searches every file for what they are called and for its hash, and touches none but the lock."""
    files = {path: path.stat().st_mtime_ns for path in home.rig.settings.home.rglob("*.duckdb")}
    list_before = (home.rig.settings.home / FILE).read_bytes()

    again = ask(home.rig, home.who, Kind.email)

    assert not again.rows
    assert again.sentences[0] == f"{COUNT - 3} named, 0 of them new on the list of who is forgotten."
    assert "Nothing was left to erase." in again.sentences
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert (home.rig.settings.home / FILE).read_bytes() == list_before


def test_a_signed_month_stays_as_it_was(home: Home) -> None:
    """It holds no person: every byte is there, and the chain of its digests verifies."""
    assert home.signed
    assert signed(home.rig) == home.signed
    assert verify(home.rig.settings).problems == []


def test_the_next_night_stores_nothing_of_them(home: Home) -> None:
    """
    The source still sends them, one with a field that is called like them. The night finishes a command that was killed
    when somebody more was on the list, and says what was erased, when and how many rows.
    """
    rig, mail = home.rig, home.who[0].plain
    late = next(
        person for n in range(1, 48) if (person := people.person(n).email) not in {who.plain for who in home.who}
    )
    erasures = Erasures.of(rig.settings, NOW)
    erasures.add("person", hashed(late, KEY_BYTES) or "")
    erasures.save()
    field = {
        "kind": "replace",
        "path": "*/orders",
        "find": '"currency_id"',
        "text": f'"{mail}":1,"currency_id"',
        "count": 1,
    }
    home.server.faults([field])
    try:
        report = rig.night(SECOND, name="second")
    finally:
        home.server.faults([])

    assert report.status == "published"
    assert home.places() == set()
    notes = [note for step in report.steps for note in step.notes if "(meta.erasure)" in note]
    assert any("more rows of people who were forgotten" in note for note in notes)
    assert any(f"forgotten at {NOW:%Y-%m-%d %H:%M:%S} UTC" in note for note in notes)
    query = (
        "select count(*), count(recipient_key), count(city), count(postcode) from marts.fct_order "
        "where list_contains(?, order_id)"
    )
    [(orders, *personal)] = rig.rows(query, [home.order_ids])
    assert orders > COUNT - 2
    assert personal == [0, 0, 0]
    assert rig.rows("select count(*) from marts.fct_order where recipient_key = ?", [hashed(late, KEY_BYTES)]) == [(0,)]
    assert heal(rig.settings, ManualClock(NOW)) == {}


@pytest.mark.skipif(COUNT < 20, reason="make proof-erasure compares whole nights")
def test_the_next_night_is_that_of_an_undisturbed_home(home: Home, home_after_a_night: Path, tmp_path: Path) -> None:
    """Every table and view but personal columns: the same figures as if nobody had been forgotten."""
    copy_of(home_after_a_night, tmp_path / "home")
    rig = Rig(home.server, tmp_path / "home", clock=ManualClock(NOW))
    sign_last_month(rig)
    fill_inbox(rig, home.server.shop)
    steps.drain(rig.tonight(), "drain")
    rig.night(SECOND, name="second")
    of_one_night = {"_run_id", "_loaded_at", "seconds", "bytes", "requests"}
    run_notes = {"meta.check_result", "meta.run", "meta.listing"}

    undisturbed, after = (
        content(each.settings.published, PERSONAL | of_one_night, NOTED | run_notes) for each in (rig, home.rig)
    )
    assert {name for name in after if after[name] != undisturbed.get(name)} == set()


def settings_of(folder: Path, **variables: str) -> Settings:
    """The settings of an empty home."""
    return Settings.load({"STOCKBOOK_HOME": str(folder), "STOCKBOOK_HASH_KEY": KEY, **variables})


def test_somebody_unknown_is_on_the_list_all_the_same(tmp_path: Path) -> None:
    """Nothing of theirs is here, and nothing of theirs will be: several at once, one of them twice."""
    settings = settings_of(tmp_path)
    done = forget(settings, ManualClock(NOW), Kind.email, "a@example.com\nA@Example.com \nb@example.com")

    assert done.rows == {}
    assert "2 of them are known to no order" in " ".join(done.sentences) or "3 of them" in " ".join(done.sentences)
    assert Erasures.of(settings, NOW).has("person", hashed("b@example.com", KEY_BYTES) or "")
    assert b"example" not in (tmp_path / FILE).read_bytes()


def test_an_order_that_nobody_knows_forgets_nobody(tmp_path: Path) -> None:
    """Its person cannot be relations_by_name: a slip of the keyboard."""
    with pytest.raises(ConfigError, match="no order is known"):
        forget(settings_of(tmp_path), ManualClock(NOW), Kind.order, "2025001")
    assert not (tmp_path / FILE).exists()


def test_a_home_that_is_used_is_left_alone(tmp_path: Path) -> None:
    """A night is at work: nobody is put on the list, and the message says whose turn it is."""
    settings = settings_of(tmp_path)
    lock = RunLock(settings.lock, ManualClock(NOW), 3600)
    lock.take("tonight", whole_run_here=True)
    with lock.step("tonight", "load"), pytest.raises(RunLocked, match="Run tonight is under way"):
        forget(settings, ManualClock(NOW), Kind.email, "a@example.com")
    assert not (tmp_path / FILE).exists()


def test_a_fleet_is_refused(tmp_path: Path) -> None:
    """Its books travel: the message says so and names the page."""
    settings = settings_of(tmp_path, STOCKBOOK_CONTROL_URL="postgresql://u:p@h/d")
    with pytest.raises(ConfigError, match="works for a fleet"):
        forget(settings, ManualClock(NOW), Kind.email, "a@example.com")
