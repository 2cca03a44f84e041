"""The search that proves an erasure finds what it looks for, in every encoding and packing."""

import gzip
from pathlib import Path

import duckdb
import pytest

from stockbook.erasure.search import ENCODINGS, Search
from stockbook.landing.pages import write_page

PERSON = "Anna.Nováková@example.com"


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("offset", range(3))
def test_each_encoding_is_found_wherever_it_stands(name: str, offset: int) -> None:
    """Behind any number of bytes, whatever the case; what is like it in half is not."""
    search = Search([PERSON, "somebody.else@example.com"])
    encoded = ENCODINGS[name](PERSON)

    assert name in search.encodings_in(b"x" * offset + encoded + b"y")
    assert name in search.encodings_in(b"\xff" * offset + encoded.upper())
    assert search.encodings_in(encoded[:-4]) == set()


def test_there_are_twelve_encodings() -> None:
    """As the documents name them."""
    assert len(ENCODINGS) == 12


def test_every_kind_of_file_is_unpacked(tmp_path: Path) -> None:
    """A plain file, its name, a page, a gzip, a column that DuckDB compresses."""
    (tmp_path / "log.txt").write_text(f"says {PERSON}")
    (tmp_path / f"{PERSON}.txt").touch()
    write_page(tmp_path, 1, f'{{"note":"{PERSON}"}}\n'.encode(), 1)
    (tmp_path / "old.gz").write_bytes(gzip.compress(PERSON.encode()))
    with duckdb.connect(str(tmp_path / "w.duckdb")) as con:
        con.execute(f"create table t as select ['{PERSON}'] as who, 7 as number from range(3000)")

    places = {hit.place for hit in Search([PERSON]).hits(tmp_path)}

    assert {
        "log.txt", f"name of {PERSON}.txt", "page-00001.ndjson.zst", "old.gz", "w.duckdb: main.t.who",
    } <= places  # fmt: skip


def test_what_lies_across_two_pieces_of_a_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file is read piece by piece."""
    monkeypatch.setattr("stockbook.erasure.search._CHUNK", 1 << 15)
    (tmp_path / "large").write_bytes(b"x" * ((1 << 15) - 5) + PERSON.encode() + b"x" * 40_000)

    assert [hit.place for hit in Search([PERSON]).hits(tmp_path)] == ["large"]


@pytest.mark.parametrize(
    ("content", "is_found"), [(b"a 7907900001,", True), (b"0.7907900001", False), (b"79079000013", False)]
)
def test_digits_within_a_longer_number_are_nobodys(content: bytes, is_found: bool) -> None:
    """A fraction of a second or a digest may hold any ten digits."""
    assert bool(Search(["7907900001"]).encodings_in(content)) is is_found


def test_a_value_that_is_part_of_everything_is_counted_and_not_searched() -> None:
    """A customer called 12 would be found in every file."""
    search = Search(["12", PERSON])
    assert search.too_short == 1
    assert search.encodings_in(b"12") == set()
