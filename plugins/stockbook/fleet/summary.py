"""The end of a fleet's run: green or red for each account, the red ones named, and somebody told once."""

import hashlib
from typing import NamedTuple

from stockbook.errors import StockbookError, reason_of
from stockbook.fleet.control import Book
from stockbook.fleet.night import end_account
from stockbook.fleet.run_log import AccountNight
from stockbook.fleet.work import Fleet, moment
from stockbook.runs.context import run_id_of


class Line(NamedTuple):
    """An account in the summary: its night of this run, and what readers have."""

    account: str
    is_published: bool
    text: str


class Summary(NamedTuple):
    """What came of a run of the fleet. It is green when every account was published."""

    run_id: str
    lines: list[Line]
    notes: list[str]

    @property
    def red(self) -> list[Line]:
        """The accounts that were not published."""
        return [line for line in self.lines if not line.is_published]

    def text(self) -> str:
        """The summary as a person reads it: the red ones first."""
        red = self.red
        colour = "RED" if red else "GREEN"
        head = (
            f"Fleet run {self.run_id}: {colour}, {len(self.lines) - len(red)} of {len(self.lines)} accounts published"
        )
        names = f"; red: {', '.join(line.account for line in red)}" if red else ""
        ordered = [*red, *(line for line in self.lines if line.is_published)]
        lines = [f"  {'ok ' if line.is_published else 'RED'} {line.account}  {line.text}" for line in ordered]
        return "\n".join([head + names, *lines, *(f"  note     {note}" for note in self.notes)])


def summarise(fleet: Fleet, name: str) -> Summary:
    """
    End the nights that are not published, tell of the red ones once, and give the summary.

    Raises ControlUnavailable; nothing else keeps it from naming each account.
    """
    run_id = run_id_of(name)
    run = fleet.run_log.run(run_id)
    nights = fleet.run_log.nights(run_id)
    notes = []
    for account in run.accounts:
        night = nights.get(account)
        if night is None or night.status == "published":
            continue
        done = None
        try:
            done = end_account(fleet, name, account)
        except Exception as error:  # the summary names the account all the same
            said = reason_of(error)
            notes.append(f"{account}: the end of its night could not be written: {said}")
        if night.status == "red" and (done is None or done.failed_step is None):
            # the steps of a night do not know what failed around them
            fleet.run_log.note(run_id, account, "red", night.step, night.reason)
    nights, books = fleet.run_log.nights(run_id), fleet.control.books()
    summary = Summary(
        run_id,
        [_line(account, nights.get(account), books.get(account)) for account in run.accounts],
        [*notes, *_changed(fleet, run_id, run.accounts, books)],
    )
    untold = _tell(fleet, summary)
    fleet.run_log.end(run_id, "red" if summary.red else "published")
    return summary._replace(notes=[*summary.notes, *untold])


def _line(account: str, night: AccountNight | None, book: Book | None) -> Line:
    if night is not None and night.status == "published":
        took = f" in {night.seconds:.0f} s" if night.seconds is not None else ""
        return Line(account, True, f"as of {moment(night.as_of)}{took}")
    reason = f"{night.step}: {night.reason or 'its night did not end'}" if night else "its night was not begun"
    as_of = book.published_as_of if book is not None else None
    books_of_before = f"readers keep the books as of {moment(as_of)}" if as_of else "there are no books yet"
    return Line(account, False, f"{reason} ({books_of_before})")


def _changed(fleet: Fleet, run_id: str, accounts: list[str], books: dict[str, Book]) -> list[str]:
    """Accounts that came or went since the run before; one that was renamed is both."""
    before = fleet.run_log.accounts_before(run_id)
    new = sorted(set(accounts) - set(before)) if before is not None else []
    gone = sorted(name for name, book in books.items() if name not in accounts and book.published_book)
    notes = [f"new accounts: {', '.join(new)}"] if new else []
    return notes + [
        f"account {name} is in no list any more; readers still see its books as of "
        f"{moment(books[name].published_as_of)}: bring it back, or `stockbook fleet remove {name}`."
        for name in gone
    ]


def _tell(fleet: Fleet, summary: Summary) -> list[str]:
    """One message for all red accounts of a run, once for the same ones; notes where nobody could be told."""
    from stockbook.alerts import notify
    from stockbook.alerts.notify import Alert
    from stockbook.clock import local

    notifier = notify.parse(fleet.settings.alert_notifier)
    if notifier is None or not summary.red:
        return []
    now = local(fleet.clock, fleet.settings.zone)
    alerts = [Alert(line.account, "red_night", summary.run_id, "critical", line.text, now) for line in summary.red]
    names = ", ".join(line.account for line in summary.red)
    what = "red " + hashlib.sha256(names.encode()).hexdigest()[:16]
    try:
        with fleet.run_log.told_once(summary.run_id, what) as is_new:
            if is_new:
                subject = f"Stockbook: {len(alerts)} of {len(summary.lines)} accounts are red"
                notify.deliver(notifier, notify.content(alerts, now, subject))
    except StockbookError as error:
        return [f"warning: nobody could be told that {names} is red: {error}"]
    return []
