"""The invented shop: deterministic, and its ledger, statuses and clock agree with each other."""

import json
from collections import Counter
from datetime import date, datetime
from itertools import pairwise

import numpy as np
import pytest

from stockbook_sandbox import Shop, ledger, lives
from stockbook_sandbox.catalogue import RETAIL
from stockbook_sandbox.demand import KORUNY_PER_EURO
from stockbook_sandbox.json_rows import Renderer
from stockbook_sandbox.localtime import DAY, NEVER, ZONE, local_of, to_local, to_utc, utc_of
from stockbook_sandbox.people import PERSONAL_PATTERN, pieces_in
from stockbook_sandbox.shares import Shares

NIGHTS = [
    datetime(2025, 9, 10, 2, 15),
    datetime(2025, 10, 26, 3, 30),
    datetime(2025, 11, 20, 2, 15),
    datetime(2026, 3, 1),
]


@pytest.fixture(scope="module")
def shop() -> Shop:
    """A small shop with more back-dated and straggling rows than usual."""
    return Shop.small(seed=3, orders=600, shares=Shares(backdated=0.05, late_commit=0.03, waiting=0.2, restored=0.5))


def every_byte(shop: Shop, clock: datetime) -> bytes:
    """All movements and orders of a shop as the API prints them."""
    render, now = Renderer(shop), utc_of(clock)
    orders = [render.order(n, now) for n in range(shop.visible_orders(now))]
    return b"\n".join(render.movements(shop.visible_movements(now)) + orders)


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Two shops of one seed cannot be told apart; another seed gives another shop."""
    first, again, other = (every_byte(Shop.small(seed=seed), NIGHTS[2]) for seed in (5, 5, 6))

    assert first == again
    assert first != other


def test_stock_is_the_sum_of_visible_movements(shop: Shop) -> None:
    """At any clock the stock in the truth is in minus out of the rows that can be seen, for both pools."""
    for night in NIGHTS:
        expected: Counter[tuple[str, str]] = Counter()
        m = shop.movements
        for row in shop.visible_movements(utc_of(night)).tolist():
            sign = 1 if m.direction[row] == ledger.IN else -1
            variant = str(shop.catalogue.variant_id[m.variant[row]])
            expected[variant, "quantity"] += sign * int(m.quantity[row])
            expected[variant, "damaged_quantity"] += sign * int(m.damaged[row])

        stock = shop.truth(night)["stock"]

        assert {(v, pool): n for v, pools in stock.items() for pool, n in pools.items() if n} == {
            key: n for key, n in expected.items() if n
        }


@pytest.mark.parametrize("by", ["visible", "created"])
def test_the_warehouse_never_issues_what_it_has_not(shop: Shop, by: str) -> None:
    """Replayed as written or as dated, no pool of any variant is ever below zero."""
    m = shop.movements
    order = np.lexsort((m.direction if by == "created" else m.id, getattr(m, by), m.variant))
    sign = np.where(m.direction[order] == ledger.IN, 1, -1)
    for pool in (m.quantity, m.damaged):
        running = np.cumsum(sign * pool[order])
        before = np.concatenate([[0], running])[np.searchsorted(m.variant[order], m.variant[order])]

        assert (running - before).min() >= 0


def test_what_was_seen_stays_seen(shop: Shop) -> None:
    """Moving the clock on hides no movement and no order."""
    seen: set[int] = set()
    orders = 0
    for day in range(1, 120, 7):
        now = shop.start + day * 86_400
        rows = set(shop.visible_movements(now).tolist())
        assert seen <= rows
        assert orders <= shop.visible_orders(now)
        seen, orders = rows, shop.visible_orders(now)


def test_some_rows_come_late_and_some_out_of_order(shop: Shop) -> None:
    """There are movements written long after they are dated, and ids that appear after a higher one; never before."""
    m = shop.movements

    assert (m.visible >= m.created).all()
    assert ((m.visible - m.created) > 3600).any()
    assert (np.diff(m.visible) < 0).any()
    assert (np.diff(m.id) > 0).all()


def test_an_order_is_issued_exactly_when_it_is_packed(shop: Shop) -> None:
    """Each line of a packed order leaves once, in full, from one pool, when it is packed; no other order leaves."""
    m, d = shop.movements, shop.demand
    out = np.flatnonzero((m.direction == ledger.OUT) & (m.order >= 0))
    packed = shop.lives.packed < NEVER

    assert (m.created[out] == shop.lives.packed[m.order[out]]).all()
    assert ((m.quantity[out] > 0) == ~shop.is_damaged_sale[m.order[out]]).all()
    pieces = m.quantity[out] + m.damaged[out]
    issued = Counter(zip(m.order[out].tolist(), m.variant[out].tolist(), pieces.tolist(), strict=True))
    lines = packed[d.line_order]
    ordered = Counter(
        zip(d.line_order[lines].tolist(), d.line_variant[lines].tolist(), d.line_quantity[lines].tolist(), strict=True)
    )
    assert issued == ordered


def test_milestones_follow_the_life_of_an_order(shop: Shop) -> None:
    """Every order begins with created, its times ascend, and each milestone may follow the one before it."""
    allowed = {
        "created": {"released", "pushed_to_expedition", "waiting_for_storage", "cancelled"},
        "released": {"pushed_to_expedition", "waiting_for_storage", "cancelled"},
        "waiting_for_storage": {"stock_ready", "cancelled"},
        "stock_ready": {"pushed_to_expedition"},
        "pushed_to_expedition": {"packed", "problem", "sent_back", "cancelled"},
        "sent_back": {"pushed_to_expedition", "waiting_for_storage"},
        "problem": {"problem_solved"},
        "problem_solved": {"packed"},
        "packed": {"sent", "not_sent"},
        "not_sent": {"sent", "cancelled"},
        "sent": {"delivered", "returned"},
        "delivered": {"returned"},
        "cancelled": {"restored"},
        "restored": {"released", "pushed_to_expedition", "waiting_for_storage"},
        "returned": set(),
    }
    seen: set[str] = set()
    for order in shop.truth(datetime(2026, 12, 1))["orders"].values():
        kinds = [milestone["kind"] for milestone in order["milestones"]]
        times = [milestone["at_utc"] for milestone in order["milestones"]]
        assert kinds[0] == "created"
        assert times == sorted(times)
        assert all(after in allowed[before] for before, after in pairwise(kinds)), kinds
        seen |= set(kinds)
    assert {"waiting_for_storage", "restored", "problem", "returned", "released"} <= seen


def test_a_transformation_takes_cartons_and_gives_their_pieces(shop: Shop) -> None:
    """Within one reload the cartons out come first and the pieces in are as many as were in them."""
    m, c = shop.movements, shop.catalogue
    reloads = np.unique(m.reload_id[m.reload_id >= 0])

    assert len(reloads)
    for number in reloads.tolist():
        out, into = np.flatnonzero(m.reload_id == number)
        carton = m.variant[out]
        assert (m.direction[out], m.direction[into]) == (ledger.OUT, ledger.IN)
        assert c.carton_of[carton] == m.variant[into]
        assert m.quantity[into] == m.quantity[out] * c.carton_pieces[carton]


def test_the_repeated_hour_holds_rows_of_both_passes(shop: Shop) -> None:
    """On the night the clocks go back, orders and movements fall into both passes and share their wall clock."""
    first, second = utc_of(datetime(2025, 10, 26, 2, 0)), utc_of(datetime(2025, 10, 26, 2, 0, fold=1))

    for times in (shop.demand.created, shop.movements.created):
        assert ((times >= first) & (times < second)).any()
        assert ((times >= second) & (times < second + 3600)).any()
    assert second - first == 3600


def test_a_clock_in_the_repeated_hour_means_the_first_pass(shop: Shop) -> None:
    """02:59 shows no row of the second pass unless the clock says fold; 03:00 shows both passes."""
    early, late = (shop.visible_movements(utc_of(datetime(2025, 10, 26, 2, 59, fold=fold))) for fold in (0, 1))

    assert len(early) < len(late)


@pytest.mark.parametrize(
    "local", [datetime(2025, 3, 30, 1, 59), datetime(2025, 3, 30, 3), datetime(2025, 10, 26, 2, 30)]
)
@pytest.mark.parametrize("fold", [0, 1])
def test_arrays_and_zoneinfo_agree_on_local_time(local: datetime, fold: int) -> None:
    """The vectorised conversion gives the instants of zoneinfo around both changes of the clock."""
    moment = local.replace(fold=fold)
    expected = int(moment.replace(tzinfo=ZONE).timestamp())

    assert utc_of(moment) == expected
    assert local_of(expected) == local
    assert to_local(to_utc(np.array([0, expected]))).tolist() == [0, expected]


def test_the_pattern_finds_every_personal_value(shop: Shop) -> None:
    """One expression over the written bytes is as good as searching for each value; the fast way finds the same."""
    values = [value.encode() for value in shop.personal_values()]

    assert [value for value in values if not PERSONAL_PATTERN.search(value)] == []
    assert {piece for value in values for piece in pieces_in(value)} == {
        match.group() for match in PERSONAL_PATTERN.finditer(b"\n".join(values))
    }
    assert pieces_in(b"1.907912345 9079 4207 zqxvo b9079306393c 9079306393e c79079306393") == set()


def test_every_order_on_the_wire_shows_a_person(shop: Shop) -> None:
    """Each order carries name, street and phone of somebody invented, and all of them are among the personal values."""
    values = set(shop.personal_values())
    render, now = Renderer(shop), utc_of(NIGHTS[-1])
    for n in range(shop.visible_orders(now)):
        order = json.loads(render.order(n, now))
        who = order["recipient"]
        assert {who[key] for key in ("firstname", "surname", "street", "phone", "zipcode")} <= values
        assert order["payment"]["variable_symbol"] in values


def test_a_shop_without_orders_in_a_gap_day_builds() -> None:
    """The smallest shops (one order, few variants, a week) build and have a truth."""
    tiny = Shop(seed=1, variants=5, orders=1, first=date(2025, 3, 28), last=date(2025, 4, 3))

    assert tiny.truth(datetime(2025, 4, 10))["counts"]["orders"] == 1
    assert tiny.truth(datetime(2025, 1, 1))["counts"] == {
        "orders": 0,
        "movements": 0,
        "variants": tiny.truth(datetime(2025, 1, 1))["counts"]["variants"],
        "receivings": 0,
        "quantity": 0,
        "damaged_quantity": 0,
    }


def test_orders_in_euros_cost_euros() -> None:
    """An order in another currency than the catalogue's is charged by the exchange rate, line by line."""
    shop = Shop.small(seed=3)
    retail = shop.catalogue.prices[RETAIL][shop.demand.line_variant]
    is_euro = np.array(shop.demand.currency)[shop.demand.line_order] == "EUR"

    ratio = retail / shop.demand.line_amount

    assert set(np.round(ratio[~is_euro], 6)) == {1.0}
    assert np.allclose(ratio[is_euro], KORUNY_PER_EURO, rtol=0.02)
    assert is_euro.any()


def test_nothing_stays_open_for_ever() -> None:
    """A month after its creation no order of any of the three systems still waits to leave."""
    shop = Shop.small(seed=3, orders=3000)
    now = shop.end
    old = now - 31 * DAY

    waiting = {lives.KIND[name] for name in ("created", "pushed_to_expedition", "packed", "not_sent")}
    orders = [n for n, kind in enumerate(shop.kinds_at(now).tolist()) if kind in waiting]
    assert orders
    assert shop.demand.created[orders].min() > old
    flickrocket = shop.flickrocket.created[shop.flickrocket.shipped > now]
    assert len(flickrocket)
    assert flickrocket.min() > old
    states = shop.shopline.truth(now)
    created = dict(zip(states, shop.shopline.created.tolist(), strict=False))
    open_ids = [own for own, state in states.items() if state["status"] not in ("closed", "cancelled")]
    assert open_ids
    assert min(created[own] for own in open_ids) > old
