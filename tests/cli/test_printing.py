"""Answers of ``stockbook sql``: no column is ever hidden, and programs get all rows."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from stockbook.cli.printing import Format, Printer
from stockbook.errors import ConfigError

WIDE = "select " + ", ".join(f"{n} as column_number_{n:02}" for n in range(30))


def printed(text: str, format_: Format = Format.auto, rows: int | None = None, width: int | None = None) -> str:
    """What a printer writes for the statements of a text."""
    out = io.StringIO()
    with duckdb.connect() as con:
        Printer(out, format_, rows, width).answer(con, text)
    return out.getvalue()


def test_a_pipe_gets_every_column_however_wide() -> None:
    """Without a terminal a table is as wide as it is."""
    heading = printed(WIDE).splitlines()[1]

    assert [f"column_number_{n:02}" in heading for n in range(30)] == [True] * 30


def test_a_table_too_wide_for_the_terminal_is_written_column_by_column() -> None:
    """Where the headings or the values do not fit; a table that fits stays one."""
    wide = printed(WIDE, width=100).splitlines()
    long = printed("select 1 as a, repeat('word ', 12) as b, null as c", width=40)
    fits = printed("select 1 as a, null as b", width=40)

    assert wide[1] == "column_number_00 | 0"
    assert wide[-2:] == ["column_number_29 | 29", "(1 row)"]
    assert long.splitlines() == [
        "-- row 1 -------------------------------",
        "a | 1",
        "b | word word word word word word word ",
        "  | word word word word word ",
        "c | NULL",
        "(1 row)",
    ]
    assert fits.startswith("┌")


def test_a_table_that_is_asked_for_is_a_table() -> None:
    """Whatever the terminal's width, with every column."""
    assert "column_number_29" in printed(WIDE, Format.table, width=40).splitlines()[1]


def test_people_see_a_hundred_rows_and_programs_all() -> None:
    """Unless a limit is given; what was left out is said."""
    query = "select i from range(250) as t(i)"

    assert len(printed(query, Format.csv).splitlines()) == 251
    assert len(printed(query, Format.json).splitlines()) == 250
    assert len(printed(query, Format.csv, rows=3).splitlines()) == 4
    assert printed(query, Format.expanded).endswith("(100 rows; there are more: --limit 0 writes all)\n")
    assert printed(query, Format.expanded, rows=0).endswith("i | 249\n(250 rows)\n")
    assert "(100 shown)" in printed(query)


def test_a_table_never_ends_early_unsaid() -> None:
    """DuckDB's table stops at 10,000 rows; more are refused with what to do."""
    assert "9998" in printed("from range(10000)", rows=0)
    with pytest.raises(ConfigError, match="at most 10,000 rows, and there are more: choose another --format"):
        printed("from range(10001)", rows=0)


def test_csv_holds_values_as_duckdb_writes_them() -> None:
    """Exact decimals, true and false, lists; NULL is empty, and what must be quoted is."""
    query = (
        "select 1.50::decimal(9, 2) as m, true as b, [1, 2] as l, null as n, 'a \"b\", c' as t, date '2026-02-28' as d"
    )

    assert list(csv.reader(io.StringIO(printed(query, Format.csv)))) == [
        ["m", "b", "l", "n", "t", "d"],
        ["1.50", "true", "[1, 2]", "", 'a "b", c', "2026-02-28"],
    ]


def test_json_holds_both_of_two_columns_of_one_name() -> None:
    """The second is renamed, as DuckDB renames it in a table."""
    assert json.loads(printed("select 1 as a, 2 as a", Format.json)) == {"a": 1, "a_1": 2}


def test_the_statement_that_failed_is_named_after_those_before_it() -> None:
    """What was answered before is written; nothing runs when the text cannot be read at all."""
    out = io.StringIO()
    with duckdb.connect() as con:
        with pytest.raises(ConfigError, match=r"^Statement 2 of 3 cannot be answered: Conversion Error"):
            Printer(out, Format.csv).answer(con, "select 1 as a; select cast('x' as int); select 3")
        with pytest.raises(ConfigError, match=r"^The query cannot be answered: Parser Error"):
            Printer(out, Format.csv).answer(con, "select 4; selec")

    assert out.getvalue().rstrip() == "a\n1"


def test_show_tables_lists_what_is_published() -> None:
    """Tables, views and macros of the published schemas with the first sentence of their comments."""
    statements = """
        create schema reports; create schema intermediate; create table intermediate.x (i int);
        create table reports.t (i int); comment on table reports.t is 'Counts. One row per i.';
        create view reports.v as select 1 as a; create macro reports.m(a) as table select a;
    """

    assert printed(f"{statements} SHOW tables;", Format.csv).strip().splitlines() == [
        "name,kind,description",
        "reports.m,macro,",
        "reports.t,table,Counts",
        "reports.v,view,",
    ]


def test_a_pipe_into_the_command_ends_with_its_exit_code(tmp_path: Path) -> None:
    """0 when every statement was answered, 1 with one sentence when one was not."""
    (tmp_path / "published").mkdir()
    duckdb.connect(str(tmp_path / "published" / "warehouse.duckdb")).close()

    def piped(text: str) -> tuple[int, str, str]:
        ended = subprocess.run(
            [sys.executable, "-m", "stockbook", "sql", "--format", "csv"],
            input=text,
            capture_output=True,
            text=True,
            env=os.environ | {"STOCKBOOK_HOME": str(tmp_path)},
            check=False,
        )
        return ended.returncode, ended.stdout, ended.stderr

    assert piped("select 1 as a") == (0, "a\n1\n", "")
    code, out, error = piped("select 1 as a; from nothing;")
    assert (code, out) == (1, "a\n1\n")
    assert error.startswith("stockbook: Statement 2 of 2 cannot be answered: Catalog Error")
    assert "Traceback" not in error


def test_a_text_that_a_spreadsheet_would_compute_stands_behind_an_apostrophe() -> None:
    """In CSV, headings too, unless asked otherwise; numbers and days that begin with a sign are as they are."""
    query = r"""
        select
            unnest(['=1+1', '+1', '-1', '@sum(a)', e'\t=1', e'\r=1', '＝1', 'a=1', '', null]) as text,
            -1.5::decimal(9, 2) as money,
            -1 as "-pieces",
            interval '-1 days' as span,
            'x'::enum ('x') as kind,
            '-2'::json as body
    """
    rows = list(csv.reader(io.StringIO(printed(query, Format.csv), newline="")))
    out = io.StringIO()
    with duckdb.connect() as con:
        Printer(out, Format.csv, as_is=True).answer(con, "select '=1' as a")

    assert rows[0] == ["text", "money", "'-pieces", "span", "kind", "body"]
    assert [row[0] for row in rows[1:]] == [
        "'=1+1", "'+1", "'-1", "'@sum(a)", "'\t=1", "'\r=1", "'＝1", "a=1", "", "",
    ]  # fmt: skip
    assert {tuple(row[1:]) for row in rows[1:]} == {("-1.50", "-1", "-1 day", "x", "'-2")}
    assert out.getvalue() == "a\n=1\n"


def test_json_holds_no_number_that_json_has_not() -> None:
    """NaN and the infinities are null, in lists and structs too; keys of a map are texts; large numbers keep digits."""
    query = """
        select
            'nan'::double as a,
            ['inf'::float, 1.5] as b,
            {'c': '-inf'::double} as c,
            map {date '2026-02-28': 1} as d,
            170141183460469231731687303715884105727::hugeint as e
    """

    def no_constant(name: str) -> None:
        pytest.fail(f"{name} is no JSON")

    assert json.loads(printed(query, Format.json), parse_constant=no_constant) == {
        "a": None,
        "b": [None, 1.5],
        "c": {"c": None},
        "d": {"2026-02-28": 1},
        "e": 170141183460469231731687303715884105727,
    }


@pytest.mark.parametrize(
    "query",
    ["[" * 5_000 + "1" + "]" * 5_000, "1+" * 20_000 + "1", "'\ud83d'"],
    ids=["5,000 nested lists", "20,000 sums", "half a letter"],
)
def test_a_query_beyond_all_measure_is_a_sentence(query: str) -> None:
    """Whatever is too deep for DuckDB or for JSON, or is no text."""
    with pytest.raises(ConfigError, match=r"^The query cannot be answered: ") as raised:
        printed(f"select {query} as a", Format.json)
    assert len(str(raised.value)) < 1_200


@pytest.mark.parametrize("text", ["", " ", ";", "-- nothing"])
def test_no_query_has_no_answer(text: str) -> None:
    """As a shell script whose variable is empty sends it."""
    assert printed(text) == ""


def test_a_number_of_100000_digits_is_written() -> None:
    """As DuckDB holds it: to the last digit as BIGNUM, beyond all measure as a plain number, which JSON has not."""
    digits = "9" * 100_000

    assert json.loads(printed(f"select '{digits}'::bignum as a", Format.json)) == {"a": digits}
    assert json.loads(printed(f"select {digits} as a", Format.json)) == {"a": None}
    assert printed(f"select {digits} as a", Format.csv) == "a\ninf\n"


def test_what_the_command_cannot_write_or_read_is_a_sentence(tmp_path: Path) -> None:
    """A full device, an output that is closed, a damaged file, bytes that are no text: code 1, no traceback."""
    (tmp_path / "published").mkdir()
    file = tmp_path / "published" / "warehouse.duckdb"
    duckdb.connect(str(file)).close()
    command = f"{sys.executable} -m stockbook sql --format csv"
    environ = os.environ | {"STOCKBOOK_HOME": str(tmp_path)}

    def told(line: str) -> str:
        ended = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line}"], capture_output=True, text=True, env=environ, check=False
        )
        assert ended.returncode == 1, ended
        assert ended.stderr.count("\n") == 1, ended.stderr
        return ended.stderr

    assert "No space left on device" in told(f"{command} 'select 1 as a' > /dev/full")
    assert "closed it before its end" in told(f"{command} 'from range(3000000)' | head -1")
    assert "Parser Error" in told(f"{command} 'no query' >&-")
    assert "Parser Error" in told(f"{command} 'no query' >&- <&-")
    assert "UTF-8" in told(f"printf 'select \\xff' | {command}")
    file.write_bytes(b"no database" * 1000)
    assert "is damaged" in told(f"{command} 'select 1 as a'")
