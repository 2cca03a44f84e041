"""The morning report, mailed once a published night through any notifier of Airflow."""

from collections.abc import Iterable

from babel import Locale

from stockbook.alerts import notify
from stockbook.atomic_files import write_atomically
from stockbook.errors import StockbookError
from stockbook.morning.cards import label_of, unit_of, words_of
from stockbook.morning.locale import locale_of
from stockbook.morning.publish_files import REPORT
from stockbook.morning.sentences import sentences
from stockbook.morning.summary import Summary, Value, read
from stockbook.morning.texts import Texts
from stockbook.morning.written import long_day, shown
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
    subject, text = content(summary, locale_of(settings))
    try:
        notify.deliver(notifier, {"subject": subject, "text": text, "html": (folder / REPORT).read_text()})
    except StockbookError as error:
        return [f"warning: the morning report could not be sent: {error}"]
    write_atomically(mark, night.encode())
    return []


def content(summary: Summary, locale: Locale, texts: Texts | None = None) -> tuple[str, str]:
    """The subject, and the report as plain text: the answer and the figures that are known."""
    texts = texts or Texts(locale)
    subject = texts("mail.subject", day=long_day(summary.as_of.date(), texts.of_words))
    answer = sentences(summary.answer, summary.currency, texts, locale) if summary.answer else []
    figures = lines(summary.figures, summary.currency, locale, texts, words_of(summary, texts))
    return subject, "\n".join([subject, *answer, *figures])


def lines(
    figures: Iterable[Value],
    currency: str,
    locale: Locale,
    texts: Texts | None = None,
    words: dict[str, str] | None = None,
) -> list[str]:
    """The figures that are known, one a line, as people write them; ``words`` are those that units speak of."""
    texts = texts or Texts(locale)
    return [
        texts(
            "mail.line",
            label=label_of(figure, texts),
            value=shown(figure, currency, locale),
            unit=unit_of(figure, texts, words or {}),
        ).rstrip()
        for figure in figures
        if figure.value is not None
    ]
