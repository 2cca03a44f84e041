"""One DuckDB file without the people on the list: rows in, rows out."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stockbook.declarations import Table
from stockbook.erasure.books import Books
from stockbook.erasure.finding import complete
from stockbook.projection.erasures import NOBODY, Erasures, order_name
from stockbook.projection.personal import hashed

KEY = b"a key for tests, long enough"
AT = datetime(2026, 3, 1, 1, 15, tzinfo=UTC)
ANNA, BEN, BUYER = (hashed(text, KEY) or "" for text in ("anna@example.com", "ben@example.com", "7907900001"))
PARCEL = hashed("DR123", KEY) or ""


@pytest.fixture
def erasures(tmp_path: Path) -> Erasures:
    """A list with Anna."""
    erasures = Erasures(tmp_path / "erasures.jsonl", KEY, AT)
    erasures.add("person", ANNA)
    return erasures


def put(con: duckdb.DuckDBPyConnection, table: str, **values: Any) -> None:
    """A row of the account main."""
    values = {"account": "main"} | values
    marks = ", ".join("?" * len(values))
    con.execute(f"insert into {table} ({', '.join(values)}) values ({marks})", list(values.values()))


def erase(con: duckdb.DuckDBPyConnection, tables: dict[str, Table], erasures: Erasures) -> dict[str, int]:
    """Erase everybody on the list; rows by table."""
    complete(con, tables, erasures)
    books = Books(con, tables, erasures)
    books.erase(AT, {}, {})
    return dict(+books.rows)


def orders(con: duckdb.DuckDBPyConnection) -> None:
    """Two of Anna in another spelling of their ids, one of Ben; and what was built of them."""
    for number, who in enumerate((ANNA, ANNA, BEN)):
        put(con, "staging.orders", order_id=f"o-{number}", recipient_key=who, city="Zlín", postcode="760",
            tracking_number=PARCEL if number == 1 else None, number=f"{number}", _row_hash=number)  # fmt: skip
    con.execute("create schema if not exists marts")
    con.execute("create table marts.fct_order as select account, order_id, city, recipient_key from staging.orders")
    con.execute(f"create table marts.parcel as select 'main' as account, '{PARCEL}' as called_otherwise")


def test_rows_stay_and_what_tells_of_a_person_goes(
    con: duckdb.DuckDBPyConnection, tables: dict[str, Table], erasures: Erasures
) -> None:
    """In staging and in what was built; Ben's row is as it was, and a second pass has nothing to do."""
    orders(con)

    rows = erase(con, tables, erasures)

    renamed = erasures.renamed(PARCEL)
    query = "select number, recipient_key, city, postcode, tracking_number from staging.orders order by 1"
    assert con.execute(query).fetchall() == [
        ("0", None, None, None, None), ("1", None, None, None, renamed), ("2", BEN, "Zlín", "760", None),
    ]  # fmt: skip
    assert con.execute("select city, recipient_key from marts.fct_order order by order_id").fetchall() == [
        (None, None), (None, None), ("Zlín", BEN),
    ]  # fmt: skip
    assert con.execute("select called_otherwise from marts.parcel").fetchall() == [(renamed,)]
    hashes = con.execute("select _row_hash from staging.orders order by number").fetchall()
    columns = ", ".join(name for name, column in tables["staging.orders"].columns.items() if not column.observed)
    assert (
        hashes[:2]
        == con.execute(f"select hash({columns}) from staging.orders where number < '2' order by number").fetchall()
    )
    assert hashes[2] == (2,)
    assert rows["staging.orders"] >= 2
    noted = con.execute("select place, rows_erased from meta.erasure").fetchall()
    assert dict(noted)["marts.fct_order"] == 2

    assert erase(con, tables, erasures) == {}
    assert con.execute("select place, rows_erased from meta.erasure").fetchall() == noted


def test_a_file_of_an_earlier_version_lacks_a_column(
    con: duckdb.DuckDBPyConnection, tables: dict[str, Table], erasures: Erasures
) -> None:
    """What it has is erased; the row's hash stays, for the next load sees another row anyhow."""
    orders(con)
    con.execute("alter table staging.orders drop column payment_key")

    erase(con, tables, erasures)

    assert con.execute("select count(recipient_key), count(city) from staging.orders").fetchall() == [(1, 1)]


@pytest.mark.parametrize("has_other", [False, True])
def test_a_customer_who_ordered_for_somebody_else_is_not_the_same_person(
    has_other: bool, con: duckdb.DuckDBPyConnection, tables: dict[str, Table], erasures: Erasures
) -> None:
    """The joined order is erased; whose it is in the other system only where all their joined orders are hers."""
    orders(con)
    joined = [("f-0", "o-0"), *([("f-2", "o-2")] if has_other else [])]
    con.execute(
        "create table marts.fct_channel_order (system varchar, account varchar, order_id varchar, join_state varchar, "
        "joined_system varchar, joined_account varchar, joined_order_id varchar)"
    )
    for fulfillment, order in (*joined, ("f-9", None)):
        put(con, "staging.flickrocket_fulfillments", fulfillment_id=fulfillment, customer_key=BUYER)
        put(con, "marts.fct_channel_order", system="flickrocket", order_id=fulfillment, joined_system="fulfillment_cz",
            joined_account="main", joined_order_id=order, join_state="matched" if order else "unmatched")  # fmt: skip

    erase(con, tables, erasures)

    left = con.execute("select fulfillment_id from staging.flickrocket_fulfillments where customer_key is not null")
    assert left.fetchall() == ([("f-2",), ("f-9",)] if has_other else [])
    assert erasures.has("person", BUYER) is not has_other
    assert erasures.has("order", order_name("flickrocket", "main", "f-0"))


def test_notes_and_events_have_her_in_the_middle_of_a_text(
    con: duckdb.DuckDBPyConnection, tables: dict[str, Table], erasures: Erasures
) -> None:
    """A key that a check quotes, the hash of a customer that an event is about; a digest that is nobody's stays."""
    erasures.add("person", BUYER)
    digest = "0" * 64
    con.execute("insert into meta.check_result (run_id, sample_keys) values ('r', ?)", [json.dumps([ANNA, digest])])
    body = json.dumps({"data": {"type": "customer", "id": BUYER}}, separators=(",", ":"))
    put(con, "staging.webhook_events", source="flickrocket", event_id="e", item_no=1, event_type="customer/update",
        received_no=1, subject_id=BUYER, payload=body)  # fmt: skip

    erase(con, tables, erasures)

    assert con.execute("select sample_keys from meta.check_result").fetchall() == [(json.dumps([NOBODY, digest]),)]
    assert con.execute("select subject_id, payload from staging.webhook_events").fetchall() == [
        (NOBODY, body.replace(BUYER, NOBODY))
    ]


def test_old_orders_tell_of_nobody_and_others_of_the_same_person_do(
    con: duckdb.DuckDBPyConnection, tables: dict[str, Table], tmp_path: Path
) -> None:
    """By age nobody is on the list: the hash of a parcel stays, and the person's young order too."""
    orders(con)
    con.execute("update staging.orders set created_at = date '2020-01-01' + cast(number as integer) * 400")
    aged = Erasures(tmp_path / "aged.jsonl", KEY, AT, before=date(2021, 3, 1))
    # a row set aside of an order that is known, of one that is not, of a young one
    for key, time in (("O-1", None), ("o-7", "2021-02-28 23:59:59"), ("o-2", "2021-03-01 00:00:00")):
        shown = json.dumps({"city": "Zlín", "created_at": time})
        put(con, "staging.quarantine", table_name="orders", row_key=key, reason="x", fields=shown, _run_id="r",
            _first_seen_at=AT)  # fmt: skip

    rows = erase(con, tables, aged)

    query = "select number, recipient_key, city, postcode, tracking_number from staging.orders order by 1"
    assert con.execute(query).fetchall() == [
        ("0", None, None, None, None), ("1", None, None, None, PARCEL), ("2", BEN, "Zlín", "760", None),
    ]  # fmt: skip
    assert con.execute("select city, recipient_key from marts.fct_order order by order_id").fetchall()[:2] == [
        (None, None), (None, None),
    ]  # fmt: skip
    set_aside = con.execute("select fields ->> 'city' from staging.quarantine order by row_key").fetchall()
    assert set_aside == [(None,), ("Zlín",), (None,)]
    assert rows == {"staging.orders": 2, "marts.fct_order": 2, "staging.quarantine": 2}
    assert len(aged) == 0
    assert erase(con, tables, aged) == {}
