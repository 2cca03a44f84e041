"""Replaying a real order history: what is kept of it, what is left out, what is invented."""

from collections import Counter
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pytest

from stockbook.errors import ConfigError
from stockbook.sandbox import Shop, ledger
from stockbook.sandbox.localtime import NEVER, local_of
from stockbook.sandbox.money import NULL

REAL = Path(__file__).parents[2] / "shared" / "data" / "online_retail.parquet"
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
LINES = """
536365,85123A,WHITE HOLDER,6,2010-12-01 08:26:00,2.55,17850,United Kingdom
536365,85123a,white holder,2,2010-12-01 08:26:00,2.55,17850,United Kingdom
536365,71053,METAL LANTERN,6,2010-12-01 08:26:00,3.39,17850,United Kingdom
536365,POST,POSTAGE,1,2010-12-01 08:26:00,18.00,17850,United Kingdom
536366,71053,METAL LANTERN,4,2010-12-01 09:00:00,3.39,17851,United Kingdom
536367,22632,HAND WARMER,-3,2010-12-02 09:00:00,1.85,,United Kingdom
536368,22632,damages,9,2010-12-02 09:00:00,0.00,,United Kingdom
536369,22632,HAND WARMER,12,2010-12-03 10:00:00,1.85,,United Kingdom
C536370,71053,METAL LANTERN,-4,2010-12-01 09:01:00,3.39,17851,United Kingdom
C536371,85123A,WHITE HOLDER,-5,2011-01-20 12:00:00,2.55,17850,United Kingdom
C536372,22632,HAND WARMER,-12,2011-01-21 12:00:00,1.85,99999,United Kingdom
"""


def shop_of(tmp_path: Path, text: str = f"{HEADER}{LINES}") -> Shop:
    """The shop of a few invoices."""
    path = tmp_path / "orders.csv"
    path.write_text(text)
    return Shop(seed=1, history=path)


def lines_of(shop: Shop) -> dict[str, dict[str, int]]:
    """Invoice -> code -> pieces."""
    found: dict[str, dict[str, int]] = {number: {} for number in shop.demand.remote_number}
    columns = zip(shop.demand.line_order, shop.demand.line_variant, shop.demand.line_quantity, strict=True)
    for order, variant, pieces in columns:
        found[shop.demand.remote_number[order]][shop.catalogue.ext_code[variant]] = int(pieces)
    return found


def test_invoices_become_orders_and_codes_are_folded(tmp_path: Path) -> None:
    """Goods with a quantity and a price or a customer are kept; postage, corrections and negatives are not."""
    assert lines_of(shop_of(tmp_path)) == {
        "536365": {"85123A": 8, "71053": 6},
        "536366": {"71053": 4},
        "536369": {"22632": 12},
    }


def test_orders_keep_their_wall_clock(tmp_path: Path) -> None:
    """The invoice's time is the order's local time."""
    shop = shop_of(tmp_path)

    assert [local_of(at) for at in shop.demand.created.tolist()] == [
        datetime(2010, 12, 1, 8, 26),
        datetime(2010, 12, 1, 9, 0),
        datetime(2010, 12, 3, 10, 0),
    ]


def test_a_whole_order_credited_before_packing_is_cancelled(tmp_path: Path) -> None:
    """Invoice 536366 was taken back after a minute: it never leaves."""
    order = next(
        o for o in shop_of(tmp_path).truth(datetime(2011, 6, 1))["orders"].values() if o["remote_number"] == "536366"
    )

    assert [milestone["kind"] for milestone in order["milestones"]] == ["created", "cancelled"]


def test_a_later_credit_returns_pieces_of_that_customer(tmp_path: Path) -> None:
    """Five of eight holders come back on the credit's day; the credit of an unknown customer is ignored."""
    shop = shop_of(tmp_path)
    m = shop.movements
    returns = np.flatnonzero((m.direction == ledger.IN) & (m.order >= 0))

    assert [(shop.demand.remote_number[m.order[n]], int(m.quantity[n] + m.damaged[n])) for n in returns] == [
        ("536365", 5)
    ]
    assert local_of(int(m.created[returns[0]])) == datetime(2011, 1, 20, 12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n", "must have the columns InvoiceNo"),
        (f"{HEADER}\n1,POST,POSTAGE,1,2010-12-01 08:26:00,18.00,1,X\n", "at least one invoice of goods"),
    ],
)
def test_a_file_that_is_no_order_history_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    """One sentence says what was expected."""
    with pytest.raises(ConfigError, match=expected):
        shop_of(tmp_path, text)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """So does a file that is not there."""
    with pytest.raises(ConfigError, match="there is no such file"):
        Shop(history=tmp_path / "nothing.parquet")


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.skipif(
    not REAL.is_file(), reason="needs the Online Retail data set (doi 10.24432/C5BW33) as Parquet beside the checkout"
)
def test_the_real_history_is_replayed_line_by_line() -> None:
    """Orders and their pieces equal what SQL finds in the file, and nothing is issued that is not there."""
    shop = Shop(history=REAL)
    m, d = shop.movements, shop.demand
    rows = duckdb.execute(
        """
        select InvoiceNo, sum(Quantity) from read_parquet(?)
        where regexp_full_match(StockCode, '[0-9]{5}[A-Za-z]{0,2}') and Quantity > 0
            and InvoiceNo[1] not in ('C', 'A') and (UnitPrice > 0 or CustomerID is not null)
        group by 1
        """,
        [str(REAL)],
    ).fetchall()
    pieces = np.bincount(d.line_order, weights=d.line_quantity).astype(int).tolist()
    order = np.lexsort((m.id, m.variant))
    sign = np.where(m.direction[order] == ledger.IN, 1, -1)
    running = np.cumsum(sign * m.quantity[order])
    before = np.concatenate([[0], running])[np.searchsorted(m.variant[order], m.variant[order])]
    issued = Counter(m.order[(m.direction == ledger.OUT) & (m.order >= 0)].tolist())

    assert dict(zip(d.remote_number, pieces, strict=True)) == dict(rows)
    assert len(d.created) > 19_000
    assert len(m.id) > 500_000
    assert (running - before).min() >= 0
    assert issued == Counter(d.line_order[shop.lives.packed[d.line_order] < NEVER].tolist())
    assert (m.price[(m.receiving >= 0)] != NULL).mean() > 0.97
