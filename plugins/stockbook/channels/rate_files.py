"""
Files of currency rates from other sources than FlickRocket.

Two forms are known by their first line. A table names its columns ``date``, ``currency`` and ``units_per_eur``, parted
by commas, semicolons or tabs. The daily list of the Czech National Bank begins with its day and states korunas for an
amount of each currency; with the euro in the list every other currency is brought to units per euro, half up to twelve
places. A line that cannot be read is told of with its reason and gives no rate; nor do two lines of one source that
state different rates of a currency for one day.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple

from stockbook.channels.money import RateFile

BANK_DAY = re.compile(r"(\d{1,2}[. ]\s*\w+[. ]\s*\d{4})\s*#\d+")
COLUMNS = ("date", "currency", "units_per_eur")
PLACES = Decimal("1e-12")
MOST = Decimal(10) ** 12
_TWICE = "another line of the source states another rate for the day"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class Line(NamedTuple):
    """One line of a file: a rate, or why it is none."""

    source: str
    file: str
    line_no: int
    currency: str | None
    rate_date: date | None
    units_per_eur: Decimal | None
    problem: str | None


class _Unreadable(Exception):
    """A line that states no rate; the text says why."""


def read(policy_dir: Path, rate_files: Iterable[RateFile]) -> Iterator[Line]:
    """Every line of all files, in order of name."""
    lines = [
        line
        for rate_file in rate_files
        for path in sorted(policy_dir.glob(rate_file.path))
        for line in _lines(rate_file.source, path)
    ]
    units: dict[tuple[str, str | None, date | None], set[Decimal | None]] = {}
    for line in lines:
        units.setdefault((line.source, line.currency, line.rate_date), set()).add(line.units_per_eur)
    for line in lines:
        is_alone = len(units[line.source, line.currency, line.rate_date]) == 1
        yield line if is_alone else Line(*line[:3], None, None, None, _TWICE)


def _lines(source: str, path: Path) -> Iterator[Line]:
    def refused(number: int, problem: str) -> Line:
        return Line(source, path.name, number, None, None, None, problem)

    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        yield refused(1, "the file cannot be read as text in UTF-8")
        return
    if not lines:
        yield refused(1, "the file is empty")
        return
    bank_day = BANK_DAY.match(lines[0])
    try:
        rates = _of_bank(lines, _day(bank_day[1])) if bank_day else _of_table(lines)
        for number, rate in rates:
            if isinstance(rate, str):
                yield refused(number, rate)
            else:
                yield Line(source, path.name, number, *rate, None)
    except _Unreadable as error:
        yield refused(1, str(error))


Rate = tuple[str, date, Decimal]


def _of_table(lines: list[str]) -> Iterator[tuple[int, Rate | str]]:
    separator = next((mark for mark in ";\t" if mark in lines[0]), ",")
    names = [name.strip().lower() for name in _cells(lines[0], separator)]
    if not set(COLUMNS) <= set(names):
        raise _Unreadable(f"expected the columns {', '.join(COLUMNS)}, or the daily list of the bank")
    places = [names.index(name) for name in COLUMNS]
    for number, line in enumerate(lines[1:], start=2):
        if line.strip():
            try:
                cells = [cell.strip() for cell in _cells(line, separator)]
                # a decimal comma beside columns parted by commas makes one more of them
                if len(cells) != len(names):
                    raise _Unreadable("the line has more or fewer columns than the first")
                day, currency, units = (cells[place] for place in places)
                yield number, (_currency(currency), _day(day), _positive(units))
            except _Unreadable as error:
                yield number, str(error)


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        raise _Unreadable("the line is no line of a table") from None


def _of_bank(lines: list[str], day: date) -> Iterator[tuple[int, Rate | str]]:
    korunas: dict[str, tuple[int, Decimal]] = {}
    for number, line in enumerate(lines[2:], start=3):
        cells = [cell.strip() for cell in line.split("|")]
        if line.strip():
            try:
                if len(cells) != 5:  # country, currency, amount, code, rate
                    raise _Unreadable("the line has not five columns")
                korunas[_currency(cells[3])] = number, _positive(cells[4]) / _positive(cells[2])
            except _Unreadable as error:
                yield number, str(error)
    if "EUR" not in korunas:
        raise _Unreadable("the list states no euro, by which the other rates are told")
    at, euro = korunas["EUR"]
    yield at, ("CZK", day, euro.quantize(PLACES, ROUND_HALF_UP))
    for currency, (number, rate) in korunas.items():
        if currency != "EUR":
            yield number, (currency, day, (euro / rate).quantize(PLACES, ROUND_HALF_UP))


def _currency(text: str) -> str:
    if not re.fullmatch("[A-Za-z]{3}", text):
        raise _Unreadable("the currency is not of three letters")
    return text.upper()


def _positive(text: str) -> Decimal:
    try:
        number = Decimal(text.replace(" ", "").replace("\xa0", "").replace(",", "."))
    except InvalidOperation:
        number = Decimal(0)
    if not number.is_finite() or not PLACES <= number < MOST:
        raise _Unreadable("the rate is not a number above zero")
    return number


def _day(text: str) -> date:
    parts = re.split(r"[. ]\s*", text.strip())
    try:
        if len(parts) != 3:  # day, month, year
            return datetime.strptime(text.strip(), "%Y-%m-%d").date()  # noqa: DTZ007  # a day has no zone
        month = parts[1][:3].lower()
        return date(int(parts[2]), _MONTHS.index(month) + 1 if month in _MONTHS else int(month), int(parts[0]))
    except ValueError:
        raise _Unreadable("the day is none") from None
