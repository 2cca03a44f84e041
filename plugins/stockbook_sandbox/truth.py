"""What is true of a shop: its stock and orders at an instant, and the personal values that must not be stored."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from stockbook_sandbox import lives, people, sales_truth, stock_truth
from stockbook_sandbox.localtime import day_text, local_of, utc_text, wall_text
from stockbook_sandbox.order_facts import is_answered, is_postponed, problem_source, ticket_count

if TYPE_CHECKING:
    from stockbook_sandbox.shop import Shop


def truth(shop: "Shop", now: int) -> dict[str, Any]:
    """
    What is true at an instant (UTC seconds), in plain JSON types, from the shop's own ledger.

    Every part is described in docs/sandbox.md. All of it comes from the shop's own model: what is served, and nothing
    of who reads it.
    """
    good, damaged = shop.stock(now)
    listed = shop.catalogue.is_listed(now) | (good != 0) | (damaged != 0)
    stock = {
        str(number): {"quantity": pieces, "damaged_quantity": broken}
        for number, pieces, broken, shown in zip(
            shop.catalogue.variant_id.tolist(), good.tolist(), damaged.tolist(), listed.tolist(), strict=True
        )
        if shown
    }
    orders = _orders(shop, now)
    return {
        "at": local_of(now).isoformat(sep=" "),
        "at_utc": f"{utc_text(np.array([now]))[0]}Z",
        "counts": {
            "orders": len(orders),
            "movements": len(shop.visible_movements(now)),
            "variants": int(shop.catalogue.is_listed(now).sum()),
            "receivings": int(np.searchsorted(shop.receivings.announced_at, now, side="right")),
            "quantity": int(good.sum()),
            "damaged_quantity": int(damaged.sum()),
        },
        "stock": stock,
        "orders": orders,
        "availability": stock_truth.availability(shop, now),
        "inactive": shop.catalogue.variant_id[listed & ~shop.catalogue.is_active(now)].tolist(),
        "batches": stock_truth.batches(shop, now),
        "price_edits": stock_truth.price_edits(shop, now),
        "receivings": stock_truth.promises(shop, now),
        "turnover": sales_truth.turnover(shop, now),
        "channel_orders": sales_truth.channel_orders(shop, now),
        "unknown_to_channels": sales_truth.unknown_to_channels(shop, now),
    }


def _orders(shop: "Shop", now: int) -> dict[str, Any]:
    n = shop.visible_orders(now)
    high = int(shop.lives.starts[n])
    local, instants = wall_text(shop.lives.at[:high]), utc_text(shop.lives.at[:high])
    kinds, times = shop.lives.kind[:high].tolist(), shop.lives.at[:high].tolist()
    starts, on_hold = shop.lives.starts.tolist(), shop.on_hold(now).tolist()
    worth = sales_truth.worth(shop, n)
    orders: dict[str, Any] = {}
    for number in range(n):
        milestones = [
            {
                "kind": lives.KINDS[kinds[row]],
                "status": lives.STATUS_AFTER[lives.KINDS[kinds[row]]],
                "at": local[row],
                "at_utc": f"{instants[row]}Z",
            }
            for row in range(starts[number], starts[number + 1])
            if times[row] <= now
        ]
        day = int(shop.begun.dispatch_day[number])
        orders[shop.order_uuid[number]] = {
            "number": shop.order_number[number],
            "remote_number": shop.demand.remote_number[number],
            "status": milestones[-1]["status"],
            "on_hold": on_hold[number],
            "created": milestones[0]["at"],
            "dispatch_date": day_text(day) if day >= 0 else None,
            "currency": worth[number][0],
            "goods_value": str(worth[number][1]),
            "reporting_value": None if worth[number][2] is None else str(worth[number][2]),
            "is_damaged_sale": bool(shop.is_damaged_sale[number]),
            "own_labels": _own_labels(shop, number),
            "problem": _problem(shop, number, len(milestones), now),
            "parcels": sales_truth.order_parcels(shop, number) if _is_packed(milestones) else [],
            "milestones": milestones,
        }
    return orders


def _own_labels(shop: "Shop", n: int) -> int:
    return ticket_count(n) if shop.order_chance[1, n] < shop.shares.ticket else 0


def _is_packed(milestones: list[dict[str, Any]]) -> bool:
    return any(milestone["kind"] == "packed" for milestone in milestones)


def _problem(shop: "Shop", n: int, passed: int, now: int) -> dict[str, Any] | None:
    if shop.lives.kind[int(shop.lives.starts[n]) + passed - 1] != lives.KIND["problem"]:
        return None
    answered = is_answered(shop, n, passed, now)
    return {"source": problem_source(n), "is_postponed": is_postponed(n), "is_answered": answered}


def personal_values(shop: "Shop") -> Iterator[str]:
    """Every distinctive string that must never be found on a disk (see also ``people.PERSONAL_PATTERN``)."""
    for number in np.unique(shop.demand.person).tolist():
        who = people.person(number)
        yield from (who.phone, who.firstname, who.surname, who.street, who.zipcode)
        yield from (text for text in (who.email, who.email.lower(), who.company) if text)
    for number in range(len(shop.demand.created)):
        yield people.variable_symbol(number)
        yield people.tracking_number(number)
        for kind in ("note", "problem", "solution", "status"):
            yield people.text(kind, number)
        yield from (people.picture("problem", 4 * number + place) for place in range(3))
        if shop.order_chance[0, number] < shop.shares.invoice:
            yield people.invoice(number, shop.invoice_bytes)
        if shop.order_chance[1, number] < shop.shares.ticket:
            yield people.label(number)
    for number in range(len(shop.receivings.id)):
        yield people.text("receiving", number)
    for number in range(len(shop.catalogue.variant_id)):
        yield people.picture("variant", number)
    yield from shop.flickrocket.personal_values()
    yield from shop.shopline.personal_values()
