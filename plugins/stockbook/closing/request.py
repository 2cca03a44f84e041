"""What somebody asks to be signed: a month, by whom, and of which accounts."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from stockbook.months import month_of


class Request(NamedTuple):
    """What somebody asks to be signed. ``account`` None: every account that has moved by then."""

    month: date
    by: str
    account: str | None = None
    note: str | None = None
    supersede: bool = False
    reason: str | None = None


def request_of(parameters: Mapping[str, object], is_dry: bool) -> Request:
    """A request from options or params; empty text counts as not given. Raises ConfigError for a month that is none."""
    said = {name: str(value).strip() for name, value in parameters.items() if isinstance(value, str) and value.strip()}
    return Request(
        month_of(said.get("month", "")),
        said.get("by", "a dry run" if is_dry else ""),
        said.get("account"),
        said.get("note"),
        bool(parameters.get("supersede")),
        said.get("reason"),
    )
