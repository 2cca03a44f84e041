"""
Invented ledgers: a few variants, orders, transformations and receivings, drawn one choice at a time.

Whose choices they are is the caller's: those of a seed cost next to nothing, those of hypothesis are made smaller when
they find something.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from random import Random

from hypothesis import strategies as st
from reference_valuation import Defaults, Line, Lines, Move

Ledger = tuple[list[Move], Defaults, Lines]

VARIANTS = (0, 1, 2)


def movements(most: int = 24) -> st.SearchStrategy[Ledger]:
    """Ledgers whose choices hypothesis makes, with some ``most`` rows."""
    return st.randoms(use_true_random=False).map(lambda chance: ledger(chance, most))


def ledger(chance: Random, most: int = 24) -> Ledger:
    """Movements, prices of variants and lines of receivings; late rows come from ids that do not follow time."""
    tales: tuple[Callable[[Random], list[Move]], ...] = (exchange, transformation, receiving)
    moves = [move for _ in range(chance.randint(0, 3)) for move in chance.choice(tales)(chance)]
    loose = chance.randint(0 if moves else 1, max(1, most - len(moves)))
    moves = [*(anything(chance) for _ in range(loose)), *moves]
    ids = chance.sample(range(1, len(moves) + 1), len(moves))
    moves = [replace(move, id=number) for move, number in zip(moves, ids, strict=True)]
    lines = {
        (1, variant): [Line(chance.randint(0, 6), price(chance)) for _ in range(chance.randint(0, 3))]
        for variant in VARIANTS
    }
    defaults = {variant: versions(chance) for variant in VARIANTS}
    return moves, defaults, lines


def price(chance: Random) -> Decimal | None:
    """None, nothing, in cents, in fractions of them, below zero."""
    kind = chance.randrange(5)
    if kind == 0:
        return Decimal(chance.randint(1, 99_900)).scaleb(-2)
    if kind == 1:
        return Decimal(chance.randint(10**6, 9 * 10**12)).scaleb(-12)
    return (None, Decimal(0), Decimal("-3.5"))[kind - 2]


def extra(chance: Random) -> Decimal | None:
    """An extra cost or discount."""
    return Decimal(chance.randint(-500, 20_000)).scaleb(-3) if chance.randrange(2) else None


def damaged(chance: Random) -> int:
    return chance.choice((0, 0, 0, 1, 2))


def versions(chance: Random) -> list[tuple[int, Decimal | None]]:
    """Prices of a variant, by the day they hold from."""
    drawn = [(chance.randint(0, 9), price(chance)) for _ in range(chance.randint(0, 3))]
    return sorted(((day, worth) for day, worth in drawn if worth is None or worth >= 0), key=lambda version: version[0])


def anything(chance: Random) -> Move:
    """A row of any kind."""
    return Move(
        id=0,
        variant=chance.choice(VARIANTS),
        direction=chance.choice(("in", "out", "out")),
        quantity=chance.randint(0, 12),
        damaged=damaged(chance),
        price=price(chance),
        extra=extra(chance),
        at=chance.randint(0, 9),
        order=chance.choice((None, None, "a", "b")),
        transformation=chance.choice((None, None, None, 7, 8)),
        receiving=chance.choice((None, None, 1)),
    )


def exchange(chance: Random) -> list[Move]:
    """Goods of one variant that an order takes and sends back, perhaps more than once, between receipts and issues."""
    variant, order = chance.choice(VARIANTS), chance.choice(("a", "c"))
    kinds = (("in", None), ("out", order), ("in", order), ("out", None))
    steps = [chance.choice(kinds) for _ in range(chance.randint(3, 8))]
    return [
        Move(
            id=0,
            variant=variant,
            direction=direction,
            quantity=chance.randint(0, 3),
            damaged=damaged(chance),
            price=price(chance),
            extra=extra(chance),
            at=moment,
            order=name,
        )
        for (direction, name), moment in zip(steps, sorted(chance.randint(0, 9) for _ in steps), strict=True)
    ]


def transformation(chance: Random) -> list[Move]:
    """A group over several variants, most of it in one moment; a row may name an order, which is not of the group."""
    moment = chance.randint(1, 8)
    directions = ["out"] * chance.randint(1, 2) + ["in"] * chance.randint(1, 3)
    return [
        Move(
            id=0,
            variant=chance.choice(VARIANTS),
            direction=direction,
            quantity=chance.randint(0, 6),
            damaged=damaged(chance),
            price=price(chance),
            extra=extra(chance),
            at=moment + chance.choice((0, 0, 0, 0, 0, 1, -1)),
            order=chance.choice([None] * 9 + ["a"]),
            transformation=9,
        )
        for direction in directions
    ]


def receiving(chance: Random) -> list[Move]:
    """Movements of one receiving, most without a price."""
    variant, count = chance.choice(VARIANTS), chance.randint(1, 3)
    return [
        Move(
            id=0,
            variant=variant,
            direction="in",
            quantity=chance.randint(0, 9),
            damaged=damaged(chance),
            price=chance.choice((None, None, None, Decimal(2))),
            extra=extra(chance),
            at=moment,
            receiving=1,
        )
        for moment in sorted(chance.randint(0, 9) for _ in range(count))
    ]
