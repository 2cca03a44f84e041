"""A request's parameters as the API reads them, and what a listing answers."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from urllib.parse import parse_qsl

from stockbook_sandbox.localtime import Ints, day_number


@dataclass
class Page:
    """Rendered rows of one answer; ``total`` is None where the API names none."""

    rows: list[bytes]
    total: int | None


class RowCache:
    """The row numbers of the latest queries, so that all pages of a query compute them once."""

    SIZE = 8

    def __init__(self) -> None:
        """Nothing is computed yet."""
        self._rows: OrderedDict[tuple[object, ...], Ints] = OrderedDict()

    def rows(self, key: tuple[object, ...], make: Callable[[], Ints]) -> Ints:
        """The rows of a query, made for its first page."""
        rows = self._rows.get(key)
        if rows is None:
            rows = self._rows[key] = make()
            if len(self._rows) > self.SIZE:
                self._rows.popitem(last=False)
        return rows

    def clear(self) -> None:
        """Forget all."""
        self._rows.clear()


class BadQuery(Exception):
    """A parameter the API could not have understood. The message is for the client."""


class NotThere(Exception):
    """An id in the path that does not exist."""


class Query:
    """Parameters of a request, read as PHP reads them."""

    def __init__(self, text: str) -> None:
        """Read a raw query string."""
        self._single: dict[str, str] = {}
        self._many: dict[str, list[str]] = {}
        for name, value in parse_qsl(text, keep_blank_values=True):
            stem, bracket, _ = name.partition("[")
            if bracket:
                self._many.setdefault(stem, []).append(value)
            else:
                self._single[name] = value

    def text(self, name: str) -> str | None:
        """A parameter, None when absent or empty."""
        return self._single.get(name) or None

    def texts(self, name: str) -> list[str] | None:
        """The elements of ``name[]``, None when there are none (a bare ``name`` is no array)."""
        return self._many.get(name)

    def number(self, name: str, default: int | None = None) -> int | None:
        """A whole number. Raises BadQuery for anything else."""
        text = self.text(name)
        if text is None:
            return default
        try:
            return int(text)
        except ValueError:
            raise BadQuery(f"{name} must be an integer") from None

    def day(self, name: str) -> int | None:
        """A local day (counted from 1970-01-01). Raises BadQuery for anything but Y-m-d."""
        text = self.text(name)
        if text is None:
            return None
        try:
            return day_number(date.fromisoformat(text))
        except ValueError:
            raise BadQuery(f"{name} must be a date Y-m-d") from None

    def window(self, default: int, most: int | None) -> tuple[int, int]:
        """(offset, limit), the limit lowered to the maximum."""
        offset, limit = self.number("offset", 0) or 0, self.number("limit", default) or default
        limit = max(1, limit)
        return max(0, offset), limit if most is None else min(limit, most)


def wanted(query: Query, name: str, plural: str) -> set[str] | None:
    """The ids that either parameter names; None when neither is there."""
    single, several = query.text(name), query.texts(plural)
    if single is None and several is None:
        return None
    ids = set(several or ())
    return ids if single is None else ids & {single} if ids else {single}
