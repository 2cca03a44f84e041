"""The sandbox as a sender of webhooks: what it sends is the shop's truth, signed and retried as documented."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
import requests
from loopback import Answer, Request, serving

from stockbook.errors import ConfigError
from stockbook_sandbox import Shop, running
from stockbook_sandbox.events import TYPES, Event, Events
from stockbook_sandbox.sender import Sender
from stockbook_sandbox.sending import RETRIES, Sending
from stockbook_sandbox.subscriptions import SHOPLINE_TOPICS, Subscriptions

AT_ONCE = 1e9  # divides every wait
NOW = datetime(2025, 11, 20, 2, 15)


class Receiver:
    """Keeps what it gets and answers by rule."""

    def __init__(self) -> None:
        self.got: list[Request] = []
        self.refuse = lambda request, before: False
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Answer:
        with self._lock:
            before = sum(earlier.body == request.body for earlier in self.got)
            self.got.append(request)
            return Answer(status=503 if self.refuse(request, before) else 200)

    def bodies(self, source: str) -> list[Any]:
        """What came for a source, in order."""
        return [json.loads(request.body) for request in self.got if request.path == f"/hooks/{source}/main"]


@contextmanager
def sending(secret: str = "demo") -> Iterator[tuple[Receiver, Sender]]:
    """A receiver and a sender with every topic subscribed."""
    receiver = Receiver()
    with serving(receiver) as url:
        sender = Sender(f"{url}/hooks", "token", Subscriptions(), secret=secret)
        sender.subscribe_all(NOW)
        yield receiver, sender


@pytest.fixture(scope="module")
def shop() -> Shop:
    """A small shop."""
    return Shop.small(seed=3)


@pytest.fixture(scope="module")
def events(shop: Shop) -> list[Event]:
    """Everything that happened in it."""
    return Events(shop).between(shop.start - 1, shop.end)


def signed(source: str, body: dict[str, Any], key: str = "0" * 24, **how: Any) -> tuple[bytes, dict[str, str]]:
    """An event of docs/apis as it is sent, with the secrets there."""
    with sending("demo-secret" if source == "flickrocket" else "demo-app-secret") as (receiver, sender):
        topic = "order/create" if source == "flickrocket" else "fulfillment_order/update"
        sender.send([Event(0, source, topic, key, "1", body)], Sending(**how))
        (request,) = receiver.got
        return request.body, request.headers


def test_signatures_are_those_of_the_documents() -> None:
    """The literal reading of FlickRocket's rule; SHOPLINE's digest over the bytes in both encodings."""
    body = {"company_id": 1202, "producer": "shop", "scope": "order/create", "data": {"type": "order", "id": "267227"}}
    assert json.loads(signed("flickrocket", body)[0])["hash"] == (
        "6a560269b8a6076811088b61d3f686fc58a62dbc71d4f30cf488bc402550409b"
    )
    small = {"fulfillment_order": {"id": "4005", "status": "open"}}
    header = "X-Shopline-Hmac-Sha256"
    assert signed("shopline", small)[1][header] == "Yt5Q7cQvdYFxRp9fvCgNk8zzinjVN+BTPecsWyEZTsU="
    assert signed("shopline", small, encoding="hex")[1][header] == (
        "62de50edc42f758171469f5fbc280d93ccf38a78d537e0533de72c5b21194ec5"
    )
    assert signed("fulfillment_cz", {"event_id": "1"})[1]["Authorization"] == "token"


def test_events_are_the_milestones_of_the_truth(shop: Shop, events: list[Event]) -> None:
    """Each milestone that has an event has exactly one of each type, at its second; the others have none."""
    truth = shop.truth(shop.end)["orders"]
    expected = Counter(
        (order_id, topic, milestone["at"])
        for order_id, order in truth.items()
        for milestone in order["milestones"]
        for topic in TYPES.get(milestone["kind"], ())
    )
    bodies = [event.body for event in events if event.source == "fulfillment_cz"]

    assert Counter((body["data"]["id"], body["event_type"], body["created"]) for body in bodies) == expected
    assert len({body["event_id"] for body in bodies}) == len(bodies)
    assert not {"problem", "problem_solved", "stock_ready"} & TYPES.keys()


def test_everything_arrives_once_and_in_order_when_nothing_is_wrong(events: list[Event]) -> None:
    """One connection keeps the order of time; every event was accepted."""
    wanted = events[:400]
    with sending() as (receiver, sender):
        outcome = sender.send(wanted, Sending(connections=1))

        assert outcome.accepted == {event.key for event in wanted}
        assert receiver.bodies("fulfillment_cz") == [e.body for e in wanted if e.source == "fulfillment_cz"]
        assert len(receiver.bodies("shopline")) == sum(e.source == "shopline" for e in wanted) > 10


def test_duplicates_disorder_lost_answers_and_forgeries(events: list[Event]) -> None:
    """All of it happens, and still every event is accepted; forgeries carry other signatures."""
    wanted = events[:400]
    how = Sending(
        duplicates=0.3, disorder=86_400, lost_answers=0.1, forgeries=0.2, speed=AT_ONCE, encoding="mixed", seed=5
    )
    with sending() as (receiver, sender):
        outcome = sender.send(wanted, how)

        assert outcome.accepted == {event.key for event in wanted}
        assert outcome.answers[0] > 20
        assert sum(outcome.forged.values()) > 40
        bodies = receiver.bodies("fulfillment_cz")
        copies = Counter(body["event_id"] for body in bodies)
        assert len(copies) == sum(e.source == "fulfillment_cz" for e in wanted)
        assert sum(copies.values()) > 1.3 * len(copies)
        assert [body["created"] for body in bodies] != sorted(body["created"] for body in bodies)
        tokens = Counter(a.headers.get("Authorization") for a in receiver.got if "/fulfillment_cz/" in a.path)
        assert tokens.keys() == {"token", "forged"}


def test_the_documented_retries(events: list[Event]) -> None:
    """19 waits of 115,170 s, 11 of 173,040 s; after the last SHOPLINE's topic is gone, FlickRocket's app off."""
    assert (len(RETRIES["shopline"]), sum(RETRIES["shopline"])) == (19, 115_170)
    assert (len(RETRIES["flickrocket"]), sum(RETRIES["flickrocket"])) == (11, 173_040)
    line = next(event for event in events if event.topic == "fulfillment_order/create")
    rocket = [event for event in events if event.source == "flickrocket"][:2]
    with sending() as (receiver, sender):
        receiver.refuse = lambda request, before: True
        outcome = sender.send([line, *rocket], Sending(speed=AT_ONCE))

        assert len(receiver.bodies("shopline")) == 20
        assert [body["data"]["id"] for body in receiver.bodies("flickrocket")] == [rocket[0].subject] * 12
        assert outcome.given_up == {line.key, rocket[0].key}
        assert outcome.not_subscribed == {rocket[1].key}
        left = [subscription for subscription in sender.subscriptions.all.values() if subscription.source == "shopline"]
        assert {subscription.topic for subscription in left} == {*SHOPLINE_TOPICS} - {"fulfillment_order/create"}
        assert not any(
            subscription.is_active
            for subscription in sender.subscriptions.all.values()
            if subscription.source == "flickrocket"
        )


def test_an_outage_shorter_than_the_retries_loses_nothing(events: list[Event]) -> None:
    """For an hour (a fraction of a second here) nothing gets through; then everything does, FlickRocket in order."""
    wanted = [event for event in events if event.source != "fulfillment_cz"][:60]
    with sending() as (receiver, sender):
        outcome = sender.send(wanted, Sending(outage=3600, speed=40_000))

        assert outcome.accepted == {event.key for event in wanted}
        assert outcome.answers[0] > 60
        rockets = [event.subject for event in wanted if event.source == "flickrocket"]
        assert [body["data"]["id"] for body in receiver.bodies("flickrocket")] == rockets


def test_events_go_to_loopback_only() -> None:
    """An address elsewhere is refused."""
    with pytest.raises(ConfigError, match="loopback only"):
        Sender("https://example.com/hooks", "token", Subscriptions())


def test_a_served_sandbox_sends_as_its_clock_moves(shop: Shop) -> None:
    """Moving the clock over a day sends that day's events; the control route tells what became of them."""
    receiver = Receiver()
    with (
        serving(receiver) as url,
        running(shop, datetime(2025, 10, 1, 0, 0), hooks_to=f"{url}/hooks") as server,
    ):
        server.set_clock(datetime(2025, 10, 2, 0, 0))
        server.hooks.wait()
        day = Events(shop).between(shop.instant(datetime(2025, 10, 1)), shop.instant(datetime(2025, 10, 2)))
        numbers = requests.get(f"{server.url}/_sandbox/hooks", timeout=10).json()

        assert 5 < len(day) == len(receiver.got) == numbers["accepted"]
        assert numbers["is_sending"] is False
        body = {"from": "2025-10-01T00:00:00", "until": "2025-10-02T00:00:00", "sources": ["shopline"]}
        requests.post(f"{server.url}/_sandbox/hooks", json=body, timeout=10).raise_for_status()
        server.hooks.wait()
        again = sum(event.source == "shopline" for event in day)
        assert len(receiver.got) == len(day) + again
        wrong = requests.post(f"{server.url}/_sandbox/hooks", json={"duplicate": 1}, timeout=10)
        assert (wrong.status_code, "duplicate" in wrong.text) == (400, True)


def test_subscriptions_become_what_is_wanted(shop: Shop) -> None:
    """One spelling or the other, switched off, deleted; an app that is uninstalled says so and is gone."""
    receiver = Receiver()
    with serving(receiver) as url, running(shop, NOW, hooks_to=f"{url}/hooks") as server:

        def control(**wanted: Any) -> list[tuple[str, str, bool]]:
            answer = requests.post(f"{server.url}/_sandbox/subscriptions", json=wanted, timeout=30)
            assert answer.status_code == 200, answer.text
            return [(each["source"], each["topic"], each["is_active"]) for each in answer.json()]

        def subscribe(topic: str) -> int:
            webhook = {"topic": topic, "address": f"{url}/hooks/flickrocket/main", "format": "json"}
            headers = {"Authorization": f"Bearer {server.token}"}
            admin = f"{server.url}/admin/webhooks.json"
            return requests.post(admin, json={"webhook": webhook}, headers=headers, timeout=30).status_code

        assert (subscribe("order/create"), subscribe("orders/create"), subscribe("order/sent")) == (201, 201, 400)
        control(order_topics=["orders/create"])
        assert (subscribe("order/create"), subscribe("orders/create")) == (400, 201)

        listed = control(off="flickrocket", gone=["fulfillments/create"])
        assert {is_active for source, _, is_active in listed if source == "flickrocket"} == {False}
        assert "fulfillments/create" not in [topic for _, topic, _ in listed]
        for each in server.sandbox.subscriptions.of_source("flickrocket"):
            each.is_active = True

        control(app="app/uninstalled")
        server.hooks.wait()
        assert [body["scope"] for body in receiver.bodies("flickrocket")] == ["app/uninstalled"]
        assert {source for source, _, _ in control()} == {"shopline"}


def test_products_come_go_and_change(shop: Shop, events: list[Event]) -> None:
    """FlickRocket tells of each; one that is deleted was created an hour before and is in no listing."""
    topics = Counter(event.topic for event in events if event.source == "flickrocket")
    created = {e.body["data"]["id"]: e.at for e in events if e.topic == "product/create"}
    deleted = {e.body["data"]["id"]: e.at for e in events if e.topic == "product/delete"}

    assert topics["product/update"] > len(deleted) > 1
    assert deleted.keys() <= created.keys()
    assert not created.keys() & {str(product["id"]) for product in shop.flickrocket.products(shop.end)}
