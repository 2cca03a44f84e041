"""What texts of the wire mean as values: read as they are, converted where that is certain, else set aside."""

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from itertools import product
from typing import Any

import duckdb
import proof_size
import pytest
from reading_ways import FAST, PLAIN
from test_staging import movement, order

from conftest import a_run
from stockbook.clock import ManualClock
from stockbook.declarations import Table, of_layer
from stockbook.ids import id_of
from stockbook.jsonscan import fast_path
from stockbook.progress import Silent
from stockbook.references import names_something, reference
from stockbook.staging import typed_rows
from stockbook.staging.load import Landed, load
from stockbook.staging.typed_rows import typed_select
from stockbook.warehouse.schema import create_all

Land = Callable[..., Landed]
REFUSED = "refused"

WHOLE = {
    2: 2,
    "3": 3,
    " 5 ": 5,
    "+7": 7,
    "007": 7,
    4.0: 4,
    "6.00": 6,
    0: 0,
    2.5: REFUSED,
    "2.50": REFUSED,
    "1e3": REFUSED,
    "25e-1": REFUSED,
    "0x10": REFUSED,
    "1_000": REFUSED,
    "1,000": REFUSED,
    "5 ks": REFUSED,
    "\u0661\u0662": REFUSED,
    "NaN": REFUSED,
    "true": REFUSED,
    "9007199254740993.0": REFUSED,
}
DECIMALS = {
    "14.999999999": Decimal("14.999999999"),
    14.9: Decimal("14.9"),
    0.30000000000000004: Decimal("0.3"),
    "8.264462809917356": Decimal("8.264462809917"),
    "1e-7": Decimal("0.0000001"),
    "0.00": Decimal(0),
    "": None,
    "0.0000000000004": REFUSED,
    "NaN": REFUSED,
    "inf": REFUSED,
    "1_0.5": REFUSED,
    "14,90": REFUSED,
    "14.90 CZK": REFUSED,
    "true": REFUSED,
    1e30: REFUSED,
}
TRUTHS = {
    "true": True,
    "1": True,
    "FALSE": False,
    "0": False,
    "": None,
    "yes": REFUSED,
    "t": REFUSED,
    "2": REFUSED,
    "on": REFUSED,
}
MORNING = datetime(2026, 3, 4, 10), datetime(2026, 3, 4, 9)
# local wall clock and instant
TIMES = {
    "2026-03-04 10:00:00": MORNING,
    "2026-03-04T10:00:00": MORNING,
    "2026-03-04 10:00": MORNING,
    "2026-03-04T09:00:00Z": MORNING,
    "2026-03-04T09:00:00z": MORNING,
    "2026-03-04T09:00Z": MORNING,
    "2026-03-04T09:00:00.000Z": MORNING,
    "2026-03-04T10:00:00+01:00": MORNING,
    "2026-03-04 10:00:00 +0100": MORNING,
    "2026-03-04 10:00:00+01": MORNING,
    "2026-03-04 10:00+01": MORNING,
    "2026-03-04T05:30:00-03:30": MORNING,
    "2026-03-04 10:00:00.1234567": (datetime(2026, 3, 4, 10, 0, 0, 123456), datetime(2026, 3, 4, 9, 0, 0, 123456)),
    "2026-03-04T23:30:00Z": (datetime(2026, 3, 5, 0, 30), datetime(2026, 3, 4, 23, 30)),
    # the hour that occurs twice: an offset tells which one
    "2025-10-26 02:30:00": (datetime(2025, 10, 26, 2, 30), datetime(2025, 10, 26, 0, 30)),
    "2025-10-26T02:30:00+02:00": (datetime(2025, 10, 26, 2, 30), datetime(2025, 10, 26, 0, 30)),
    "2025-10-26T02:30:00+01:00": (datetime(2025, 10, 26, 2, 30), datetime(2025, 10, 26, 1, 30)),
    "2025-10-26T01:30:00Z": (datetime(2025, 10, 26, 2, 30), datetime(2025, 10, 26, 1, 30)),
    # the hour that is skipped is no hour of an instant
    "2026-03-29T01:30:00Z": (datetime(2026, 3, 29, 3, 30), datetime(2026, 3, 29, 1, 30)),
    "2026-03-29 02:30:00": REFUSED,
    "2026-03-04": REFUSED,
    "2026-03-04T24:00:00": REFUSED,
    "2026-03-04 10:00:60": REFUSED,
    "2026-02-30 10:00:00": REFUSED,
    "26-03-04 10:00:00": REFUSED,
    "04.03.2026 10:00:00": REFUSED,
    "03/04/2026 10:00:00": REFUSED,
    "2026-03-04 10:00:00 UTC": REFUSED,
    "2026-03-04 10:00:00+25:00": REFUSED,
    "1772614800": REFUSED,
    "0000-00-00 00:00:00": REFUSED,
    "-0001-11-30 00:00:00": REFUSED,
    "1970-01-01 01:00:00": REFUSED,
    "9999-12-31 23:59:59": REFUSED,
    "10000-01-01 00:00:00": REFUSED,
    "2026-03-04 (BC) 10:00:00": REFUSED,
    "infinity": REFUSED,
    "": REFUSED,
}
DATES = {
    "2026-03-04": date(2026, 3, 4),
    "2026-03-04 00:00:00": date(2026, 3, 4),
    "2026-03-03T23:00:00Z": date(2026, 3, 4),
    "2026-03-04T00:00:00+01:00": date(2026, 3, 4),
    "2099-12-31": date(2099, 12, 31),
    "": None,
    "0000-00-00": None,
    "0000-00-00 00:00:00": None,
    "0000-00-00T00:00:00Z": None,
    "04.03.2026": REFUSED,
    "4. 3. 2026": REFUSED,
    "26-03-04": REFUSED,
    "2026-02-30": REFUSED,
    "20260304": REFUSED,
    "-0001-11-30": REFUSED,
    "9999-12-31": REFUSED,
    "infinity": REFUSED,
    "soon": REFUSED,
}


@pytest.fixture(autouse=True, params=["parsed", "columns"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test holds for small listings, that DuckDB parses, and for large ones, read as columns and optimized."""
    is_large = request.param == "columns"
    monkeypatch.setattr(fast_path, "process", FAST if is_large else PLAIN)
    monkeypatch.setattr(typed_rows, "_FEW", -1 if is_large else 99)


@pytest.fixture
def read(
    con: duckdb.DuckDBPyConnection, land: Land, tables: dict[str, Table], clock: ManualClock
) -> Callable[..., dict[Any, Any]]:
    """Loads a row of a listing for each value, and gives what a query (key, values) says of it, or ``refused``."""

    def reading(
        listing: str, rows: dict[Any, dict[str, Any]], query: str, api: str = "fulfillment_cz"
    ) -> dict[Any, Any]:
        landed = land(listing, list(rows.values()), api=api, floor=0, ceiling=99)
        load(con, a_run(), [landed], tables, clock, Silent(), 1.0)
        answers = {str(key): values for key, *values in con.execute(query).fetchall()}
        return {value: answers.get(str(row["id"]), REFUSED) for value, row in rows.items()}

    return reading


def single(answers: dict[Any, Any]) -> dict[Any, Any]:
    """Answers of a single column."""
    return {value: answer[0] if isinstance(answer, list) else answer for value, answer in answers.items()}


def test_a_whole_number_is_never_rounded(read: Callable[..., dict[Any, Any]]) -> None:
    """Digits, and a fraction of zeros, are a whole number; whatever else is set aside."""
    rows = {value: movement(number, quantity=value) for number, value in enumerate(WHOLE, 1)}
    assert single(read("movements", rows, "select movement_id, quantity from staging.movements")) == WHOLE


def test_a_decimal_keeps_its_digits(read: Callable[..., dict[Any, Any]]) -> None:
    """Twelve places stay; what is no number, or would become another one, is set aside."""
    rows = {value: movement(number, price_per_unit=value) for number, value in enumerate(DECIMALS, 1)}
    assert single(read("movements", rows, "select movement_id, unit_price from staging.movements")) == DECIMALS


def test_the_value_of_an_order_keeps_its_digits(read: Callable[..., dict[Any, Any]]) -> None:
    """Amounts of an order have as many places as any price."""
    rows = {value: order(f"o{n}", delivery={"value": value}) for n, value in enumerate(DECIMALS, 1)}
    assert single(read("orders", rows, "select order_id, goods_value from staging.orders")) == DECIMALS


def test_a_truth_is_a_truth_only(read: Callable[..., dict[Any, Any]]) -> None:
    """True, false, 1 and 0 are truths; other words are set aside."""
    rows = {value: order(f"o{number}", on_hold=value) for number, value in enumerate(TRUTHS, 1)}
    assert single(read("orders", rows, "select order_id, is_on_hold from staging.orders")) == TRUTHS


def test_a_time_is_read_as_what_it_says(read: Callable[..., dict[Any, Any]]) -> None:
    """An offset is converted to the local wall clock and gives the instant; what is no certain time is set aside."""
    rows = {value: order(f"o{number}", created=value) for number, value in enumerate(TIMES, 1)}
    answers = read("orders", rows, "select order_id, created_at, created_at_utc from staging.orders")
    assert {value: tuple(answer) if answer != REFUSED else REFUSED for value, answer in answers.items()} == TIMES


def test_a_movement_s_time_is_read_as_an_order_s(read: Callable[..., dict[Any, Any]]) -> None:
    """The ledger's times are the same texts: local wall clock, or set aside."""
    rows = {value: movement(number, created=value) for number, value in enumerate(TIMES, 1)}
    locals_ = {value: at if at == REFUSED else at[0] for value, at in TIMES.items()}
    assert single(read("movements", rows, "select movement_id, created_at from staging.movements")) == locals_


def test_a_day_is_read_as_what_it_says(read: Callable[..., dict[Any, Any]]) -> None:
    """A time is of its local day, a database's zero is no day, and what is no certain day is set aside."""
    rows = {value: order(f"o{number}", dispatch_date=value) for number, value in enumerate(DATES, 1)}
    assert single(read("orders", rows, "select order_id, dispatch_date from staging.orders")) == DATES


def test_a_price_of_flickrocket_is_in_hundredths(read: Callable[..., dict[Any, Any]]) -> None:
    """A price with a fraction is no number of hundredths and is set aside."""
    amounts = {1490: 1490, "1490": 1490, 14.9: REFUSED, "14.90": REFUSED, 15.0: 15}
    rows = {
        value: {"id": number, "title": "Basic", "valid": 1, "currencies": [{"currency": "eur", "price": value}]}
        for number, value in enumerate(amounts, 1)
    }
    query = "select price_id, amount_minor from staging.flickrocket_prices"
    assert single(read("prices", rows, query, api="flickrocket")) == amounts


def test_a_time_of_flickrocket_is_utc_where_it_names_no_offset(read: Callable[..., dict[Any, Any]]) -> None:
    """Without an offset a time is UTC; with one it is converted."""
    times = {
        "2026-03-04T10:00:00": datetime(2026, 3, 4, 10),
        "2026-03-04T10:00:00+01:00": datetime(2026, 3, 4, 9),
        "2026-03-04T10:00:00Z": datetime(2026, 3, 4, 10),
        # no clock in UTC skips or repeats an hour
        "2026-03-29T02:30:00": datetime(2026, 3, 29, 2, 30),
        "2026-03-04": REFUSED,
    }
    rows = {value: {"id": number, "status": 0, "created_at": value} for number, value in enumerate(times, 1)}
    query = "select fulfillment_id, created_at, created_at_utc from staging.flickrocket_fulfillments"
    expected = {value: REFUSED if at == REFUSED else [at, at] for value, at in times.items()}
    assert read("fulfillments", rows, query, api="flickrocket") == expected


def test_a_reason_says_what_was_expected(con: duckdb.DuckDBPyConnection, read: Callable[..., dict[Any, Any]]) -> None:
    """The quarantine tells a text that cannot be read from a day beyond those a column may hold."""
    rows = {
        text: order(f"o{number}", created=text)
        for number, text in enumerate(["04.03.2026", "9999-12-31 23:59:59", "2026-03-29 02:30:00"], 1)
    }
    read("orders", rows, "select order_id from staging.orders")
    assert con.execute(
        "select row_key, reason from staging.quarantine where table_name = 'orders' order by row_key"
    ).fetchall() == [
        ("o1", "created_at: expected timestamp"),
        ("o2", "created_at: not within 2000-01-01 and 2199-12-31"),
        ("o3", "created_at: a time in the hour that is skipped in spring"),
    ]


def test_a_movement_is_of_known_direction_and_of_no_negative_pieces(
    con: duckdb.DuckDBPyConnection, read: Callable[..., dict[Any, Any]]
) -> None:
    """What the ledger could not be valued with is set aside by its id: the night goes on without it."""
    odd = [{"movement": "IN"}, {"movement": "transfer"}, {"quantity": -3}, {"damaged_quantity": -1}, {"quantity": 0}]
    rows = {number: movement(number, **changes) for number, changes in enumerate(odd, 1)}
    assert read("movements", rows, "select movement_id, quantity from staging.movements")[5] == [0]
    assert con.execute("select row_key, reason from staging.quarantine order by row_key").fetchall() == [
        ("1", "direction: none of in, out"),
        ("2", "direction: none of in, out"),
        ("3", "quantity: below 0"),
        ("4", "damaged_quantity: below 0"),
    ]


UUID = "9b2f0c1d-00aa-4000-8000-0000000000ef"
# the id that a text from the wire is, for whatever refers to it; None names nothing
IDS = {
    UUID: UUID,
    UUID.upper(): UUID,
    f" {UUID}\t": UUID,
    f"\u200f{UUID}\ufeff": UUID,
    37: "37",
    38.0: "38",
    "39.00": "39",
    "12.50": "12.50",
    "FF12-Ab ": "FF12-Ab",
    "\u00c1b": "\u00c1b",
    "C\u030cd1": "\u010cd1",
    "nullable": "nullable",
    "null": None,
    "NULL": None,
    " None ": None,
    "undefined": None,
    "N/A": None,
    "n/a ": None,
    "#N/A": None,
    "(null)": None,
    "NaN": None,
    "-": None,
    " \u2014 ": None,
    "N/A-7": "N/A-7",
    "(7)": "(7)",
    "0.0": None,
    "00000000-0000-0000-0000-000000000000": None,
    "\u00a0": None,
    "": None,
}


def test_what_a_movement_refers_to_is_the_id_however_it_is_written(read: Callable[..., dict[Any, Any]]) -> None:
    """Blanks, marks nobody sees, case and a point are no part of an id; the word for nothing is nothing."""
    rows = {text: movement(number, fulfillment_order_id=text) for number, text in enumerate(IDS, 1)}
    assert single(read("movements", rows, "select movement_id, order_id from staging.movements")) == IDS

    words = {text: movement(number, preload_id=text) for number, text in enumerate(("null", "None", 5.0, "5"), 1)}
    received = single(read("movements", words, "select movement_id, receiving_id from staging.movements"))
    assert received == {"null": None, "None": None, 5.0: 5, "5": 5}


def test_an_order_has_the_id_that_its_movements_name(
    con: duckdb.DuckDBPyConnection, read: Callable[..., dict[Any, Any]]
) -> None:
    """One order per id, and the lines with it; an id of blanks is none."""
    named = [text for text, id_ in IDS.items() if id_]
    read("orders", {text: order(text) for text in ("\u00a0", *named)}, "select order_id, 1 from staging.orders")
    ids = {id_ for id_ in IDS.values() if id_}
    assert {id_ for (id_,) in con.execute("select order_id from staging.orders").fetchall()} == ids
    assert {id_ for (id_,) in con.execute("select order_id from staging.order_lines").fetchall()} == ids
    assert con.execute("select count(*) from staging.quarantine where table_name = 'orders'").fetchall() == [(1,)]


def test_what_is_asked_for_is_compared_as_what_was_loaded(con: duckdb.DuckDBPyConnection) -> None:
    """Python and SQL say the same of every id."""
    for text in map(str, IDS):
        answer = con.execute(f"select staging.id_of($1), {reference('$1')} is not null", [text]).fetchall()
        assert answer == [(id_of(text), names_something(text))]


PARTS = ("0", "1", ".", "-", " ", "\u00a0", "\u2013", "\u200b", "a", "N", "null", "(null)")


def test_python_and_sql_say_the_same_of_every_text_of_odd_parts(con: duckdb.DuckDBPyConnection) -> None:
    """A 0 before a blank that is none of ASCII, a dash or many more 0 is nothing; so is each of them around a 0."""
    texts = ["".join(parts) for count in range(proof_size.of(3, 4) + 1) for parts in product(PARTS, repeat=count)]
    texts += ["0" * 41, "0" * 41 + "1"]
    con.execute("create temporary table odd as select unnest($1) as text", [texts])

    rows = con.execute(f"select text, staging.id_of(text), {reference('text')} is not null from odd").fetchall()
    assert len(rows) == len(texts)
    assert [row for row in rows if row[1:] != (id_of(row[0]), names_something(row[0]))] == []


def test_less_than_nothing_is_nowhere_received_or_asked_for(
    con: duckdb.DuckDBPyConnection, land: Land, tables: dict[str, Table], clock: ManualClock
) -> None:
    """Negative pieces are set aside by the part they are of; the receiving keeps its head and its other lines."""
    lines = [{"variant_id": 7, "quantity": -5}, {"variant_id": 7, "quantity": 5, "received_quantity": 0}]
    items = [{"variant_id": 7, "quality": 1, "received_quantity": -3}]
    landed = [
        land("receivings", [{"id": 1, "items": lines, "stock_items": items}]),
        land("replenishment_rules", [{"mastercase_code": "m", "variant_ext_code": "7", "mastercase_quantity": -6}]),
        land("stock_requests", [{"id": 1, "variant_id": 7, "quantity": -4, "created": "2026-02-01 09:00:00"}]),
    ]
    load(con, a_run(), landed, tables, clock, Silent(), 1.0)

    assert con.execute("select line_no, quantity from staging.receiving_lines").fetchall() == [(2, 5)]
    assert con.execute("select count(*) from staging.receivings").fetchall() == [(1,)]
    assert con.execute("select table_name, row_key, reason from staging.quarantine order by 1").fetchall() == [
        ("receiving_lines", "1/1", "quantity: below 0"),
        ("receiving_stock_items", "1/1", "received_quantity: below 0"),
        ("replenishment_rules", "m/7", "mastercase_quantity: below 0"),
        ("stock_requests", "1", "quantity: below 0"),
    ]


def test_a_batch_may_never_expire(con: duckdb.DuckDBPyConnection, read: Callable[..., dict[Any, Any]]) -> None:
    """The last day of the calendar is an expiry date that means never."""
    item = {"variant_id": 7, "quantity": 1, "expiration": "9999-12-31"}
    read("orders", {1: order("o1", stock_items=[item])}, "select order_id from staging.orders")
    assert con.execute("select expiration from staging.order_stock_items").fetchall() == [(date(9999, 12, 31),)]


def test_a_number_declared_with_more_digits_gets_them(con: duckdb.DuckDBPyConnection, tables: dict[str, Table]) -> None:
    """A warehouse of an earlier version keeps its amounts, in the type that is declared now."""
    con.execute("insert into staging.orders (account, order_id, goods_value) values ('main', 'o1', 12.3456)")
    con.execute("alter table staging.orders alter column goods_value set data type decimal(18, 4)")
    create_all(con, tables)
    assert con.execute("select goods_value, typeof(goods_value) from staging.orders").fetchall() == [
        (Decimal("12.3456"), "DECIMAL(24,12)")
    ]


def test_a_macro_is_given_a_column_and_no_calculation(tables: dict[str, Table]) -> None:
    """A macro repeats its argument: calculations in calculations made the plan of one select 200 ms of work."""
    simple = re.compile(r"\w+\(([\w.]+|'[^']*')(, ([\w.]+|'[^']*'))*\)")
    fed = [table for table in of_layer(tables, "staging") if table.source is not None]
    calls = [
        (table.table, call)
        for table in fed
        for call in typed_select(table, "from landed", "main", "Europe/Prague", "2026-03-01 02:15:00").split(
            "staging."
        )[1:]
    ]
    assert len(calls) > len(fed)
    assert [(name, call[:80]) for name, call in calls if not simple.match(call)] == []
