"""
Local wall clock to UTC, for whole arrays.

A zone is a handful of spans of local time, each with one offset. The hour that occurs twice is
decided by ids (docs/valuation.md): inside it ids ascend in time, so the second pass begins at the
first row, by id, whose wall clock is behind an earlier one's.
"""

from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.datetime64]
Flags = npt.NDArray[np.bool_]

_MINUTES = [timedelta(minutes=n) for n in range(24 * 60)]


class Span(NamedTuple):
    """Local times from ``start`` to the next span's start. Offsets by pass; None: the clock skips these times."""

    start: datetime
    offset: timedelta | None
    second_offset: timedelta | None


def _offset(local: datetime, zone: ZoneInfo, fold: int) -> timedelta:
    return local.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta(0)


def _at(local: datetime, zone: ZoneInfo) -> Span:
    first, second = _offset(local, zone, 0), _offset(local, zone, 1)
    # of a time the clock skips Python says the earlier offset first, of one that occurs twice the later
    return Span(local, None, None) if first < second else Span(local, first, second)


def spans(first: datetime, last: datetime, zone: ZoneInfo) -> list[Span]:
    """The spans of local time from the day of ``first`` to the one after ``last``, to the minute."""
    day = first.replace(hour=0, minute=0, second=0, microsecond=0)
    spans = [_at(day, zone)]
    while day <= last + timedelta(days=1):
        following = day + timedelta(days=1)
        minutes = [day + minute for minute in _MINUTES] if _at(day, zone)[1:] != _at(following, zone)[1:] else [day]
        for local in minutes:
            here = _at(local, zone)
            if here[1:] != spans[-1][1:]:
                spans.append(here)
        day = following
    return spans


def repeated(spans: list[Span]) -> list[tuple[datetime, datetime]]:
    """The intervals of local time, end exclusive, that occur twice."""
    ends = [span.start for span in spans[1:]]
    return [(span.start, end) for span, end in zip(spans, ends, strict=False) if span.offset != span.second_offset]


def to_utc(local: Times, is_second: Flags, spans: list[Span]) -> Times:
    """
    Instants (``datetime64[us]``, UTC) of naive local times; NaT for a time the clock skips.

    ``is_second`` says which times of a repeated hour are of its second pass; ``spans`` cover the times.
    """
    starts = np.array([span.start for span in spans], "datetime64[us]")
    offsets = np.array([[_microseconds(span.offset), _microseconds(span.second_offset)] for span in spans])
    place = np.searchsorted(starts, local, side="right") - 1
    instants: Times = local - offsets[place, is_second.astype(np.int64)]
    return instants


def _microseconds(offset: timedelta | None) -> np.timedelta64:
    return np.timedelta64("NaT") if offset is None else np.timedelta64(offset, "us")
