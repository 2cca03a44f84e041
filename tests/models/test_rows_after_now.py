"""Rows dated later than the run's now: in no figure of today, listed beside it, counted once their time has come."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from night_rig import environment
from order_rows import Orders
from test_valuation_program import POLICY, PRAGUE, SQL, Shop

from conftest import a_run
from stockbook.models.build import run_step
from stockbook.models.order import steps
from stockbook.models.programs import BuildContext
from stockbook.night import plans
from stockbook.settings import Settings
from stockbook.sla import program

REPORTS = (
    "marts.fct_receiving_line",
    "marts.fct_currency_rate",
    "marts.fct_flickrocket_fulfillment",
    "program known_stock",
    "reports.cogs_monthly",
    "reports.data_freshness",
    "reports.movements_during_read",
    "reports.rows_after_as_of",
    "reports.slow_movers",
    "reports.stock_ageing",
    "reports.stock_balance_as_known",
    "reports.stock_movements_monthly",
    "reports.stock_value_on_as_known",
)
NIGHT = datetime(2026, 3, 6, 2, 15)


class Books(Shop):
    """A shop whose nights are built in full, as of any moment."""

    def __init__(self) -> None:
        super().__init__(also=REPORTS)

    def night(self, as_of: datetime, as_of_utc: datetime | None = None) -> None:
        """Build the models as of a local time, of the second pass of a repeated hour where no instant is named."""
        instant = as_of_utc or as_of.replace(tzinfo=PRAGUE, fold=1).astimezone(UTC).replace(tzinfo=None)
        context = BuildContext(as_of, "run-1", PRAGUE, self.policy_dir, self.tables, as_of_utc=instant)
        self.con.execute("delete from meta.run")
        self.insert("meta.run", {"run_id": "run-1", "as_of": as_of, "as_of_utc": instant, "observes": True})
        self.con.execute("delete from meta.current_run")
        self.insert("meta.current_run", {"run_id": "run-1", "as_of": as_of, "zone": PRAGUE.key})
        for step in self.steps:
            run_step(self.con, step, context)

    def pieces(self) -> dict[str, int]:
        """Sellable pieces of today, as each report says."""
        today = "(select cast(as_of as date) from meta.current_run)"
        queries = {
            "balance": "select sum(quantity) from marts.fct_stock_balance where pool = 'sellable' and valid_to is null",
            "value on": f"select sum(quantity) from reports.stock_value_on({today})",
            "as known": f"select sum(quantity) from reports.stock_value_on_as_known({today}, {today})",
            "daily": f"select sum(quantity) from reports.stock_value_daily where date = {today}",
            "ageing": "select sum(quantity) from reports.stock_ageing where pool = 'sellable'",
            "slow movers": "select sum(quantity) from reports.slow_movers",
            "monthly": "select sum(closing_quantity) from reports.stock_movements_monthly "
            f"where pool = 'sellable' and month = date_trunc('month', {today})",
            "layers": "select sum(quantity_left) from marts.fct_stock_layer where pool = 'sellable'",
            "movements": "select sum(if(direction = 'in', quantity, -quantity)) from marts.fct_stock_movement",
        }
        return {name: self.ask(query)[0][0] for name, query in queries.items()}

    def later(self) -> list[tuple[str, str]]:
        """The rows that are later than now."""
        return [(table, key) for table, key in self.ask("select table_name, row_key from reports.rows_after_as_of")]


@pytest.fixture(scope="module")
def shop() -> Iterator[Books]:
    books = Books()
    books.move(1, 7, "in", 300, "2026-03-01 09:00:00", price="2")
    books.move(2, 7, "out", 4, "2026-03-05 10:00:00", order="o1")
    books.move(3, 7, "out", 7, "2026-12-03 10:00:00", order="o1")
    books.move(4, 8, "in", 50, "2099-01-01 10:00:00", price="1")
    # seen on another night than its day: what was known is replayed
    books.move(5, 7, "in", 10, "2026-03-02 09:00:00", price="2", first_seen=datetime(2026, 3, 5, 2, 15))
    # the stock was read a little after now
    books.move(6, 7, "out", 1, "2026-03-06 02:16:00")
    books.stock(7, 305, datetime(2026, 3, 6, 2, 17))
    yield books
    books.con.close()


def test_every_report_says_the_same_of_today(shop: Books) -> None:
    """A movement of December and one of another century are in no figure of a night in March."""
    shop.night(NIGHT)

    assert set(shop.pieces().values()) == {306}
    assert shop.ask("select sum(stock_value) from reports.stock_value_daily where date = '2026-03-06'") == [
        (Decimal(612),)
    ]
    assert shop.ask("select count(*) from reports.cogs_monthly where month > '2026-03-01'") == [(0,)]
    assert shop.ask("select max(newest_at) from reports.data_freshness where table_name = 'movements'") == [
        (datetime(2026, 3, 5, 10),)
    ]
    assert shop.broken() == {}


def test_later_movements_are_listed_until_their_time_has_come(shop: Books) -> None:
    """What waits is listed with its key; a night behind its time counts it."""
    shop.night(NIGHT)
    assert sorted(shop.later()) == [("movements", "3"), ("movements", "4"), ("movements", "6")]

    shop.night(datetime(2026, 12, 4, 2, 15))
    assert shop.later() == [("movements", "4")]
    assert set(shop.pieces().values()) == {298}
    assert shop.broken() == {}

    # and a night dated before it counts it no more
    shop.night(NIGHT)
    assert set(shop.pieces().values()) == {306}
    assert shop.broken() == {}


def test_the_reconciliation_reaches_to_the_moment_the_stock_was_read(shop: Books) -> None:
    """A piece that left between the run's now and the count is in the count, and no difference."""
    shop.night(NIGHT)

    assert shop.ask(
        "select snapshot_quantity, ledger_quantity from marts.fct_stock_reconciliation "
        "where variant_id = 7 and pool = 'sellable'"
    ) == [(305, 305)]
    assert shop.ask("select movement_id from reports.movements_during_read") == []
    assert shop.ask(
        "select average_bare_unit_cost from marts.fct_stock_reconciliation where variant_id = 7 and pool = 'sellable'"
    ) == [(Decimal(2),)]


def test_a_count_of_a_later_night_is_not_known_to_an_earlier_one() -> None:
    """A run dated in the past compares with the counts that had been taken by then."""
    shop = Books()
    shop.move(1, 7, "in", 3, "2026-03-01 09:00:00", price="2")
    shop.stock(7, 3, datetime(2026, 3, 7, 2, 17))
    shop.con.execute("update staging.stock_levels set _first_seen_at = timestamp '2026-03-07 02:15:00'")
    shop.night(NIGHT)
    assert shop.ask("select * from marts.fct_stock_reconciliation") == []
    shop.night(datetime(2026, 3, 7, 2, 15))
    assert shop.ask("select snapshot_quantity from marts.fct_stock_reconciliation where pool = 'sellable'") == [(3,)]


def test_rows_of_every_source_wait_for_their_time() -> None:
    """Orders, events, rates, receivings, requests and fulfillments dated after now are listed, and in no mart."""
    shop = Books()
    orders = {"account": "main", "source_status": "new"}
    for number, day in enumerate(("2026-03-05", "2026-12-03"), 1):
        when = datetime.fromisoformat(day)
        shop.insert("staging.orders", orders | {"order_id": f"o{number}", "created_at": when, "created_at_utc": when})
        event = {"account": "main", "source": "fulfillment_cz", "event_id": f"e{number}", "event_type": "OrderSent"}
        shop.insert("staging.webhook_events", event | {"occurred_at": when, "occurred_at_utc": when})
        rate = {"account": "main", "currency": "CZK", "rate_date": when.date(), "units_per_eur": 25}
        shop.insert("staging.currency_rates", rate)
        shop.insert("staging.receivings", {"account": "main", "receiving_id": number, "received_date": when.date()})
        shop.insert("staging.receiving_lines", {"account": "main", "receiving_id": number, "line_no": 1})
        request = {"account": "main", "request_id": number, "created_at": when, "created_at_utc": when}
        shop.insert("staging.stock_requests", request)
        sent = {
            "account": "main",
            "fulfillment_id": f"f{number}",
            "created_at": when,
            "created_at_utc": when,
            "status": 0,
        }
        shop.insert("staging.flickrocket_fulfillments", sent)
    shop.night(NIGHT)

    assert sorted(shop.later()) == [
        ("currency_rates", "CZK/2026-12-03"),
        ("flickrocket_fulfillments", "f2"),
        ("orders", "o2"),
        ("receivings", "2"),
        ("stock_requests", "2"),
        ("webhook_events", "fulfillment_cz/e2"),
    ]
    assert shop.ask("select distinct rate_date from marts.fct_currency_rate") == [(datetime(2026, 3, 5).date(),)]
    assert shop.ask("select receiving_id from marts.fct_receiving_line") == [(1,)]
    assert shop.ask("select fulfillment_id from marts.fct_flickrocket_fulfillment") == [("f1",)]


FIRST, SECOND = datetime(2026, 10, 25, 0, 50), datetime(2026, 10, 25, 1, 50)


@pytest.mark.parametrize(("now_utc", "valued"), [(FIRST, [1, 4]), (SECOND, [1, 2, 4, 5])])
def test_now_in_the_repeated_hour_is_an_instant(now_utc: datetime, valued: list[int]) -> None:
    """At 02:50 of either pass what the ids or an offset place before it is counted, and nothing behind it."""
    shop = Books()
    shop.move(1, 7, "in", 10, "2026-10-25 02:45:00", price="2")
    # the clock has fallen back
    shop.move(2, 7, "out", 1, "2026-10-25 02:40:00")
    shop.move(3, 7, "out", 1, "2026-10-25 02:55:00")
    shop.move(4, 8, "in", 1, "2026-10-25 02:20:00", price="2")
    shop.move(5, 8, "in", 1, "2026-10-25 02:30:00", price="2")
    for movement, text in ((4, "2026-10-25T00:20:00Z"), (5, "2026-10-25T02:30:00+01:00")):
        shop.con.execute("update staging.movements set created_text = ? where movement_id = ?", [text, movement])
    shop.night(datetime(2026, 10, 25, 2, 50), now_utc)

    assert shop.ask("select movement_id from marts.fct_stock_movement order by 1") == [
        (movement_id,) for movement_id in valued
    ]
    assert sorted(key for _, key in shop.later()) == [str(number) for number in range(1, 6) if number not in valued]
    assert shop.broken() == {}


def test_an_event_of_the_second_pass_is_no_future_of_its_night() -> None:
    """Of the second pass of 02:50, a night as of 02:55 sees the event, in the pass its offset names."""
    orders = Orders()
    orders.order("o", "2026-10-23 09:00:00")
    orders.event("o", "OrderSent", "2026-10-25 02:50:00")
    orders.con.execute(
        "update staging.webhook_events set occurred_text = '2026-10-25T02:50:00+01:00', occurred_at_utc = ?", [SECOND]
    )
    orders.build("2026-10-25 02:55:00", "marts.fct_order_event")
    assert orders.con.execute(
        "select occurred_at_utc, occurred_after_utc from marts.fct_order_event where event_type = 'sent' "
        "and evidence = 'webhook'"
    ).fetchall() == [(SECOND, None)]


def test_an_order_of_later_is_no_order_of_today() -> None:
    """An order made after now is in no mart of orders, and no order of the backlog."""
    orders = Orders()
    orders.order("today", "2025-03-04 09:00:00")
    orders.order("later", "2025-03-06 09:00:00")
    for mart in ("marts.fct_order", "marts.fct_order_line", "marts.fct_fulfillment", "reports.backlog_orders"):
        orders.build("2025-03-05 02:15:00", mart)
        assert orders.con.execute(f"select order_id from {mart}").fetchall() == [("today",)]


def test_every_model_reads_now_from_one_place() -> None:
    """No model but one works an instant out of the run's local now."""
    models = {step.name: step.sql or "" for step in steps(SQL, Shop().tables)}
    own = [name for name, sql in models.items() if re.search(r"utc_of(_second)?\((\w+\.)?as_of", sql)]
    assert own == ["intermediate.run_now"]


def test_an_order_for_another_century_waits() -> None:
    """An order that must not leave before 2099 is pending, in the backlog, and its wait is in no percentile yet."""
    orders = Orders()
    orders.order("far", "2025-03-03 09:00:00", dispatch_date="2099-12-31")
    orders.order("last", "2025-03-03 09:00:00", dispatch_date="2199-12-31")
    orders.order("near", "2025-03-03 09:00:00")
    night = "2025-03-05 02:15:00"

    states = {order_id: row["sla_state"] for order_id, row in orders.fulfillment(night).items()}
    assert states == {"far": "pending", "last": "pending", "near": "overdue"}
    orders.build(night, "reports.lead_time_percentiles")
    assert orders.con.execute(
        "select n, open_orders, p95_most from reports.lead_time_percentiles "
        "where measure = 'waiting' and hours = 'elapsed' and is_all_methods"
    ).fetchall() == [(1, 2, 0.0)]
    for report in ("reports.backlog", "reports.sla_late_orders", "reports.carrier_transit", "reports.return_rate"):
        orders.build(night, report)
    orders.build(night, "reports.backlog_orders")
    assert orders.con.execute(
        "select order_id, bucket from reports.backlog_orders where order_id <> 'near' order by 1"
    ).fetchall() == [("far", "not_eligible_requested_date"), ("last", "not_eligible_requested_date")]
    assert [note for note in program.notes(orders.con, program.read(POLICY)) if "fall due outside" in note] == []


def test_a_slip_of_a_date_does_not_read_the_ledger_anew(tmp_path: Path) -> None:
    """The overlap reaches back to what moved in its hours; an old id dated far ahead does not lengthen it."""
    shop = Books()
    shop.move(1, 7, "in", 1, "2099-01-01 10:00:00")
    shop.move(90_000, 7, "in", 1, "2026-03-05 10:00:00")
    cursor = {"account": "main", "api": "fulfillment_cz", "listing": "movements", "ceiling": 90_001, "as_of": NIGHT}
    shop.insert("meta.cursor", cursor | {"first_as_of": NIGHT, "run_id": "r1"})
    settings = Settings.load(environment("http://127.0.0.1", "t", tmp_path))

    floor = plans._movements_floor(shop.con, settings, a_run("2026-03-07T02:15:00"), "main")
    assert floor == 90_001 - settings.movements_overlap
