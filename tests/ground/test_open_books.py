"""A file that tests keep open is asked as it is now, whatever happened to it since."""

import os
from pathlib import Path

import duckdb
import open_books
import pytest


def write(file: Path, number: int) -> None:
    """Put a number into a file, which is closed in order."""
    with duckdb.connect(str(file)) as con:
        con.execute("create or replace table t as select ? as number", [number])


def number_in(file: Path) -> int:
    """The number that tests see."""
    with open_books.asked(file) as con:
        return int(con.execute("select number from t").fetchall()[0][0])


def test_a_file_that_changed_is_opened_anew(tmp_path: Path) -> None:
    """Written to, swapped, with a log beside it, damaged: no answer is of what was there before."""
    file, other = tmp_path / "w.duckdb", tmp_path / "other.duckdb"
    write(file, 1)
    assert number_in(file) == number_in(file) == 1

    write(file, 2)
    assert number_in(file) == 2

    write(other, 3)
    other.replace(file)
    assert number_in(file) == 3

    with duckdb.connect(str(file)) as con:
        con.execute("update t set number = 4")
        assert (tmp_path / "w.duckdb.wal").exists()
        with pytest.raises(duckdb.Error, match="different configuration"):
            number_in(file)
    assert number_in(file) == 4

    os.truncate(file, 5000)
    with pytest.raises(duckdb.Error):
        number_in(file)


def test_few_files_are_open_at_once(tmp_path: Path) -> None:
    """The one asked longest ago is closed, and opened again when it is asked."""
    files = [tmp_path / f"{number}.duckdb" for number in range(open_books.AT_ONCE + 2)]
    for number, file in enumerate(files):
        write(file, number)

    assert [number_in(file) for file in (*files, files[0])] == [*range(len(files)), 0]
    assert len(open_books._OPEN) == open_books.AT_ONCE
