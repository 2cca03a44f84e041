"""How often what happens in a shop: invented, or added to a replayed order history."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shares:
    """How often what happens, as shares of orders (of movements for the last ones)."""

    on_hold: float = 0.03
    cancelled: float = 0.025
    restored: float = 0.15
    """Of the cancelled ones."""
    future_dispatch: float = 0.015
    problem: float = 0.015
    sent_back: float = 0.005
    not_sent: float = 0.005
    undelivered: float = 0.006
    returned: float = 0.05
    waiting: float = 0.025
    """Roughly: goods arrive late so often that about this share of orders waits."""
    damaged_on_return: float = 0.08
    correction: float = 0.004
    """Stock corrections per issued line."""
    backdated: float = 0.002
    """Movements written minutes to days after their ``created``."""
    late_commit: float = 0.001
    """Movements that become visible a few minutes after a higher id."""
    null_price: float = 0.01
    zero_price: float = 0.004
    invoice: float = 0.03
    ticket: float = 0.02
    note: float = 0.1
    damaged_sale: float = 0.002
    """Orders of damaged goods."""
    price_edit: float = 0.01
    """Items of receivings whose price is edited weeks later; of those that were booked in without one half are."""


INVENTED = Shares()


REPLAYED = Shares(
    on_hold=0, cancelled=0, future_dispatch=0, sent_back=0, undelivered=0, returned=0, correction=0.001, waiting=0.02,
    damaged_sale=0,
)  # fmt: skip
"""What a real order history lacks and therefore has to be invented: goods, dispatch, delivery, damage."""
