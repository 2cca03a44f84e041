"""Orders of damaged goods: a few orders are filled from the damaged pieces of their variant, where they suffice."""

import numpy as np

from stockbook_sandbox.ledger import IN, OUT, Movements
from stockbook_sandbox.localtime import Flags, Ints


def sell(rng: np.random.Generator, m: Movements, line_order: Ints, orders: int, share: float) -> Flags:
    """
    Let about ``share`` of the orders (one at least, where there can be one) ask for damaged goods; which do.

    Changes their issues in the ledger. Chosen are orders of one line of which nothing came back, one per variant, where
    the damaged pieces on hand from then on were never fewer.
    """
    is_sold = np.zeros(orders, dtype=bool)
    if not share:
        return is_sold
    has_one_line = np.bincount(line_order, minlength=orders) == 1
    has_come_back = np.zeros(orders, dtype=bool)
    has_come_back[m.order[(m.order >= 0) & (m.direction == IN)]] = True
    is_candidate = (m.direction == OUT) & (m.order >= 0) & (m.visible == m.created)
    is_candidate &= has_one_line[m.order] & ~has_come_back[m.order]
    rows = np.flatnonzero(is_candidate & np.isin(m.variant, m.variant[m.damaged > 0]))
    wanted = max(1, round(orders * share))
    used: set[int] = set()
    for row in rng.permutation(rows).tolist():
        variant = int(m.variant[row])
        if variant in used or not _lasts(m, variant, row):
            continue
        used.add(variant)
        is_sold[m.order[row]] = True
        m.damaged[row], m.quantity[row] = m.quantity[row], 0
        if len(used) == wanted:
            break
    return is_sold


def _lasts(m: Movements, variant: int, row: int) -> bool:
    """Whether as many damaged pieces as a row issues stay on hand from its instant on, as dated and as written."""
    of_variant = np.flatnonzero(m.variant == variant)
    signed = np.where(m.direction[of_variant] == IN, 1, -1) * m.damaged[of_variant]
    at = int(m.created[row])
    for time in (m.created[of_variant], m.visible[of_variant]):
        order = np.argsort(time, kind="stable")
        running = np.cumsum(signed[order])
        before = int(signed[time < at].sum())
        later = running[time[order] >= at]
        if min(before, int(later.min())) < m.quantity[row]:
            return False
    return True
