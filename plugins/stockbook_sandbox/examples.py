"""
The shop ``examples``: the worked examples of docs/valuation.md, as an account of the warehouse would show them.

Every example is a product named by its title, its variants are called by their letters. Its first night is meant
to be at 02:15 on 10 March 2025, the tenth day; another on 10 June brings what the page says was seen late.
"""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np

from stockbook.settings import PROJECT
from stockbook_sandbox import money, valuation_examples
from stockbook_sandbox.catalogue import PURCHASE
from stockbook_sandbox.ledger import IN, OUT, Movements, Receivings
from stockbook_sandbox.localtime import NEVER, Ints, day_number, utc_of
from stockbook_sandbox.shop import Shop

FIRST = date(2025, 3, 1)
FIRST_NIGHT = datetime(2025, 3, 10, 2, 15)  # noqa: DTZ001  # wall clock of the shop
SECOND_NIGHT = datetime(2025, 6, 10, 2, 15)  # noqa: DTZ001  # wall clock of the shop
PAGE = PROJECT / "docs" / "valuation.md"


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
        orders = {(n, m.order) for n, one in enumerate(self.examples) for m in one.movements if m.order is not None}
        self._orders = {key: place for place, key in enumerate(sorted(orders, key=str))}
        pieces = sum(len(one.variants) for one in self.examples)
        super().__init__(
            variants=pieces + 12, orders=max(3, len(orders)), first=date(2025, 2, 10), last=date(2025, 2, 20), places=5
        )
        self._columns = [(n, letter) for n, one in enumerate(self.examples) for letter in one.variants]
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
            {letter: ids[self._column[n, letter]] for letter in one.variants} for n, one in enumerate(self.examples)
        ]

    @property
    def movement_ids(self) -> list[dict[int, int]]:
        """Ids of the page's movements, example by example."""
        return [{moved.id: _movement_id(n, moved.id) for moved in one.movements} for n, one in enumerate(self.examples)]

    def _write_catalogue(self) -> None:
        c, shown = self.catalogue, len(self._columns)
        hidden = len(c.variant_id) - shown
        c.product_id = 20_000 + np.arange(len(self.examples) + 1)
        c.product_name = [one.title for one in self.examples] + ["not an example"]
        c.product_category = np.zeros(len(c.product_name), np.int64)
        c.variant_product = np.array([n for n, _ in self._columns] + [len(self.examples)] * hidden)
        c.variant_name[:shown] = [letter for _, letter in self._columns]
        c.added_at = np.full(len(c.variant_id), -NEVER)
        c.removed_at = np.where(np.arange(len(c.variant_id)) < shown, NEVER, -NEVER)
        c.renames = []
        c.prices[PURCHASE] = money.NULL
        changes = []
        for n, one in enumerate(self.examples):
            for priced in one.prices:
                if priced.day == 1:
                    c.prices[PURCHASE, self._column[n, priced.variant]] = _amount(priced.price)
                else:
                    changes.append((_at(priced.day, 0), self._column[n, priced.variant], _amount(priced.price)))
        changes.sort()
        c.change_at, c.change_variant, c.change_amount = (
            np.array([change[part] for change in changes], np.int64) for part in range(3)
        )
        c.change_kind = np.full(len(changes), PURCHASE)

    def _write_ledger(self) -> None:
        rows = sorted(
            ((n, one, moved) for n, one in enumerate(self.examples) for moved in one.movements),
            key=lambda row: _movement_id(row[0], row[2].id),
        )
        items = [(n, lined) for n, one in enumerate(self.examples) for lined in one.lines]
        items.sort(key=lambda item: (item[0], item[1].receiving))
        place = {key: number for number, key in enumerate(dict.fromkeys((n, lined.receiving) for n, lined in items))}
        came = {(n, moved.receiving): _at(moved.day) for n, _, moved in rows if moved.receiving is not None}

        def column(values: list[int]) -> Ints:
            return np.array(values, np.int64)

        self.movements = Movements(
            id=column([_movement_id(n, moved.id) for n, _, moved in rows]),
            variant=column([self._column[n, moved.variant] for n, _, moved in rows]),
            direction=column([IN if moved.direction == "in" else OUT for _, _, moved in rows]),
            order=column([-1 if moved.order is None else self._orders[n, moved.order] for n, _, moved in rows]),
            receiving=column([-1 if moved.receiving is None else place[n, moved.receiving] for n, _, moved in rows]),
            reload_id=column([_group(n, moved.transformation) for n, _, moved in rows]),
            price=column([_amount(moved.price) for _, _, moved in rows]),
            extra_cost=column([_amount(moved.extra) for _, _, moved in rows]),
            quantity=column([moved.quantity for _, _, moved in rows]),
            damaged=column([moved.damaged for _, _, moved in rows]),
            created=column([_at(moved.day) for _, _, moved in rows]),
            visible=column([_at(moved.day) if moved.known is None else _at(moved.known, 0) for _, _, moved in rows]),
        )
        count = len(place)
        self.receivings = Receivings(
            id=7_000 + np.arange(count),
            announced_at=np.full(count, _at(1, 0)),
            planned_day=np.full(count, day_number(FIRST)),
            extra_cost=np.zeros(count, np.int64),
            closed_at=column([came[key] for key in place]),
            item_receiving=column([place[n, lined.receiving] for n, lined in items]),
            item_variant=column([self._column[n, lined.variant] for n, lined in items]),
            item_price=column([_amount(lined.price) for _, lined in items]),
            item_announced=column([lined.pieces for _, lined in items]),
            item_quantity=column([lined.pieces for _, lined in items]),
            item_damaged=np.zeros(len(items), np.int64),
            item_at=column([came[n, lined.receiving] for n, lined in items]),
        )
        self.receiving_uuid = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(count)]
        self.receiving_start = np.searchsorted(self.receivings.item_receiving, np.arange(count + 1))


def _movement_id(example: int, number: int) -> int:
    return 1000 * (example + 1) + number


def _group(example: int, transformation: int | None) -> int:
    return -1 if transformation is None else 100 * (example + 1) + transformation
