"""Telling of a red night: one message for each reason of a run, through the notifier of alerts."""

from pathlib import Path

from stockbook.alerts import notify
from stockbook.alerts.notify import Alert
from stockbook.atomic_files import write_atomically
from stockbook.errors import StockbookError
from stockbook.runs.report import Report
from stockbook.settings import Settings
from stockbook.warehouse.publish import published_as_of

# in the run's folder: the reason somebody was told of
TOLD = "told_red.txt"


def send(settings: Settings, folder: Path, report: Report) -> list[str]:
    """
    Say that a run is red and why, unless the same was said of it before; returns notes for the run report.

    The mark is written after the notifier took the message: a crash in between sends it a second time. A notifier
    that fails is a note; the run is told of when it is finished again.
    """
    notifier = notify.parse(settings.alert_notifier)
    reason = f"{report.failed_step or 'night'}: {report.reason}"
    mark = folder / TOLD
    if notifier is None or (mark.exists() and mark.read_text() == reason):
        return []
    try:
        try:
            known = published_as_of(settings)
        except StockbookError:
            # a published file that cannot be read must not keep the reason from being told
            known = None
        kept = f"Readers keep the books as of {known:%Y-%m-%d %H:%M}." if known else "There are no books to be read."
        red = Alert("all", "red_night", report.run_id, "critical", f"{reason} {kept}", report.as_of)
        subject = f"Stockbook: the night is red, as of {report.as_of:%Y-%m-%d %H:%M}"
        notify.deliver(notifier, notify.content([red], report.as_of, subject))
    except StockbookError as error:
        return [f"warning: nobody could be told that the night is red: {error}"]
    write_atomically(mark, reason.encode())
    return []
