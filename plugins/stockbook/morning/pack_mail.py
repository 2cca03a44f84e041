"""The packs of a closed month, mailed on the first working day after the close through any notifier of Airflow."""

import html
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from babel.dates import format_date

from stockbook.alerts import notify
from stockbook.atomic_files import write_atomically
from stockbook.errors import StockbookError
from stockbook.export.pack_files import SENT
from stockbook.morning.locale import locale_of
from stockbook.morning.summary import SignedMonth, Summary, read
from stockbook.morning.texts import Texts
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
            notify.deliver(_with_files(notifier, files), content(signed, files, Texts(locale_of(settings))))
        except StockbookError as error:
            return [f"warning: the packs of {signed.close_id} could not be sent: {error}"]
        sent.append(signed.close_id)
        write_atomically(mark, "\n".join(sent).encode())
    return []


def _is_due(signed: SignedMonth, summary: Summary) -> bool:
    closed = signed.closed_at.replace(tzinfo=UTC).astimezone(ZoneInfo(summary.zone)).replace(tzinfo=None)
    today = datetime.combine(summary.as_of, datetime.min.time())
    return bool(signed.packs) and today - _OLDEST < closed < today


def content(signed: SignedMonth, files: list[str], texts: Texts) -> dict[str, object]:
    """The variables of a notifier's templates."""
    month = format_date(signed.month, "LLLL y", locale=texts.of_words)
    subject = texts("mail.pack.subject", month=month, account=signed.account)
    at = f"{signed.closed_at:%Y-%m-%d %H:%M}"
    lines = [
        texts("mail.pack.signed", signer=signed.closed_by, at=at),
        texts("mail.pack.digest", digest=signed.digest),
        *(texts("mail.pack.file", file=Path(file).name) for file in files),
    ]
    body = "".join(f"<p>{html.escape(line)}</p>" for line in [subject, *lines])
    return {"subject": subject, "text": "\n".join([subject, *lines]), "html": body, "files": files}


def _with_files(notifier: notify.Notifier, files: list[str]) -> notify.Notifier:
    """A mail has the files attached; other notifiers name them in a template if they can."""
    if notifier.target != notify.SMTP or "files" in notifier.arguments:
        return notifier
    return msgspec.structs.replace(notifier, arguments=notifier.arguments | {"files": files})
