"""The scanner against the plain projection: the same page, or the scanner leaves it to the other."""

import json
from collections.abc import Callable
from typing import Any

import proof_size
import pytest
from checkout import PROJECT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback import movement, order, stock_level
from reading_ways import FAST, PLAIN

from stockbook import declaration_files, declarations
from stockbook.errors import StockbookError
from stockbook.jsonscan import fast_path
from stockbook.jsonscan.fast_path import Warmth
from stockbook.jsonscan.scan import PageTables, UnusualShape, _groups
from stockbook.projection.envelope import Denied, Garbled
from stockbook.projection.page import Projected, Projection
from stockbook.sources import listings

KEY = b"a key of at least sixteen"
TABLES = declaration_files.load(PROJECT / "include" / "sql")
LISTINGS = {listing.name: listing for listing in listings.of_api("fulfillment_cz")}
ROWS: dict[str, Callable[[int], dict[str, Any]]] = {
    "orders": lambda n: order(n, "2025-03-01 09:00:00"),
    "movements": movement,
    "stock_levels": stock_level,
}

# what a source may send where something else was expected, and what no source should
TOKENS = st.sampled_from(
    [
        b"null", b"true", b"false", b"0", b"-0", b"-1", b"01", b"1.50", b"1e5", b"-", b"1.", b"12345678901234567890123",
        b'""', b'" "', b'"a\\u0160b"', b'"\\ud83d\\ude00"', b'"\\ud83d"', b'"\\x"', '"Žižkov"'.encode(), b'"\xff"',
        b'"\xed\xa0\x80"', b'"a\tb"', b'"12.50"', b'"Novak"', b'"2025-03-01T10:00:00Z"', b"{}", b"[]",
        b'{"a":[1,{"b":2}]}', b'[{"code":"x"}]', b"[null]", b"[1]", b"nul", b"tru", b'"open',
    ]
)  # fmt: skip


def outcome(way: Warmth, subject: Projection, body: bytes) -> tuple[Any, ...]:
    """What a projection makes of a body, comparable; numbers keep their digits."""
    fast_path.process = way
    try:
        page: Projected = subject.read(body)
    except (Garbled, Denied, StockbookError) as error:
        return type(error), str(error)
    rows = [json.loads(line, parse_float=str) for line in page.lines.splitlines()]
    return page.keys, page.total, _no_nulls(rows), page.undeclared, page.set_aside, page.mended


def _no_nulls(value: Any) -> Any:
    """Left out and null are the same to whoever reads a landed row."""
    if isinstance(value, dict):
        return {name: _no_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_no_nulls(inner) for inner in value] if isinstance(value, list) else value


@st.composite
def pages(draw: st.DrawFn, name: str) -> bytes:
    """A page some of whose values are others, or some of whose bytes are."""
    rows = [ROWS[name](number) for number in range(1, draw(st.integers(1, 3)) + 1)]
    body = json.dumps(
        {"code": 200, "message": "", "totalCount": len(rows), "data": rows},
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 1])),
    ).encode()
    values = [at + 1 for at, byte in enumerate(body) if byte == ord(":")]
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.sampled_from(values))
        if draw(st.booleans()):
            end = min((place for mark in b",}]\n" if (place := body.find(mark, at)) >= 0), default=at)
            body = body[:at] + draw(TOKENS) + body[end:]
        else:
            at = draw(st.integers(0, len(body) - 1))
            body = body[:at] + draw(st.binary(max_size=2)) + body[at + draw(st.integers(0, 2)) :]
    return body


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ROWS))
def test_both_ways_read_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands on a page, both ways give the same rows, keys, counts and refusals, or the same error."""
    monkeypatch.setattr(fast_path, "process", PLAIN)
    listing = LISTINGS[name]
    fed = declarations.of_listing(TABLES, listing.api, name)

    examples = proof_size.of(ci=150, proof=5_000)

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(pages(name))
    def holds(body: bytes) -> None:
        # new ones each time: what one page taught must not hide what the next would
        subjects = [Projection(listing, fed, KEY, scanner_of=fast_path.Scanner) for _ in range(2)]
        assert outcome(FAST, subjects[0], body) == outcome(PLAIN, subjects[1], body)

    holds()


@pytest.mark.parametrize("name", [*ROWS, "receivings", "products"])
def test_a_right_page_is_scanned(name: str) -> None:
    """A page as it should be is read by the scanner alone."""
    listing = LISTINGS[name]
    subject = Projection(listing, declarations.of_listing(TABLES, listing.api, name), KEY)
    rows = [ROWS[name](number) for number in (1, 2)] if name in ROWS else []
    body = json.dumps({"code": 200, "totalCount": len(rows), "data": rows}).encode()
    scanned = PageTables(subject._shape, (*listing.key, *listing.key_with)).read(body, KEY)

    assert scanned is not None
    assert scanned.lines.count(b"\n") == len(rows)


def test_values_that_are_hashed_together_must_share_an_object() -> None:
    """A shape whose hashed paths lie in two objects is left to the decoding projection."""
    listing = LISTINGS["orders"]
    shape = Projection(listing, declarations.of_listing(TABLES, listing.api, "orders"), KEY)._shape
    shape.hashes.append((("recipient", "email"), ("delivery", "tracking_number")))

    with pytest.raises(UnusualShape):
        list(_groups(shape))
