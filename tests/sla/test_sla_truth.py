"""States against the sandbox's truth: with all evidence, with polls and movements only, by both readings of waits."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from model_runner import POLICY
from order_rows import Orders, policy_folder
from real_orders import FILE
from sandbox_lives import Sandbox, Truth, nights

from stockbook_sandbox import Shop
from stockbook_sandbox.shares import Shares

pytestmark = pytest.mark.slow

# everything that can happen to an order, often
EVENTFUL = Shares(
    on_hold=0.12, cancelled=0.12, restored=0.4, future_dispatch=0.08, problem=0.08, sent_back=0.06, not_sent=0.06,
    undelivered=0.03, waiting=0.1,
)  # fmt: skip


@dataclass
class PolledShop:
    """A shop whose orders only polls and the ledger have shown so far."""

    sandbox: Sandbox
    orders: Orders
    is_eventful: bool

    def fulfillment(self, policy: Path = POLICY) -> dict[str, dict[str, Any]]:
        """The latest cycles as of the shop's now."""
        return self.orders.fulfillment(self.sandbox.as_of.isoformat(), policy)


@pytest.fixture(
    scope="module",
    params=[
        "invented",
        pytest.param(
            "real",
            marks=[
                pytest.mark.real,
                pytest.mark.skipif(
                    not FILE.exists(),
                    reason=f"{FILE.name} is not there: see STOCKBOOK_ORDERS",
                ),
            ],
        ),
    ],
)
def shop(request: pytest.FixtureRequest) -> Iterator[PolledShop]:
    """Orders, ledger and nightly polls of a shop; tests that want events add them."""
    if request.param == "real":
        sandbox = Sandbox(Shop(history=FILE), datetime(2011, 12, 10, 2, 15))
    else:
        sandbox = Sandbox(Shop.small(orders=1_500, shares=EVENTFUL), datetime(2025, 11, 20, 2, 15))
    orders = Orders()
    sandbox.fill(orders.con)
    sandbox.poll(orders.con, nights(sandbox.shop, sandbox.as_of))
    yield PolledShop(sandbox, orders, request.param == "invented")
    orders.con.close()


def claims(fulfillments: dict[str, dict[str, Any]]) -> dict[str, str]:
    """What is claimed: the states that are not unknown."""
    return {name: row["sla_state"] for name, row in fulfillments.items() if row["sla_state"] != "unknown"}


def states(truth: dict[str, Truth]) -> dict[str, str]:
    """The true state of every order."""
    return {name: life.state for name, life in truth.items()}


def differing(fulfillments: dict[str, Any], truth: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Orders whose value differs, with what is claimed and what is true."""
    return {name: (value, truth[name]) for name, value in fulfillments.items() if value != truth[name]}


def test_without_events_what_is_widened_and_claimed_is_true_and_ranges_hold(shop: PolledShop, tmp_path: Path) -> None:
    """With ``widen`` every claimed state is the true one, and the range of every day holds the true rate."""
    policy = policy_folder(tmp_path, unseen_waits="widen")
    truth = shop.sandbox.truth()

    fulfillments = shop.fulfillment(policy)
    shop.orders.build(shop.sandbox.as_of.isoformat(), "reports.sla_daily", policy)
    days = {row["due_date"]: row for row in shop.orders.rows("reports.sla_daily")}

    assert len(claims(fulfillments)) > len(fulfillments) * 0.5
    assert differing(claims(fulfillments), states(truth)) == {}
    true_rates = rates(truth)
    outside = {
        day: (days[day]["on_time_rate_sure"], rate, days[day]["on_time_rate_possible"])
        for day, rate in true_rates.items()
        if day in days
        and not (days[day]["on_time_rate_sure"] or 0) <= rate <= _or_one(days[day]["on_time_rate_possible"])
    }
    assert outside == {}
    assert len(set(true_rates) - set(days)) <= len(true_rates) * 0.02


def _or_one(rate: float | None) -> float:
    return 1.0 if rate is None else rate


def rates(truth: dict[str, Truth]) -> dict[date, float]:
    """The true on-time rate of every day on which something counted was due."""
    counted: dict[date, list[str]] = {}
    for life in truth.values():
        if life.state in ("on_time", "late", "overdue") and life.due_day is not None:
            counted.setdefault(life.due_day, []).append(life.state)
    return {day: states.count("on_time") / len(states) for day, states in counted.items()}


def test_by_default_nearly_all_is_claimed_and_true_of_what_never_waited(shop: PolledShop) -> None:
    """Without events, of at least 95 % of dispatched orders a state is claimed; it is true of all that never waited."""
    truth = shop.sandbox.truth()

    fulfillments = shop.fulfillment()

    dispatched = {name for name, row in fulfillments.items() if row["dispatch_at_utc"] is not None}
    if shop.is_eventful:  # far more orders wait there than in any shop
        dispatched = {name for name in dispatched if not truth[name].waited}
    assert len(dispatched & set(claims(fulfillments))) >= 0.95 * len(dispatched)
    never_waited = {name: state for name, state in claims(fulfillments).items() if not truth[name].waited}
    assert differing(never_waited, states(truth)) == {}


@pytest.mark.parametrize("stop_event", ["stock_out", "sent"])
def test_with_all_evidence_states_are_the_truth(shop: PolledShop, stop_event: str, tmp_path: Path) -> None:
    """With events too, every order's state and due day are the true ones, whatever stops the clock."""
    if not shop.orders.con.execute("select 1 from staging.webhook_events limit 1").fetchall():
        shop.sandbox.tell(shop.orders.con)
    truth = shop.sandbox.truth(stop_event)

    fulfillments = shop.fulfillment(policy_folder(tmp_path, stop_event=stop_event))

    unwritten = shop.sandbox.unwritten()
    assert len(unwritten) <= len(fulfillments) * 0.002
    assert (
        differing(
            {name: row["sla_state"] for name, row in fulfillments.items() if name not in unwritten}, states(truth)
        )
        == {}
    )
    assert (
        differing(
            {name: row["due_date"] for name, row in fulfillments.items()},
            {name: life.due_day for name, life in truth.items()},
        )
        == {}
    )
