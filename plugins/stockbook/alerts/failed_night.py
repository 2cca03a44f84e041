"""Messages about a red night: one for each reason of a run, through the notifier of alerts."""

from pathlib import Path

from stockbook.alerts import notify
from stockbook.alerts.notify import Alert
from stockbook.atomic_files import write_atomically
from stockbook.errors import StockbookError
from stockbook.runs.report import Report
from stockbook.settings import Settings
from stockbook.warehouse.publish import published_as_of

# in the run's folder: the reason of the last message
MARK = "told_red.txt"


def send(settings: Settings, folder: Path, report: Report) -> list[str]:
    """
    Send that a run is red and why, unless the same message was sent before; returns notes for the run report.

    The mark is written after the notifier took the message: a crash in between sends it a second time. A notifier
    that fails is a note; the message is sent when the run is finished again.
    """
    notifier = notify.parse(settings.alert_notifier)
    reason = f"{report.failed_step or 'night'}: {report.reason}"
    mark = folder / MARK
    if notifier is None or (mark.exists() and mark.read_text() == reason):
        return []
    try:
        try:
            books_as_of = published_as_of(settings)
        except StockbookError:
            # a published file that cannot be read must not stop the message
            books_as_of = None
        books = f"Readers keep the books as of {books_as_of:%Y-%m-%d %H:%M}." if books_as_of else "There are no books."
        red = Alert("all", "red_night", report.run_id, "critical", f"{reason} {books}", report.as_of)
        subject = f"Stockbook: the night is red, as of {report.as_of:%Y-%m-%d %H:%M}"
        notify.deliver(notifier, notify.content([red], report.as_of, subject))
    except StockbookError as error:
        return [f"warning: nobody could be told that the night is red: {error}"]
    write_atomically(mark, reason.encode())
    return []
