"""What leaves the published file: CSV, Parquet and workbooks, whole or not at all."""

import csv
import io
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import duckdb
import pyarrow.parquet as pq
import pytest
from openpyxl import load_workbook

from stockbook.cli.printing import Format as Printed
from stockbook.cli.printing import Printer
from stockbook.errors import ConfigError, DiskRefused
from stockbook.export import workbook
from stockbook.export.cells import Kind
from stockbook.export.target import Format, chosen, whole_file
from stockbook.export.write import export_query, export_table
from stockbook.settings import Settings

ODD = """
    select * from (values
        (1, '=cmd|'' /C calc''!A0', cast(1.5 as decimal(38, 12)), date '2026-02-28', true),
        (2, 'plain', cast('1234567890123456.789012345678' as decimal(38, 12)), null, false),
        (3, '-1+1', null, date '1066-10-14', null),
        (4, '@SUM(A1)', cast(-2 as decimal(38, 12)), date '2026-01-01', true),
        (5, E'\\tquoted, "so"\\nand on', cast(0 as decimal(38, 12)), date '2026-01-02', true),
        (6, '', cast(0 as decimal(38, 12)), date '2026-01-03', true)
    ) as rows(id, said, amount, day, is_it)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose published file has a few tables."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "published").mkdir()
    with duckdb.connect(str(folder / "published" / "warehouse.duckdb")) as con:
        con.execute("create schema reports; create schema marts; create schema staging; create schema meta")
        con.execute(f"create table reports.odd as {ODD}")
        con.execute("create table marts.two as select 'a' as account, 1 as n union all select 'b', 2")
        con.execute("create macro reports.odd_on(wanted) as table select * from reports.odd where day = wanted::date")
    return folder


@pytest.fixture
def settings(home: Path) -> Settings:
    """The settings of that home."""
    return Settings.load({"STOCKBOOK_HOME": str(home)})


def cells(file: Path, sheet: int = 0) -> list[list[Any]]:
    """The values of a sheet, row by row."""
    return [[cell.value for cell in row] for row in load_workbook(file).worksheets[sheet].iter_rows()]


def csv_rows(file: Path) -> list[list[str]]:
    """The rows of a CSV file, as another program reads them."""
    with file.open(newline="") as opened:
        return list(csv.reader(opened))


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
def test_a_table_has_the_same_rows_in_every_format(settings: Settings, tmp_path: Path, ending: str) -> None:
    """The ending chooses the format; the sentence says how many rows there are."""
    file = tmp_path / f"two.{ending}"

    assert export_table(settings, "marts.two", {}, "", file, None) == f"{file}: 2 rows"

    read: dict[str, Callable[[], list[Any]]] = {
        "csv": lambda: [[a, int(n)] for a, n in csv_rows(file)[1:]],
        "parquet": lambda: [list(row.values()) for row in pq.read_table(file).to_pylist()],
        "xlsx": lambda: cells(file)[1:],
    }
    assert read[ending]() == [["a", 1], ["b", 2]]


def test_csv_is_what_the_command_line_prints(settings: Settings, tmp_path: Path) -> None:
    """One way of writing CSV: texts like formulas stand behind an apostrophe, unless they shall stay as they are."""
    out = io.StringIO()
    with duckdb.connect() as con:
        Printer(out, Printed.csv).answer(con, ODD)
    export_query(settings, ODD, tmp_path / "odd.csv", None)
    export_query(settings, ODD, tmp_path / "as_is.csv", None, as_is=True)

    rows = csv_rows(tmp_path / "odd.csv")
    assert (tmp_path / "odd.csv").read_bytes() == out.getvalue().encode()
    assert [row[1] for row in rows[1:]] == [
        "'=cmd|' /C calc'!A0",
        "plain",
        "'-1+1",
        "'@SUM(A1)",
        '\'\tquoted, "so"\nand on',
        "",
    ]
    assert [row[2] for row in rows[1:4]] == ["1.500000000000", "1234567890123456.789012345678", ""]
    assert next(csv.reader((tmp_path / "as_is.csv").read_text().splitlines()[1:]))[1] == "=cmd|' /C calc'!A0"


def test_parquet_keeps_types_to_the_last_digit(settings: Settings, tmp_path: Path) -> None:
    """Money stays a decimal, a day a day, and what is not known NULL."""
    export_table(settings, "reports.odd", {}, "", tmp_path / "odd.parquet", None)

    rows = pq.read_table(tmp_path / "odd.parquet").to_pylist()
    assert rows[1]["amount"] == Decimal("1234567890123456.789012345678")
    assert rows[2] == {"id": 3, "said": "-1+1", "amount": None, "day": date(1066, 10, 14), "is_it": None}


def test_cells_of_a_workbook_are_numbers_days_and_texts_that_stay_texts(settings: Settings, tmp_path: Path) -> None:
    """No cell holds a formula, and what looks like one is marked as text for whoever edits the cell."""
    export_table(settings, "reports.odd", {}, "", tmp_path / "odd.xlsx", None)

    sheet = load_workbook(tmp_path / "odd.xlsx").worksheets[0]
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "inlineStr", "n", "d", "b"}
    assert b"<f>" not in ZipFile(tmp_path / "odd.xlsx").read("xl/worksheets/sheet1.xml")
    assert [bool(cell.quotePrefix) for cell in sheet["B"][1:6]] == [True, False, True, True, True]
    assert [cell.value for cell in sheet["C"][1:4]] == [1.5, pytest.approx(1234567890123456.8), None]
    assert [cell.value for cell in sheet["D"][1:4]] == [datetime(2026, 2, 28), None, "1066-10-14"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:E7"


@pytest.mark.parametrize(
    "text",
    [
        "<r>bold</r>",
        " kept, both ",
        'a & b < c > "d"',
        "two\nlines",
        "Čaj 🍵",
        "12",
        "TRUE",
    ],
)
def test_a_text_of_a_workbook_is_the_text_it_was(tmp_path: Path, text: str) -> None:
    """Whatever means something to who writes or reads such files."""
    with workbook.book(tmp_path / "x.xlsx") as book:
        book.rows(book.sheet("x"), 0, [workbook.Column("a")], [[text], [None], [text]])

    assert [row[0] for row in cells(tmp_path / "x.xlsx")] == ["a", text, None, text]


def test_what_a_row_holds_is_what_a_cell_by_itself_holds(tmp_path: Path) -> None:
    """Numbers, truths, days and times, and as texts what no cell can hold as its kind: in rows and in totals."""
    values: list[tuple[Any, Kind]] = [
        (7, "pieces"), (-(10**15) + 1, "id"), (10**15, "id"), (Decimal("-1.25"), "money"), (2.5e-7, "number"),
        (float("nan"), "number"), (True, "flag"), (False, "pieces"), (date(2026, 2, 28), "day"),
        (date(1899, 12, 31), "day"), (datetime(2026, 2, 28, 13, 5, 9), "time"), ("-1", "text"),
        ("x\x01y", "text"), ("_x0041_", "text"), ("\ufffe", "text"), (None, "money"),
    ]  # fmt: skip
    with workbook.book(tmp_path / "x.xlsx") as book:
        sheet = book.sheet("rows")
        book.rows(sheet, 0, [workbook.Column("a", kind) for _, kind in values], [[value for value, _ in values]])
        alone = book.sheet("alone")
        for at, (value, kind) in enumerate(values):
            book.cell(alone, 0, at, value, kind)

    in_row, by_itself = (load_workbook(tmp_path / "x.xlsx").worksheets[at] for at in (0, 1))
    shown = [(cell.value, cell.data_type, cell.number_format, bool(cell.quotePrefix)) for cell in in_row[2]]
    assert shown == [
        (cell.value, cell.data_type, cell.number_format, bool(cell.quotePrefix)) for cell in by_itself[1]
    ] + [shown[-1]]
    assert [value for value, *_ in shown[:12]] == [
        7, -(10**15) + 1, str(10**15), -1.25, 2.5e-7, "nan", True, False, datetime(2026, 2, 28), "1899-12-31",
        datetime(2026, 2, 28, 13, 5, 9), "-1",
    ]  # fmt: skip


def test_the_same_answer_makes_the_same_bytes(settings: Settings, tmp_path: Path) -> None:
    """A workbook holds no time of its making."""
    for name in ("one", "two"):
        export_table(settings, "reports.odd", {}, "", tmp_path / f"{name}.xlsx", None)

    assert (tmp_path / "one.xlsx").read_bytes() == (tmp_path / "two.xlsx").read_bytes()


def test_a_macro_takes_its_parameters_and_an_account_its_rows(settings: Settings, tmp_path: Path) -> None:
    """``day=2026-02-28`` is a parameter; ``account`` keeps one account's rows."""
    export_table(settings, "reports.odd_on", {"wanted": "2026-02-28"}, "", tmp_path / "on.csv", None)
    export_table(settings, "marts.two", {}, "b", tmp_path / "b.csv", None)

    assert len((tmp_path / "on.csv").read_text().splitlines()) == 2
    assert (tmp_path / "b.csv").read_text() == "account,n\nb,2\n"


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("reports.od", {}, "there are reports.odd"),
        ("odd_on", {}, "there are reports.odd_on"),
        ("reports.odd_on", {}, "takes the parameters wanted"),
        ("reports.odd_on", {"wanted": "no day"}, "invalid date field"),
    ],
)
def test_what_is_not_there_is_said_with_what_is_near(
    settings: Settings, tmp_path: Path, name: str, parameters: dict[str, str], said: str
) -> None:
    """Nothing is left of a file that could not be written."""
    with pytest.raises(ConfigError, match=said):
        export_table(settings, name, parameters, "", tmp_path / "x.csv", None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "query", ["select 1; select 2", "copy (select 1) to 'x'", "select * from read_csv('/etc/passwd')", "selec", ""]
)
def test_only_what_readers_may_ask_is_exported(settings: Settings, tmp_path: Path, query: str) -> None:
    """One query, and nothing but the published file in reach."""
    with pytest.raises(ConfigError):
        export_query(settings, query, tmp_path / "x.csv", None)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_replaced_only_when_that_is_said(settings: Settings, tmp_path: Path) -> None:
    """Also one that comes while rows are written."""
    file = tmp_path / "two.csv"
    file.write_text("mine")
    with pytest.raises(ConfigError, match="--overwrite"):
        export_table(settings, "marts.two", {}, "", file, None)
    assert file.read_text() == "mine"
    with pytest.raises(ConfigError, match="--overwrite"), whole_file(tmp_path / "new.csv"):
        (tmp_path / "new.csv").write_text("theirs")
    assert (tmp_path / "new.csv").read_text() == "theirs"

    export_table(settings, "marts.two", {}, "", file, None, overwrite=True)

    assert file.read_text().startswith("account")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.csv", "two.csv"]


def test_a_folder_takes_a_file_of_its_own_name(tmp_path: Path) -> None:
    """The ending says the format; where there is none, the usual one is taken."""
    assert chosen(tmp_path, "a.b", None, Format.xlsx) == (tmp_path / "a.b.xlsx", Format.xlsx)
    assert chosen(tmp_path / "x.CSV", "a", None, Format.xlsx) == (tmp_path / "x.CSV", Format.csv)
    assert chosen(tmp_path / "x.dat", "a", Format.csv, Format.xlsx) == (tmp_path / "x.dat", Format.csv)
    with pytest.raises(ConfigError, match="must end in"):
        chosen(tmp_path / "x.dat", "a", None, Format.xlsx)
    with pytest.raises(ConfigError, match="leave one of both out"):
        chosen(tmp_path / "x.csv", "a", Format.xlsx, Format.xlsx)


@pytest.mark.parametrize("where", ["file.txt/x.csv", "gone/x.csv"])
def test_a_folder_that_is_none_is_said(settings: Settings, tmp_path: Path, where: str) -> None:
    """A file in the place of the folder, or nothing."""
    (tmp_path / "file.txt").touch()
    with pytest.raises((ConfigError, DiskRefused)):
        export_table(settings, "marts.two", {}, "", tmp_path / where, None)
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
sys.argv = ["stockbook", *sys.argv[1:]]
from stockbook.cli.main import main
main()
"""


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
def test_a_full_disk_leaves_nothing_behind(home: Path, tmp_path: Path, ending: str) -> None:
    """One sentence with the reason, exit code 1, and the folder is as it was."""
    query = "select i, md5(i::varchar) as a from range(50000) as r(i)"
    command = [sys.executable, "-c", FULL, "export", "query", query, "--to", str(tmp_path / f"x.{ending}")]
    ended = subprocess.run(
        command, env=os.environ | {"STOCKBOOK_HOME": str(home)}, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    assert (
        ended.stderr
        == f"stockbook: {tmp_path}/x.{ending} could not be written: File too large. Nothing of it was left behind.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_more_rows_than_a_sheet_has_go_on_in_the_next(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sheet has its heading, no row is lost, and the command says so."""
    monkeypatch.setattr(workbook, "SHEET_ROWS", 4)
    said = export_query(settings, "select i from range(7) as r(i)", tmp_path / "x.xlsx", None)

    assert [[row[0] for row in cells(tmp_path / "x.xlsx", sheet)] for sheet in range(3)] == [
        ["i", 0, 1, 2],
        ["i", 3, 4, 5],
        ["i", 6],
    ]
    assert "3 sheets" in said


def test_a_text_longer_than_a_cell_is_cut_and_that_is_said(settings: Settings, tmp_path: Path) -> None:
    """A workbook that a spreadsheet program refuses would be worse."""
    said = export_query(settings, "select repeat('x', 40000) as a, 2::hugeint ** 60 as b", tmp_path / "x.xlsx", None)

    assert "all that a cell holds: 1 text." in said
    assert len(cells(tmp_path / "x.xlsx")[1][0]) == workbook.CELL_LETTERS
