"""Replaying a real order history: what is kept of it, what is left out, what is invented."""

from collections import Counter
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pytest
from checkout import PROJECT

from stockbook.errors import ConfigError
from stockbook_sandbox import Shop, ledger
from stockbook_sandbox.localtime import NEVER, local_of
from stockbook_sandbox.money import NULL

REAL = PROJECT.parent / "shared" / "data" / "online_retail.parquet"
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
    lines: dict[str, dict[str, int]] = {number: {} for number in shop.demand.remote_number}
    columns = zip(shop.demand.line_order, shop.demand.line_variant, shop.demand.line_quantity, strict=True)
    for order, variant, pieces in columns:
        lines[shop.demand.remote_number[order]][shop.catalogue.ext_code[variant]] = int(pieces)
    return lines


def test_invoices_become_orders_and_codes_are_folded(tmp_path: Path) -> None:
    """Goods with a quantity and a price or a customer are kept; postage, corrections and negatives are not."""
    assert lines_of(shop_of(tmp_path)) == {
        "536365": {"85123A": 8, "71053": 6},
        "536366": {"71053": 4},
        "536369": {"22632": 12},
    }


def test_the_name_of_a_file_is_no_pattern(tmp_path: Path) -> None:
    """A browser calls the second download ``orders[1].csv``; another file beside it is not read for it."""
    for name, text in (("orders1.csv", HEADER), ("orders[1].csv", f"{HEADER}{LINES}")):
        (tmp_path / name).write_text(text)
    assert len(Shop(seed=1, history=tmp_path / "orders[1].csv").demand.remote_number) == 3


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


def dated(*times: str, quantity: str = "6", price: str = "2.55") -> str:
    """A history with an invoice at each time."""
    rows = [f'{n},71053,LANTERN,"{quantity}",{at},"{price}",1,X' for n, at in enumerate(times, 536365)]
    return "\n".join([HEADER, *rows, ""])


@pytest.mark.parametrize(
    "times",
    [
        ("2010-12-03 08:26:00", "2010-12-04 08:26:00"),
        ("2010-12-03T08:26:00", "2010-12-04T08:26:00"),
        ("2010/12/03 08:26", "2010/12/04 08:26"),
        ("03.12.2010 08:26", "04.12.2010 08:26"),
        ("3.12.2010 8:26", "4.12.2010 8:26"),
        ("03/12/2010 08:26", "04/12/2010 08:26", "13/12/2010 08:26"),
        ("12/03/2010 08:26", "12/04/2010 08:26", "12/13/2010 08:26"),
        ("2010-12-03T07:26:00Z", "2010-12-04T07:26:00Z"),
        ("2010-12-03T08:26:00+0100", "2010-12-04T08:26:00+0100"),
    ],
)
def test_the_format_of_times_is_that_of_the_whole_file(tmp_path: Path, times: tuple[str, ...]) -> None:
    """One row that can be read only one way tells how all are read; an offset is converted."""
    created = [local_of(at) for at in shop_of(tmp_path, dated(*times)).demand.created.tolist()]
    assert created[:2] == [datetime(2010, 12, 3, 8, 26), datetime(2010, 12, 4, 8, 26)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (dated("03/04/2010 08:26", "04/05/2010 08:26"), "%d/%m/%Y %H:%M or as %m/%d/%Y %H:%M.*--date-format"),
        (dated("13/12/2010 08:26", "12/13/2010 08:26"), "InvoiceDate was expected in one format in all rows.*13"),
        (dated("2010-12-03 08:26:00", "04.12.2010 08:26"), "row 2: InvoiceDate.*'04.12.2010 08:26'.*--date-format"),
        (dated("1291364760", "1291451160"), "InvoiceDate.*'1291364760'.*--date-format seconds"),
        (dated("40515.35", "40516.35"), "InvoiceDate was expected in one format"),
        (dated("03.12.10 08:26"), "InvoiceDate.*'03.12.10 08:26'"),
        (dated("2010-12-03 08:26:00", ""), "row 2: InvoiceDate.*got nothing"),
        (dated("1970-01-01 00:00:00"), "within 2000-01-01 and 2199-12-31; got '1970"),
        (dated("2010-12-03 08:26:00", quantity="2.5"), "row 1: Quantity was expected to be whole pieces.*'2.5'"),
        (dated("2010-12-03 08:26:00", quantity="1e3"), "row 1: Quantity"),
        (
            dated("2010-12-03 08:26:00", price="2,55"),
            "row 1: UnitPrice was expected to be a number with a point.*'2,55'",
        ),
        (dated("2010-12-03 08:26:00", price="NaN"), "row 1: UnitPrice.*'NaN'"),
        (dated("2010-12-03 08:26:00").replace("InvoiceDate", "Datum"), "must have the columns .* InvoiceDate"),
    ],
)
def test_a_file_that_does_not_say_one_thing_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    """A sentence names the row, what was expected and how to name the format; nothing becomes 1970."""
    with pytest.raises(ConfigError, match=expected):
        shop_of(tmp_path, text)


@pytest.mark.parametrize(
    ("times", "date_format"),
    [
        (("03/12/2010 08:26",), "%d/%m/%Y %H:%M"),
        (("12/03/2010 08:26",), "%m/%d/%Y %H:%M"),
        (("03.12.10 08:26",), "%d.%m.%y %H:%M"),
        (("1291361160",), "seconds"),
        (("1291361160000",), "milliseconds"),
    ],
)
def test_a_format_can_be_named(tmp_path: Path, times: tuple[str, ...], date_format: str) -> None:
    """What the rows do not tell, the option does; numbers count from 1970 in UTC."""
    path = tmp_path / "orders.csv"
    path.write_text(dated(*times))
    created = Shop(seed=1, history=path, date_format=date_format).demand.created.tolist()
    assert [local_of(at) for at in created] == [datetime(2010, 12, 3, 8, 26)]


@pytest.mark.parametrize("date_format", ["%Y-%m-%d %H:%M", "nonsense", "%Q"])
def test_a_format_that_is_not_the_file_s_is_refused(tmp_path: Path, date_format: str) -> None:
    """A named format is held to as strictly as one that was found."""
    path = tmp_path / "orders.csv"
    path.write_text(dated("03/12/2010 08:26"))
    with pytest.raises(ConfigError, match="--date-format"):
        Shop(seed=1, history=path, date_format=date_format)


def test_types_of_parquet_are_read_as_what_they_are(tmp_path: Path) -> None:
    """Times with and without a zone and decimals need no format; days and whole seconds do."""
    path = tmp_path / "orders.parquet"
    columns = "'1' as InvoiceNo, '71053' as StockCode, 'L' as Description, 'X' as Country, 1.0 as CustomerID"
    for quantity, time, price, expected in (
        ("6", "timestamp '2010-12-03 08:26:00'", "2.55::decimal(9, 2)", datetime(2010, 12, 3, 8, 26)),
        ("6.0::double", "timestamptz '2010-12-03 07:26:00+00'", "2.55", datetime(2010, 12, 3, 8, 26)),
        ("6", "timestamp_ms '2010-12-03 08:26:00.5'", "2.55::double", datetime(2010, 12, 3, 8, 26)),
        ("6", "date '2010-12-03'", "2.55", "InvoiceDate"),
        ("6", "1291361160", "2.55", "InvoiceDate"),
        ("2.5", "timestamp '2010-12-03 08:26:00'", "2.55", "Quantity"),
    ):
        path.unlink(missing_ok=True)
        duckdb.execute(
            f"copy (select {columns}, {quantity} as Quantity, {time} as InvoiceDate, {price} as UnitPrice) to '{path}'"
        )
        if isinstance(expected, datetime):
            assert [local_of(at) for at in Shop(seed=1, history=path).demand.created.tolist()] == [expected]
        else:
            with pytest.raises(ConfigError, match=f"row 1: {expected} was expected"):
                Shop(seed=1, history=path)


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
