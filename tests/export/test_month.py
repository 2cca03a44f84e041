"""The packs of a month: figures of the workbook are those of SQL, and a person sees who signed them."""

import csv
import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import duckdb
import pytest
from babel import Locale
from markupsafe import escape
from openpyxl import load_workbook
from openpyxl.worksheet.worksheet import Worksheet
from signed_months import AS_OF, CLOSE_ID, DRAFT, FORMULA, SIGNED, signed_home

from stockbook.errors import ConfigError
from stockbook.export.packs import export_journal, export_month, write_missing
from stockbook.morning.page import report_html
from stockbook.morning.published_summary import months_to_sign, signed_months
from stockbook.morning.summary import Summary
from stockbook.settings import Settings

SOFFICE = shutil.which("soffice")
needs_libreoffice = pytest.mark.skipif(
    SOFFICE is None, reason="needs LibreOffice: apt-get install --no-install-recommends libreoffice-calc"
)
# the sheet, the heading of a column, and what SQL says it adds up to
SUMS = (
    ("Value by variant", "Value", "select sum(closing_value) from {monthly}"),
    ("Value by category", "FIFO, bare", "select sum(fifo_bare_closing) from {monthly}"),
    ("Movements by variant", "Issues", "select sum(issues_value) from {monthly}"),
    ("Movements by category", "Opening", "select sum(opening_value) from {monthly}"),
    ("Movements by category", "Corrections", "select sum(corrections_value) from {monthly}"),
    ("Pieces by category", "Receipts", "select sum(receipts_quantity) from {monthly}"),
    ("Cost of goods by variant", "Cost of goods", "select sum(cogs) from {cogs}"),
    ("Cost of goods by category", "average, landed", "select sum(average_landed_cogs) from {cogs}"),
    ("Ageing", "Value", "select sum(value) from reports.stock_ageing"),
)  # fmt: skip


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with January signed, February unsigned and March under way."""
    return signed_home(tmp_path_factory.mktemp("home") / "home")


@pytest.fixture(scope="module")
def signed(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workbook of January."""
    file = tmp_path_factory.mktemp("packs") / "january.xlsx"
    export_month(settings, "2026-01", "", file)
    return file


@pytest.fixture(scope="module")
def draft(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workbook of February."""
    file = tmp_path_factory.mktemp("packs") / "february.xlsx"
    export_month(settings, "2026-02", "main", file)
    return file


def column(sheet: Worksheet, heading: str) -> tuple[list[Any], Any, Any]:
    """The cells below a heading, and the total and its exact text above it."""
    (at,) = [cell.column for cell in sheet[5] if cell.value == heading]
    cells = [sheet.cell(row, at).value for row in range(6, sheet.max_row + 1)]
    return cells, sheet.cell(3, at).value, sheet.cell(4, at).value


def texts(file: Path) -> list[str]:
    """Every text of the cover."""
    return [str(cell.value) for row in load_workbook(file)["Cover"].iter_rows() for cell in row if cell.value]


@pytest.mark.parametrize(("sheet", "heading", "sql"), SUMS)
@pytest.mark.parametrize("is_signed", [True, False])
def test_columns_add_up_to_what_sql_says(
    settings: Settings, signed: Path, draft: Path, sheet: str, heading: str, sql: str, is_signed: bool
) -> None:
    """The cells as far as a cell holds digits, and the text beside the total to the last digit."""
    month = f"where month = date '{SIGNED if is_signed else DRAFT}'"
    monthly = f"reports.stock_movements_monthly {month}"
    cogs = f"{'marts.fct_period_close_line' if is_signed else 'reports.cogs_monthly'} {month}"
    with duckdb.connect(str(settings.published), read_only=True) as con:
        ((expected,),) = con.execute(sql.format(monthly=monthly, cogs=cogs)).fetchall()

    cells, total, exact = column(load_workbook(signed if is_signed else draft)[sheet], heading)

    assert sum(cell or 0 for cell in cells) == pytest.approx(float(expected), rel=1e-12)
    assert total == pytest.approx(float(expected), rel=1e-12)
    assert exact is None or Decimal(exact) == expected
    assert (exact is None) == (sheet == "Pieces by category")


def test_the_cover_says_who_signed_what(signed: Path) -> None:
    """Who, when, the digest, and figures to the last digit."""
    said = texts(signed)

    assert {FORMULA, CLOSE_ID, "d" * 64, "counted & agreed", "2026-02-03 08:12:00 UTC"} <= set(said)
    assert not any("DRAFT" in text for text in said)


def test_a_month_that_nobody_signed_is_marked_on_every_page(settings: Settings, draft: Path, tmp_path: Path) -> None:
    """On the cover, on top of each printed page, in the file's name and in what the command says."""
    said = export_month(settings, "2026-02", "", tmp_path)
    under_way = export_month(settings, "2026-03", "", tmp_path)

    assert "DRAFT: nobody has signed this month" in texts(draft)
    assert all("DRAFT" in (sheet.oddHeader.center.text or "") for sheet in load_workbook(draft).worksheets)
    assert "stockbook close 2026-02" in said
    assert "not over yet" in under_way
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "month-2026-02-main-DRAFT.xlsx",
        "month-2026-03-main-DRAFT.xlsx",
    ]


def test_pages_are_made_for_a4(signed: Path) -> None:
    """A4, fitted to its width, headings on each page, page numbers, frozen and filtered."""
    for sheet in load_workbook(signed).worksheets:
        assert sheet.page_setup.paperSize == 9
        assert (sheet.page_setup.fitToWidth or 1, sheet.page_setup.fitToHeight) == (1, 0)
        assert sheet.oddFooter.right.text == "&P / &N" or "&P" in str(sheet.oddFooter.right.text)
        if sheet.title != "Cover":
            assert sheet.print_title_rows in ("$5:$5", "$3:$3")
            assert sheet.freeze_panes in ("A6", "A4")
            assert sheet.auto_filter.ref


def test_what_changed_since_the_close_has_a_sheet(signed: Path, draft: Path) -> None:
    """Signed, now and the difference; a draft has nothing that could have changed."""
    cells, _, exact = column(load_workbook(signed)["Differences since"], "Value more")

    assert len(cells) == 1
    assert float(exact) == pytest.approx(cells[0])
    assert "Differences since" not in load_workbook(draft).sheetnames
    assert "Causes" in load_workbook(signed).sheetnames


def test_no_cell_is_a_formula(signed: Path) -> None:
    """Names of products, notes and signers come from elsewhere."""
    with ZipFile(signed) as parts:
        sheets = [name for name in parts.namelist() if name.startswith("xl/worksheets/sheet")]
        assert all(b"<f>" not in parts.read(name) and b"<hyperlink" not in parts.read(name) for name in sheets)
    planted = [
        cell
        for sheet in load_workbook(signed).worksheets
        for row in sheet.iter_rows()
        for cell in row
        if isinstance(cell.value, str) and cell.value.startswith(("=", "@", "-"))
    ]
    assert len(planted) > 10
    assert all(cell.data_type != "f" and cell.quotePrefix for cell in planted)


@pytest.mark.parametrize(
    ("month", "account", "said"),
    [
        ("2026-04", "", "has not begun"),
        ("2025-11", "", "the first movement came later"),
        ("2026-01", "other", "there is main"),
        ("January", "", "YYYY-MM"),
        ("2026-13", "", "YYYY-MM"),
    ],
)
def test_a_month_that_cannot_be_exported_is_refused(
    settings: Settings, tmp_path: Path, month: str, account: str, said: str
) -> None:
    """With the reason, and nothing is written."""
    with pytest.raises(ConfigError, match=said):
        export_month(settings, month, account, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_each_account_has_a_file_of_its_own(tmp_path: Path) -> None:
    """A name that is no file's name is written so that it is one; one file for two accounts is refused."""
    settings = signed_home(tmp_path / "home", ("main", "big/shop"))
    (tmp_path / "out").mkdir()
    export_month(settings, "2026-01", "", tmp_path / "out")

    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "month-2026-01-big-shop-1.xlsx",
        "month-2026-01-main-1.xlsx",
    ]
    with pytest.raises(ConfigError, match="name a folder, or --account"):
        export_month(settings, "2026-01", "", tmp_path / "x.xlsx")


def test_the_journal_is_csv_or_a_workbook(settings: Settings, tmp_path: Path) -> None:
    """Its lines of the month, to the last digit in CSV."""
    said = export_journal(settings, "2026-01", "", tmp_path, None)
    export_journal(settings, "2026-01", "", tmp_path / "j.xlsx", None)

    assert "1 line, January 2026 of main, signed by" in said
    with (tmp_path / "journal-2026-01-main-1.csv").open(newline="") as opened:
        (row,) = csv.DictReader(opened)
    with duckdb.connect(str(settings.published), read_only=True) as con:
        ((debit,),) = con.execute("select debit from reports.journal").fetchall()
    assert Decimal(row["debit"]) == debit
    assert load_workbook(tmp_path / "j.xlsx").worksheets[0].max_row == 2


def test_publishing_writes_the_packs_of_a_close_once(tmp_path: Path) -> None:
    """They are what was signed: a later night leaves them as they are. What cannot be written is said."""
    settings = signed_home(tmp_path / "home")
    folder = settings.published.parent / "packs"

    assert write_missing(settings) == []
    first = {file.name: file.read_bytes() for file in folder.iterdir()}
    (folder / "journal-2026-01-main-1.csv").write_text("kept")
    assert write_missing(settings) == []

    assert first.keys() == {"month-2026-01-main-1.xlsx", "journal-2026-01-main-1.csv"}
    assert (folder / "journal-2026-01-main-1.csv").read_text() == "kept"
    shutil.rmtree(folder)
    folder.touch()
    (warning,) = write_missing(settings)
    assert "the packs of 2026-01 could not be written" in warning


@pytest.fixture(scope="module")
def converted(signed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workbook as LibreOffice has it: each sheet as CSV, and all as PDF."""
    folder = tmp_path_factory.mktemp("libreoffice")
    sheets = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,false,false,false,-1"
    for kind in ("pdf", sheets):
        command = [str(SOFFICE), f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--headless"]
        subprocess.run(
            [*command, "--convert-to", kind, "--outdir", str(folder), str(signed)], check=True, capture_output=True
        )
    return folder


@needs_libreoffice
@pytest.mark.slow
def test_libreoffice_opens_it_and_computes_nothing(settings: Settings, converted: Path) -> None:
    """Its values are those of SQL, a planted text is the text that it is, and it prints on A4."""
    with (converted / "january-Value by variant.csv").open(newline="") as opened:
        rows = list(csv.reader(opened))
    at = rows[4].index("Value")
    with duckdb.connect(str(settings.published), read_only=True) as con:
        ((expected,),) = con.execute(
            f"select sum(closing_value) from reports.stock_movements_monthly where month = date '{SIGNED}'"
        ).fetchall()

    assert sum(float(row[at]) for row in rows[5:]) == pytest.approx(float(expected), rel=1e-12)
    assert FORMULA in [row[0] for row in rows]
    assert FORMULA in (converted / "january-Cover.csv").read_text()
    pages = re.findall(rb"/Type/Page/.*?/MediaBox\[([^\]]*)\]", (converted / "january.pdf").read_bytes(), re.DOTALL)
    assert {tuple(sorted(round(float(side)) for side in page.split()[2:])) for page in pages} == {(595, 842)}


def test_the_morning_report_links_the_packs_and_says_what_is_not_signed(tmp_path: Path) -> None:
    """February waits for a signature; January has its signer and two files that are there."""
    settings = signed_home(tmp_path / "home")
    write_missing(settings)
    published = settings.published.parent
    with duckdb.connect(str(settings.published), read_only=True) as con:
        signed = signed_months(con, published)
        to_sign = months_to_sign(con, AS_OF.date())
    summary = Summary(
        *("r1", AS_OF, AS_OF, "Europe/Prague", "0", "CZK", "average", "landed"),
        figures=[], charts=[], listings=[], checks_asked=1, checks_empty=0, checks_broken=[], oldest=[], alerts=[],
        signed=signed, to_sign=to_sign,
    )  # fmt: skip

    page = report_html(summary, Locale.parse("en_GB"))

    links = re.findall(r'href="(packs/[^"]+)"', page)
    assert links == ["packs/month-2026-01-main-1.xlsx", "packs/journal-2026-01-main-1.csv"]
    assert all((published / link).is_file() for link in links)
    assert "January 2026" in page
    assert "February 2026 of main is not signed" in page
    assert escape(FORMULA) in page
