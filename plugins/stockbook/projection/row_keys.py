"""
The key of a row, by which the rows of a listing are told apart and counted: a whole number or a text.

It is one field, the first of several that has one, or several joined. What is none is None and never a guess: distinct
keys prove a listing complete, and the highest id of a ledger decides what is read the next night.
"""

from collections.abc import Callable
from typing import Any

from stockbook.declarations import LARGEST_NUMBER
from stockbook.projection import envelope
from stockbook.projection.listing import Listing
from stockbook.projection.structs import Compiled


class RowKeys:
    """The keys of a listing's rows. ``fields`` are those of a row's first level that they are made of."""

    def __init__(self, listing: Listing) -> None:
        """As the listing declares them."""
        self.fields = (*listing.key, *listing.key_with)
        self._ways, self._more = listing.key, listing.key_with
        self._are_numbers = listing.key_is_number
        self._as_key: Callable[[Any], int | str | None] = _whole if listing.key_is_number else _text

    def of_structs(self, compiled: Compiled, rows: list[Any]) -> list[int | str | None]:
        """Keys of decoded rows; None for a row that has none."""
        first, *fallbacks = [compiled.attributes[name] for name in self._ways]
        as_key = self._as_key
        keys = [as_key(getattr(row, first)) for row in rows]
        if fallbacks and None in keys:
            for position, row in enumerate(rows):
                for attribute in fallbacks:
                    if keys[position] is None:
                        keys[position] = as_key(getattr(row, attribute))
        for name in self._more:
            attribute = compiled.attributes[name]
            keys = [_joined(key, getattr(row, attribute)) for key, row in zip(keys, rows, strict=True)]
        return keys

    def of_values(self, rows: list[tuple[Any, ...]]) -> list[int | str | None]:
        """Keys of rows from the values of ``fields``; None for a row that has none."""
        ways = len(self._ways)
        keys: list[int | str | None] = []
        for values in rows:
            key = next((key for value in values[:ways] if (key := self._as_key(value)) is not None), None)
            for more in values[ways:]:
                key = _joined(key, more)
            keys.append(key)
        return keys

    def are_keys(self, numbers: list[int]) -> bool:
        """Whether each of these numbers is a key as it stands."""
        return self._are_numbers and (not numbers or (_is_key(min(numbers)) and _is_key(max(numbers))))


def _joined(key: int | str | None, more: Any) -> str | None:
    """A key of several fields as one text; a part that is null or left out counts as empty."""
    return None if key is None else f"{key}\x1f{_text(more) or ''}"


def _is_key(number: Any) -> bool:
    return bool(abs(number) <= LARGEST_NUMBER)


def _whole(value: Any) -> int | None:
    number = envelope.whole_number(str(value).encode()) if isinstance(value, str | float) else value
    is_key = isinstance(number, int) and not isinstance(number, bool) and _is_key(number)
    return number if is_key else None


def _text(value: Any) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None
