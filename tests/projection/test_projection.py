"""A page reduced to what is declared."""

import hmac
import json
from typing import Any

import pytest
from checkout import PROJECT
from loopback import movement, order
from reading_ways import FAST, PLAIN

from stockbook import declaration_files, declarations
from stockbook.declarations import Column, Source, Table
from stockbook.errors import DeclarationError
from stockbook.jsonscan import fast_path
from stockbook.projection import personal
from stockbook.projection.envelope import Denied, Garbled
from stockbook.projection.page import Projected, Projection
from stockbook.projection.undeclared_names import ENOUGH, MORE, Names
from stockbook.sources import listings

KEY = b"a key of at least sixteen"
TABLES = declaration_files.load(PROJECT / "include" / "sql")
LOYALTY = Names(KEY).hidden("", "loyalty")
LISTINGS = {listing.name: listing for listing in (*listings.of_api("fulfillment_cz"), *listings.of_api("flickrocket"))}


@pytest.fixture(autouse=True, params=["decoded", "scanned"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Everything here holds for both ways of reading a page; the compiled one is taken from the first page on."""
    monkeypatch.setattr(fast_path, "process", PLAIN if request.param == "decoded" else FAST)
    return str(request.param)


NIL = "00000000-0000-0000-0000-000000000000"


def projection(name: str) -> Projection:
    listing = LISTINGS[name]
    return Projection(listing, declarations.of_listing(TABLES, listing.api, name), KEY, scanner_of=fast_path.Scanner)


def page(rows: list[Any], **more: Any) -> bytes:
    return json.dumps({"code": 200, "message": "", "totalCount": len(rows), "data": rows, **more}).encode()


def landed(projected: Projected) -> list[Any]:
    return [json.loads(line) for line in projected.lines.splitlines()]


def hashed(text: str) -> str:
    return hmac.digest(KEY, text.encode(), "sha256").hex()


@pytest.mark.parametrize(
    "positions", [[], [0], [3], [1, 2, 3], [0, 1, 2, 3], [0, 1, 2], [2], [1, 2], [0, 3], [0, 2, 3], [1, 3]], ids=str
)
def test_rows_of_a_page_are_taken_by_their_places(positions: list[int]) -> None:
    """A piece of the page or single rows: each as it came, in its order."""
    projected = projection("movements").read(page([movement(number) for number in range(4)]))
    lines = projected.lines.splitlines(keepends=True)

    assert projected.lines_at(positions) == b"".join(lines[at] for at in positions)


def test_nothing_personal_lands() -> None:
    """Of an order with a person in every field, only hashes, the town and a postcode prefix are left."""
    projected = projection("orders").read(page([order(1, "2025-03-01 09:00:00")]))
    (row,) = landed(projected)

    assert b"secret" not in projected.lines.lower()
    assert row["recipient"] == {
        "email": hashed("secret.person@example.com"),
        "city": "Brno",
        "zipcode": "602",
        "company": True,
    }
    assert row["delivery"]["tracking_number"] == hashed("secrettrack1")
    assert row["payment"]["variable_symbol"] == hashed("991")
    assert row["expedition"]["problem"]["description"] is True
    assert row["expedition"]["problem"]["solution"] is False
    assert row["expedition"]["problem"]["photos"] == 1
    assert not projected.undeclared
    assert not projected.set_aside


def test_the_nil_uuid_lands_where_a_number_is_declared() -> None:
    """It names nothing, and nobody: loading reads it as no reference."""
    rows = landed(projection("movements").read(page([{"id": 2, "reload_id": NIL}, {"id": 1, "reload_id": "Jan"}])))
    assert [row["reload_id"] for row in rows] == [NIL, "?"]


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        ({"email": "A@b.cz ", "phone": "123"}, hashed("a@b.cz")),
        ({"email": "\u200ba@B.cz\ufeff", "phone": "123"}, hashed("a@b.cz")),
        ({"email": "N/A", "phone": "123"}, hashed("123")),
        ({"email": "", "phone": " 123 "}, hashed("123")),
        ({"email": None, "phone": 123}, hashed("123")),
        ({"phone": "123"}, hashed("123")),
        ({"email": " ", "phone": None}, None),
        ({"email": "0", "phone": "123"}, hashed("123")),
        ({"email": " NULL", "phone": "123"}, hashed("123")),
        ({"email": NIL, "phone": "000 000 000"}, None),
        ({"email": None, "phone": 0}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_first_value_that_is_not_empty_is_hashed(recipient: dict[str, Any] | None, expected: str | None) -> None:
    """The e-mail makes the key, the phone when there is no e-mail, nothing when there is neither."""
    (row,) = landed(projection("orders").read(page([order(1, "2025-03-01 09:00:00", recipient=recipient)])))

    assert ((row["recipient"] or {}).get("email")) == expected
    assert "phone" not in (row["recipient"] or {})


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("4.10", "4.10"),
        ("0.1234567890123456789", "0.1234567890123456789"),
        ("-0", "-0"),
        ("1e3", "1e3"),
        ('"12.50"', "12.50"),
        ("null", None),
    ],
)
def test_money_lands_with_the_digits_it_came_with(token: str, expected: str | None) -> None:
    """Decimal columns land as text, so that no reader passes them through a double."""
    body = page([movement(1, price_per_unit="@")]).replace(b'"@"', token.encode())
    (row,) = landed(projection("movements").read(body))

    assert row["price_per_unit"] == expected


def test_types_of_other_fields_stay_as_they_came() -> None:
    """A code may be text with leading zeros, a number or null; each stays what it was."""
    lines = [{"name": "a", "code": "c", "ext_code": code, "quantity": 1} for code in ("007", 7, None, 10**25)]
    (row,) = landed(projection("orders").read(page([order(1, "2025-03-01 09:00:00", products=lines)])))

    assert [line["ext_code"] for line in row["products"]] == ["007", 7, None, 10**25]


def test_a_field_nobody_declared_is_reported_and_stored_nowhere() -> None:
    """Path and JSON type are counted, also on the pages after the one that taught it; the value is gone."""
    orders = projection("orders")
    lines = [{"name": "a", "quantity": 1, "gift": {"from": "Secret"}}]
    rows = [order(n, "2025-03-01 09:00:00", loyalty="Secret", products=lines) for n in range(ENOUGH)]
    first, second = orders.read(page(rows)), orders.read(page([*rows, order(99, "2025-03-01 09:00:00")]))

    assert b"Secret" not in first.lines + second.lines
    assert len(landed(first)) == ENOUGH
    assert len(landed(second)) == ENOUGH + 1
    assert first.undeclared[LOYALTY, "string"] == ENOUGH - 1
    assert second.undeclared == {("loyalty", "string"): ENOUGH, ("products[].gift", "object"): ENOUGH}
    assert orders.names.reported()["loyalty"] == LOYALTY


def test_a_name_is_told_when_ten_rows_of_different_keys_had_it() -> None:
    """A row that comes ten times is one row, and so are lines of one order; until then a keyed hash stands there."""
    lines = [{"name": "a", "quantity": 1, "Jan_Novak_777123456": 1}] * 20
    again = [order(1, "2025-03-01 09:00:00", products=lines)] * 20
    orders = projection("orders")
    few, other = orders.read(page(again)), Projection(orders.listing, [TABLES["staging.orders"]], b"k" * 16)

    assert {path for path, _ in few.undeclared} == {orders.names.hidden("products[]", "Jan_Novak_777123456")}
    assert "Novak" not in str(few)
    assert orders.names.hidden("", "Jan_Novak") != other.names.hidden("", "Jan_Novak")


def test_a_key_that_is_no_name_is_never_told() -> None:
    """An undeclared key could be somebody's data: what does not look like a field's name stays hidden in any number."""
    movements = projection("movements")
    projected = movements.read(page([movement(n, **{"jan@secret.cz": 1}) for n in range(50)]))

    assert projected.undeclared == {(movements.names.hidden("", "jan@secret.cz"), "number"): 50}


@pytest.mark.parametrize("rows", [1, 300], ids=["in one row", "in many"])
def test_names_that_are_data_use_up_neither_report_nor_memory(rows: int) -> None:
    """Of 80,000 names fifty have a line of their own, the others are counted; a field of the source is told as ever."""
    movements = projection("movements")
    named = [{f"k{row}_{n}": n for n in range(80_000 // rows)} for row in range(rows)]
    projected = movements.read(page([movement(n, **names) for n, names in enumerate(named)]))
    after = movements.read(page([movement(n, colour="red") for n in range(ENOUGH + 1)]))

    assert len(projected.undeclared) == 51
    assert projected.undeclared[MORE, "number"] == rows * (80_000 // rows) - 50
    assert after.undeclared["colour", "string"] >= 1
    assert len(movements.names._watched) <= 1_000
    assert b"k0_" not in projected.lines


def test_a_row_that_breaks_its_declaration_stops_no_page() -> None:
    """Rows of another shape land as key and reason, their neighbours whole; a broken part costs its row nothing."""
    good = order(1, "2025-03-01 09:00:00")
    rows = [
        good,
        "Secret",
        {**good, "id": "b", "recipient": "Secret"},
        {**good, "id": "c", "products": {"Secret": 1}},
        {**good, "id": "d", "products": [*good["products"], "Secret"]},
        {**good, "id": "e", "recipient": {**good["recipient"], "city": {"Secret": 1}}},
        {**good, "id": "f", "delivery": {"value": [1]}},
        {**good, "id": None},
        {**good, "id": "h"},
    ]
    projected = projection("orders").read(page(rows))

    assert projected.keys == [good["id"], None, "b", "c", "d", "e", "f", None, "h"]
    assert projected.set_aside == {
        1: [("expected an object, got string", "$")],
        2: [("expected an object, got string", "recipient")],
        3: [("expected an array, got object", "products")],
        4: [("expected an object, got string", "products[]")],
        5: [("expected a value, got object", "recipient.city")],
        6: [("expected a value, got array", "delivery.value")],
        7: [("the key must be a text", "id")],
    }
    rows_landed = landed(projected)
    assert rows_landed[1:3] == [
        {"_refused": "$: expected an object, got string"},
        {"id": "b", "_refused": "recipient: expected an object, got string"},
    ]
    assert rows_landed[3]["products"] == [{"_refused": "products: expected an array, got object"}]
    *lines, broken = rows_landed[4]["products"]
    assert (len(lines), broken) == (
        len(good["products"]),
        {"_refused": "products[]: expected an object, got string"},
    )
    assert [row for row in rows_landed if "_refused" not in row and row["id"] in (good["id"], "h")] == [
        rows_landed[0],
        rows_landed[8],
    ]
    assert b"secret" not in projected.lines.lower()


def test_a_refused_row_hashes_its_neighbours_once() -> None:
    """Rows that were looked at one by one carry the same hash as those of the fast path."""
    rows = [order(1, "2025-03-01 09:00:00"), "not a row", order(2, "2025-03-01 09:00:00", surprise=1)]

    rows_landed = landed(projection("orders").read(page(rows)))
    keys = {row["recipient"]["email"] for row in rows_landed if "recipient" in row}

    assert keys == {hashed("secret.person@example.com")}


@pytest.mark.parametrize(
    ("key", "expected"), [({"variant_id": 5}, 5), ({"variantId": "6"}, 6), ({"variant_id": None, "variantId": 7}, 7)]
)
def test_a_key_is_found_under_either_of_its_names(key: dict[str, Any], expected: int) -> None:
    """The page writes variantId where the wire has variant_id."""
    projected = projection("stock_levels").read(page([{"quantity": 1, "damaged_quantity": 0, **key}]))

    assert projected.keys == [expected]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"code":200,"message":""}',
        b'{"code":200,"data":{"first":{}}}',
        b'{"code":200,"data":null}',
        b'{"code":200,"data":[],"data":[]}',
        b'{"code":200,"totalCount":"many","data":[]}',
        page([movement(1)])[:-20],
    ],
)
def test_a_body_that_is_no_page_is_told(body: bytes) -> None:
    """HTML, cut JSON, missing rows and an envelope with two lists of rows are no empty page."""
    with pytest.raises(Garbled):
        projection("movements").read(body)


def test_a_body_code_is_a_failure() -> None:
    """Status 200 with another code in the body failed."""
    with pytest.raises(Denied) as denied:
        projection("movements").read(page([], code=503))

    assert denied.value.code == 503


@pytest.mark.parametrize(
    "body",
    [
        {"prices": [{"id": 1, "currencies": [{"currency": "eur", "price": 100}]}]},
        {"prices": {"id": 1, "currencies": [{"currency": "eur", "price": 100}]}},
        {"price": {"id": 1, "currencies": [{"currency": "eur", "price": 100}]}},
        {"price": [{"id": 1, "currencies": [{"currency": "eur", "price": 100}]}]},
    ],
)
def test_a_list_of_one_may_come_in_four_forms(body: dict[str, Any]) -> None:
    """FlickRocket gives a list of one under either name, bare or in a list."""
    projected = projection("prices").read(json.dumps(body).encode())

    assert projected.keys == [1]
    assert landed(projected) == [{"id": 1, "currencies": [{"currency": "eur", "price": 100}]}]


def test_what_is_personal_for_one_column_may_not_be_clear_for_another() -> None:
    """A declaration that would land a hashed field in clear beside it is refused."""
    table = Table(
        table="t",
        description="",
        columns={
            "a": Column(type="varchar", description="", from_="mail", personal="hash"),
            "b": Column(type="varchar", description="", from_="mail"),
        },
        source=Source(api="fulfillment_cz", listing="orders"),
    )
    with pytest.raises(DeclarationError, match="personal for one column"):
        Projection(LISTINGS["orders"], [table], KEY)


@pytest.mark.parametrize(
    ("token", "is_there", "number"),
    [
        ("null", False, 0), ('""', False, 0), ('" "', False, 0), ('"\\u00a0"', False, 0), ("false", False, 0),
        ("[]", False, 0), ("[ ]", False, 0), ("{}", False, 0), ('[null, "", false]', False, 0),
        ('"a"', True, 1), ('" Ž"', True, 1), ('"\\n\\u0041"', True, 1), ('"\\ud83d"', True, 1), ("0", True, 1),
        ('["a","b"]', True, 2), ('[["a"], {"b": [1]} ]', True, 2), ('{"0":"a","2":"b"}', True, 2),
        ('[' + ','.join(['"x"'] * 123) + ']', True, 123),
    ],
)  # fmt: skip
def test_of_what_is_counted_only_the_number_lands(token: str, is_there: bool, number: int) -> None:
    """A note lands as whether there is one, photos as how many; blanks, null and empty lists are none."""
    order_with = order(1, "2025-03-01 09:00:00", note="@note")
    order_with["expedition"]["problem"]["photos"] = "@photos"
    body = page([order_with]).replace(b'"@note"', token.encode()).replace(b'"@photos"', token.encode())
    (row,) = landed(projection("orders").read(body))

    assert row["note"] is is_there
    assert row["expedition"]["problem"]["photos"] == number


def test_what_was_left_out_is_not_counted() -> None:
    """An order without the field of the note says nothing of a note."""
    without = {name: value for name, value in order(1, "2025-03-01 09:00:00").items() if name != "note"}
    (row,) = landed(projection("orders").read(page([without])))

    assert "note" not in row


@pytest.mark.parametrize(
    ("symbol", "digits"),
    [("1234567890", "1234567890"), ("0000123", "123"), (123, "123"), ("12 34/5", "12345"), ("000", None), ("VS", None)],
)
def test_the_symbol_of_a_payment_is_hashed_by_its_digits(symbol: object, digits: str | None) -> None:
    """However a symbol is filled up or grouped, a bank statement that has it otherwise gives the same hash."""
    payment = {"cod": True, "variable_symbol": symbol, "price": 1}
    (row,) = landed(projection("orders").read(page([order(1, "2025-03-01 09:00:00", payment=payment)])))

    assert row["payment"]["variable_symbol"] == (hashed(digits) if digits else None)


@pytest.mark.parametrize(
    ("sent", "numbers"),
    [
        ("122ur4538ef29, 122fr4539gh27", ["122ur4538ef29", "122fr4539gh27"]),
        ("A1,B2 C3", ["a1", "b2", "c3"]),
        ("A1;B2 | C3\nD4;", ["a1", "b2", "c3", "d4"]),
        (["A1", "B2"], ["a1", "b2"]),
        ("A1", ["a1"]),
        ("null, A1, 0", ["a1"]),
        ("", []),
        (None, []),
    ],
)
def test_tracking_numbers_in_one_text_land_one_by_one(sent: object, numbers: list[str]) -> None:
    """Each number of a FlickRocket fulfillment lands hashed by itself, as the hash of the text does beside them."""
    fulfillment = {"id": 7, "created_at": "2025-03-01T09:00:00", "status": 100, "tracking_number": sent}
    (row,) = landed(projection("fulfillments").read(json.dumps({"fulfillments": [fulfillment]}).encode()))

    assert [part["number"] for part in row["tracking_number_parts"]] == [hashed(number) for number in numbers]
    assert "122ur" not in json.dumps(row)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("A1 & B2", ["A1", "B2"]),
        ("A1, A1; a1|B2", ["A1", "B2"]),
        ("A1 / B2 + - \u2014 C-3", ["A1", "B2", "C-3"]),
        ("A/B", ["A/B"]),
        ("\u0158 1", ["\u0158", "1"]),
        ("&", []),
    ],
)
def test_a_text_has_each_of_its_numbers_once(text: str, numbers: list[str]) -> None:
    """A sign between two numbers was a parcel, and one that stood twice were two."""
    assert personal.parts(text) == numbers
