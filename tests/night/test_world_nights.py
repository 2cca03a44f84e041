"""Two nights of a shop that is heard over SHOPLINE and knows its rates: turnover, differences and edits are true."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from day_rates import policies_with_rates
from heard import Heard
from night_rig import KEY, Rig, environment
from reference_valuation import AVERAGE, LANDED, Defaults, Line, Move, books
from true_figures import DIFFERENCES, rows

from stockbook.cli.demo_hooks import receiving
from stockbook_sandbox import Shop, money, running
from stockbook_sandbox.catalogue import PURCHASE
from stockbook_sandbox.ledger import IN
from stockbook_sandbox.localtime import DAY, day_number, to_local
from stockbook_sandbox.sending import Sending
from stockbook_sandbox.signing import DEFAULT_SECRET

FIRST = datetime(2025, 11, 20, 2, 15)
SECOND = FIRST + timedelta(days=1)
CLOSED = date(2025, 10, 31)

pytestmark = pytest.mark.slow  # two nights


@pytest.fixture(scope="module")
def shop() -> Shop:
    """A shop with an edit of a price between the nights."""
    return Shop.small(seed=41)


@pytest.fixture(scope="module")
def con(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The writer's file after the second night."""
    home = tmp_path_factory.mktemp("heard") / "home"
    policy = policies_with_rates(shop, SECOND, tmp_path_factory.mktemp("policy"))
    shopline = f'{{"conn_type": "http", "host": "http://127.0.0.1", "password": "{DEFAULT_SECRET}"}}'
    more = {"STOCKBOOK_POLICY_DIR": str(policy), "AIRFLOW_CONN_SHOPLINE": shopline}
    beginning = datetime.combine(shop.first, datetime.min.time()) - timedelta(days=1)
    with (
        receiving(environment("http://127.0.0.1", KEY, home, **more)) as receiver,
        running(shop, beginning, hooks_to=receiver.url) as server,
    ):
        server.hooks.how = Sending(sources=("shopline",), connections=1)
        rig, last = Rig(server, home, more), beginning
        for night in (FIRST, SECOND):
            receiver.move_clock(Heard(server), last, night, night - last)
            rig.books(night)
            last = night
    with duckdb.connect(str(rig.settings.warehouse), read_only=True) as opened:
        yield opened


def test_turnover_is_true_to_the_last_digit(con: duckdb.DuckDBPyConnection, shop: Shop) -> None:
    """Of every day, orders in euros among them, in koruny by the rate of the day."""
    published: dict[str, Decimal] = {}
    for row in rows(con, "from reports.sales_daily where turnover_reporting is not null"):
        day = row["created_date"].isoformat()
        published[day] = published.get(day, Decimal(0)) + row["turnover_reporting"]
    turnover = shop.truth(SECOND)["turnover"]

    assert published == {day: Decimal(row["amount"]) for day, row in turnover.items() if row["orders"]}
    assert con.execute("select sum(orders_without_rate) from reports.sales_daily").fetchall() == [(0,)]
    assert con.execute("select count(*) > 3 from marts.fct_order where currency = 'EUR'").fetchall() == [(True,)]


def test_shoplines_orders_and_how_they_differ(con: duckdb.DuckDBPyConnection, shop: Shop) -> None:
    """Each is joined to its order of the warehouse; what is told to differ does; what differed a day ago is told."""
    truth, earlier = shop.truth(SECOND), shop.truth(FIRST - timedelta(days=1))
    true, before = truth["channel_orders"]["shopline"], earlier["channel_orders"]["shopline"]
    joined = {
        row["order_id"]: row["joined_order_id"]
        for row in rows(con, "from marts.fct_channel_order where system = 'shopline'")
    }
    published = {
        (row["order_id"], row["difference"])
        for row in rows(
            con, "from reports.channel_reconciliation where coalesce(joined_system, system) <> 'flickrocket'"
        )
        if row["system"] != "flickrocket"
    }
    differing = {(key, DIFFERENCES[kind]) for key, order in true.items() for kind in order["differences"]}
    old = {(key, DIFFERENCES[kind]) for key, order in before.items() for kind in order["differences"]} & differing
    unknown = {(key, "missing_in_channel") for key in truth["unknown_to_channels"]}

    assert joined == {key: order["order_id"] for key, order in true.items()}
    assert published <= differing | unknown
    assert {row for row in old if row[1] != "differing_state"} <= published
    assert {(key, "missing_in_channel") for key in earlier["unknown_to_channels"]} <= published


def test_shoplines_parcels(con: duckdb.DuckDBPyConnection, shop: Shop) -> None:
    """As many as its orders have, however their numbers were written."""
    published = {
        row["order_id"]: row["parcels"]
        for row in rows(
            con, "select order_id, count(*) as parcels from marts.fct_parcel where system = 'shopline' group by all"
        )
    }
    true = shop.truth(SECOND)["channel_orders"]["shopline"]

    assert published == {key: order["parcels"] for key, order in true.items() if order["parcels"]}
    assert max(published.values()) > 1


def replayed(shop: Shop, variant: int, prices: Any) -> Decimal:
    """Value of a variant's sellable and damaged stock at the end of a closed month, by the average, landed."""
    m, r, c = shop.movements, shop.receivings, shop.catalogue
    local = to_local(m.created)
    end = (day_number(CLOSED) + 1) * DAY

    def amount(value: int) -> Decimal | None:
        return None if value == money.NULL else Decimal(value) / money.SCALE

    moves = [
        Move(
            int(m.id[n]), variant, "in" if m.direction[n] == IN else "out", int(m.quantity[n]), int(m.damaged[n]),
            amount(int(m.price[n])), amount(int(m.extra_cost[n])), int(local[n]),
            None if m.order[n] < 0 else str(int(m.order[n])), None, None if m.receiving[n] < 0 else int(m.receiving[n]),
        )
        for n in shop.visible_movements(shop.instant(SECOND)).tolist()
        if m.variant[n] == variant and local[n] < end
    ]  # fmt: skip
    lines: dict[tuple[int, int], list[Line]] = {}
    for item, (document, own) in enumerate(zip(r.item_receiving.tolist(), r.item_variant.tolist(), strict=True)):
        pieces = int(r.item_quantity[item] + r.item_damaged[item])
        lines.setdefault((document, own), []).append(Line(pieces, amount(int(prices[item]))))
    defaults: Defaults = {variant: [(0, amount(int(c.prices[PURCHASE, variant])))]}
    balance = books(moves, AVERAGE, LANDED, defaults, lines).balance
    latest: dict[str, tuple[int, Decimal]] = {}
    for (_, pool, at), (_, value, *_) in balance.items():
        if at >= latest.get(pool, (-1, Decimal(0)))[0]:
            latest[pool] = at, value
    return sum((value for _, value in latest.values()), Decimal(0))


def test_an_edit_of_a_price_restates_the_closed_month(con: duckdb.DuckDBPyConnection, shop: Shop) -> None:
    """The restatement names the receiving, and is what replaying the ledger with either price gives."""
    edits = [edit for edit in shop.truth(SECOND)["price_edits"] if edit["at"] > str(FIRST) and edit["changes_cost"]]
    assert edits
    r, c = shop.receivings, shop.catalogue
    before, after = (shop.edits.prices_at(r, shop.instant(night)) for night in (FIRST, SECOND))
    true = {}
    for edit in edits:
        variant = int((c.variant_id == edit["variant_id"]).argmax())
        change = replayed(shop, variant, after) - replayed(shop, variant, before)
        true[edit["receiving_id"], edit["variant_id"]] = change.quantize(Decimal("0.000001"))
    published = {
        (row["receiving_id"], row["variant_id"]): row["change"].quantize(Decimal("0.000001"))
        for row in rows(
            con,
            "select receiving_id, variant_id, sum(average_landed_change) as change from reports.restatements "
            f"where cause = 'receiving_line' and date = date '{CLOSED}' group by all",
        )
    }

    assert published == {key: change for key, change in true.items() if change} != {}
