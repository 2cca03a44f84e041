"""Each rule of docs/valuation.md on a handful of rows."""

from decimal import Decimal

import pytest
from reference_valuation import FIGURES, POOLS, Defaults, Line, Lines, Move
from test_valuation_replay import figures, in_order, money, run

from stockbook.valuation.replay import COST_SOURCES
from stockbook.valuation.replay_result import Replay

FIFO_LANDED, FIFO_BARE, AVERAGE_LANDED, AVERAGE_BARE = range(len(FIGURES))


def price(text: str) -> Decimal:
    return Decimal(text)


class Books:
    """A replay, asked in words. Money comes back as Decimal, movements are named by id."""

    def __init__(self, *moves: Move, defaults: Defaults | None = None, lines: Lines | None = None) -> None:
        self.moves = in_order(list(moves))
        self.found: Replay = run(self.moves, defaults, lines)

    def source(self, move: int) -> str | None:
        return COST_SOURCES[self.found.cost_source[[m.id for m in self.moves].index(move)]]

    def unit_cost(self, move: int, figure: int = AVERAGE_LANDED) -> Decimal:
        return money(int(self.found.unit_cost[[m.id for m in self.moves].index(move), figure]))

    def _issue(self, move: int, pool: str) -> int:
        rows = zip(self.found.issues.row, self.found.issues.pool, strict=True)
        return [(self.moves[row].id, POOLS[number]) for row, number in rows].index((move, pool))

    def cogs(self, move: int, figure: int, pool: str = "sellable") -> Decimal:
        issues = self.found.issues
        return money(figures(issues.cost_high, issues.cost_low)[self._issue(move, pool)][figure])

    def settlement(self, move: int, figure: int, pool: str = "sellable") -> Decimal:
        issues = self.found.issues
        return money(figures(issues.settled_high, issues.settled_low)[self._issue(move, pool)][figure])

    def balance(
        self, variant: int, day: int, figure: int = AVERAGE_LANDED, pool: str = "sellable"
    ) -> tuple[int, Decimal]:
        balances = self.found.balances
        values = figures(balances.high, balances.low)
        cell = 2 * variant + POOLS.index(pool)
        row = max(
            (row for row in range(len(values)) if balances.cell[row] == cell and balances.day[row] <= day),
            key=lambda row: int(balances.day[row]),
        )
        return int(balances.pieces[row]), money(values[row][figure])

    def came_from(self, move: int) -> list[tuple[int | None, int]]:
        """(receipt, pieces) of an issue, in order of consumption."""
        slices, receipts = self.found.slices, self.found.receipts
        allocated = [
            (int(number), None if receipt < 0 else self.moves[receipts.row[receipt]].id, int(pieces))
            for issue, number, receipt, pieces in zip(
                slices.issue, slices.number, slices.receipt, slices.pieces, strict=True
            )
            if issue == self._issue(move, "sellable")
        ]
        return [(receipt, pieces) for _, receipt, pieces in sorted(allocated)]


def test_fifo_takes_the_oldest_and_average_takes_the_mean():
    """10 at 4.00 and 10 at 6.00; twelve leave: FIFO 52.00, average 60.00; eight stay at 48.00 and 40.00."""
    books = Books(
        Move(1, 0, "in", 10, price=price("4"), at=1),
        Move(2, 0, "in", 10, price=price("6"), at=2),
        Move(3, 0, "out", 12, at=3),
    )
    assert (books.cogs(3, FIFO_LANDED), books.cogs(3, AVERAGE_LANDED)) == (52, 60)
    assert (books.balance(0, 3, FIFO_LANDED), books.balance(0, 3)) == ((8, 48), (8, 40))
    assert books.came_from(3) == [(1, 10), (2, 2)]


def test_extra_cost_is_on_the_landed_basis_only():
    """A piece for 4.00 with 0.50 on top is worth 4.50 landed and 4.00 bare."""
    books = Books(Move(1, 0, "in", 1, price=price("4"), extra=price("0.5")))
    assert [books.unit_cost(1, figure) for figure in range(4)] == [price("4.5"), 4, price("4.5"), 4]


def test_rows_are_replayed_by_time_then_id_whatever_order_they_come_in():
    """A row with a higher id but an earlier time goes first; at the same time the lower id does."""
    books = Books(
        Move(9, 0, "in", 1, price=price("4"), at=1),
        Move(3, 0, "out", 1, at=2),
        Move(2, 0, "in", 1, price=price("6"), at=2),
    )
    assert books.came_from(3) == [(9, 1)]
    assert books.balance(0, 2, FIFO_LANDED) == (1, 6)


def test_pools_never_lend_to_each_other():
    """Three damaged pieces do not help when a sellable one is issued and none is there."""
    books = Books(
        Move(1, 0, "in", 0, damaged=3, price=price("4")),
        Move(2, 0, "out", 1, at=1),
    )
    assert books.balance(0, 1, pool="damaged") == (3, 12)
    assert books.balance(0, 1) == (-1, -4)


def test_the_issue_that_empties_a_pool_takes_all_that_is_left():
    """Thirds of 10.00 leave: 3.333333333333, then 3.333333333334 (half of the rest, half up), then what is left."""
    books = Books(
        Move(1, 0, "in", 1, price=price("10")),
        Move(2, 0, "out", 1, transformation=5),
        Move(3, 1, "in", 3, transformation=5),
        Move(4, 1, "out", 1, at=1),
        Move(5, 1, "out", 1, at=2),
        Move(6, 1, "out", 1, at=3),
    )
    costs = [books.cogs(move, AVERAGE_LANDED) for move in (4, 5, 6)]
    assert costs == [price("3.333333333333"), price("3.333333333334"), price("3.333333333333")]
    assert books.balance(1, 3) == (0, 0)


def test_a_shortage_is_settled_when_the_goods_come_dated_at_the_receipt():
    """Two at 4.00, five issued: three owed at 4.00. Ten come at 6.00: settlement 6.00, seven stay at 42.00."""
    books = Books(
        Move(1, 0, "in", 2, price=price("4"), at=1),
        Move(2, 0, "out", 5, at=2),
        Move(3, 0, "in", 10, price=price("6"), at=9),
    )
    for figure in range(4):
        assert books.cogs(2, figure) == 20
        assert books.balance(0, 2, figure) == (-3, -12)
        assert books.settlement(2, figure) == 6
        assert books.balance(0, 9, figure) == (7, 42)
    assert books.came_from(2) == [(1, 2), (3, 3)]
    assert books.source(2) == "settled"
    receipt_row = books.found.receipts.row[books.found.settlements.receipt[0]]
    assert books.moves[receipt_row].at == 9


def test_shortages_are_settled_oldest_first():
    """Two issues of a piece each are short; one piece comes: the first is good, the second stays provisional."""
    books = Books(
        Move(1, 0, "out", 1, at=1),
        Move(2, 0, "out", 1, at=2),
        Move(3, 0, "in", 1, price=price("5"), at=3),
        defaults={0: [(0, price("4"))]},
    )
    assert (books.came_from(1), books.came_from(2)) == ([(3, 1)], [(None, 1)])
    assert (books.source(1), books.source(2)) == ("settled", "provisional")
    assert books.balance(0, 3) == (-1, -4)


def test_the_receipt_that_ends_a_shortage_sets_the_last_cost():
    """One owed at 4.00; one comes at 6.00 and brings the pool to zero: the next shortage is at 6.00."""
    books = Books(
        Move(1, 0, "in", 1, price=price("4"), at=1),
        Move(2, 0, "out", 2, at=2),
        Move(3, 0, "in", 1, price=price("6"), at=3),
        Move(4, 0, "out", 1, at=4),
    )
    assert books.balance(0, 3) == (0, 0)
    assert [books.cogs(4, figure) for figure in range(4)] == [6, 6, 6, 6]


def test_the_provisional_rate_falls_back_to_receipt_then_default_then_missing():
    """Never in stock: the variant's last receipt cost (of the other pool), else its default cost, else missing."""
    books = Books(
        Move(1, 0, "in", 0, damaged=1, price=price("4"), extra=price("1"), at=1),
        Move(2, 0, "out", 1, at=2),
        Move(3, 1, "out", 1, at=2),
        Move(4, 2, "out", 1, at=2),
        defaults={1: [(0, price("7"))]},
    )
    assert (books.cogs(2, FIFO_LANDED), books.cogs(2, FIFO_BARE)) == (5, 4)
    assert (books.cogs(3, FIFO_LANDED), books.source(3)) == (7, "provisional")
    assert (books.cogs(4, FIFO_LANDED), books.source(4)) == (0, "missing")


def test_a_missing_cost_stops_being_missing_once_the_goods_come():
    """Issued before anything was known of it: 0 and missing. It comes at 5.00: settled, nothing is missing any more."""
    books = Books(Move(1, 0, "out", 1), Move(2, 0, "in", 1, price=price("5"), at=1))
    assert (books.cogs(1, AVERAGE_BARE), books.settlement(1, AVERAGE_BARE), books.source(1)) == (0, 5, "settled")
    assert books.found.balances.missing.tolist() == [1, 0]


def test_the_chain_of_prices():
    """Row price, receiving line, last receipt, the default cost in force that day, at last 0 and missing."""
    books = Books(
        Move(1, 0, "in", 1, at=1),
        Move(2, 0, "in", 1, price=price("5"), receiving=8, at=2),
        Move(3, 0, "in", 1, receiving=9, at=3),
        Move(4, 0, "in", 1, extra=price("0.5"), at=4),
        Move(5, 1, "in", 1, at=4),
        defaults={0: [(3, price("8")), (4, price("9"))]},
        lines={(8, 0): [Line(1, price("6"))], (9, 0): [Line(1, price("6"))]},
    )
    assert [(books.source(move), books.unit_cost(move)) for move in (1, 2, 3, 4, 5)] == [
        ("default_cost", 8),
        ("price", 5),
        ("receiving_line", 6),
        ("last_receipt", price("6.5")),
        ("missing", 0),
    ]


def test_zero_is_a_price():
    """A receipt for 0.00 is worth nothing, is not missing, and is the last receipt price of the next."""
    books = Books(Move(1, 0, "in", 2, price=price("0")), Move(2, 0, "in", 1, at=1), defaults={0: [(0, price("9"))]})
    assert (books.source(1), books.source(2), books.unit_cost(2)) == ("price", "last_receipt", 0)
    assert books.found.balances.missing.tolist() == [0, 0]


def test_a_negative_price_is_no_price():
    """A price below zero is passed over like a missing one."""
    books = Books(Move(1, 0, "in", 1, price=price("-4")), defaults={0: [(0, price("9"))]})
    assert (books.source(1), books.unit_cost(1)) == ("default_cost", 9)


def test_a_catalogue_edit_changes_no_earlier_day():
    """The default cost is the one in force on the day of the movement."""
    before = Books(Move(1, 0, "in", 1, at=1), defaults={0: [(0, price("4"))]})
    after = Books(Move(1, 0, "in", 1, at=1), defaults={0: [(0, price("4")), (2, price("9"))]})
    assert before.unit_cost(1) == after.unit_cost(1) == 4


def test_a_return_costs_what_its_order_took():
    """Two taken at 4.00 and 6.00: one coming back costs 5.00, without its extra cost, and queues last."""
    books = Books(
        Move(1, 0, "in", 1, price=price("4"), at=1),
        Move(2, 0, "in", 2, price=price("6"), at=2),
        Move(3, 0, "out", 2, order="a", at=3),
        Move(4, 0, "in", 1, order="a", price=price("99"), extra=price("3"), at=4),
        Move(5, 0, "out", 1, at=5),
    )
    assert (books.unit_cost(4, FIFO_LANDED), books.source(4)) == (5, "order")
    assert books.came_from(5) == [(2, 1)]


def test_a_return_includes_the_settlements_of_its_order():
    """Taken short at 4.00 and settled at 6.00, it comes back at 6.00."""
    books = Books(
        Move(1, 0, "out", 1, order="a", at=1),
        Move(2, 0, "in", 1, price=price("6"), at=2),
        Move(3, 0, "in", 1, order="a", at=3),
        defaults={0: [(0, price("4"))]},
    )
    assert books.unit_cost(3) == 6


def test_surplus_pieces_of_a_return_use_the_chain_of_prices():
    """Taken one at 4.00, three come back: one at 4.00, two at the row's own 7.00, together 18.00."""
    books = Books(
        Move(1, 0, "in", 1, price=price("4"), at=1),
        Move(2, 0, "out", 1, order="a", at=2),
        Move(3, 0, "in", 3, order="a", price=price("7"), at=3),
    )
    assert (books.balance(0, 3), books.source(3)) == ((3, 18), "price")


def test_a_return_of_an_order_never_shipped_is_all_surplus():
    """Nothing was taken, so there is no cost to give back: the default cost it is."""
    books = Books(Move(1, 0, "in", 1, order="a"), defaults={0: [(0, price("3"))]})
    assert (books.unit_cost(1), books.source(1)) == (3, "default_cost")


def test_damaged_pieces_come_back_at_what_was_taken():
    """An order took two sellable pieces at 4.00; one comes back damaged: the damaged pool gains 4.00."""
    books = Books(
        Move(1, 0, "in", 2, price=price("4"), at=1),
        Move(2, 0, "out", 2, order="a", at=2),
        Move(3, 0, "in", 0, damaged=1, order="a", at=3),
    )
    assert (books.balance(0, 3, pool="damaged"), books.balance(0, 3)) == ((1, 4), (0, 0))


def test_a_transformation_conserves_value():
    """A case for 120.00 becomes 12 pieces of variant 1 and 4 of variant 2; unpriced, so by pieces: 90.00 and 30.00."""
    books = Books(
        Move(1, 0, "in", 1, price=price("120")),
        Move(2, 0, "out", 1, transformation=5, at=1),
        Move(3, 1, "in", 12, transformation=5, at=1),
        Move(4, 2, "in", 4, transformation=5, extra=price("0.25"), at=1),
    )
    assert (books.balance(0, 1), books.balance(1, 1)) == ((0, 0), (12, 90))
    assert (books.balance(2, 1, AVERAGE_BARE), books.balance(2, 1, AVERAGE_LANDED)) == ((4, 30), (4, 31))
    assert books.source(3) == "transformation"


def test_a_priced_transformation_is_split_by_price_times_pieces():
    """30.00 over 10 at 2.00 and 10 at 1.00: 20.00 and 10.00."""
    books = Books(
        Move(1, 0, "in", 1, price=price("30")),
        Move(2, 0, "out", 1, transformation=5, at=1),
        Move(3, 1, "in", 10, transformation=5, price=price("2"), at=1),
        Move(4, 2, "in", 10, transformation=5, price=price("1"), at=1),
    )
    assert (books.balance(1, 1), books.balance(2, 1)) == ((10, 20), (10, 10))


@pytest.mark.parametrize(
    "legs",
    [
        [Move(3, 1, "in", 12, transformation=5, price=price("2"), at=1)],
        [
            Move(3, 1, "in", 12, transformation=5, price=price("2"), at=1),
            Move(4, 0, "out", 1, transformation=5, at=2),
        ],
    ],
    ids=["one leg only", "output before input"],
)
def test_a_transformation_that_is_not_whole_is_plain_receipts_and_issues(legs: list[Move]):
    """Without an OUT before every IN nothing is linked: the receipt takes its own price."""
    books = Books(Move(1, 0, "in", 1, price=price("120")), *legs)
    assert (books.balance(1, 1), books.source(3)) == ((12, 24), "price")


def test_corrections_are_plain_receipts_and_issues():
    """Found pieces come in at the last receipt price, lost ones leave at cost."""
    books = Books(
        Move(1, 0, "in", 2, price=price("4"), at=1),
        Move(2, 0, "in", 1, at=2),
        Move(3, 0, "out", 1, at=3),
    )
    assert (books.source(2), books.balance(0, 3)) == ("last_receipt", (2, 8))


def test_a_movement_of_no_pieces_moves_nothing():
    """It has no cost, no balance, and sets no last receipt price."""
    books = Books(Move(1, 0, "in", 0, price=price("4")), Move(2, 0, "in", 1, at=1))
    assert (books.source(1), books.source(2)) == (None, "missing")
    assert len(books.found.balances.cell) == 1


def test_one_variant_does_not_change_another():
    """A variant's figures are the same whether or not the rest of the shop is replayed with it."""
    own = [
        Move(1, 0, "in", 3, price=price("4")),
        Move(4, 0, "out", 5, at=1),
        Move(6, 0, "in", 3, price=price("5"), at=2),
    ]
    of_other_variants = [
        Move(2, 1, "out", 9),
        Move(3, 1, "in", 2, price=price("1"), at=1),
        Move(5, 2, "in", 0, damaged=1, at=1),
    ]
    alone, together = Books(*own), Books(*own, *of_other_variants)
    assert [alone.balance(0, day, figure) for day in range(3) for figure in range(4)] == [
        together.balance(0, day, figure) for day in range(3) for figure in range(4)
    ]
