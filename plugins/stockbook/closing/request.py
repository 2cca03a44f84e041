"""What somebody asks to be signed: a month, by whom, and of which accounts."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from stockbook.errors import CloseRefused


class Request(NamedTuple):
    """What somebody asks to be signed. ``account`` None: every account that has moved by then."""

    month: date
    by: str
    account: str | None = None
    note: str | None = None
    supersede: bool = False
    reason: str | None = None


def month_of(text: str) -> date:
    """The first day of a month such as 2026-10. Raises CloseRefused."""
    try:
        return datetime.strptime(text.strip(), "%Y-%m").date()  # noqa: DTZ007  # a month has no zone
    except ValueError:
        raise CloseRefused(f"The month must be written as 2026-10; got {text!r}.") from None


def request_of(parameters: Mapping[str, object], is_dry: bool) -> Request:
    """A request from options or params; empty text counts as not given. Raises CloseRefused."""
    said = {name: str(value).strip() for name, value in parameters.items() if isinstance(value, str) and value.strip()}
    return Request(
        month_of(said.get("month", "")),
        said.get("by", "a dry run" if is_dry else ""),
        said.get("account"),
        said.get("note"),
        bool(parameters.get("supersede")),
        said.get("reason"),
    )


def end_of(month: date) -> date:
    """The day after the month's last."""
    return (month + timedelta(days=31)).replace(day=1)
