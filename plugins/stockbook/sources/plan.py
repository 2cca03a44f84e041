"""What a night asks of one account: written by the night, read by the extraction."""

from datetime import date, datetime

import msgspec


class AccountPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The reading of one account.

    ``as_of`` is a naive local wall clock in ``zone``. ``orders_from`` None finds the first day
    with orders and reads everything; ``orders_to`` is the day of ``as_of``. ``open_order_ids`` are
    asked one by one, however old. ``movements_floor`` is the highest committed id less the overlap:
    rows above it are read (0 = from the beginning). ``backfill`` are the first and last day of creation that
    are read again besides, of orders and of movements. ``takes_snapshot`` is false for a run dated in
    the past: listings that are read whole are then not read at all.
    """

    api: str
    account: str
    as_of: datetime
    zone: str
    orders_to: date
    orders_from: date | None = None
    full_refresh: bool = False
    open_order_ids: list[str] = []
    movements_floor: int = 0
    backfill: tuple[date, date] | None = None
    takes_snapshot: bool = True
