"""Answers that are not as declared: what they mean is read, what cannot be read is set aside, the rest lands."""

import json
from typing import Any

import pytest
from checkout import PROJECT
from loopback import movement, order
from reading_ways import FAST, PLAIN

from stockbook import declaration_files, declarations
from stockbook.jsonscan import fast_path
from stockbook.projection import envelope
from stockbook.projection.envelope import Garbled
from stockbook.projection.page import Projected, Projection
from stockbook.sources import listings

KEY = b"a key of at least sixteen"
TABLES = declaration_files.load(PROJECT / "include" / "sql")
LISTINGS = {listing.name: listing for listing in (*listings.of_api("flickrocket"), *listings.of_api("fulfillment_cz"))}


@pytest.fixture(autouse=True, params=["decoded", "scanned"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything here holds for both ways of reading a page."""
    monkeypatch.setattr(fast_path, "process", PLAIN if request.param == "decoded" else FAST)


def read(name: str, body: bytes) -> Projected:
    """A page of a listing."""
    listing = LISTINGS[name]
    fed = declarations.of_listing(TABLES, listing.api, name)
    return Projection(listing, fed, KEY, scanner_of=fast_path.Scanner).read(body)


def page(rows: Any) -> bytes:
    """A page as fulfillment.cz wraps it."""
    return json.dumps({"code": 200, "message": "", "totalCount": len(rows), "data": rows}).encode()


def landed(projected: Projected) -> list[Any]:
    """The rows that land."""
    return [json.loads(line) for line in projected.lines.splitlines()]


def an_order(**changes: Any) -> dict[str, Any]:
    """An order of two lines."""
    return order(1, "2025-03-01 09:00:00", **changes)


def no_nulls(value: Any) -> Any:
    """Left out and null are the same to whoever reads a landed row."""
    if isinstance(value, dict):
        return {name: no_nulls(inner) for name, inner in value.items() if inner is not None}
    return [no_nulls(inner) for inner in value] if isinstance(value, list) else value


LINE = {"code": "A", "quantity": 1}
TWICE = b'{"a":1,"a":[2,{"b":1,"b":2}]}'
PARCEL = {"id": "p1", "items": [{"variant_id": 5, "quantity": 1}]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"recipient": []}, {"recipient": {}}),
        ({"recipient": False}, {"recipient": None}),
        ({"recipient": ""}, {"recipient": None}),
        ({"recipient": [{"city": "Brno"}]}, {"recipient": {"city": "Brno"}}),
        ({"expedition": {"status": "new", "problem": []}}, {"expedition": {"status": "new", "problem": {}}}),
        ({"expedition": []}, {"expedition": {}}),
        ({"products": {"2": LINE, "0": {**LINE, "code": "B"}}}, {"products": [{**LINE, "code": "B"}, LINE]}),
        ({"products": {"10": LINE, "9": {**LINE, "code": "B"}}}, {"products": [{**LINE, "code": "B"}, LINE]}),
        ({"products": {}}, {"products": []}),
        ({"products": False}, {"products": None}),
        ({"products": ""}, {"products": None}),
        ({"packages": {"1": {**PARCEL, "items": {"4": PARCEL["items"][0]}}}}, {"packages": [PARCEL]}),
        ({"packages": [{"id": "p1", "items": ""}]}, {"packages": [{"id": "p1", "items": None}]}),
    ],
)
def test_what_php_writes_is_read_as_what_it_means(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    """Empty objects, lists with gaps and nothing, at every level: the row lands whole and nothing is set aside."""
    projected = read("orders", page([an_order(**changes)]))

    (row,) = landed(projected)
    assert no_nulls({name: row.get(name) for name in expected}) == no_nulls(expected)
    assert not projected.set_aside


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"recipient": "Brno"}, "recipient: expected an object, got string"),
        ({"recipient": 7}, "recipient: expected an object, got number"),
        ({"recipient": True}, "recipient: expected an object, got boolean"),
        ({"recipient": [{"city": "a"}, {"city": "b"}]}, "recipient: expected an object, got array"),
        ({"expedition": {"status": "new", "problem": "late"}}, "expedition.problem: expected an object, got string"),
        ({"delivery": {"value": {"amount": 1}}}, "delivery.value: expected a value, got object"),
        ({"remote_number": []}, "remote_number: expected a value, got array"),
        ({"remote_number": "@1e400@"}, "remote_number: a number beyond all bounds"),
        ({"remote_number": "@digits@"}, "remote_number: a number beyond all bounds"),
        ({"remote_number": "@deep@"}, "remote_number: expected a value, got array"),
        ({"recipient": "@deep@"}, "recipient: expected an object, got array"),
        ({"remote_number": "@twice@"}, "$: a name was given twice in one object"),
        ({"recipient": {"city": "@twice@"}}, "recipient: a name was given twice in one object"),
        ({"unknown": "@twice@"}, "$: a name was given twice in one object"),
    ],
)
def test_a_row_that_cannot_be_read_lands_as_its_key_and_a_reason(changes: dict[str, Any], reason: str) -> None:
    """The row beside it is whole; of the broken one no value lands but its key."""
    projected = read("orders", odd(page([an_order(**changes), order(2, "2025-03-01 09:00:00")])))

    broken, good = landed(projected)
    assert broken == {"id": an_order()["id"], "_refused": reason}
    assert "_refused" not in good
    assert good["recipient"]["city"] == "Brno"
    assert projected.keys == [broken["id"], good["id"]]


def odd(body: bytes) -> bytes:
    """What JSON can say and its writer cannot, in place of marks."""
    body = body.replace(b'"@1e400@"', b"1e400").replace(b'"@digits@"', b"9" * 100_000)
    body = body.replace(b'"@deep@"', b"[" * 5_000 + b"]" * 5_000)
    for name in (b"remote_number", b"city", b"unknown"):
        body = body.replace(b'"%b": "@twice@"' % name, b'"%b": "a", "%b": "b"' % (name, name))
    return body


@pytest.mark.parametrize(
    ("changes", "table", "expected"),
    [
        ({"products": [LINE, "x"]}, "products", [LINE, {"_refused": "products[]: expected an object, got string"}]),
        (
            {"products": [{"code": ["A"], "quantity": 1}, LINE]},
            "products",
            [{"_refused": "products[].code: expected a value, got array"}, LINE],
        ),
        ({"products": {"a": LINE}}, "products", [{"_refused": "products: expected an array, got object"}]),
        ({"products": 5}, "products", [{"_refused": "products: expected an array, got number"}]),
        ({"products": [LINE, None, [], False]}, "products", [LINE, {}, {}, {}]),
        (
            {"packages": ["x", PARCEL]},
            "packages",
            [{"_refused": "packages[]: expected an object, got string"}, PARCEL],
        ),
        (
            {"packages": [{"id": "p1", "items": 3}]},
            "packages",
            [{"id": "p1", "items": [{"_refused": "packages[].items: expected an array, got number"}]}],
        ),
        ({"stock_items": "none"}, "stock_items", [{"_refused": "stock_items: expected an array, got string"}]),
    ],
)
def test_a_part_that_cannot_be_read_costs_its_row_nothing(
    changes: dict[str, Any], table: str, expected: list[Any]
) -> None:
    """Its place in the list stays taken, so that the parts beside it keep theirs."""
    projected = read("orders", page([an_order(**changes)]))

    (row,) = landed(projected)
    assert row[table] == expected
    assert row["status"] == "sent"


def test_rows_of_a_listing_without_a_table_of_its_own_are_set_aside_in_that_of_their_parts() -> None:
    """A price model that cannot be read stands as one part, with its key."""
    body = json.dumps({"prices": [{"id": 1, "title": {"a": 1}, "currencies": [{"currency": "eur", "price": 1}]}]})
    projected = read("prices", body.encode())

    (row,) = landed(projected)
    assert row == {"id": 1, "currencies": [{"_refused": "title: expected a value, got object"}]}


@pytest.mark.parametrize(
    ("name", "body", "keys"),
    [
        ("movements", b'{"code":200,"data":{"0":{"id":9},"2":{"id":7},"10":{"id":5}}}', [9, 7, 5]),
        ("movements", b'{"code":200,"data":{}}', []),
        ("prices", b'{"prices":{"1":{"id":2},"0":{"id":1}}}', [1, 2]),
        ("prices", b'{"prices":[]}', []),
        ("prices", b'{"prices":false}', []),
        ("prices", b'{"prices":{"id":3}}', [3]),
        ("prices", b'{"prices":[{"id":1}],"price":{"id":2}}', [1, 2]),
    ],
)
def test_the_list_of_rows_is_read_by_the_same_rules(name: str, body: bytes, keys: list[int]) -> None:
    """An object of numbers is the list, under either envelope."""
    assert read(name, body).keys == keys


@pytest.mark.parametrize("name", ["prices", "fulfillments", "movements", "orders"])
def test_an_envelope_with_two_lists_is_no_answer(name: str) -> None:
    """Which of them is meant nobody knows."""
    plural = b"data" if name in ("movements", "orders") else name.encode()
    with pytest.raises(Garbled, match="twice"):
        read(name, b'{"%b":[{"id":1}],"%b":[]}' % (plural, plural))


@pytest.mark.parametrize(
    ("text", "expected", "count"),
    [
        (rb"Brno \ud83d", "Brno �", 1),
        (rb"\ude00\ud83d", "��", 2),
        (rb"\uD83D\uDE00 ok", "😀 ok", 0),
        (rb"a\\ud83d", "a\\ud83d", 0),
        (rb"a\\\ud83d", "a\\�", 1),
        (rb"A\u0000B", "A�B", 1),
        (b"A\x00B", "A�B", 1),
        (b"A\x07B", "A�B", 1),
        (b"A\nB", "A�B", 1),
        (b"Brno \xed\xa0\xbd", "Brno �", 1),
        (b"\xb8lu\x9dou\xe8k\xfd", "�lu�ou�k�", 4),
    ],
)
def test_a_character_that_is_no_text_is_replaced_and_counted(text: bytes, expected: str, count: int) -> None:
    """In a value and in a name that is left out; the row lands."""
    body = page([movement(1, movement="@"), movement(2)]).replace(b'"@"', b'"' + text + b'"')
    named = page([movement(1, **{"@": 1})]).replace(b'"@"', b'"' + text + b'"')

    projected = read("movements", body)
    assert landed(projected)[0]["movement"] == expected
    assert projected.mended == count
    assert len(landed(projected)) == 2
    assert read("movements", named).keys == [1]


@pytest.mark.parametrize("name", ["movements", "prices"])
def test_a_byte_order_mark_is_skipped(name: str) -> None:
    """Before a page, a named list, a total and a count."""
    plain = b'{"code":200,"totalCount":1,"data":[{"id":1}],"prices":[{"id":1}],"count":7}'
    marked = b"\xef\xbb\xbf" + plain

    assert read(name, marked) == read(name, plain)
    assert envelope.promised_total(marked) == 1
    assert envelope.count(marked) == 7


@pytest.mark.parametrize(
    "note", [rb'"Brno \ud83d"', b'"\xff"', b'"a\nb"', b"[" * 5_000 + b"]" * 5_000, b"1e400", b"9" * 5_000]
)
def test_a_total_is_read_whatever_its_row_holds(note: bytes) -> None:
    """Where only the total of a page is wanted, a bad text in its row decides nothing; its row has a note."""
    assert envelope.promised_total(b'{"code":200,"totalCount":8,"data":[{"id":1,"note":' + note + b"}]}") == 8
    projected = read("orders", b'{"code":200,"totalCount":8,"data":[{"id":"a","note":' + note + b"}]}")
    assert projected.keys == ["a"]
    assert landed(projected) == [{"id": "a", "note": True}]
    assert not projected.set_aside


def test_what_is_left_out_decides_nothing() -> None:
    """A name twice, deep lists and huge numbers within a field that is dropped, or that nobody declared."""
    first = an_order(recipient={"zipcode": "602 00", "street": "@"}, unknown="@")
    second = an_order(id="b", recipient={"zipcode": "602 00", "street": "@deep@"}, unknown="@digits@")
    projected = read("orders", odd(page([first, second]).replace(b'"@"', TWICE)))

    assert not projected.set_aside
    assert [row["status"] for row in landed(projected)] == ["sent", "sent"]
    assert [row["recipient"] for row in landed(projected)] == [{"zipcode": "602"}, {"zipcode": "602"}]


@pytest.mark.parametrize(
    ("sent", "number"),
    [
        ("@deep@", 1),
        (["@deep@", None, "@deep@"], 2),
        ({"a": "@deep@", "b": False}, 1),
        ("@", 2),
        ("@digits@", 1),
        ("@1e400@", 1),
        ([], 0),
        (None, 0),
    ],
)
def test_what_is_only_counted_is_counted_however_deep_it_is(sent: Any, number: int) -> None:
    """Lists nested thousands deep, a name twice and huge numbers: how many there are lands, and nothing of them."""
    problem = {"source": "stock", "description": sent, "photos": sent}
    orders = [an_order(note=sent, expedition={"status": "new", "problem": problem}), an_order(id="b", unknown="@deep@")]
    projected = read("orders", odd(page(orders)).replace(b'"@"', TWICE))

    row = landed(projected)[0]
    assert row["note"] is (number > 0)
    assert row["expedition"]["problem"] == {"source": "stock", "description": number > 0, "photos": number}
    assert not projected.set_aside


@pytest.mark.parametrize("number", [10**15 + 1, 2**63 - 1, 10**30, -(10**16), "99999999999999999999"])
def test_a_number_that_names_no_row_moves_no_cursor(number: object) -> None:
    """The highest id of a ledger decides what is read the next night: one beyond all bounds is no id."""
    projected = read("movements", page([movement(7, id=number), movement(6)]))

    assert projected.keys == [None, 6]
    assert landed(projected)[0].keys() - {"id"} == {"_refused"}


def test_a_whole_number_with_a_point_is_a_key() -> None:
    """As in every column of whole numbers; another fraction is no key."""
    projected = read("movements", page([movement(7, id=id_) for id_ in (7.0, "6.0", " 5 ", "4", 3.5, "2.50")]))

    assert projected.keys == [7, 6, 5, 4, None, None]


@pytest.mark.parametrize("number", [b"7", b'"7"', b"7.0", b'" 7 "', b'"7.00"'])
def test_a_total_may_be_a_text(number: bytes) -> None:
    """Of a page and of a count; with a fraction of zeros too."""
    assert envelope.promised_total(b'{"code":200,"totalCount":' + number + b',"data":[]}') == 7
    assert envelope.count(b'{"count":' + number + b"}") == 7


@pytest.mark.parametrize("number", [b"7.5", b"-7", b'"7e0"', b"true", b'""', b"[7]"])
def test_what_is_no_whole_number_is_no_total(number: bytes) -> None:
    """Nothing is proved complete by it."""
    for read_total, body in (
        (envelope.promised_total, b'{"code":200,"totalCount":' + number + b',"data":[]}'),
        (envelope.count, b'{"count":' + number + b"}"),
    ):
        with pytest.raises(Garbled):
            read_total(body)


def test_a_source_cannot_send_a_reason() -> None:
    """The member in which a reason lands is a name like any other on the wire."""
    projected = read("orders", page([an_order(_refused="x", products=[{**LINE, "_refused": "x"}])]))

    (row,) = landed(projected)
    assert "_refused" not in row
    assert row["products"] == [LINE]
    assert not projected.set_aside
