"""What is true of a shop's sales: what they are worth in one currency, the parcels, the orders of the channels."""

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from stockbook_sandbox import lives, money
from stockbook_sandbox.localtime import DAY, to_local, utc_text, wall_text
from stockbook_sandbox.parcels import lines_of, parcels
from stockbook_sandbox.shopline_bodies import parcels as shopline_parcels
from stockbook_sandbox.shopline_bodies import window

if TYPE_CHECKING:
    from stockbook_sandbox.channels import Sold
    from stockbook_sandbox.shop import Shop

REPORTING = "CZK"
_PLACES = Decimal("0.0001")
_LEFT = ("sent", "delivered", "returned")


def rates_of(shop: "Shop", day: int) -> dict[str, Decimal]:
    """Units per euro on a local day (counted from 1970-01-01), as FlickRocket tells them."""
    rows = shop.flickrocket.rates(day * DAY)
    return {"EUR": Decimal(1), **{row["currency"]: Decimal(str(row["rate_to_eur"])) for row in rows}}


def worth(shop: "Shop", orders: int) -> list[tuple[str, Decimal, Decimal | None]]:
    """Currency and goods value of the first orders, and the same in the reporting currency by the day's rate."""
    days = (to_local(shop.demand.created[:orders]) // DAY).tolist()
    rates = {day: rates_of(shop, day) for day in set(days)}
    rows: list[tuple[str, Decimal, Decimal | None]] = []
    for n, day in enumerate(days):
        currency, amount = shop.demand.currency[n], Decimal(money.text(int(shop.order_value[n])))
        own = rates[day].get(currency)
        value = None if own is None else amount * rates[day][REPORTING] / own
        rows.append((currency, amount, None if value is None else value.quantize(_PLACES, ROUND_HALF_UP)))
    return rows


def turnover(shop: "Shop", now: int) -> dict[str, dict[str, Any]]:
    """By local day: orders made and not cancelled, and what they are worth in the reporting currency, as text."""
    n = shop.visible_orders(now)
    cancelled = [lives.STATUS_AFTER[lives.KINDS[kind]] == "cancelled" for kind in shop.kinds_at(now).tolist()]
    days: dict[str, dict[str, Any]] = {}
    texts = wall_text(shop.demand.created[:n])
    for text, is_cancelled, (_, _, amount) in zip(texts, cancelled, worth(shop, n), strict=True):
        day = days.setdefault(text[:10], {"orders": 0, "cancelled": 0, "amount": Decimal(0)})
        day["cancelled" if is_cancelled else "orders"] += 1
        if not is_cancelled and amount is not None:
            day["amount"] += amount
    return {day: {**row, "currency": REPORTING, "amount": str(row["amount"])} for day, row in days.items()}


def order_parcels(shop: "Shop", n: int) -> list[dict[str, Any]]:
    """The parcels of a packed order with their lines and pieces."""
    return [
        {"parcel": own, "lines": len(lines), "pieces": sum(pieces for _, pieces in lines)}
        for own, lines in parcels(shop, n, lines_of(shop, n))
    ]


def channel_orders(shop: "Shop", now: int) -> dict[str, dict[str, dict[str, Any]]]:
    """
    Orders of FlickRocket and SHOPLINE by their numbers, each beside the order of the warehouse.

    ``differences``: missing (the warehouse does not have it), quantity, state (sent by one and not by the other, or
    cancelled by one and not by the other).
    """
    statuses = [lives.STATUS_AFTER[lives.KINDS[kind]] for kind in shop.kinds_at(now).tolist()]
    return {"flickrocket": _flickrocket(shop, now, statuses), "shopline": _shopline(shop, now, statuses)}


def unknown_to_channels(shop: "Shop", now: int) -> list[str]:
    """Ids of orders of the warehouse that have a number of SHOPLINE's, are unknown there and are not cancelled."""
    statuses = [lives.STATUS_AFTER[lives.KINDS[kind]] for kind in shop.kinds_at(now).tolist()]
    orders = shop.channels.unknown_to_shopline.tolist()
    return [shop.order_uuid[n] for n in orders if n < len(statuses) and statuses[n] != "cancelled"]


def _flickrocket(shop: "Shop", now: int, statuses: list[str]) -> dict[str, dict[str, Any]]:
    f = shop.flickrocket
    count = int(np.searchsorted(f.created, now, side="right"))
    created = utc_text(f.created[:count])
    orders = {}
    for n in range(count):
        shipped = bool(f.shipped[n] <= now)
        pieces = sum(f.line_quantity[f.line_start[n] : f.line_start[n + 1]])
        row = _beside(shop, f.sold, n, statuses, pieces, is_sent=shipped, is_cancelled=False)
        parts = len(f.parcels(n)) if shipped else 0
        state = "shipped" if shipped else "open"
        orders[f.order_id[n]] = {"created_utc": created[n], "state": state, "parcels": parts, **row}
    return orders


def _shopline(shop: "Shop", now: int, statuses: list[str]) -> dict[str, dict[str, Any]]:
    s = shop.shopline
    states = s.truth(now)
    created = utc_text(s.created)
    orders = {}
    for n, state in enumerate(states.values()):
        is_sent = state["status"] == "closed"
        row = _beside(
            shop, s.sold, n, statuses, sum(s.quantities(n)), is_sent=is_sent,
            is_cancelled=state["status"] == "cancelled",
        )  # fmt: skip
        span = window(n, int(s.created[n]))
        orders[s.order_id[n]] = {
            "created_utc": created[n],
            "state": state["status"],
            "parcels": len(shopline_parcels(n)) if is_sent else 0,
            "window_utc": None if span is None else utc_text(np.array(span)),
            **row,
        }
    return orders


def _beside(
    shop: "Shop", sold: "Sold", n: int, statuses: list[str], pieces: int, *, is_sent: bool, is_cancelled: bool
) -> dict[str, Any]:
    order = int(sold.order[n])
    if not 0 <= order < len(statuses):
        return {"pieces": pieces, "order_id": None, "differences": [] if is_cancelled else ["missing"]}
    own = sum(quantity for _, quantity in lines_of(shop, order))
    status = statuses[order]
    differs = {
        "quantity": own != pieces and not is_cancelled and status != "cancelled",
        "state": is_sent != (status in _LEFT) or is_cancelled != (status == "cancelled"),
    }
    return {
        "pieces": pieces,
        "order_id": shop.order_uuid[order],
        "order_pieces": own,
        "order_status": status,
        "differences": [name for name, is_so in differs.items() if is_so],
    }
