"""What ``warehouse-variants`` says of every variant at an instant."""

import numpy as np

from stockbook_sandbox import lives
from stockbook_sandbox.average_price import average_prices
from stockbook_sandbox.localtime import Ints
from stockbook_sandbox.shop import Shop


def levels(shop: Shop, clock: int) -> Ints:
    """
    Stock levels at an instant.

    Rows: quantity, damaged, reserved, requested, pieces in cartons, average price; one column per variant.
    """
    c = shop.catalogue
    size = len(c.variant_id)
    good, damaged = shop.stock(clock)
    status = np.array([lives.STATUS_AFTER[kind] for kind in lives.KINDS])[shop.kinds_at(clock)]
    waits = status == "waiting_for_storage"
    pending = waits | np.isin(status, ("created", "in_expedition", "problem_in_expedition"))
    last = int(shop.line_start[len(status)])
    order, variant = shop.demand.line_order[:last], shop.demand.line_variant[:last]
    pieces = shop.demand.line_quantity[:last]
    is_requested = shop.waiting_line[:last] & waits[order] if last else np.zeros(0, dtype=bool)
    # an order of damaged goods reserves none of the others
    is_reserved = pending[order] & ~is_requested & ~shop.is_damaged_sale[order] if last else np.zeros(0, dtype=bool)
    boxed = np.zeros(size, dtype=np.int64)
    cartons = np.flatnonzero(c.carton_of >= 0)
    boxed[c.carton_of[cartons]] = good[cartons] * c.carton_pieces[cartons]
    average = average_prices(shop.movements, shop.visible_movements(clock), size, c.prices_at(clock))
    return np.stack(
        [
            good,
            damaged,
            np.bincount(variant[is_reserved], weights=pieces[is_reserved], minlength=size).astype(np.int64),
            np.bincount(variant[is_requested], weights=pieces[is_requested], minlength=size).astype(np.int64),
            boxed,
            average,
        ]
    )
