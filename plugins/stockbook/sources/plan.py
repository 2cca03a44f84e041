"""What a night asks of one account: written by the night, read by the extraction."""

from datetime import date, datetime, time, timedelta

import msgspec


class AccountPlan(msgspec.Struct, frozen=True, kw_only=True):
    """
    The reading of one account.

    ``as_of`` is a naive local wall clock in ``zone``. ``orders_from`` None finds the first day
    with orders and reads everything; ``orders_to`` is the day of ``as_of``. ``open_order_ids`` are
    asked one by one, however old. ``movements_floor`` is the highest committed id less the overlap:
    rows above it are read (0 = from the beginning). ``backfill`` are the first and last day of creation that
    are read again besides, of orders and of movements. ``takes_snapshot`` is false for a run dated in
    the past: listings that are read whole are then not read at all. ``read_before`` names the listings
    an earlier night loaded: one of them that is not served any more is an error.

    Of FlickRocket ``orders_from`` bounds the fulfillments; ``open_fulfillment_ids`` are those placed before
    ``fulfillments_from`` and not yet shipped, ``fulfillments_before`` counts all that are known from before it.

    Both lists of ids hold besides what webhooks named; ``events_to`` is the number of the last event among them.
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
    read_before: list[str] = []
    open_fulfillment_ids: list[str] = []
    fulfillments_before: int = 0
    events_to: int = 0

    @property
    def fulfillments_from(self) -> datetime | None:
        """From when on fulfillments are read by order date (UTC, naive; a day before the local days), None for all."""
        if self.orders_from is None:
            return None
        return datetime.combine(self.orders_from - timedelta(days=1), time())
