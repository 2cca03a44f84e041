"""Events whose objects come as lists, as PHP's empty objects, twice or not at all: no subject and no event is lost."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import hooks_rig as hooks
import pytest
import yaml
from hooks_rig import Receiving, Sent, compact, receiving
from night_rig import KEY

from stockbook.clock import ManualClock
from stockbook.declarations import Table
from stockbook.inbox import Inbox
from stockbook.projection import personal
from stockbook.settings import Settings
from stockbook.webhooks import drain as draining
from stockbook.webhooks.drain import Drained
from stockbook.webhooks.event_fields import EVENTS, Declarations, ReducedEvent

PRAGUE = ZoneInfo("Europe/Prague")
SOURCES = ("fulfillment_cz", "flickrocket", "shopline")
DECLARED = {source: Declarations(EVENTS / f"{source}_events.yml") for source in SOURCES}
TOPICS = [
    (source, name, topic)
    for source in SOURCES
    for name, topic in yaml.safe_load((EVENTS / f"{source}_events.yml").read_text())["topics"].items()
]

WRAPPED: dict[str, Callable[[Any], Any]] = {
    "an object": lambda item: item,
    "a list of one": lambda item: [item],
    "a list in a list": lambda item: [[item]],
    "a list with a gap": lambda item: {"3": item},
    "a list of a list with a gap": lambda item: [{"0": item}],
}
UNREADABLE: dict[str, Any] = {
    "an empty list": [],
    "an empty object": {},
    "nothing": None,
    "a text": "o-1",
    "a number": 7,
    "a truth": True,
    "an object without an id": {"note": "x"},
    "an id of zero": {"id": 0},
    "a nil id": {"id": "00000000-0000-0000-0000-000000000000"},
    "an empty id": {"id": ""},
    "an object for an id": {"id": {"a": 1}},
    "a list of ids": {"id": ["o-1", "o-2"]},
    "an id with NUL": {"id": "o\0001"},
    "the word for nothing": {"id": "null"},
}


def body_of(path: str, holder: Callable[[Any], Any], subject: str = "o-1") -> dict[str, Any]:
    """A body that names its subject at a path."""
    name, _, rest = path.partition(".")
    return {name: holder({rest: subject}) if rest else subject}


def reduced(source: str, topic: str, body: dict[str, Any]) -> ReducedEvent:
    return DECLARED[source].reduce(topic, body, KEY.encode())


def items(event: ReducedEvent) -> list[tuple[str | None, Any]]:
    """Subject and payload of each item."""
    if not event.payload.startswith("["):
        return [(event.subject_id, json.loads(event.payload or "null"))]
    return [(item["subject_id"], item["payload"]) for item in json.loads(event.payload)]


@pytest.mark.parametrize("holder", WRAPPED.values(), ids=WRAPPED)
def test_every_event_finds_its_subject_in_a_list_of_one(holder: Callable[[Any], Any]) -> None:
    """Of every topic, at every path that may name it: the subject is that of the object, and so is the payload."""
    for source, name, topic in TOPICS:
        for path in topic["id"]:
            plain, wrapped = (
                reduced(source, name, body_of(path, wrapper)) for wrapper in (WRAPPED["an object"], holder)
            )
            hashed = personal.hashed("o-1", KEY.encode()) if topic.get("hash_id") else "o-1"

            assert wrapped.subject_id == hashed, (source, name, path)
            assert wrapped == plain, (source, name, path)


@pytest.mark.parametrize("source", SOURCES)
def test_every_event_about_several_objects_is_as_many_items(source: str) -> None:
    """In their order, whatever one of them is; what stands beside the list belongs to each."""
    key = KEY.encode()
    for name, declared, path in [
        (name, topic, path) for of, name, topic in TOPICS if of == source for path in topic["id"]
    ]:
        if "." not in path:
            continue
        holder, field = path.split(".")
        members = [{field: "o-1"}, None, {field: "o-2"}, "x", [{field: "o-3"}], {}]
        for listed in (members, {str(3 * place): member for place, member in enumerate(members)}):
            event_items = items(reduced(source, name, {holder: listed, "created": "2026-03-04 10:00:00"}))
            subjects = ["o-1", None, "o-2", None, "o-3", None]
            if declared.get("hash_id"):
                subjects = [member and personal.hashed(member, key) for member in subjects]

            assert [subject for subject, _ in event_items] == subjects, (name, path)
            empty = [place for place, (_, payload) in enumerate(event_items) if payload[holder] in (None, "?", {})]
            assert empty == [1, 3, 5], (name, path)


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_what_names_nothing_has_no_subject_and_no_clear_text(data: Any) -> None:
    """The event stays one, its kind is known, and a text where an object belongs is not kept."""
    for source, name, topic in TOPICS:
        holders = {path.split(".")[0] for path in topic["id"] if "." in path}
        event = reduced(source, name, dict.fromkeys(holders, data))

        assert (event.subject_id, event.subject_kind) == (None, topic["kind"]), (source, name)
        assert len(items(event)) == 1
        assert "o-1" not in event.payload


@pytest.mark.parametrize(
    "order_id", ["9B2F0C1D-00AA-4000-8000-0000000000EF", " 9b2f0c1d-00aa-4000-8000-0000000000ef\n"]
)
def test_an_order_is_the_same_however_its_id_is_written(order_id: str) -> None:
    """A UUID in capitals, or with white space around it, meets the order; an id that is none keeps its letters."""
    event = reduced("fulfillment_cz", "OrderPacked", {"data": {"id": order_id}})

    assert event.subject_id == "9b2f0c1d-00aa-4000-8000-0000000000ef"
    assert reduced("fulfillment_cz", "OrderPacked", {"data": {"id": "FF12-Ab"}}).subject_id == "FF12-Ab"


def test_an_unknown_topic_keeps_its_ids_too() -> None:
    """Nobody declared it: of each item its id is kept and nothing else."""
    event = reduced("fulfillment_cz", "OrderTeleported", {"data": [{"id": "o-1", "note": "x"}, {"id": "o-2"}]})

    assert items(event) == [("o-1", None), ("o-2", None)]


def test_objects_and_lists_inside_are_read_as_what_they_mean() -> None:
    """PHP's empty object, an object in a list, a list with gaps, a list where a text belongs; two are told."""
    data = {
        "id": "o-1",
        "delivery": [{"id": 1, "name": "PPL"}],
        "payment": [],
        "products": {"0": {"code": "A"}, "2": {"code": ["B"]}},
        "number": ["F1"],
        "recipient": [],
    }
    event = reduced("fulfillment_cz", "OrderCreated", {"data": data})
    assert items(event)[0][1]["data"] == {
        "id": "o-1",
        "delivery": {"id": 1, "name": "PPL"},
        "payment": {},
        "products": [{"code": "A"}, {"code": "B"}],
        "number": "F1",
    }
    assert event.undeclared == frozenset()

    two = reduced("fulfillment_cz", "OrderCreated", {"data": {"id": "o-1", "delivery": [{"id": 1}, {"id": 2}]}})
    assert items(two)[0][1]["data"]["delivery"] == [{"id": 1}, {"id": 2}]
    assert two.undeclared == {("data.delivery", "", "array")}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("items") / "home"


@pytest.fixture(scope="module")
def receiver(home: Path) -> Iterator[Receiving]:
    with receiving(hooks.variables(home), home.parent) as running:
        yield running


def fulfillment_cz(body: bytes | str) -> Sent:
    """Anything with the right token."""
    headers = {"Authorization": hooks.TOKEN, "Content-Type": "application/json"}
    return Sent("/hooks/fulfillment_cz/main", body if isinstance(body, bytes) else body.encode(), headers)


def event(key: str, data: str, more: str = "") -> Sent:
    """An OrderPacked whose data is this JSON."""
    return fulfillment_cz(
        f'{{"event_id":"{key}","event_type":"OrderPacked","data":{data},"created":"2026-03-04 10:00:00"{more}}}'
    )


Taken = Callable[..., tuple[list[int], Drained, list[tuple[Any, ...]]]]


@pytest.fixture
def taken(
    receiver: Receiving, home: Path, con: duckdb.DuckDBPyConnection, tables: dict[str, Table], clock: ManualClock
) -> Taken:
    """Sends events, drains the inbox, and gives statuses, the drain and what is in staging then."""

    def run(*sent: Sent) -> tuple[list[int], Drained, list[tuple[Any, ...]]]:
        with receiver.line() as line:
            statuses = [line.status(request) for request in sent]
        url = Settings.load({"STOCKBOOK_HOME": str(home)}).inbox_url
        with Inbox.open(url) as inbox:
            drained = draining.drain(con, inbox, tables, "d1", datetime(2026, 3, 5, 2, 15), PRAGUE, clock, 30)
        rows = con.execute(
            "select event_id, item_no, subject_id, payload ->> '$.data.id' from staging.webhook_events "
            "order by received_no"
        ).fetchall()
        return statuses, drained, rows

    return run


def test_the_event_of_the_field_case_keeps_its_subject(taken: Taken) -> None:
    """A list of one where an object is documented: order o-1 is read again, as if it had come by itself."""
    statuses, drained, rows = taken(event("e-1", '[{"id":"o-1"}]'))

    assert (statuses, rows) == ([200], [("e-1", 1, "o-1", "o-1")])
    assert drained.sentences() == ["1 events taken from the inbox, 0 were in staging before."]


def test_an_event_about_several_orders_is_a_row_for_each(
    taken: Taken, con: duckdb.DuckDBPyConnection, tables: dict[str, Table]
) -> None:
    """One event, one answer, three rows numbered in its order; sent again it is known with all of them."""
    sent = event("e-3", '[{"id":"o-1"},{"id":"o-2"},{"note":"no id"}]')
    statuses, drained, rows = taken(sent, sent)

    assert statuses == [200, 200]
    assert rows == [("e-3", 1, "o-1", "o-1"), ("e-3", 2, "o-2", "o-2"), ("e-3", 3, None, None)]
    assert (drained.events, drained.items, drained.repeated) == (1, 3, 0)
    assert drained.nameless == {("fulfillment_cz", "main"): 1}
    grain = ", ".join(tables["staging.webhook_events"].grain)
    assert con.execute(
        f"select count(*), count(distinct ({grain})), count(distinct received_no) from staging.webhook_events"
    ).fetchall() == [(3, 3, 3)]


@pytest.mark.parametrize("data", ["[]", "{}", "null", '"o-1"', "7", '{"id":0}', '{"number":"F1"}'])
def test_an_event_that_names_nothing_is_kept_and_told(
    data: str, taken: Taken, con: duckdb.DuckDBPyConnection, tables: dict[str, Table]
) -> None:
    """It is answered 200, since it would come no better; it is in staging, in the drain's words, and a check warns."""
    key = f"n-{data.encode().hex()}"
    statuses, drained, rows = taken(event(key, data))

    assert (statuses, [row[:3] for row in rows]) == ([200], [(key, 1, None)])
    assert "1 events of fulfillment_cz (account main) name nothing they are about" in drained.sentences()[1]
    [check] = [
        rule for rule in tables["staging.webhook_events"].checks if rule.name == "an event names what it is about"
    ]
    assert con.execute(check.rows or "").fetchall() == [("main", "fulfillment_cz", key, 1, "OrderPacked")]


def test_shoplines_orders_in_lists_are_folded_like_single_ones(taken: Taken, con: duckdb.DuckDBPyConnection) -> None:
    """Two fulfillment orders in one body are two, with their lines; an order of another shop among them is refused."""
    bodies = [hooks.a_fulfillment_order(number)["fulfillment_order"] for number in (21, 22)]
    first = hooks.shopline("fulfillment_order/create", {"fulfillment_order": bodies}, "l1")
    alone = hooks.shopline(
        "fulfillment_order/on_hold", {"fulfillment_order": [{"id": "23", "status": "on_hold"}]}, "l2"
    )
    foreign = hooks.shopline("fulfillment_order/update", {"fulfillment_order": [bodies[0] | {"shop_id": "2"}]}, "l3")
    statuses, drained, _ = taken(first, alone, foreign)

    assert statuses == [200, 200, 401]
    assert (drained.events, drained.items) == (2, 3)
    assert con.execute(
        "select fulfillment_order_id, status from staging.shopline_fulfillment_orders order by 1"
    ).fetchall() == [("23", "on_hold"), ("4005740193290131085321", "open"), ("4005740193290131085322", "open")]
    assert con.execute("select count(*) from staging.shopline_fulfillment_order_lines").fetchall() == [(2,)]


def test_what_a_sender_would_never_send_better_is_mended(taken: Taken, con: duckdb.DuckDBPyConnection) -> None:
    """A byte order mark, half a character, NUL in a text, an equal name twice: the event is taken with its subject."""
    whole = event("m-1", '{"id":"o-1"}').body
    statuses, drained, rows = taken(
        fulfillment_cz(b"\xef\xbb\xbf" + whole),
        event("m-2", '{"id":"o-2","delivery":{"name":"Brno \\ud83d","status":"a\\u0000b"}}'),
        fulfillment_cz(event("m-3", '{"id":"o-3","delivery":{"name":"Brno X"}}').body.replace(b"X", b"\xed\xa0\xbd")),
        event("m-4", '{"id":"o-4","id":"o-4"}'),
        fulfillment_cz(b"[" + event("m-5", '{"id":"o-5"}').body + b"]"),
        event("m-6", '{"id":"o-6"}', ',"extra\\ud83d":"\\ud83d"'),
    )

    assert statuses == [200] * 6
    assert [row[:3] for row in rows] == [(f"m-{n}", 1, f"o-{n}") for n in range(1, 7)]
    assert con.execute(
        "select payload ->> '$.data.delivery.name', payload ->> '$.data.delivery.status' "
        "from staging.webhook_events where event_id in ('m-2', 'm-3') order by 1"
    ).fetchall() == [("Brno \ufffd", "a\ufffdb"), ("Brno \ufffd", None)]
    assert drained.nameless == {}


def test_a_number_beyond_all_bounds_does_not_stop_the_drain(taken: Taken) -> None:
    """It is hidden where it would be kept; the event is taken with its subject."""
    body = b'{"fulfillment_order":{"id":"1_23","status":"open","line_items":[{"id":"1","quantity":1e400}]}}'
    statuses, drained, rows = taken(hooks.shopline("fulfillment_order/create", body, "m-1"))

    assert (statuses, drained.events, rows[0][2]) == ([200], 1, "23")


def test_half_a_character_does_not_break_a_hash(taken: Taken) -> None:
    """FlickRocket's hash is made of the text with U+FFFD, as every encoder of UTF-8 writes such a half."""
    text = '{"company_id":1202,"producer":"shop \\ud83d","scope":"order/create","data":{"type":"order","id":"5"}}'
    body = json.loads(text.replace("\\ud83d", "\\ufffd"))
    digest = hooks.flickrocket_hash(body, hooks.APP_SECRET)
    statuses, _, rows = taken(Sent("/hooks/flickrocket/main", (text[:-1] + f',"hash":"{digest}"}}').encode()))

    assert statuses == [200]
    assert rows[0][2] == "5"


def test_a_name_with_two_values_has_none(taken: Taken) -> None:
    """Nobody knows which of the two was meant: neither is believed, and the event is kept without a subject."""
    statuses, drained, rows = taken(
        event("d-1", '{"id":"o-1","id":"o-2"}'), event("d-2", '{"id":"o-1"},"data":{"id":"o-2"}')
    )

    assert statuses == [200, 200]
    assert [row[2] for row in rows] == [None, None]
    assert drained.nameless == {("fulfillment_cz", "main"): 2}


def test_a_number_may_name_an_event_and_its_order(
    taken: Taken, con: duckdb.DuckDBPyConnection, tables: dict[str, Table]
) -> None:
    """Ids without quotes are ids, a truth is none; a time that is no text and a type nobody declared are warned of."""
    body = '{"event_id":77,"event_type":"OrderPacked","data":{"id":37.0},"created":1772614800}'
    other = body.replace("77", "78").replace("OrderPacked", "OrderCancelled")
    statuses, _, rows = taken(fulfillment_cz(body), fulfillment_cz(body.replace("77", "true")), fulfillment_cz(other))

    assert (statuses, [row[:3] for row in rows]) == ([200, 422, 200], [("77", 1, "37"), ("78", 1, "37")])
    checks = tables["staging.webhook_events"].checks
    bad = {check.name: con.execute(check.rows).fetchall() for check in checks if check.rows}
    assert bad["an event's time can be read"] == [("main", "fulfillment_cz", "77")]
    assert bad["an event of the warehouse is of a declared type"] == [("main", "78", "OrderCancelled")]


@pytest.mark.parametrize(
    "sent",
    [
        event("x", '{"id":"o-1"}', ',"event_id":"y"'),
        event("x", '{"id":"o-1"}', ',"event_type":"OrderSent"'),
        fulfillment_cz(b"[" + event("x", "{}").body + b"," + event("y", "{}").body + b"]"),
        fulfillment_cz(compact({"event_type": "OrderPacked", "data": {"id": "o-1"}})),
    ],
    ids=["two keys", "two types", "two events", "no key"],
)
def test_what_is_no_event_is_not_taken_for_one(sent: Sent, taken: Taken) -> None:
    """Without one key and one type it could neither be stored once nor be read: its sender is told 422."""
    statuses, _, rows = taken(sent)

    assert (statuses, rows) == ([422], [])


def test_books_made_before_items_go_on(con: duckdb.DuckDBPyConnection, tables: dict[str, Table], taken: Taken) -> None:
    """Events that were drained without a number are the first items of theirs, and known when they come again."""
    taken(event("old", '{"id":"o-1"}'))
    con.execute("update staging.webhook_events set item_no = null")
    _, drained, rows = taken(event("new", '{"id":"o-2"}'))

    assert [row[:3] for row in rows] == [("old", 1, "o-1"), ("new", 1, "o-2")]
    assert (drained.events, drained.repeated) == (1, 0)
