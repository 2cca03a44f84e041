"""
When the warehouse works: calendars as written, and their days with instants.

A calendar is a week of opening hours (one interval a day), closed on the public holidays of a
country, with exception days over both. Opening times are local wall clock; instants are UTC, so
that a night with 23 or 25 hours counts what it really has.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import holidays
import msgspec
from holidays.registry import EntityLoader

from stockbook.errors import Problems
from stockbook.policy_file import Path_, PolicyFile

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Hours(NamedTuple):
    """One opening interval of a day, local wall clock, closing time exclusive."""

    opens: time
    closes: time


class ExceptionDay(NamedTuple):
    """A day that differs from its week: its hours (None: closed) and why."""

    hours: Hours | None
    reason: str


class Calendar(msgspec.Struct, frozen=True):
    """A validated calendar. Days outside ``covers_from`` .. ``covers_to`` are unknown: nothing falls due on them."""

    name: str
    week: tuple[Hours | None, ...]
    country: str | None
    exceptions: dict[date, ExceptionDay]
    covers_from: date | None
    covers_to: date | None
    place: str = ""
    """Where its end stands in its file, or would: line and field."""


class CalendarDay(NamedTuple):
    """
    One local day of one calendar.

    ``working_days_through`` counts the calendar's working days up to and including this one;
    ``open_seconds_before`` the open seconds of all days before it. Both start at the first day built,
    so only differences mean anything.
    """

    calendar_version: str
    date: date
    is_working_day: bool
    holiday_name: str | None
    exception: str | None
    opens_at: time | None
    closes_at: time | None
    opens_at_utc: datetime | None
    closes_at_utc: datetime | None
    working_days_through: int
    open_seconds_before: int


class _WrittenException(msgspec.Struct, forbid_unknown_fields=True):
    date: date
    hours: str
    reason: str


class _WrittenCalendar(msgspec.Struct, forbid_unknown_fields=True):
    calendar: str
    week: dict[str, str]
    holidays: str | None = None
    exceptions: list[_WrittenException] = []
    covers_from: date | None = None
    covers_to: date | None = None


class _WrittenFile(msgspec.Struct, forbid_unknown_fields=True):
    calendars: list[_WrittenCalendar]


def read(path: Path) -> dict[str, Calendar]:
    """The calendars of a file by name. Raises ConfigError naming file, line and field."""
    file = PolicyFile(path)
    problems = Problems()
    calendars: dict[str, Calendar] = {}
    for number, written in enumerate(file.read(_WrittenFile).calendars):
        here: Path_ = ("calendars", number)
        with problems.gathered():
            if written.calendar in calendars:
                raise file.refusal(
                    (*here, "calendar"), f"the name {written.calendar!r} is taken by an earlier calendar"
                )
            calendars[written.calendar] = _validated(file, here, written)
    problems.settle()
    return calendars


def _validated(file: PolicyFile, here: Path_, written: _WrittenCalendar) -> Calendar:
    problems = Problems()
    week: list[Hours | None] = []
    for day in written.week.keys() - set(WEEKDAYS):
        with problems.gathered():
            raise file.refusal((*here, "week"), f"expected days among {', '.join(WEEKDAYS)}, got {day!r}")
    for day in WEEKDAYS:
        with problems.gathered():
            week.append(_hours(file, (*here, "week", day), written.week[day]) if day in written.week else None)
    with problems.gathered():
        if not problems.found and not any(week):
            raise file.refusal((*here, "week"), "at least one day must have opening hours, none has")
    with problems.gathered():
        # not list_supported_countries(): it imports the calendars of all countries
        if written.holidays is not None and written.holidays not in EntityLoader.get_country_codes():
            raise file.refusal(
                (*here, "holidays"), f"expected an ISO 3166 country code such as CZ, got {written.holidays!r}"
            )
    with problems.gathered():
        if written.covers_from and written.covers_to and written.covers_from > written.covers_to:
            raise file.refusal((*here, "covers_to"), f"must not be before covers_from {written.covers_from}")
    exceptions: dict[date, ExceptionDay] = {}
    for number, exception in enumerate(written.exceptions):
        place: Path_ = (*here, "exceptions", number)
        with problems.gathered():
            if exception.date in exceptions:
                raise file.refusal((*place, "date"), f"{exception.date} is written twice in this calendar")
            hours = None if exception.hours == "closed" else _hours(file, (*place, "hours"), exception.hours)
            exceptions[exception.date] = ExceptionDay(hours, exception.reason)
    problems.settle()
    return Calendar(
        name=written.calendar,
        week=tuple(week),
        country=written.holidays,
        exceptions=exceptions,
        covers_from=written.covers_from,
        covers_to=written.covers_to,
        place=file.place((*here, "covers_to")),
    )


def _hours(file: PolicyFile, path: Path_, text: str) -> Hours | None:
    if text == "closed":
        return None
    first, dash, last = text.partition("-")
    if not dash:
        raise file.refusal(path, f"expected opening hours HH:MM-HH:MM or closed, got {text!r}")
    hours = Hours(file.time(path, first.strip()), file.time(path, last.strip()))
    if hours.opens >= hours.closes:
        raise file.refusal(path, f"opening must be before closing on the same day, got {text!r}")
    return hours


def public_holidays(country: str | None, first: date, last: date) -> dict[date, str]:
    """Public holidays of a country from ``first`` to ``last``, names in English where the library has them."""
    if country is None:
        return {}
    years = range(first.year, last.year + 1)
    # asked of one country: the library's list of languages loads all of them
    speaks = holidays.country_holidays(country).supported_languages
    language = "en_US" if "en_US" in speaks else None
    named = holidays.country_holidays(country, years=years, language=language)
    return {day: name for day, name in sorted(named.items()) if first <= day <= last}


def days(calendar: Calendar, first: date, last: date, zone: ZoneInfo) -> Iterator[CalendarDay]:
    """The calendar's days from ``first`` to ``last``, as far as it covers them, in order."""
    first = max(first, calendar.covers_from or first)
    last = min(last, calendar.covers_to or last)
    named = public_holidays(calendar.country, first, last)
    working_days = 0
    open_seconds = 0
    for day in dates(first, last):
        holiday = named.get(day)
        exception = calendar.exceptions.get(day)
        usual = None if holiday else calendar.week[day.weekday()]
        hours = exception.hours if exception else usual
        opens_utc = utc(day, hours.opens, zone) if hours else None
        closes_utc = utc(day, hours.closes, zone) if hours else None
        working_days += hours is not None
        yield CalendarDay(
            calendar_version=calendar.name,
            date=day,
            is_working_day=hours is not None,
            holiday_name=holiday,
            exception=exception.reason if exception else None,
            opens_at=hours.opens if hours else None,
            closes_at=hours.closes if hours else None,
            opens_at_utc=opens_utc,
            closes_at_utc=closes_utc,
            working_days_through=working_days,
            open_seconds_before=open_seconds,
        )
        if opens_utc and closes_utc:
            open_seconds += int((closes_utc - opens_utc).total_seconds())


def dates(first: date, last: date) -> Iterator[date]:
    """Every day from ``first`` to ``last``."""
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def utc(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The instant of a local wall-clock time as naive UTC; the first pass of a repeated hour."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
