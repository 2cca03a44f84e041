"""How long no event came, and what is usual for an account; whether every topic is still sent."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from model_runner import MODELS, POLICY, PRAGUE
from night_rig import Rig
from order_rows import Orders, utc

from stockbook.alerts import program, rules
from stockbook.alerts.rules import Figure, Rule
from stockbook.declaration_files import load
from stockbook.errors import ConfigError
from stockbook.models.programs import BuildContext
from stockbook.night.subscribed import ask_subscriptions
from stockbook.runs.context import RunContext
from stockbook.warehouse import meta
from stockbook.warehouse.schema import declared_ddl
from stockbook_sandbox import Running, Shop, running

# Monday to Wednesday four weeks later: an event every second hour from 8 to 20, every day
FIRST, LAST = datetime(2025, 3, 3), datetime(2025, 3, 26)
SILENT_NIGHT = datetime(2025, 3, 28, 2, 15)


def heard(orders: Orders, first: datetime, last: datetime) -> None:
    """Events of an order on every day."""
    day = first
    while day <= last:
        for hour in range(8, 21, 2):
            orders.event("a", "OrderUpdated", f"{day:%Y-%m-%d} {hour:02d}:00")
        day += timedelta(days=1)


def silence(orders: Orders, as_of: datetime) -> dict[str, Any]:
    """The only account's silence as of a night."""
    orders.build(as_of.isoformat(), "intermediate.webhook_silence")
    [row] = orders.rows("intermediate.webhook_silence")
    return row


def test_what_is_usual_is_learned_from_the_account() -> None:
    """A night without events is usual, half as long again is the limit; one outage does not make the next one usual."""
    orders = Orders()
    heard(orders, FIRST, LAST)
    assert silence(orders, SILENT_NIGHT)["usual_hours"] == 18

    orders.con.execute(
        "delete from staging.webhook_events where occurred_at between '2025-03-12 00:00' and '2025-03-14 23:00'"
    )
    assert silence(orders, SILENT_NIGHT)["usual_hours"] == 18


def test_less_than_a_week_says_nothing_of_what_is_usual() -> None:
    """A first weekend would be an alert; of events that come later than now none is known."""
    orders = Orders()
    heard(orders, FIRST, FIRST + timedelta(days=5))
    heard(orders, LAST, LAST)

    assert silence(orders, datetime(2025, 3, 9, 2, 15))["usual_hours"] is None
    assert silence(orders, datetime(2025, 3, 9, 2, 15))["silent_hours"] == 6.25


def test_a_silent_day_counts_the_orders_of_each_source() -> None:
    """Orders placed since the last event: FlickRocket's own, of SHOPLINE the warehouse's; what is not yet is none."""
    orders = Orders()
    heard(orders, FIRST, LAST)
    orders.con.execute(
        "insert into staging.webhook_events (account, source, event_id, item_no, event_type, received_at_utc, "
        "received_no, subject_kind, subject_id) values "
        "('main', 'shopline', 's', 1, 'fulfillment_order/create', $at, 9001, 'fulfillment_order', '1'), "
        "('main', 'flickrocket', 'f', 1, 'order/create', $at, 9002, 'order', '1'), "
        "('main', 'flickrocket', 'u', 1, 'app/update', $late, 9003, 'app', '1')",
        {"at": utc("2025-03-26 20:00"), "late": utc("2025-03-28 01:00")},
    )
    for number, created in enumerate(("2025-03-26 19:59", "2025-03-26 21:00", "2025-03-28 02:00", "2025-03-28 03:00")):
        orders.order(f"o{number}", created)
    orders.con.execute(
        "insert into staging.flickrocket_fulfillments (account, fulfillment_id, created_at_utc) "
        "values ('main', '1', ?)",
        [utc("2025-03-27 12:00")],
    )

    orders.build(SILENT_NIGHT.isoformat(), "intermediate.webhook_silence")

    assert [
        (row["source"], row["silent_hours"], row["orders_in_silence"])
        for row in orders.rows("intermediate.webhook_silence", "source")
    ] == [("flickrocket", 30.25, 1), ("fulfillment_cz", 30.25, 2), ("shopline", 30.25, 2)]


@pytest.mark.parametrize(
    ("usual", "hours", "is_told"),
    [
        (None, 71, False),
        (None, 73, True),
        (2, 5, False),
        (2, 7, True),
        (20, 19, False),
        (20, 21, True),
        (900, 73, True),
    ],
)
def test_floor_and_ceiling_hold_whatever_is_usual(usual: float | None, hours: float, is_told: bool) -> None:
    """Never under the floor, always over the ceiling, which also holds while nothing is known to be usual."""
    rule = Rule(rule="r", measure="webhook_silence_hours", above=6, up_to=72)

    assert (
        rules.crosses(rule, Figure("main", "webhook_silence_hours", "shopline", "", hours, 3, hours, usual)) == is_told
    )


def a_run(as_of: datetime) -> RunContext:
    return RunContext(
        run_id="r", as_of=as_of, zone="Europe/Prague", started_at=datetime(2025, 11, 20, 1, 15, tzinfo=UTC), night="n",
        observes=True, full_refresh=False, backfill_from=None, backfill_to=None, conn_ids=(), as_of_utc=as_of,
    )  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Any:
    """The smallest of shops, with subscriptions to manage."""
    with running(Shop.small(seed=2, orders=20), datetime(2025, 11, 20, 2, 15)) as served:
        yield served


def asked(server: Running, home: Path, con: duckdb.DuckDBPyConnection, as_of: datetime, **extra: Any) -> Any:
    """What a night is told, in notes and as (source, topic, spelling, state, last night it was active)."""
    parts = {"conn_type": "http", "host": server.url}
    shopline = {"access_token": server.token, "shop_handle": "shop"}
    variables = {
        "AIRFLOW_CONN_FLICKROCKET": {"password": server.token, "extra": {"app_secret": "s"}},
        "AIRFLOW_CONN_SHOPLINE": {"password": "s", "extra": shopline | extra},
    }
    rig = Rig(server, home, {name: json.dumps(parts | more) for name, more in variables.items()})
    notes = ask_subscriptions(rig.tonight(), con, a_run(as_of), ["fulfillment_cz", "flickrocket", "shopline"])
    rows = con.execute(
        "select source, topic, spelling, state, last_active_as_of from meta.subscription order by source, topic"
    )
    return notes, rows.fetchall()


def test_each_night_asks_whether_every_topic_is_still_sent(
    server: Running, con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Switched off by FlickRocket, deleted by SHOPLINE: known on the next night; addresses of others count for none."""
    monday, tuesday, wednesday = (datetime(2025, 11, day, 2, 15) for day in (17, 18, 19))
    subscriptions = server.sandbox.subscriptions
    now = datetime(2025, 11, 17)
    base = "https://books.example.com/stockbook/hooks"
    for source, topic, end in (
        ("flickrocket", "orders/create", "flickrocket/main"),
        ("flickrocket", "app/update", "another"),
        ("shopline", "fulfillment_order/create", "shopline/main"),
        ("shopline", "fulfillments/update", "shopline/main"),
    ):
        subscriptions.add(source, topic, f"{base}/{end}", now)
    active = ("flickrocket", "order/create", "orders/create", "active", monday)

    assert asked(server, tmp_path, con, monday) == (
        [],
        [
            active,
            ("shopline", "fulfillment_order/create", "fulfillment_order/create", "active", monday),
            ("shopline", "fulfillments/update", "fulfillments/update", "active", monday),
        ],
    )
    subscriptions.deactivate("flickrocket")
    subscriptions.remove("shopline", "fulfillments/update")
    _, rows = asked(server, tmp_path, con, tuesday)
    assert [(topic, state, last) for _, topic, _, state, last in rows] == [
        ("order/create", "off", monday),
        ("fulfillment_order/create", "active", tuesday),
        ("fulfillments/update", "gone", monday),
    ]

    # one that cannot be asked stays as it was known; one that cannot manage subscriptions is not asked at all
    notes, later = asked(server, tmp_path, con, wednesday, access_token="wrong")
    [note] = notes
    assert note.startswith("warning: whether events are still sent could not be asked: Connection shopline")
    assert [row for row in later if row[0] == "shopline"] == [row for row in rows if row[0] == "shopline"]
    assert asked(server, tmp_path, con, wednesday, access_token="")[0] == []

    meta.forget_subscriptions(con, "shopline", "main")
    assert [row[0] for row in asked(server, tmp_path, con, wednesday, access_token="")[1]] == ["flickrocket"]


def test_a_rule_of_what_is_usual_is_refused_where_nothing_is(tmp_path: Path) -> None:
    """`up_to` is for measures that learn, and not under `above`."""
    for text, said in (
        ("measure: overdue_orders, above: 1, up_to: 2", "nothing is known to be usual of overdue_orders"),
        ("measure: webhook_silence_hours, above: 9, up_to: 2", "expected a number of at least above, got 2"),
        ("measure: webhook_silence_hours, below: 9, up_to: 20", "expected a number of at least above"),
    ):
        (tmp_path / "alerts.yml").write_text(f"rules:\n  - {{rule: a, {text}}}\n")
        with pytest.raises(ConfigError, match=said):
            rules.read(tmp_path)


def test_an_app_that_went_and_topics_that_are_off_are_told() -> None:
    """Critical, on the night after; an app that is heard again is there again."""
    orders = Orders()
    heard(orders, LAST, LAST)
    orders.con.execute(
        "insert into staging.webhook_events (account, source, event_id, item_no, event_type, received_at_utc, "
        "received_no, subject_kind) values "
        "('main', 'flickrocket', 'a1', 1, 'app/uninstalled', $at, 9001, 'app'), "
        "('back', 'flickrocket', 'a2', 1, 'app/uninstalled', $at, 9002, 'app'), "
        "('back', 'flickrocket', 'a3', 1, 'order/create', $at, 9003, 'order')",
        {"at": utc("2025-03-27 20:15")},
    )
    meta.write_subscriptions(
        orders.con, "shopline", "main", [meta.Subscribed(topic, topic, True) for topic in ("a", "b", "c")], LAST
    )
    meta.write_subscriptions(orders.con, "shopline", "main", [meta.Subscribed("b", "b", True)], SILENT_NIGHT)
    tables = load(MODELS)
    for table in tables.values():
        if table.program == "valuation":  # an empty ledger
            orders.con.execute(declared_ddl(table))
    orders.build(SILENT_NIGHT.isoformat(), "reports.alert_measures")
    context = BuildContext(SILENT_NIGHT, "test", PRAGUE, POLICY, tables)

    orders.con.execute("insert into meta.run (run_id, as_of, observes) values ('test', ?, true)", [SILENT_NIGHT])
    program.build(orders.con, context)
    alerts = orders.con.execute(
        "select account, rule, severity, message from reports.alerts "
        "where rule in ('app uninstalled', 'events switched off', 'app changed')"
    ).fetchall()

    assert sorted(alerts) == [
        (
            "main",
            "app uninstalled",
            "critical",
            "The app at flickrocket was uninstalled (app/uninstalled), 6 h ago (above 0; as of 2025-03-28 02:15).",
        ),
        (
            "main",
            "events switched off",
            "critical",
            "2 topics of shopline are not sent any more: a, c (above 0; as of 2025-03-28 02:15).",
        ),
    ]
