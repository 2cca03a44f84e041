"""
What an outage cost, and what brings it back.

A sender tries again for a while and then stops for good: what it had to say in between is never sent again. For
systems with an API that a night reads, a reading brings the state back; the exact times are gone.
"""

from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

# sums of the documented waits; what fulfillment.cz does is not documented
RETRIED_FOR = {"flickrocket": timedelta(seconds=173_040), "shopline": timedelta(seconds=115_170)}
SILENT_FOR = timedelta(days=1)


class Gap(NamedTuple):
    """From when on events of an account may be lost (aware; None: none ever came), until now; surely or perhaps."""

    source: str
    account: str
    since: datetime | None
    now: datetime
    is_sure: bool

    def days(self, zone: ZoneInfo) -> tuple[str, str] | None:
        """First and last local day of the gap."""
        if self.since is None:
            return None
        return self.since.astimezone(zone).date().isoformat(), self.now.astimezone(zone).date().isoformat()


def find_gap(source: str, account: str, last: datetime | None, now: datetime, is_off: bool) -> Gap | None:
    """
    The gap of an account whose last event came at ``last``; None where nothing points to one.

    ``is_off``: the sender stopped (switched off, or a subscription is gone). Otherwise silence for longer than its
    retries (a day where they are not documented) may be one.
    """
    if is_off:
        return Gap(source, account, last, now, True)
    if last is None or now - last <= RETRIED_FOR.get(source, SILENT_FOR):
        return None
    return Gap(source, account, last, now, False)


def advice(gap: Gap, zone: ZoneInfo) -> str:
    """What to do about a gap, in one sentence."""
    days = gap.days(zone)
    who = f"{gap.source} (account {gap.account})"
    since = f"since {gap.since.astimezone(zone):%Y-%m-%d %H:%M}" if gap.since else "until now"
    lost = f"{who}: events {since} {'are' if gap.is_sure else 'may be'} lost"
    if gap.source == "shopline":
        return (
            f"{lost}: SHOPLINE sends them never again and nothing else is read of it. Its fulfillment orders are as "
            "last heard; the gap stays."
        )
    if days is None:
        return f"{lost}: none ever came. The next night reads everything there is in any case."
    if gap.source == "flickrocket":
        return f"{lost}: the next night reads its orders and products whole; nothing else is needed."
    return (
        f"{lost}: read the days again with `stockbook run --backfill-from {days[0]} --backfill-to {days[1]}` (or "
        "`stockbook hooks reread`); the state is right then, times of what happened are between two readings."
    )
