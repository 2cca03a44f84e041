"""The morning report, mailed once a published night through any notifier of Airflow."""

from collections.abc import Iterable

from babel import Locale

from stockbook.alerts import notify
from stockbook.atomic_files import write_atomically
from stockbook.errors import StockbookError
from stockbook.morning.locale import locale_of
from stockbook.morning.page import shown
from stockbook.morning.publish_files import REPORT
from stockbook.morning.summary import Value, read
from stockbook.settings import Settings

SENT = ".report-sent"


def send(settings: Settings) -> list[str]:
    """
    Send the report of the published night unless that was done; returns what there is to say of it.

    The ``as_of`` identifies a night: the same night run again is not sent again. A notifier that fails leaves the
    report unsent; the next attempt of the night sends it, the next night sends its own.
    """
    notifier = notify.parse(settings.report_notifier, notify.OF_REPORT)
    summary, folder = read(settings), settings.published.parent
    if notifier is None or summary is None or not (folder / REPORT).exists():
        return []
    night, mark = summary.as_of.isoformat(), folder / SENT
    if mark.exists() and mark.read_text() == night:
        return []
    subject = f"Stockbook, the morning of {summary.as_of:%Y-%m-%d}"
    figures = lines(summary.figures, summary.currency, locale_of(settings))
    try:
        notify.deliver(
            notifier,
            {"subject": subject, "text": "\n".join([subject, *figures]), "html": (folder / REPORT).read_text()},
        )
    except StockbookError as error:
        return [f"warning: the morning report could not be sent: {error}"]
    write_atomically(mark, night.encode())
    return []


def lines(figures: Iterable[Value], currency: str, locale: Locale) -> list[str]:
    """The figures that are known, one a line, as people write them."""
    return [
        f"{figure.label}: {shown(figure, currency, locale)} {figure.unit}".rstrip()
        for figure in figures
        if figure.value is not None
    ]
