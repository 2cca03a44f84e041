"""What is true of a shop's stock: what is free, which batches are left and who got them, what edits of prices mean."""

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from stockbook_sandbox import lives, money
from stockbook_sandbox.batches import NO_LABEL
from stockbook_sandbox.ledger import IN
from stockbook_sandbox.localtime import NEVER, day_text, wall_text

if TYPE_CHECKING:
    from stockbook_sandbox.shop import Shop

_PENDING = ("created", "in_expedition", "problem_in_expedition", "waiting_for_storage")


def availability(shop: "Shop", now: int) -> dict[str, dict[str, int]]:
    """Pieces on hand, reserved, requested and free by variant id: counted order by order, of listed variants."""
    c, d = shop.catalogue, shop.demand
    good, damaged = shop.stock(now)
    reserved: Counter[int] = Counter()
    requested: Counter[int] = Counter()
    for n, kind in enumerate(shop.kinds_at(now).tolist()):
        status = lives.STATUS_AFTER[lives.KINDS[kind]]
        if status not in _PENDING:
            continue
        for line in range(int(shop.line_start[n]), int(shop.line_start[n + 1])):
            variant, pieces = int(d.line_variant[line]), int(d.line_quantity[line])
            if status == "waiting_for_storage" and shop.waiting_line[line]:
                requested[variant] += pieces
            elif not shop.is_damaged_sale[n]:
                reserved[variant] += pieces
    listed = np.flatnonzero(c.is_listed(now) | (good != 0) | (damaged != 0))
    return {
        str(int(c.variant_id[v])): {
            "on_hand": int(good[v]),
            "reserved": reserved[v],
            "requested": requested[v],
            "available": int(good[v]) - reserved[v] - requested[v],
        }
        for v in listed.tolist()
    }


def batches(shop: "Shop", now: int) -> list[dict[str, Any]]:
    """Every batch with a label: pieces received, taken by orders and left, and the pieces each order got of it."""
    c = shop.catalogue
    recalled = shop.batches.recall(now)
    return [
        {
            "variant_id": int(c.variant_id[variant]),
            **label._asdict(),
            "quality": quality,
            "received": received,
            "taken": taken,
            "left": left,
            "orders": {shop.order_uuid[n]: pieces for n, pieces in recalled.get((variant, label, quality), {}).items()},
        }
        for (variant, label, quality), (received, taken, left) in shop.batches.balances(now).items()
        if label != NO_LABEL
    ]


def price_edits(shop: "Shop", now: int) -> list[dict[str, Any]]:
    """
    Edits of prices of received goods, in order of time.

    ``changes_cost``: the goods were booked in without a price, so that what they cost is what the receiving says.
    """
    m, r, edits = shop.movements, shop.receivings, shop.edits
    is_unpriced = (m.direction == IN) & (m.receiving >= 0) & (m.price == money.NULL)
    unpriced = set(zip(m.receiving[is_unpriced].tolist(), m.variant[is_unpriced].tolist(), strict=True))
    prices = r.item_price.tolist()
    rows = []
    for at, text, item, price in zip(
        edits.at.tolist(), wall_text(edits.at), edits.item.tolist(), edits.price.tolist(), strict=True
    ):
        if at > now:
            break
        receiving, variant = int(r.item_receiving[item]), int(r.item_variant[item])
        rows.append(
            {
                "at": text,
                "receiving_id": int(r.id[receiving]),
                "line_no": item - int(shop.receiving_start[receiving]) + 1,
                "variant_id": int(shop.catalogue.variant_id[variant]),
                "price_before": money.text(prices[item]),
                "price": money.text(price),
                "pieces": int(r.item_quantity[item] + r.item_damaged[item]),
                "changes_cost": (receiving, variant) in unpriced,
            }
        )
        prices[item] = price
    return rows


def promises(shop: "Shop", now: int) -> dict[str, dict[str, Any]]:
    """Announced receivings by id: the first promised day, the one promised now, the day the last goods came."""
    r, edits = shop.receivings, shop.edits
    announced = int(np.searchsorted(r.announced_at, now, side="right"))
    came = np.full(len(r.id), -NEVER)
    counted = r.item_at <= now
    np.maximum.at(came, r.item_receiving[counted], r.item_at[counted])
    days = [text[:10] for text in wall_text(np.maximum(came[:announced], 0))]
    return {
        str(int(r.id[n])): {
            "first_promised": day_text(int(edits.first_planned_day[n])),
            "promised": day_text(edits.planned_day(r, n, now)),
            "last_came": days[n] if came[n] > 0 else None,
        }
        for n in range(announced)
    }
