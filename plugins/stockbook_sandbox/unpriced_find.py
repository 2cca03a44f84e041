"""A find of a variant that was never bought: no row anywhere says what it cost."""

import numpy as np

from stockbook_sandbox import money
from stockbook_sandbox.catalogue import Catalogue
from stockbook_sandbox.ledger import IN, Movements
from stockbook_sandbox.localtime import DAY, NEVER, Flags
from stockbook_sandbox.receivings import Receivings


def find(c: Catalogue, m: Movements, r: Receivings, is_sold: Flags, end: int) -> Movements:
    """
    The ledger with three pieces more, days before the end, of a variant that nobody received or sold.

    Its id is one that was left out, so all others keep theirs. The catalogue names no price of it. Where every variant
    was received or sold, or no id is free, the ledger stays as it is.
    """
    is_idle = ~is_sold & (c.carton_of < 0) & (c.removed_at == NEVER)
    is_idle[m.variant] = False
    is_idle[r.item_variant] = False
    is_idle[c.carton_of[c.carton_of >= 0]] = False
    idle = np.flatnonzero(is_idle)
    at = end - 4 * DAY - 13 * 3600
    row = int(np.searchsorted(np.maximum.accumulate(m.visible), at, side="right")) if len(m.id) else 0
    free = np.flatnonzero(np.diff(m.id[max(0, row - 1) :]) > 1)
    if not len(idle) or not len(free) or row == 0:
        return m
    place = row + int(free[0])
    variant = int(idle[0])
    c.is_unpriced[variant] = True
    new = {
        "id": int(m.id[place - 1]) + 1, "variant": variant, "direction": IN, "order": -1, "receiving": -1,
        "reload_id": -1, "price": int(money.NULL), "extra_cost": int(money.NULL), "quantity": 3, "damaged": 0,
        "created": int(m.visible[place - 1]), "visible": int(m.visible[place - 1]),
    }  # fmt: skip
    return Movements(**{name: np.insert(getattr(m, name), place, value) for name, value in new.items()})
