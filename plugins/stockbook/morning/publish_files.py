"""What is written beside the published file after each night: the summary pages are drawn from, and the report."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import msgspec

from stockbook import declarations
from stockbook.atomic_files import write_atomically
from stockbook.dictionary import questions, site
from stockbook.errors import reason_of
from stockbook.morning.locale import locale_of
from stockbook.morning.page import report_html
from stockbook.morning.published_summary import make, signed_months, with_months
from stockbook.morning.summary import NAME, Summary
from stockbook.settings import Settings
from stockbook.warehouse.declared import declared_in
from stockbook.warehouse.readers import reader

REPORT = "report.html"
DICTIONARY = "dictionary"


def write(settings: Settings, is_close: bool = False, ahead: Callable[[], Summary] | None = None) -> list[Path]:
    """
    Write the summary, the report and the data dictionary of the published file; returns their paths.

    ``ahead`` has the summary of the copy that was published, or raises: then it is made of the published file.
    After a close only the months are others: no figure of the summary is made of what was signed, and the dictionary is
    that of the night.
    """
    folder = settings.published.parent
    of_night = with_months(settings.published, settings.limits) if is_close else None
    summary = of_night or _made(settings, ahead) or make(settings.published, settings.limits, settings.models_dir)
    write_atomically(folder / NAME, msgspec.json.encode(summary))
    write_atomically(folder / REPORT, report_html(summary, locale_of(settings)).encode())
    if of_night is not None:
        return [folder / NAME, folder / REPORT]
    tables = declarations.in_currency(
        declared_in(settings.published, settings.models_dir, settings.extra_dir), summary.currency
    )
    site.write(folder / DICTIONARY, settings.models_dir, tables, questions.read(), settings.extra_dir)
    return [folder / NAME, folder / REPORT, folder / DICTIONARY]


def _made(settings: Settings, ahead: Callable[[], Summary] | None) -> Summary | None:
    """The summary made ahead, with the packs that are there by now; None where there is none."""
    if ahead is None:
        return None
    try:
        summary = ahead()
    except Exception:  # whatever it is, it is said when it is made of the published file
        return None
    if not summary.signed:
        return summary
    with reader(settings.published, settings.limits) as con:
        return msgspec.structs.replace(summary, signed=signed_months(con, settings.published.parent))


def write_report_files(
    settings: Settings, is_close: bool = False, ahead: Callable[[], Summary] | None = None
) -> list[str]:
    """
    Write the files. Returns a note when they cannot be written: the publication stands, readers see it already.

    The pages of the night before are then removed: they would show its figures as this night's. A user's own folder
    that keeps them from being written is left out of them.
    """
    notes = _packs(settings)
    try:
        try:
            write(settings, is_close, ahead)
        except Exception as error:  # as below
            if settings.extra_dir is None:
                raise
            write(dataclasses.replace(settings, extra_dir=None), is_close, ahead)
            notes.append(f"warning: own report, the data dictionary is of ours alone: {reason_of(error)}")
    except Exception as error:  # whatever a library of drawing raises
        for name in (NAME, REPORT):
            (settings.published.parent / name).unlink(missing_ok=True)
        notes.append(f"The morning report could not be written: {reason_of(error)}")
    return notes


def _packs(settings: Settings) -> list[str]:
    """The packs of months that were closed since, first of all: the report links them."""
    from stockbook.export.packs import write_missing

    try:
        return write_missing(settings)
    except Exception as error:  # as below
        return [f"warning: the packs of closed months could not be written: {reason_of(error)}"]


def pages(settings: Settings) -> dict[str, str]:
    """Addresses (below the page in Airflow) of what lies beside the published file: no link leads nowhere."""
    folder = settings.published.parent
    links = {"report": (folder / REPORT, "report")}
    links["dictionary"] = (folder / DICTIONARY / "index.html", f"{DICTIONARY}/index.html")
    return {key: address for key, (file, address) in links.items() if file.exists()}
