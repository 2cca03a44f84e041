"""
Local wall clock to UTC, for whole arrays.

Most days have one offset; only on days with a change is each row looked at. The hour that occurs
twice is decided by ids (docs/valuation.md): inside it ids ascend in time, so the second pass
begins at the first row, by id, whose wall clock is behind an earlier one's.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.datetime64]
Ints = npt.NDArray[np.int64]

_DAY = np.timedelta64(1, "D")
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # wall clock has no zone


def _offset(local: datetime, zone: ZoneInfo, fold: int) -> timedelta:
    return local.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta(0)


def _days(first: datetime, last: datetime) -> list[datetime]:
    start = first.replace(hour=0, minute=0, second=0, microsecond=0)
    return [start + timedelta(days=n) for n in range((last - start).days + 1)]


def repeated(first: datetime, last: datetime, zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """The wall-clock intervals, end exclusive, that occur twice on the days from ``first`` to ``last``."""
    found = []
    for day in _days(first, last):
        if _offset(day, zone, 0) <= _offset(day + timedelta(days=1), zone, 0):
            continue
        minutes = [day + timedelta(minutes=n) for n in range(24 * 60)]
        twice = [minute for minute in minutes if _offset(minute, zone, 0) > _offset(minute, zone, 1)]
        if twice:
            found.append((twice[0], twice[-1] + timedelta(minutes=1)))
    return found


def to_utc(local: Times, account: npt.NDArray[np.object_], row_id: Ints, zone: ZoneInfo) -> Times:
    """
    Instants (``datetime64[us]``, UTC) of naive local times of ``zone``; NaT for a time in a skipped hour.

    ``account`` and ``row_id`` decide the pass of a time that occurs twice: ids ascend in time per account.
    """
    if not len(local):
        return local
    days = local.astype("datetime64[D]")
    first, last = days.min(), days.max()
    all_days = _days(first.astype("datetime64[s]").item(), last.astype("datetime64[s]").item())
    seconds = np.array([int(_offset(day, zone, 0).total_seconds()) for day in [*all_days, all_days[-1] + timedelta(1)]])
    place = ((days - first) / _DAY).astype(np.int64)
    found: Times = local - seconds[place].astype("timedelta64[s]")
    changed = np.flatnonzero(seconds[place] != seconds[place + 1])
    for row, is_second in zip(changed, _second_pass(local, account, row_id, zone, changed), strict=True):
        wall: datetime = local[row].astype("datetime64[us]").item()
        instant = wall.replace(tzinfo=zone, fold=int(is_second)).astimezone(UTC)
        is_skipped = instant.astimezone(zone).replace(tzinfo=None) != wall
        found[row] = np.datetime64("NaT") if is_skipped else np.datetime64(instant.replace(tzinfo=None), "us")
    return found


def _second_pass(
    local: Times, account: npt.NDArray[np.object_], row_id: Ints, zone: ZoneInfo, rows: Ints
) -> list[bool]:
    latest: dict[tuple[str, int], tuple[datetime, bool]] = {}
    is_second = dict.fromkeys(rows.tolist(), False)
    for row in sorted(rows.tolist(), key=lambda row: int(row_id[row])):
        wall: datetime = local[row].astype("datetime64[us]").item()
        if _offset(wall, zone, 0) <= _offset(wall, zone, 1):
            continue
        key = (account[row], wall.toordinal())
        before, second = latest.get(key, (wall, False))
        is_second[row] = second or wall < before
        latest[key] = (max(before, wall), is_second[row])
    return [is_second[row] for row in rows.tolist()]
