"""
The packs of a month: its workbook and its journal, where somebody asks for them and beside the published file.

The packs of a close are made once, by the first publication after it, and stay: they are what was printed and signed.
``export month`` makes another at any time, with the ages and differences of the newest night.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stockbook import declaration_files
from stockbook.counted import counted
from stockbook.errors import ConfigError, StockbookError
from stockbook.export import month_book, source
from stockbook.export.month import Month, closes_in_force, months
from stockbook.export.pack_files import PACKS, names
from stockbook.export.target import Format, chosen, whole_file
from stockbook.export.write import write_answer
from stockbook.metrics.files import Metrics, load
from stockbook.months import month_of
from stockbook.settings import Settings
from stockbook.sql_text import quoted

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

JOURNAL = "reports.journal"


def export_month(settings: Settings, month: str, account: str, to: Path | None, *, overwrite: bool = False) -> str:
    """The workbook of a month for each account, or for one; returns what there is to say of it."""
    lines = []
    with _published(settings) as con:
        accounts = months(con, month_of(month), account)
        for of_account in accounts:
            target, form = _target(to, f"month-{of_account.file_name}", None, Format.xlsx, len(accounts))
            if form != Format.xlsx:
                raise ConfigError(f"{target} must end in .xlsx: the pack of a month is a workbook.")
            with whole_file(target, overwrite) as file:
                month_book.write(con, _metrics(settings), of_account, file)
            lines.append(f"{target}: {_state(of_account)}")
    return "\n".join(lines)


def export_journal(
    settings: Settings,
    month: str,
    account: str,
    to: Path | None,
    format_: Format | None,
    *,
    overwrite: bool = False,
) -> str:
    """The journal of a month for each account, or for one; returns what there is to say of it."""
    lines = []
    with _published(settings) as con:
        accounts = months(con, month_of(month), account)
        for of_account in accounts:
            target, form = _target(to, f"journal-{of_account.file_name}", format_, Format.csv, len(accounts))
            with whole_file(target, overwrite) as file:
                rows, notes = _write_journal(con, settings, of_account, file, form)
            lines += [f"{target}: {counted(rows, 'line')}, {_state(of_account)}", *notes]
    return "\n".join(lines)


def write_missing(settings: Settings) -> list[str]:
    """Write the packs of closes in force that lie not yet beside the published file; returns what went wrong."""
    folder = settings.published.parent / PACKS
    notes: list[str] = []
    # closes are landed files: of a home without any the published file need not be opened
    if not (settings.closes.exists() and settings.published.exists()):
        return notes
    with _published(settings) as con:
        for first, account, close_id in closes_in_force(con):
            try:
                workbook, journal = (folder / name for name in names(close_id).values())
                if workbook.exists() and journal.exists():
                    continue
                (month,) = months(con, first, account)
                folder.mkdir(exist_ok=True)
                if not workbook.exists():
                    with whole_file(workbook) as file:
                        month_book.write(con, _metrics(settings), month, file)
                if not journal.exists():
                    with whole_file(journal) as file:
                        _write_journal(con, settings, month, file, Format.csv)
            except (StockbookError, OSError) as error:
                notes.append(f"warning: the packs of {first:%Y-%m} could not be written: {error}")
    return notes


def _write_journal(
    con: "Connection", settings: Settings, month: Month, file: Path, form: Format
) -> tuple[int, list[str]]:
    where = f"account = {quoted(month.account)} and date between date '{month.first}' and date '{month.last}'"
    answer = con.sql(f"select * from {JOURNAL} where {where} order by date, document, source_row, kind, line_no")
    declared = declaration_files.load(settings.models_dir).get(JOURNAL)
    return write_answer(answer, file, form, JOURNAL, declared, as_is=False)


def _metrics(settings: Settings) -> Metrics:
    return load(settings.models_dir, declaration_files.load(settings.models_dir))


@contextmanager
def _published(settings: Settings) -> Iterator["Connection"]:
    if settings.lake is not None and not settings.published.exists():
        raise ConfigError("A month is exported from the published file of a home; STOCKBOOK_LAKE alone is not one.")
    with source.opened(settings, settings.published) as con:
        yield con


def _target(to: Path | None, name: str, format_: Format | None, usual: Format, accounts: int) -> tuple[Path, Format]:
    if accounts > 1 and to is not None and not to.is_dir():
        raise ConfigError(f"There are {accounts} accounts, each in a file of its own: name a folder, or --account.")
    return chosen(to, name, format_, usual)


def _state(month: Month) -> str:
    if month.close:
        return f"{month.title} of {month.account}, signed by {month.close.closed_by}"
    why = "nobody has signed it" if month.is_over else "it is not over yet and nobody has signed it"
    return f"{month.title} of {month.account}, a DRAFT: {why}. `stockbook close {month.first:%Y-%m}` signs it."
