"""
Batches of tracked goods: what came with which label, from which batch each order was filled, what is left of each.

The warehouse takes what expires first. Goods that come back lie in the batch they were taken from; pieces that turn
up in a stock-take carry no label, and nobody knows which batch they were of.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stockbook_sandbox.ledger import IN
from stockbook_sandbox.localtime import DAY, Flags, Ints, day_text, to_local

if TYPE_CHECKING:
    from stockbook_sandbox.shop import Shop

DAMAGED, GOOD = 0, 1
_SHELF_LIVES = (20, 45, 90, 180, 365, 730)
_FOR_EVER = "9999-12-31"


class Label(NamedTuple):
    """What stands on a batch; None for what does not."""

    expiration: str | None = None
    batch_number: str | None = None
    lot_id: str | None = None


NO_LABEL = Label()

Part = tuple[Label, int]
"""Pieces of one batch."""


class Entry(NamedTuple):
    """Pieces that came to a batch (or left it, below 0): when, of which variant, quality and order (-1: none)."""

    at: int
    variant: int
    label: Label
    quality: int
    pieces: int
    order: int
    is_receipt: bool


class _Shelf:
    """The pieces of one variant and quality that lie there, batch by batch."""

    def __init__(self) -> None:
        self.parts: dict[Label, int] = {}

    def put(self, label: Label, pieces: int) -> None:
        self.parts[label] = self.parts.get(label, 0) + pieces

    def take(self, pieces: int) -> list[Part]:
        """Pieces that expire first; of one day what came first. What is not there carries no label."""
        taken: list[Part] = []
        for label in sorted(self.parts, key=lambda label: label.expiration or _FOR_EVER):
            share = min(pieces, self.parts[label])
            if share > 0:
                taken.append((label, share))
                self.put(label, -share)
                pieces -= share
        return taken if pieces == 0 else [*taken, (NO_LABEL, pieces)]


@dataclass
class Batches:
    """Every label of a shop, and the book of what came to it and left it."""

    tracked: set[int]
    """Variants of which anything is tracked."""
    received: dict[int, list[Part]] = field(default_factory=dict)
    """Undamaged pieces per item of a receiving, of tracked variants."""
    taken: dict[tuple[int, int], list[Part]] = field(default_factory=dict)
    """What an order was filled from, by order and variant, of tracked variants."""
    entries: list[Entry] = field(default_factory=list)
    """The book in order of time."""

    def balances(self, now: int) -> dict[tuple[int, Label, int], tuple[int, int, int]]:
        """Received, taken by orders, and left at an instant, by variant, label and quality."""
        sums: dict[tuple[int, Label, int], list[int]] = defaultdict(lambda: [0, 0, 0])
        for entry in self.entries:
            if entry.at > now:
                break
            row = sums[entry.variant, entry.label, entry.quality]
            row[0] += entry.pieces if entry.is_receipt else 0
            row[1] -= entry.pieces if entry.order >= 0 and entry.pieces < 0 else 0
            row[2] += entry.pieces
        return {key: (received, taken, left) for key, (received, taken, left) in sums.items()}

    def recall(self, now: int) -> dict[tuple[int, Label, int], dict[int, int]]:
        """Pieces that each order got of a batch until an instant, before anything came back."""
        orders: dict[tuple[int, Label, int], dict[int, int]] = defaultdict(dict)
        for entry in self.entries:
            if entry.at > now:
                break
            if entry.order >= 0 and entry.pieces < 0:
                of_batch = orders[entry.variant, entry.label, entry.quality]
                of_batch[entry.order] = of_batch.get(entry.order, 0) - entry.pieces
        return orders


def write(shop: "Shop", rng: np.random.Generator) -> Batches:
    """The book of a shop's tracked variants, from its receivings and movements."""
    c = shop.catalogue
    is_tracked = c.tracks_expiration | c.tracks_batch | c.tracks_lot
    batches = Batches(set(np.flatnonzero(is_tracked).tolist()), _labelled(rng, shop, is_tracked))
    m = shop.movements
    rows = np.flatnonzero(is_tracked[m.variant])
    # an order's document tells what it took when it was packed, however late the ledger's row is written
    at = np.where((m.order[rows] >= 0) & (m.direction[rows] != IN), m.created[rows], m.visible[rows])
    turn = np.where(m.direction[rows] != IN, 1, np.where(_is_second(shop, rows), 2, 0))
    writing = _Writing(shop, batches)
    for place in np.lexsort((m.id[rows], turn, at)).tolist():
        writing.row(int(rows[place]), int(at[place]))
    return batches


def _is_second(shop: "Shop", rows: Ints) -> Flags:
    """Rows that bring in what another row of the same moment took out: pieces of cartons, pieces that broke."""
    m = shop.movements
    without_document = (m.order[rows] < 0) & (m.receiving[rows] < 0)
    is_second: Flags = (m.direction[rows] == IN) & without_document
    return is_second & ((m.reload_id[rows] >= 0) | (m.damaged[rows] > 0))


def _labelled(rng: np.random.Generator, shop: "Shop", is_tracked: Flags) -> dict[int, list[Part]]:
    """What stands on the goods of each item: one label, on some two."""
    r, c = shop.receivings, shop.catalogue
    lives = rng.choice(_SHELF_LIVES, len(c.variant_id))
    items = np.flatnonzero(is_tracked[r.item_variant])
    chance = rng.random((3, len(items))).tolist()
    number = rng.integers(0, 90_000, len(items)).tolist()
    day = (to_local(r.item_at[items]) // DAY).tolist()
    parts: dict[int, list[Part]] = {}
    for place, item in enumerate(items.tolist()):
        v, pieces = int(r.item_variant[item]), int(r.item_quantity[item])
        expires = day[place] + int(lives[v] * (0.6 + 0.4 * chance[0][place]))
        dated = _FOR_EVER if chance[1][place] < 0.02 else day_text(expires) if chance[1][place] > 0.07 else None
        label = Label(
            dated if c.tracks_expiration[v] else None,
            f"B{number[place]:05d}" if c.tracks_batch[v] else None,
            f"L{number[place] // 7:05d}-{place % 9}" if c.tracks_lot[v] else None,
        )
        second = label._replace(lot_id=None if label.lot_id is None else f"{label.lot_id}B")
        second = second._replace(batch_number=None if label.batch_number is None else f"{label.batch_number}B")
        rest = pieces // 3 if chance[2][place] < 0.2 else 0
        parts[item] = [(label, pieces - rest), (second, rest)] if rest else [(label, pieces)]
    return parts


class _Writing:
    """Goes through the ledger once, in order of time."""

    def __init__(self, shop: "Shop", batches: Batches) -> None:
        self.shop, self.batches = shop, batches
        self.shelves: defaultdict[tuple[int, int], _Shelf] = defaultdict(_Shelf)
        self.opened: dict[int, list[Part]] = {}
        self.broken: dict[tuple[int, int], list[Part]] = {}
        r = shop.receivings
        keys = zip(r.item_receiving.tolist(), r.item_variant.tolist(), strict=True)
        self.item = {key: item for item, key in reversed(list(enumerate(keys)))}

    def row(self, row: int, at: int) -> None:
        """Book one movement."""
        m = self.shop.movements
        v, order = int(m.variant[row]), int(m.order[row])
        for quality, pieces in ((GOOD, int(m.quantity[row])), (DAMAGED, int(m.damaged[row]))):
            if not pieces:
                continue
            shelf = self.shelves[v, quality]
            if m.direction[row] == IN:
                parts, sign = list(self._came(row, v, order, quality, pieces)), 1
                for label, share in parts:
                    shelf.put(label, share)
            else:
                parts, sign = shelf.take(pieces), -1
                self._left(row, v, order, parts)
            is_receipt = int(m.receiving[row]) >= 0
            self.batches.entries += [
                Entry(at, v, label, quality, sign * share, order, is_receipt) for label, share in parts
            ]

    def _left(self, row: int, v: int, order: int, parts: list[Part]) -> None:
        m = self.shop.movements
        if order >= 0:
            self.batches.taken.setdefault((order, v), []).extend(parts)
        elif m.reload_id[row] >= 0:
            self.opened[int(m.reload_id[row])] = parts
        else:
            self.broken[v, int(m.created[row])] = parts

    def _came(self, row: int, v: int, order: int, quality: int, pieces: int) -> Iterator[Part]:
        m = self.shop.movements
        if order >= 0:
            # the last ones that were taken come back first
            return _cut(reversed(self.batches.taken.get((order, v), [])), pieces)
        if m.receiving[row] >= 0:
            item = self.item.get((int(m.receiving[row]), v), -1)
            parts = self.batches.received.get(item, [])
            return _cut(parts if quality == GOOD else [(parts[0][0], pieces)] if parts else [], pieces)
        if m.reload_id[row] >= 0:
            cartons = self.opened.get(int(m.reload_id[row]), [])
            per_carton = pieces // max(1, sum(share for _, share in cartons))
            return _cut([(label, share * per_carton) for label, share in cartons], pieces)
        return _cut(self.broken.pop((v, int(m.created[row])), []), pieces)


def _cut(parts: Iterable[Part], pieces: int) -> Iterator[Part]:
    """As many pieces of the parts as are wanted; what they lack carries no label."""
    for label, share in parts:
        if pieces <= 0:
            return
        yield label, min(share, pieces)
        pieces -= share
    if pieces > 0:
        yield NO_LABEL, pieces
