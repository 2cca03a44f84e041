"""What stands on an order beside its milestones, and from when: its problem and the answer, the labels it brings."""

from typing import TYPE_CHECKING

from stockbook_sandbox import lives

if TYPE_CHECKING:
    from stockbook_sandbox.shop import Shop

_PROBLEM_SOURCES = ("packing", "picking", "address", "stock", "label", "payment", "carrier")


def is_answered(shop: "Shop", n: int, passed: int, clock: int) -> bool:
    """Whether the problem that an order is in has an answer: every other gets one, after half of its time."""
    last = int(shop.lives.starts[n]) + passed - 1
    if n % 2 == 0 or shop.lives.kind[last] != lives.KIND["problem"]:
        return False
    return (int(shop.lives.at[last]) + int(shop.lives.at[last + 1])) // 2 <= clock


def problem_source(n: int) -> str:
    """Where an order's problem comes from; one source in seven comes as often as all others."""
    return _PROBLEM_SOURCES[n // 2 % len(_PROBLEM_SOURCES)] if n % 2 else _PROBLEM_SOURCES[0]


def is_postponed(n: int) -> bool:
    """Whether an order in a problem is only put off for a short while."""
    return n % 4 == 0


def ticket_count(n: int) -> int:
    """Labels of an order that brings its own."""
    return 2 if n % 5 == 0 else 1
