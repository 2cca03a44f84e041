"""From the sandbox's clock to the facts: events sent, received, drained and built are the truth to the second."""

import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import duckdb
import pytest
from heard import Heard
from night_rig import Rig, environment, nights_before

from stockbook.cli.demo_hooks import receiving
from stockbook_sandbox import Shop, running
from stockbook_sandbox.people import pieces_in
from stockbook_sandbox.sending import Sending
from stockbook_sandbox.signing import DEFAULT_SECRET
from stockbook_sandbox.state import DEFAULT_TOKEN

pytestmark = pytest.mark.slow  # three nights, two of them built

BEGIN = datetime(2025, 11, 1)
FIRST, SILENT, LAST = nights_before(datetime(2025, 11, 23, 2, 15), 3)
TOPIC = "fulfillments/update"
MILESTONES = {
    "pushed": "pushed_to_expedition",
    "packed": "packed",
    "sent": "sent",
    "delivered": "delivered",
    "returned": "returned",
    "cancelled": "cancelled",
}


def secrets(url: str) -> dict[str, str]:
    """Connections that check events and can manage subscriptions."""
    reading = {"sandbox": True, "requests_per_second": 0, "max_connections": 4}
    managing = {"access_token": DEFAULT_TOKEN, "shop_handle": "sandbox"}
    parts: dict[str, tuple[str, dict[str, Any]]] = {
        "FLICKROCKET": (DEFAULT_TOKEN, reading | {"app_secret": DEFAULT_SECRET}),
        "SHOPLINE": (DEFAULT_SECRET, managing),
    }
    return {
        f"AIRFLOW_CONN_{name}": json.dumps({"conn_type": "http", "host": url, "password": password, "extra": extra})
        for name, (password, extra) in parts.items()
    }


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """
    Three nights of a shop whose events of all three systems went to a receiver as its clock moved on.

    On the day before the second one nothing came but that FlickRocket's app is gone, and SHOPLINE deleted a topic. Then
    the topic is subscribed again, and what had not come is sent once more.
    """
    home = tmp_path_factory.mktemp("hooks") / "home"
    shop = Shop.small(seed=42, orders=150, first=BEGIN.date(), last=date(2025, 11, 30))
    nowhere = "http://127.0.0.1"
    with (
        receiving(environment(nowhere, DEFAULT_TOKEN, home, **secrets(nowhere))) as receiver,
        running(shop, BEGIN, hooks_to=receiver.url) as server,
    ):
        night_rig, hooks = Rig(server, home, secrets(server.url)), server.hooks
        # one after the other: nothing in SHOPLINE's bodies tells which of two is newer but their arrival
        hooks.how = Sending(connections=1)
        receiver.move_clock(Heard(server), BEGIN, FIRST, FIRST - BEGIN)
        night_rig.books(FIRST, build=False)

        hooks.send_of_app("app/uninstalled", server.sandbox.now)
        hooks.wait()
        hooks.sender.subscriptions.remove("shopline", TOPIC)
        hooks.how = Sending(sources=())
        night_rig.books(SILENT)

        hooks.sender.subscriptions.add("shopline", TOPIC, hooks.sender.address("shopline"), SILENT)
        hooks.how = Sending(connections=1)
        hooks.send(shop.instant(FIRST), shop.instant(SILENT))
        receiver.move_clock(Heard(server), SILENT, LAST, LAST - SILENT)
        night_rig.books(LAST)
        assert not hooks.sender.outcome.given_up
        yield night_rig


def rows(rig: Rig, query: str) -> list[tuple[Any, ...]]:
    """A query on the writer's file."""
    with duckdb.connect(str(rig.settings.warehouse), read_only=True) as con:
        return con.execute(query).fetchall()


def true_milestones(order: dict[str, Any]) -> dict[str, str]:
    """
    The latest of each kind in the latest cycle, of pushes the first: UTC texts.

    An attempt that did not leave is over: its packing counts no more, and goods that come back are a return.
    """
    milestones: dict[str, str] = {}
    for milestone in order["milestones"]:
        if milestone["kind"] == "restored":
            milestones.clear()
        if milestone["kind"] == "not_sent":
            milestones.pop("packed", None)
        if milestone["kind"] != "pushed_to_expedition" or milestone["kind"] not in milestones:
            milestones[milestone["kind"]] = milestone["at_utc"].rstrip("Z")
    return milestones


@pytest.mark.parametrize("name", MILESTONES)
def test_milestones_are_the_truth_to_the_second_by_webhook(rig: Rig, name: str) -> None:
    """Every order's milestone is exact by its event (a return's also by its movement); no other is claimed."""
    truth = rig.server.truth()["orders"]
    expected = {order_id: true_milestones(order).get(MILESTONES[name]) for order_id, order in truth.items()}
    if name in ("packed", "returned"):
        # goods of a failed attempt are booked back, or leave later without another event of their packing
        failed = {order_id for order_id, order in truth.items() if "not_sent" in str(order["milestones"])}
        expected = {order_id: at for order_id, at in expected.items() if order_id not in failed}
    staged = rows(
        rig,
        f"""
        select order_id, {name}_after_utc, {name}_at_utc, {name}_evidence
        from marts.fct_fulfillment
        where is_latest_cycle
        """,
    )
    staged = [row for row in staged if row[0] in expected]
    claimed = {order_id: at and at.isoformat() for order_id, _, at, _ in staged}

    assert claimed == expected
    assert len(expected) > 100
    assert {after for _, after, at, _ in staged if at and after not in (at, None)} == set()
    proof = {evidence for _, _, at, evidence in staged if at}
    assert proof
    assert proof <= ({"webhook", "movement"} if name == "returned" else {"webhook"})


def test_the_end_of_a_hold_is_exact(rig: Rig) -> None:
    """Of orders the shop held back, the event of the release is the update's, to the second."""
    truth = rig.server.truth()["orders"]
    expected = {
        order_id: milestone["at_utc"].rstrip("Z")
        for order_id, order in truth.items()
        for milestone in order["milestones"]
        if milestone["kind"] == "released"
    }
    holds = rows(
        rig,
        "select order_id, occurred_at_utc from marts.fct_order_event "
        "where event_type = 'released' and evidence = 'webhook'",
    )

    assert len(expected) >= 2
    assert {own: at.isoformat() for own, at in holds} == expected


def test_states_of_shipments_are_the_truth_to_the_second(rig: Rig) -> None:
    """Each that the warehouse tells of by OrderDeliveryChanged is an event of its order, beside the order's own."""
    truth = rig.server.truth()["orders"]
    expected = sorted(
        (order_id, milestone["kind"], milestone["at_utc"].rstrip("Z"))
        for order_id, order in truth.items()
        for milestone in order["milestones"]
        if milestone["kind"] in ("sent", "delivered", "returned")
    )
    events = rows(
        rig,
        "select order_id, event_type, occurred_at_utc from marts.fct_order_event where shipment_status is not null",
    )

    assert len(expected) > 100
    assert sorted((own, kind, at.isoformat()) for own, kind, at in events) == expected


def test_states_of_the_other_systems_are_there(rig: Rig) -> None:
    """SHOPLINE's come from its events alone, FlickRocket's from its listing: no system hides another's."""
    states = {status for (status,) in rows(rig, "select status from marts.fct_shopline_fulfillment_order_status")}
    assert {"open", "on_hold", "in_progress", "closed"} <= states
    [(shipped, dated)] = rows(
        rig,
        "select count(*) filter (where is_shipped), count(first_seen_shipped_at) "
        "from marts.fct_flickrocket_fulfillment",
    )
    assert shipped == dated > 5
    kinds = {
        kind for (kind,) in rows(rig, "select event_type from staging.webhook_events where source = 'flickrocket'")
    }
    assert {"order/create", "product/create", "product/update", "product/delete"} <= kinds


def test_every_event_of_the_shop_is_there(rig: Rig) -> None:
    """Of all three systems; orders, and SHOPLINE's fulfillment orders, are known."""
    counts = dict(rows(rig, "select source, count(*) from staging.webhook_events group by 1"))
    assert counts["fulfillment_cz"] > 500
    assert counts["shopline"] > 50
    assert counts["flickrocket"] > 5
    unknown = rows(
        rig,
        """
        select e.subject_id
        from staging.webhook_events as e
        anti join staging.orders as o on e.subject_id = o.order_id
        where e.source = 'fulfillment_cz'
        """,
    )
    assert unknown == []
    truth = rig.server.shop.shopline.truth(rig.server.sandbox.now)
    status = dict(rows(rig, "select fulfillment_order_id, status from marts.fct_shopline_fulfillment_order"))
    assert status == {own: state["status"] for own, state in truth.items()}


def test_what_went_wrong_is_told_in_the_next_night_and_once(rig: Rig) -> None:
    """The silence and the topic that is off clear when both are back; the app that is gone stays told."""
    alerts = rows(
        rig,
        """
        select rule, subject, severity, raised_as_of, cleared_as_of, is_new, message
        from reports.alerts
        where rule in ('no events', 'events switched off', 'app uninstalled', 'app changed')
        order by rule, subject
        """,
    )
    states = rows(rig, "select source, count(*), bool_and(state = 'gone') from meta.subscription group by 1 order by 1")

    assert [alert[:-1] for alert in alerts] == [
        ("app uninstalled", "app/uninstalled", "critical", SILENT, None, False),
        ("events switched off", "flickrocket", "critical", SILENT, None, False),
        ("events switched off", "shopline", "critical", SILENT, LAST, False),
        ("no events", "fulfillment_cz", "critical", SILENT, LAST, False),
    ]
    *_, said = alerts[-1]
    assert re.fullmatch(
        r"No event of fulfillment_cz came for \d+ h, in which \d+ orders were placed \(above [\d.]+; as of "
        rf"{SILENT:%Y-%m-%d %H:%M}\)\.",
        said,
    )
    assert [(source, is_gone) for source, _, is_gone in states] == [("flickrocket", True), ("shopline", False)]


def test_nothing_personal_was_written(rig: Rig) -> None:
    """No person's value or secret is in the inbox or in what the drain wrote."""
    files = [*(rig.home / "state").iterdir(), *(rig.home / "runs").rglob("*.json")]
    contents = {str(file): file.read_bytes() for file in files if file.is_file()}
    assert any(name.endswith("inbox.db") for name in contents)
    tables = rows(
        rig,
        """
        select table_name
        from duckdb_tables()
        where
            schema_name = 'staging'
            and (table_name like 'shopline%' or table_name in ('webhook_events', 'quarantine'))
        """,
    )
    assert len(tables) == 9
    for (name,) in tables:
        contents[name] = str(rows(rig, f"select cast(t as varchar) from staging.{name} as t")).encode()
    assert [name for name, content in contents.items() if pieces_in(content)] == []
    assert [name for name, content in contents.items() if DEFAULT_SECRET.encode() in content] == []
