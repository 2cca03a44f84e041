"""What stands over a column, and in it: words for people instead of names of columns and of codes."""

from collections import Counter
from collections.abc import Mapping

from stockbook.declarations import Column

# what the type says anyway
_ENDINGS = {"_at_utc": " (UTC)", "_utc": " (UTC)", "_at": "", "_date": "", "_quantity": "", "_name": ""}
_SPELLED = {word: word.upper() for word in ("id", "sla", "fifo", "nrv", "grn", "ean", "gtin", "vat")}
_SPELLED |= {"cogs": "cost of goods"}
# shares are written as percent, and the currency of a row stands in a column beside
_SAID_ELSEWHERE = ("share", "currency")


def headings(columns: Mapping[str, Column], named: Mapping[str, str]) -> dict[str, str]:
    """A heading for each column, with its unit; ``named`` are those that no rule makes readable."""
    short = {name: named.get(name) or _short(name) for name in columns}
    counts = Counter(short.values())
    whole = {name: text if counts[text] == 1 else words(name) for name, text in short.items()}
    return {name: whole[name] + _unit(columns[name].unit, whole[name]) for name in columns}


def _short(name: str) -> str:
    for ending, instead in _ENDINGS.items():
        if name.endswith(ending):
            return words(name.removesuffix(ending)) + instead
    return words(name)


def words(name: str) -> str:
    """A name as a person reads it."""
    text = " ".join(_SPELLED.get(word, word) for word in name.removeprefix("is_").split("_"))
    return text[:1].upper() + text[1:]


def _unit(unit: str | None, heading: str) -> str:
    if not unit or unit in _SAID_ELSEWHERE or unit in heading.lower().split():
        return ""
    return f" [{unit}]"
