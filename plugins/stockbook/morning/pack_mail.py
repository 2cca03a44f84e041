"""The packs of a closed month, mailed on the first working day after the close through any notifier of Airflow."""

import html
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from stockbook.alerts import notify
from stockbook.atomic_files import write_atomically
from stockbook.errors import StockbookError
from stockbook.export.pack_files import SENT
from stockbook.morning.summary import SignedMonth, Summary, read
from stockbook.settings import Settings

# whoever sets the notifier up is not sent the packs of years
_OLDEST = timedelta(days=31)


def send(settings: Settings) -> list[str]:
    """
    Send the packs of each close that were not sent yet, on a working day after it; returns what there is to say of it.

    A notifier that fails leaves them unsent: the next night sends them.
    """
    notifier = notify.parse(settings.packs_notifier, notify.OF_PACKS)
    summary, mark = read(settings), settings.published.parent / SENT
    if notifier is None or summary is None or not summary.is_working_day:
        return []
    sent = mark.read_text().splitlines() if mark.exists() else []
    for signed in summary.signed:
        if signed.close_id in sent or not _is_due(signed, summary):
            continue
        files = [str(settings.published.parent / address) for address in signed.packs.values()]
        try:
            notify.deliver(_with_files(notifier, files), content(signed, files))
        except StockbookError as error:
            return [f"warning: the packs of {signed.close_id} could not be sent: {error}"]
        sent.append(signed.close_id)
        write_atomically(mark, "\n".join(sent).encode())
    return []


def _is_due(signed: SignedMonth, summary: Summary) -> bool:
    closed = signed.closed_at.replace(tzinfo=UTC).astimezone(ZoneInfo(summary.zone)).replace(tzinfo=None)
    today = datetime.combine(summary.as_of, datetime.min.time())
    return bool(signed.packs) and today - _OLDEST < closed < today


def content(signed: SignedMonth, files: list[str]) -> dict[str, object]:
    """The variables of a notifier's templates."""
    subject = f"Stockbook: {signed.month:%B %Y} of {signed.account} is closed"
    lines = [f"Signed by {signed.closed_by} at {signed.closed_at:%Y-%m-%d %H:%M} UTC.", f"Digest {signed.digest}."]
    lines += [f"File: {Path(file).name}" for file in files]
    body = "".join(f"<p>{html.escape(line)}</p>" for line in [subject, *lines])
    return {"subject": subject, "text": "\n".join([subject, *lines]), "html": body, "files": files}


def _with_files(notifier: notify.Notifier, files: list[str]) -> notify.Notifier:
    """A mail has the files attached; other notifiers name them in a template if they can."""
    if notifier.target != notify.SMTP or "files" in notifier.arguments:
        return notifier
    return msgspec.structs.replace(notifier, arguments=notifier.arguments | {"files": files})
