"""Which parcels an order is packed into."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stockbook_sandbox.shop import Shop

Line = tuple[int, int]
"""A variant (its place in the catalogue) and pieces of it."""


def parcels(shop: "Shop", n: int, lines: list[Line]) -> list[tuple[str, list[Line]]]:
    """
    The parcels of an order with their ids: mostly one with all lines.

    Some orders go in two, some have a line in both, and of some a parcel is told of which nobody says what is in it.
    """
    half = len(lines) // 2
    groups = [lines]
    if n % 11 == 0 and len(lines) > 1:
        groups = [lines[:half], lines[half:]]
    elif n % 17 == 3 and lines[0][1] > 1:
        variant, pieces = lines[0]
        groups = [[(variant, pieces - 1), *lines[1:]], [(variant, 1)]]
    if n % 23 == 5:
        groups = [*groups, []] if n % 2 else [[]]
    tail = shop.order_uuid[n][9:]
    return [(f"{place:08x}-{tail}", group) for place, group in enumerate(groups)]


def lines_of(shop: "Shop", n: int) -> list[Line]:
    """The lines of an order."""
    low, high = int(shop.line_start[n]), int(shop.line_start[n + 1])
    d = shop.demand
    return list(zip(d.line_variant[low:high].tolist(), d.line_quantity[low:high].tolist(), strict=True))
