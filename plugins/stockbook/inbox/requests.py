"""
Requests of people to be forgotten: when each came, when it was done and how many rows that were; never who.

They lie in the database of the inbox, which takes them at any time and goes into every backup. What is ``sought`` names
nobody to a reader and is removed as soon as it was done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, insert, select, update

from stockbook.inbox.engine import scrub, writing
from stockbook.inbox.model import RequestRow


@dataclass(frozen=True)
class Request:
    """One request. ``sought`` is None once it was done; ``note`` says what is to be known besides, and not of whom."""

    id: int
    kind: str
    sought: str | None
    requested_at_utc: datetime
    done_at_utc: datetime | None
    rows_erased: int | None
    note: str | None


_COLUMNS = [getattr(RequestRow, name) for name in Request.__dataclass_fields__]


class Requests:
    """The table of requests. It may be written beside receivers, nights and drains."""

    def __init__(self, engine: Engine) -> None:
        """Made by ``Inbox.requests``."""
        self._engine = engine

    def add(self, kind: str, sought: Sequence[str], now: datetime) -> int:
        """Keep some requests of one kind; how many."""
        rows = [{"kind": kind, "sought": text, "requested_at_utc": now} for text in sought]
        with writing(self._engine) as con:
            con.execute(insert(RequestRow), rows)
        return len(rows)

    def all(self) -> list[Request]:
        """Every request there ever was, in the order in which they came."""
        with self._engine.connect() as con:
            return [Request(*row) for row in con.execute(select(*_COLUMNS).order_by(RequestRow.id))]

    def open(self) -> list[Request]:
        """Those that are not done."""
        return [request for request in self.all() if request.done_at_utc is None]

    def finish(self, request: Request, now: datetime, rows: int | None, note: str | None) -> None:
        """
        Note that a request is done, and leave nothing of whom it was about.

        ``rows`` None leaves what was counted. Raises InboxUnavailable while somebody reads the file: then it is not
        noted yet, and to be finished again.
        """
        change = update(RequestRow).where(RequestRow.id == request.id)
        if request.sought is not None:
            with writing(self._engine) as con:
                con.execute(change.values(sought=None, rows_erased=rows, note=note))
        scrub(self._engine)
        with writing(self._engine) as con:
            con.execute(change.values(done_at_utc=now))
