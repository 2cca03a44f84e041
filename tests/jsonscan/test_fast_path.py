"""The one switch of the fast path, and from when on it is taken."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
from checkout import PROJECT
from reading_ways import FAST

from stockbook import declaration_files
from stockbook.declarations import of_listing
from stockbook.errors import ConfigError
from stockbook.jsonscan import fast_path, scan
from stockbook.jsonscan.fast_path import Scanner, Thresholds, Warmth
from stockbook.landing.landed_shape import tree
from stockbook.landing.pages import write_page
from stockbook.projection.fields import Shape
from stockbook.settings import Settings
from stockbook.staging.text_rows import ColumnTexts, ParsedTexts, texts_of

FED = of_listing(declaration_files.load(PROJECT / "include" / "sql"), "fulfillment_cz", "orders")
PAGE = json.dumps({"code": 200, "totalCount": 1, "data": [{"id": 1}]}).encode()


@pytest.fixture
def landed(tmp_path: Path) -> list[Path]:
    """One landed page of one order."""
    return [tmp_path / write_page(tmp_path, 0, b'{"id":"a"}\n', 1).file]


def test_a_process_gets_warm_once_it_has_read_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first pages are decoded; after so many bytes pages are scanned."""
    monkeypatch.setattr(fast_path, "process", Warmth(Thresholds(pages_from=len(PAGE))))
    scanner = Scanner(Shape(leaves={"id": "keep"}), ("id",))

    pages = [scanner.read(PAGE, b"") for _ in range(3)]

    assert pages[0] is None
    assert [page.numbers for page in pages[1:] if page is not None] == [[1], [1]]


def test_pages_wait_for_the_code_that_one_of_them_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoded beside the loading they would take its core and do the work that it is to save."""
    loads, loading, may_end = [], threading.Event(), threading.Event()

    def load() -> None:
        loads.append(1)
        loading.set()
        may_end.wait(10)

    monkeypatch.setattr(scan, "warm_up", load)
    warmth = Warmth(Thresholds(pages_from=0))

    with ThreadPoolExecutor(3) as pool:
        pages = [pool.submit(warmth.is_warm, 1)]
        loading.wait(10)
        pages += [pool.submit(warmth.is_warm, 1) for _ in range(2)]
        waiting = not any(page.done() for page in pages)
        may_end.set()

    assert waiting
    assert [page.result() for page in pages] == [True] * 3
    assert loads == [1]


@pytest.mark.parametrize(("switch", "texts"), [("yes", ColumnTexts), ("no", ParsedTexts)])
def test_the_switch_turns_both_fast_ways_off(
    switch: str, texts: type[ColumnTexts | ParsedTexts], landed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With STOCKBOOK_JSON_FAST_PATH=no a warm process decodes every page and parses every landed row."""
    monkeypatch.setattr(fast_path, "process", FAST)
    monkeypatch.setenv("STOCKBOOK_JSON_FAST_PATH", switch)

    page = Scanner(Shape(leaves={"id": "keep"}), ("id",)).read(PAGE, b"")
    with duckdb.connect() as con:
        assert isinstance(texts_of(con, landed, FED), texts)

    assert (page is None) == (switch == "no")


def test_columns_are_not_made_of_more_than_memory_should_hold(
    landed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing above the upper bound is parsed by DuckDB, whose tables can go to disk."""
    monkeypatch.setattr(fast_path, "process", Warmth(Thresholds(columns_from=0, columns_to=1_000)))

    assert fast_path.columns_of(tree(FED), landed, [1_000], 1) is not None
    assert fast_path.columns_of(tree(FED), landed, [1_001], 1) is None


def test_the_switch_is_yes_or_no() -> None:
    """Anything else is refused with the variable's name."""
    with pytest.raises(ConfigError, match="STOCKBOOK_JSON_FAST_PATH must be yes or no; got 'off'"):
        Settings.load({"STOCKBOOK_JSON_FAST_PATH": "off"})
