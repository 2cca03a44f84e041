"""From the sandbox's clock to the facts: events sent, received, drained and built are the truth to the second."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hooks_rig import receiving, variables
from night_rig import Rig

from stockbook_sandbox import Shop, running
from stockbook_sandbox.people import pieces_in
from stockbook_sandbox.sending import Sending
from stockbook_sandbox.signing import DEFAULT_SECRET

pytestmark = pytest.mark.slow  # a receiver of its own and two nights

FIRST = datetime(2025, 11, 20, 2, 15)
MILESTONES = {
    "pushed": "pushed_to_expedition",
    "packed": "packed",
    "sent": "sent",
    "delivered": "delivered",
    "returned": "returned",
    "cancelled": "cancelled",
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Two nights of a shop whose events went to a real receiver as its clock moved on."""
    folder = tmp_path_factory.mktemp("hooks")
    home = folder / "home"
    shop = Shop.small(seed=42, orders=150, first=date(2025, 11, 1), last=date(2025, 11, 30))
    secrets = {
        "AIRFLOW_CONN_FULFILLMENT_CZ": '{"conn_type": "http", "password": "sandbox-token"}',
        "AIRFLOW_CONN_FLICKROCKET": '{"conn_type": "http", "extra": {"app_secret": "sandbox-app-secret"}}',
        "AIRFLOW_CONN_SHOPLINE": '{"conn_type": "http", "password": "sandbox-app-secret"}',
    }
    assert DEFAULT_SECRET in secrets["AIRFLOW_CONN_SHOPLINE"]
    with (
        receiving(variables(home) | secrets, folder) as receiver,
        running(shop, datetime(2025, 11, 1), hooks_to=f"{receiver.url}/hooks") as server,
    ):
        night_rig = Rig(server, home)
        # one after the other: nothing in SHOPLINE's bodies tells which of two is newer but their arrival
        server.hooks.how = Sending(connections=1)
        for as_of in (FIRST, FIRST + timedelta(days=1)):
            server.set_clock(as_of)
            server.hooks.wait()
            night_rig.books(as_of, build=as_of > FIRST)
        assert not server.hooks.sender.outcome.given_up
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


def test_nothing_personal_was_written(rig: Rig) -> None:
    """No person's value or secret is in the inbox, in the receiver's log, or in what the drain wrote."""
    files = [*(rig.home / "state").iterdir(), *(rig.home / "runs").rglob("*.json"), rig.home.parent / "receiver.log"]
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
