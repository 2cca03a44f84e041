"""Landed lines read as columns against the same lines parsed by DuckDB: equal, or left to DuckDB."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import proof_size
import pytest
from checkout import PROJECT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading_ways import FAST

from stockbook import declaration_files
from stockbook.declarations import Table, of_listing
from stockbook.jsonscan import columns, fast_path
from stockbook.jsonscan.column_layout import Unsure
from stockbook.jsonscan.fast_path import Thresholds, Warmth
from stockbook.landing.landed_shape import Node, tree
from stockbook.landing.pages import write_page
from stockbook.staging.text_rows import ColumnTexts, ParsedTexts, texts_of

TABLES = declaration_files.load(PROJECT / "include" / "sql")
# lists in rows, lists in lists, two lists for one table, values below values
LISTINGS = {
    "orders": "fulfillment_cz",
    "receivings": "fulfillment_cz",
    "products": "fulfillment_cz",
    "prices": "flickrocket",
}


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory."""
    with duckdb.connect(config={"threads": 2}) as con:
        yield con


def fed_by(listing: str) -> list[Table]:
    """The tables of a listing."""
    return of_listing(TABLES, LISTINGS[listing], listing)


def landed(folder: Path, *pages: bytes) -> list[Path]:
    """Pages on disk."""
    return [folder / write_page(folder, number, lines, 0).file for number, lines in enumerate(pages)]


def parsed(con: duckdb.DuckDBPyConnection, files: list[Path], fed: list[Table]) -> ParsedTexts:
    """The texts as DuckDB parses them."""
    return ParsedTexts(con, files, fed, sizes=[1_000_000])


def compiled(con: duckdb.DuckDBPyConnection, files: list[Path], fed: list[Table]) -> ColumnTexts:
    """The texts as columns. Raises Unsure."""
    return ColumnTexts(con, columns.read_columns(tree(fed), files, 2), fed)


def read(con: duckdb.DuckDBPyConnection, texts: ParsedTexts | ColumnTexts, table: Table) -> list[tuple[Any, ...]]:
    """The rows of a table, in their order, columns by name."""
    with texts.select(table) as query:
        names = sorted(name for name, column in table.columns.items() if column.paths or column.by_array)
        return con.execute(f"select _row, {', '.join(names)} from ({query})").fetchall()


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**16), 10**17),
    st.text(max_size=12).filter(lambda text: "\0" not in text),
    st.sampled_from(["", "1.50", "2025-03-01 09:00:00", 'a "b" \\ / \b\f\n\r\t', "Žižkov 😀 \u2028", "\x7f\x80"]),
)
ODD = st.sampled_from([1.5, 1e300, 10**30, {}, [], {"a": 1}, ["x"], "\0", [None], -0.0])


def objects(node: Node, leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of a declared shape: any member may be null or missing, some that nobody declared are there."""
    members: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(sorted(node.leaves), leaves)
    members["nobody's"] = st.sampled_from([1.5, "x", {"a": [1, {"b": None}]}, []])
    for name, inner in node.objects.items():
        members[name] = st.none() | objects(inner, leaves)
    for name, inner in node.arrays.items():
        members[name] = st.none() | st.lists(objects(inner, leaves), max_size=3)
    return st.fixed_dictionaries({}, optional=members)


@st.composite
def lines(draw: st.DrawFn, node: Node, leaves: st.SearchStrategy[Any]) -> bytes:
    """NDJSON of some rows, with blanks and escapes as a source may send them."""
    rows = draw(st.lists(objects(node, leaves), min_size=1, max_size=4))
    apart = (draw(st.sampled_from([",", " ,\t "])), draw(st.sampled_from([":", "  : "])))
    written = [json.dumps(row, ensure_ascii=draw(st.booleans()), separators=apart) for row in rows]
    return "".join(line + "\n" for line in written).encode()


@pytest.mark.slow
@pytest.mark.parametrize("listing", list(LISTINGS))
def test_both_ways_give_the_same_texts(
    listing: str, con: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever texts, whole numbers, truths, nulls, lists and blanks rows have, both ways give the same columns."""
    fed = fed_by(listing)

    examples = proof_size.of(ci=15, proof=400)

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(lines(tree(fed), LEAVES), min_size=1, max_size=2))
    def holds(pages: list[bytes]) -> None:
        files = landed(tmp_path_factory.mktemp("pages"), *pages)
        plain, fast = parsed(con, files, fed), compiled(con, files, fed)
        for table in fed:
            assert read(con, plain, table) == read(con, fast, table)

    holds()


@pytest.mark.slow
def test_odd_values_are_the_same_or_left_to_duckdb(
    con: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With fractions, containers for texts and broken bytes: equal columns or given up, never something else."""
    fed = fed_by("orders")
    broken = st.tuples(st.integers(0, 400), st.integers(0, 2), st.binary(max_size=2))

    examples = proof_size.of(ci=40, proof=1_000)

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(lines(tree(fed), LEAVES | ODD), st.none() | broken)
    def holds(page: bytes, cut: tuple[int, int, bytes] | None) -> None:
        if cut is not None:
            at, gone, put = cut
            page = page[:at] + put + page[at + gone :]
        files = landed(tmp_path_factory.mktemp("pages"), page)
        try:
            fast = compiled(con, files, fed)
        except Unsure:
            return
        plain = parsed(con, files, fed)
        for table in fed:
            assert read(con, plain, table) == read(con, fast, table)

    holds()


@pytest.mark.parametrize(
    "line",
    [
        '{"id":{"a":1}}',
        '{"id":[]}',
        '{"id":1,"id":1}',
        '{"delivery":{"id":1,"id":1}}',
        '{"id":1.50}',
        '{"id":1e3}',
        '{"id":-0}',
        '{"id":01}',
        '{"id":1234567890123456789}',
        '{"id":-}',
        '{"id":nul}',
        '{"id":"\\ud83d"}',
        '{"id":"\\ude00\\ud83d"}',
        '{"id":"\\u0000"}',
        '{"id":"\\x"}',
        '{"id":"a\tb"}',
        '{"id":"open}',
        '{"\\u0069d":"x"}',
        '{"id":1,}',
        '{"id":1',
        '{"id" 1}',
        '{"id":1}{"id":2}',
        '{"id":1}\r',
        '{"id":\n1}',
        '{"products":{}}',
        '{"products":[null]}',
        '{"products":[1]}',
        '{"products":[{}{}]}',
        '{"products":[{},]}',
        '{"delivery":[]}',
        '{"delivery":"x"}',
        '{"nobody\'s":[1}',
        "[]",
        "1",
    ],
)
def test_what_is_not_sure_is_given_up(line: str, con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """A value that DuckDB writes anew or refuses, or a line that is no JSON: the listing is left to DuckDB."""
    files = landed(tmp_path, b'{"id":"a"}\n', line.encode() + b"\n")
    with pytest.raises(Unsure):
        compiled(con, files, fed_by("orders"))


@pytest.mark.parametrize("text", [b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80", b"\xe2\x82"])
def test_bytes_that_are_no_text_are_given_up(text: bytes, con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are left to DuckDB, which names them."""
    with pytest.raises(Unsure):
        compiled(con, landed(tmp_path, b'{"id":"' + text + b'"}\n'), fed_by("orders"))


def test_rows_keep_their_order_over_pages_and_row_groups(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many pages, read by two threads into arrays of three rows, give the rows that DuckDB does, arrays full."""
    monkeypatch.setattr(columns, "ROW_GROUP", 3)
    monkeypatch.setattr(columns, "_CHUNK", 1)
    rows = [
        {
            "id": f"o{number}" if number % 4 else None,
            "products": [{"code": f"c{number}.{line}", "quantity": line} for line in range(number % 5)],
            "packages": [
                {"id": f"p{number}.{parcel}", "items": [{"variantId": 10 * number + item} for item in range(parcel)]}
                for parcel in range(number % 3 + 1)
            ],
        }
        for number in range(40)
    ]
    pages = [b"".join(json.dumps(row).encode() + b"\n" for row in rows[at : at + 7]) for at in range(0, 40, 7)]
    fed = fed_by("orders")
    files = landed(tmp_path, *pages)
    plain, fast = parsed(con, files, fed), compiled(con, files, fed)

    for table in fed:
        assert read(con, plain, table) == read(con, fast, table)
    batches = fast._columns.rows(("packages", "items"), ["^^.id", "^.id", "quantity"]).to_batches()
    assert [batch.num_rows for batch in batches] == [*[3] * 17, 1]


def test_one_page_may_fill_many_cells(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Rows much shorter than expected need more room than was made; it is made then."""
    fed = fed_by("orders")
    files = landed(tmp_path, b'{"products":[' + b",".join([b"{}"] * 50_000) + b"]}\n" + b"{}\n" * 20_000)
    texts = compiled(con, files, fed)

    lines_table = next(table for table in fed if table.table == "order_lines")
    with texts.select(lines_table) as query:
        assert con.execute(f"select count(*), max(line_no::int) from ({query})").fetchall() == [(50_000, 50_000)]


def test_no_pages_give_no_rows(con: duckdb.DuckDBPyConnection) -> None:
    """A listing without pages has no rows of any table."""
    fed = fed_by("orders")
    assert [read(con, compiled(con, [], fed), table) for table in fed] == [[]] * len(fed)


def test_small_listings_are_parsed_until_the_code_is_loaded(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small listing does not load the compiled code; once a large one has, small ones use it too."""
    small = b'{"id":"a"}\n'
    monkeypatch.setattr(fast_path, "process", Warmth(Thresholds(columns_from=2 * len(small))))
    ways = [
        type(texts_of(con, landed(tmp_path, *pages), fed_by("orders"))) for pages in ([small], [small, small], [small])
    ]

    assert ways == [ParsedTexts, ColumnTexts, ColumnTexts]


@pytest.mark.parametrize("name", ["*", "?", "[a]", "a*", "**", "it's"])
def test_the_path_of_a_home_is_no_pattern(con: duckdb.DuckDBPyConnection, tmp_path: Path, name: str) -> None:
    """What DuckDB would take for a pattern names one folder: pages of a home beside it are not read."""
    files: list[Path] = []
    for folder in ("a", "ab", name):
        (tmp_path / folder).mkdir()
        files = landed(tmp_path / folder, b'{"id":"%s"}\n' % folder.encode())
    table = fed_by("orders")[0]
    with parsed(con, files, fed_by("orders")).select(table) as query:
        assert con.execute(f"select order_id from ({query})").fetchall() == [(name,)]


def test_a_listing_that_is_not_sure_is_parsed(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One odd value has all pages of its listing parsed by DuckDB."""
    monkeypatch.setattr(fast_path, "process", FAST)
    files = landed(tmp_path, b'{"id":"a"}\n', b'{"id":1.50}\n')
    texts = texts_of(con, files, fed_by("orders"))

    assert isinstance(texts, ParsedTexts)
    assert [row[0] for row in read(con, texts, fed_by("orders")[0])] == [0, 1]


@pytest.mark.parametrize(("second", "expected"), [("p2", True), ("p1", False), (None, True)])
def test_keys_are_unique_where_those_above_are(
    second: str | None, expected: bool, con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Positions tell the items of a parcel apart; of two parcels of one order with the same id nothing is known."""
    row = {"id": "o1", "packages": [{"id": parcel, "items": [{}, {}]} for parcel in ("p1", second)]}
    fed = fed_by("orders")
    texts = compiled(con, landed(tmp_path, json.dumps(row).encode() + b"\n"), fed)

    packages = next(table for table in fed if table.table == "order_packages")
    assert texts.are_unique(packages, "true") is expected
