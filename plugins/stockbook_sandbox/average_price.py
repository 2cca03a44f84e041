"""The average purchase price the warehouse shows of a variant."""

import numpy as np

from stockbook_sandbox import money
from stockbook_sandbox.catalogue import PURCHASE
from stockbook_sandbox.ledger import IN, Movements
from stockbook_sandbox.localtime import Ints


def average_prices(movements: Movements, seen: Ints, variants: int, prices: Ints) -> Ints:
    """
    Perpetual average purchase price of each variant's undamaged pieces over the rows ``seen``; NULL where none came.

    In order of ``created``, then id; bare (without extra cost); a receipt without a price comes at
    the current average, else at the catalogue's purchase price, and so do returns.
    """
    rows = seen[np.lexsort((movements.id[seen], movements.created[seen], movements.variant[seen]))]
    variant, direction = movements.variant[rows], movements.direction[rows]
    quantity = movements.quantity[rows]
    signed = np.where(direction == IN, quantity, -quantity)
    running = np.cumsum(signed)
    first = np.searchsorted(variant, np.arange(variants))
    base = (
        np.where(first > 0, running[np.maximum(first - 1, 0)], 0) if len(rows) else np.zeros(variants, dtype=np.int64)
    )
    before = (running - signed - base[variant]) if len(rows) else running
    receipt = np.flatnonzero((direction == IN) & (quantity > 0) & (movements.order[rows] < 0))
    owner = variant[receipt]
    rank = np.arange(len(receipt)) - np.searchsorted(owner, owner)
    average = np.full(variants, np.nan)
    fallback = np.where(prices[PURCHASE] == money.NULL, 0, prices[PURCHASE]) / money.SCALE
    for step in range(int(rank.max()) + 1 if len(rank) else 0):
        at = receipt[rank == step]
        who = variant[at]
        current = np.where(np.isnan(average[who]), fallback[who], average[who])
        price = movements.price[rows[at]]
        cost = np.where(price == money.NULL, current, price / money.SCALE)
        on_hand = np.maximum(before[at], 0)
        average[who] = (on_hand * current + quantity[at] * cost) / (on_hand + quantity[at])
    return np.where(np.isnan(average), money.NULL, np.round(np.nan_to_num(average) * 10_000).astype(np.int64) * 100)
