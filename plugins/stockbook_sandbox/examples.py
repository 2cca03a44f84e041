"""
The shop ``examples``: the worked examples of docs/valuation.md, as an account of the warehouse would show them.

Every example is a product named by its title, its variants are called by their letters. Its first night is meant
to be at 02:15 on 10 March 2025, the tenth day; another on 10 June brings what the page says was seen late.
"""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np

from stockbook.project import SHIPPED
from stockbook_sandbox import money, valuation_examples
from stockbook_sandbox.catalogue import PURCHASE
from stockbook_sandbox.ledger import IN, OUT, Movements
from stockbook_sandbox.localtime import NEVER, Ints, day_number, utc_of
from stockbook_sandbox.receiving_edits import ReceivingEdits
from stockbook_sandbox.receivings import Receivings
from stockbook_sandbox.shop import Shop

FIRST = date(2025, 3, 1)
FIRST_NIGHT = datetime(2025, 3, 10, 2, 15)  # noqa: DTZ001  # wall clock of the shop
SECOND_NIGHT = datetime(2025, 6, 10, 2, 15)  # noqa: DTZ001  # wall clock of the shop
PAGE = SHIPPED / "docs" / "valuation.md"


def _at(day: int, hour: int = 10) -> int:
    return utc_of(datetime.combine(FIRST + timedelta(days=day - 1), time(hour)))


def _amount(price: Decimal | None) -> int:
    return int(money.NULL) if price is None else int(price * money.SCALE)


class ExampleShop(Shop):
    """
    A shop whose ledger is the page's and nothing else.

    ``movement_ids`` and ``variant_ids`` are, example by example, the ids of the page's movements and letters.
    """

    def __init__(self, page: Path = PAGE) -> None:
        """Read the page and write its ledger. Raises ConfigError for a page that is not understood."""
        self.examples = valuation_examples.read(page)
        orders = {
            (n, m.order) for n, example in enumerate(self.examples) for m in example.movements if m.order is not None
        }
        self._orders = {key: place for place, key in enumerate(sorted(orders, key=str))}
        pieces = sum(len(example.variants) for example in self.examples)
        super().__init__(
            variants=pieces + 12, orders=max(3, len(orders)), first=date(2025, 2, 10), last=date(2025, 2, 20), places=5
        )
        self._columns = [(n, letter) for n, example in enumerate(self.examples) for letter in example.variants]
        self._column = {key: place for place, key in enumerate(self._columns)}
        self._write_catalogue()
        self._write_ledger()
        self.last = date(2025, 6, 9)
        # what can be seen was worked out for the ledger that was invented
        self.__dict__.pop("_visible", None)

    @property
    def variant_ids(self) -> list[dict[str, int]]:
        """Ids of the letters, example by example."""
        ids = self.catalogue.variant_id.tolist()
        return [
            {letter: ids[self._column[n, letter]] for letter in example.variants}
            for n, example in enumerate(self.examples)
        ]

    @property
    def movement_ids(self) -> list[dict[int, int]]:
        """Ids of the page's movements, example by example."""
        return [
            {movement.id: _movement_id(n, movement.id) for movement in example.movements}
            for n, example in enumerate(self.examples)
        ]

    def _write_catalogue(self) -> None:
        c, shown = self.catalogue, len(self._columns)
        hidden = len(c.variant_id) - shown
        c.product_id = 20_000 + np.arange(len(self.examples) + 1)
        c.product_name = [example.title for example in self.examples] + ["not an example"]
        c.product_category = np.zeros(len(c.product_name), np.int64)
        c.variant_product = np.array([n for n, _ in self._columns] + [len(self.examples)] * hidden)
        c.variant_name[:shown] = [letter for _, letter in self._columns]
        c.added_at = np.full(len(c.variant_id), -NEVER)
        c.removed_at = np.where(np.arange(len(c.variant_id)) < shown, NEVER, -NEVER)
        c.renames = []
        c.is_unpriced[:] = False
        c.inactive_from[:] = NEVER
        c.prices[PURCHASE] = money.NULL
        changes = []
        for n, example in enumerate(self.examples):
            for price_row in example.prices:
                if price_row.day == 1:
                    c.prices[PURCHASE, self._column[n, price_row.variant]] = _amount(price_row.price)
                else:
                    changes.append(
                        (_at(price_row.day, 0), self._column[n, price_row.variant], _amount(price_row.price))
                    )
        changes.sort()
        c.change_at, c.change_variant, c.change_amount = (
            np.array([change[part] for change in changes], np.int64) for part in range(3)
        )
        c.change_kind = np.full(len(changes), PURCHASE)

    def _write_ledger(self) -> None:
        rows = sorted(
            ((n, example, movement) for n, example in enumerate(self.examples) for movement in example.movements),
            key=lambda row: _movement_id(row[0], row[2].id),
        )
        items = [(n, line) for n, example in enumerate(self.examples) for line in example.lines]
        items.sort(key=lambda item: (item[0], item[1].receiving))
        place = {key: number for number, key in enumerate(dict.fromkeys((n, line.receiving) for n, line in items))}
        came = {(n, movement.receiving): _at(movement.day) for n, _, movement in rows if movement.receiving is not None}

        def column(values: list[int]) -> Ints:
            return np.array(values, np.int64)

        self.movements = Movements(
            id=column([_movement_id(n, movement.id) for n, _, movement in rows]),
            variant=column([self._column[n, movement.variant] for n, _, movement in rows]),
            direction=column([IN if movement.direction == "in" else OUT for _, _, movement in rows]),
            order=column(
                [-1 if movement.order is None else self._orders[n, movement.order] for n, _, movement in rows]
            ),
            receiving=column(
                [-1 if movement.receiving is None else place[n, movement.receiving] for n, _, movement in rows]
            ),
            reload_id=column([_group(n, movement.transformation) for n, _, movement in rows]),
            price=column([_amount(movement.price) for _, _, movement in rows]),
            extra_cost=column([_amount(movement.extra) for _, _, movement in rows]),
            quantity=column([movement.quantity for _, _, movement in rows]),
            damaged=column([movement.damaged for _, _, movement in rows]),
            created=column([_at(movement.day) for _, _, movement in rows]),
            visible=column(
                [_at(movement.day) if movement.known is None else _at(movement.known, 0) for _, _, movement in rows]
            ),
        )
        count = len(place)
        self.receivings = Receivings(
            id=7_000 + np.arange(count),
            announced_at=np.full(count, _at(1, 0)),
            planned_day=np.full(count, day_number(FIRST)),
            extra_cost=np.zeros(count, np.int64),
            closed_at=column([came[key] for key in place]),
            item_receiving=column([place[n, line.receiving] for n, line in items]),
            item_variant=column([self._column[n, line.variant] for n, line in items]),
            item_price=column([_amount(line.price) for _, line in items]),
            item_announced=column([line.pieces for _, line in items]),
            item_quantity=column([line.pieces for _, line in items]),
            item_damaged=np.zeros(len(items), np.int64),
            item_at=column([came[n, line.receiving] for n, line in items]),
        )
        self.edits = ReceivingEdits.none(self.receivings)
        self.receiving_uuid = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(count)]
        self.receiving_start = np.searchsorted(self.receivings.item_receiving, np.arange(count + 1))


def _movement_id(example: int, number: int) -> int:
    return 1000 * (example + 1) + number


def _group(example: int, transformation: int | None) -> int:
    return -1 if transformation is None else 100 * (example + 1) + transformation
