"""The journal: rows of the warehouse in, lines of the general ledger out."""

import shutil
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import proof_size
import pytest
from hypothesis import HealthCheck, given, settings
from ledgers import Ledger, movements
from test_valuation_program import POLICY, PRAGUE, Shop, fill
from trial_balance import assert_tied

from stockbook.closing import posting
from stockbook.cost_methods import FIGURES
from stockbook.models.build import run_step
from stockbook.models.programs import BuildContext

COGS = """(
    select account, month, variant_id, pool, columns('^(fifo|average)_(landed|bare)_cogs$') from intermediate.cogs_month
)"""
JOURNAL = ("reports.journal", "intermediate.cogs_month", "reports.cogs_monthly", "reports.stock_movements_monthly")
WAY_A, WAY_B = POLICY / "accounts.yml", POLICY / "examples" / "accounts_czech_b.yml"
NEUTRAL = POLICY / "examples" / "accounts_neutral.yml"
SEEN = datetime(2025, 4, 2, 2, 15)


class Books(Shop):
    """A shop with a journal."""

    def __init__(self, folder: Path, **policies: str) -> None:
        for name in ("accounts", "valuation"):
            (folder / f"{name}.yml").write_text(policies.get(name) or (POLICY / f"{name}.yml").read_text())
        super().__init__(folder, JOURNAL)

    def book_by(self, chart: Path | None) -> None:
        """Take these accounts in the place of those there, or none."""
        file = self.policy_dir / "accounts.yml"
        file.unlink(missing_ok=True)
        if chart is not None:
            shutil.copyfile(chart, file)
        posting.build(self.con, BuildContext(SEEN, "run-1", PRAGUE, self.policy_dir, self.tables))

    def wrong(self) -> list[str]:
        """Checks of the journal that find rows."""
        return [check.name for check in self.tables["reports.journal"].checks if self.ask(check.rows or "")]

    def sign(self, month: date, write_down: str | None = None) -> None:
        """Close a month as it is known now; B may have a write-down of its only variant."""
        close = f"main/{month:%Y-%m}/1"
        self.con.execute(
            "insert into marts.fct_period_close by name select ? as close_id, 'main' as account, ? as month, "
            "1 as sequence, cast(? as date) + interval 1 month as as_of, true as is_in_force",
            [close, month, month],
        )
        self.con.execute(
            f"""
            insert into marts.fct_period_close_line by name
            select ? as close_id, 1 as sequence, o.*, coalesce(columns('_cogs$'), 0) as '\\0',
                case when o.variant_id = 9 then cast(? as decimal(38, 12)) end as write_down
            from intermediate.open_stock_month as o
            left join {COGS} as c using (account, month, variant_id, pool)
            where o.month = ?
            """,
            [close, write_down, month],
        )
        self.build_again()

    def build_again(self) -> None:
        """All but what was signed."""
        context = BuildContext(SEEN, "run-1", PRAGUE, self.policy_dir, self.tables)
        for step in self.steps:
            if step.name != "program closes":
                run_step(self.con, step, context)

    def turnover(self, until: date) -> list[tuple[Any, ...]]:
        """What each account gained in each month before a day, by every figure."""
        sums = ", ".join(f"sum({figure}_amount)" for figure in FIGURES)
        return self.ask(f"""
            select date_trunc('month', date), ledger_account, pool, {sums} from reports.journal where date < '{until}'
            group by all having count(*) filter (where debit + credit <> 0) > 0 order by all
        """)

    def lines(self, where: str = "true") -> list[tuple[Any, ...]]:
        """Day, document, kind, account, debit and credit."""
        return self.ask(
            "select date, document, kind, ledger_account, debit, credit from reports.journal "
            f"where {where} order by date, source_row, kind desc, line_no"
        )


def with_everything(shop: Shop) -> None:
    """A quarter with everything that moves stock, seen on 2 April."""
    shop.price(7, "4")
    shop.move(1, 7, "in", 10, "2025-01-05 09:00:00", price="4", extra="0.5", receiving=1)
    shop.move(2, 7, "out", 4, "2025-01-20 09:00:00", order="a")
    shop.move(3, 7, "in", 1, "2025-02-03 09:00:00", order="a", extra="2")
    shop.move(4, 7, "out", 9, "2025-02-10 09:00:00", order="b")
    shop.move(5, 7, "in", 6, "2025-03-04 09:00:00", price="6", receiving=2, damaged=1)
    shop.move(6, 7, "out", 1, "2025-03-05 09:00:00")
    shop.move(7, 7, "out", 2, "2025-03-06 09:00:00", transformation=3)
    shop.move(8, 8, "in", 4, "2025-03-06 09:00:00", transformation=3, extra="0.25")
    shop.move(9, 9, "in", 5, "2025-01-31 23:59:00", price="2")


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    """The quarter, by the accounts that ship."""
    shop = Books(tmp_path_factory.mktemp("policy"))
    with_everything(shop)
    shop.build(SEEN)
    yield shop
    shop.con.close()


@pytest.fixture
def books(quarter: Books) -> Iterator[Books]:
    """The same, built once: what a test does is undone behind it."""
    quarter.con.execute("begin transaction")
    yield quarter
    quarter.con.execute("rollback")
    shutil.copyfile(WAY_A, quarter.policy_dir / "accounts.yml")


def test_way_a_books_every_movement_as_it_happens(books: Books) -> None:
    """
    Ten come for 4.00 and 0.50 of extra cost; four leave and one comes back; nine leave of which two are short at 4.50
    and settled at 6.00; one breaks; two become four others, which cost 0.25 each on top; five are found.
    """
    assert books.lines() == [
        (date(2025, 1, 5), "receiving 1", "receipt", "132", 40, 0),
        (date(2025, 1, 5), "receiving 1", "receipt", "131", 0, 40),
        (date(2025, 1, 5), "receiving 1", "extra_cost", "132", 5, 0),
        (date(2025, 1, 5), "receiving 1", "extra_cost", "131", 0, 5),
        (date(2025, 1, 20), "order a", "cost_of_goods", "504", 18, 0),
        (date(2025, 1, 20), "order a", "cost_of_goods", "132", 0, 18),
        (date(2025, 1, 31), "movement 9", "find", "132", 10, 0),
        (date(2025, 1, 31), "movement 9", "find", "648", 0, 10),
        (date(2025, 2, 3), "order a", "return", "132", Decimal("4.5"), 0),
        (date(2025, 2, 3), "order a", "return", "504", 0, Decimal("4.5")),
        (date(2025, 2, 10), "order b", "cost_of_goods", "504", Decimal("40.5"), 0),
        (date(2025, 2, 10), "order b", "cost_of_goods", "132", 0, Decimal("40.5")),
        (date(2025, 3, 4), "order b", "settlement", "504", 3, 0),
        (date(2025, 3, 4), "order b", "settlement", "132", 0, 3),
        (date(2025, 3, 4), "receiving 2", "receipt", "132", 6, 0),
        (date(2025, 3, 4), "receiving 2", "receipt", "131", 0, 6),
        (date(2025, 3, 4), "receiving 2", "receipt", "132", 36, 0),
        (date(2025, 3, 4), "receiving 2", "receipt", "131", 0, 36),
        (date(2025, 3, 5), "movement 6", "damage", "549", 6, 0),
        (date(2025, 3, 5), "movement 6", "damage", "132", 0, 6),
        (date(2025, 3, 6), "transformation 3", "transformation", "132", 0, 12),
        (date(2025, 3, 6), "transformation 3", "transformation", "395", 12, 0),
        (date(2025, 3, 6), "transformation 3", "transformation", "132", 12, 0),
        (date(2025, 3, 6), "transformation 3", "transformation", "395", 0, 12),
        (date(2025, 3, 6), "transformation 3", "extra_cost", "132", 1, 0),
        (date(2025, 3, 6), "transformation 3", "extra_cost", "131", 0, 1),
    ]
    assert books.broken() == {}
    assert_tied(books.ask, "A")


def test_way_b_books_what_is_bought_and_what_is_left_of_it(books: Books) -> None:
    """The same quarter: at the end of a month stock takes the difference, and 504 is left with the cost of goods."""
    books.book_by(WAY_B)

    assert books.lines("date < '2025-03-01'") == [
        (date(2025, 1, 5), "receiving 1", "receipt", "504", 40, 0),
        (date(2025, 1, 5), "receiving 1", "receipt", "321", 0, 40),
        (date(2025, 1, 5), "receiving 1", "extra_cost", "504", 5, 0),
        (date(2025, 1, 5), "receiving 1", "extra_cost", "321", 0, 5),
        (date(2025, 1, 31), "month 2025-01", "change_of_stock", "132", 37, 0),
        (date(2025, 1, 31), "month 2025-01", "change_of_stock", "504", 0, 37),
        (date(2025, 1, 31), "movement 9", "find", "504", 10, 0),
        (date(2025, 1, 31), "movement 9", "find", "648", 0, 10),
        (date(2025, 2, 28), "month 2025-02", "change_of_stock", "132", 0, 36),
        (date(2025, 2, 28), "month 2025-02", "change_of_stock", "504", 36, 0),
    ]
    assert books.ask("""
        select cast(date_trunc('month', date) as date), sum(debit - credit) from reports.journal
        where ledger_account = '504' group by all order by all
    """) == books.ask("select month, sum(cogs) from reports.cogs_monthly group by month order by month")
    assert books.broken() == {}
    assert_tied(books.ask, "B")


def test_a_month_that_is_not_over_has_no_change_of_stock(books: Books) -> None:
    """On the last day of March the month is not over; on 1 April it is."""
    books.book_by(WAY_B)
    for seen, days in ((datetime(2025, 3, 31, 2, 15), 2), (datetime(2025, 4, 1, 2, 15), 3)):
        books.build(seen)
        assert books.ask("select count(distinct date) from reports.journal where kind = 'change_of_stock'") == [(days,)]
        assert books.broken() == {}


def test_damaged_pieces_may_have_an_account_of_their_own(books: Books) -> None:
    """By the neutral chart the damaged piece stands beside the sellable ones, and each account has its pool's value."""
    books.book_by(NEUTRAL)

    assert books.ask("""
        select ledger_account, sum(debit - credit) from reports.journal where is_stock group by all order by all
    """) == [("Damaged inventory", 6), ("Inventory", 29)]
    assert books.broken() == {}
    assert_tied(books.ask, "A")


def test_the_headline_says_what_is_debited(tmp_path: Path) -> None:
    """By FIFO, bare, extra cost is no entry: its line is 0 and says what it is by the other figures."""
    shop = Books(tmp_path, valuation="headline: {method: fifo, basis: bare}\nvaluation_currency: EUR\n")
    with_everything(shop)
    shop.build(SEEN)

    assert shop.ask("""
        select kind, debit, credit, currency, method, basis, fifo_landed_amount, fifo_bare_amount
        from reports.journal where date = '2025-01-05' and is_stock order by kind
    """) == [
        ("extra_cost", 0, 0, "EUR", "fifo", "bare", 5, 0),
        ("receipt", 40, 0, "EUR", "fifo", "bare", 40, 40),
    ]
    assert shop.broken() == {}
    shop.con.close()


def test_an_amount_below_zero_stands_on_the_other_side(tmp_path: Path) -> None:
    """Nobody books a debit below zero: a rebate of 1.50 on each of two pieces is credited to stock."""
    shop = Books(tmp_path)
    shop.move(1, 7, "in", 2, "2025-01-05 09:00:00", price="4", extra="-1.5", receiving=1)
    shop.build(SEEN)

    assert shop.lines() == [
        (date(2025, 1, 5), "receiving 1", "receipt", "132", 8, 0),
        (date(2025, 1, 5), "receiving 1", "receipt", "131", 0, 8),
        (date(2025, 1, 5), "receiving 1", "extra_cost", "132", 0, 3),
        (date(2025, 1, 5), "receiving 1", "extra_cost", "131", 3, 0),
    ]
    assert shop.broken() == {}
    shop.con.close()


def test_a_closed_month_keeps_what_every_account_had(books: Books) -> None:
    """
    January and February are signed; then a dispatch of January, a receipt of February and a find of December come late.

    What they did to the closed months is taken back there, what they did to stock is corrected on 1 March: by both ways
    every account has the turnover that was signed, and the balance of March is what is known now.
    """
    for month in (1, 2):
        books.sign(date(2025, month, 1))
    assert books.ask("select count(*) from reports.journal where kind = 'correction' or document like 'close%'") == [
        (0,)
    ]
    signed = {}
    for chart in (WAY_A, NEUTRAL, WAY_B):
        books.book_by(chart)
        signed[chart] = books.turnover(date(2025, 3, 1))
    books.move(20, 7, "out", 1, "2025-01-21 09:00:00", order="c", first_seen=datetime(2025, 3, 20, 2, 15))
    books.move(21, 7, "in", 3, "2024-12-20 09:00:00", price="5", first_seen=datetime(2025, 3, 20, 2, 15))
    books.move(
        22,
        8,
        "in",
        2,
        "2025-02-20 09:00:00",
        price="5",
        extra="0.3",
        receiving=9,
        damaged=1,
        first_seen=datetime(2025, 3, 20, 2, 15),
    )
    books.book_by(WAY_A)
    books.build_again()

    assert books.lines("date = '2025-03-01' and is_stock") == [
        (date(2025, 3, 1), "corrections 2025-03", "correction", "132", 9, 0),
        (date(2025, 3, 1), "corrections 2025-03", "correction", "132", Decimal("5.3"), 0),
        (date(2025, 3, 1), "corrections 2025-03", "correction", "132", Decimal("10.6"), 0),
    ]
    assert books.lines("document = 'close main/2025-02/1' and kind = 'receipt' and is_stock") == [
        (date(2025, 2, 28), "close main/2025-02/1", "receipt", "132", 0, 5),
        (date(2025, 2, 28), "close main/2025-02/1", "receipt", "132", 0, 10),
    ]
    for chart, was_signed in signed.items():
        books.book_by(chart)
        assert books.wrong() == []
        since = [row for row in books.turnover(date(2025, 3, 1)) if row[0] >= datetime(2025, 1, 1) and any(row[3:])]
        assert since == [row for row in was_signed if any(row[3:])]
        stock = books.ask("select sum(average_landed_amount) from reports.journal where is_stock")
        assert stock == books.ask("""
            select stock_value + damaged_value from reports.stock_value_daily where date = '2025-03-31'
        """)


def test_a_digit_of_a_signed_line_is_missed_in_the_journal(books: Books) -> None:
    """A closed month has to end with what was signed of the stock, and to have its cost of goods."""
    for month in (1, 2):
        books.sign(date(2025, month, 1))
    for column, said in (
        ("average_bare_closing", "the accounts of stock have the value of stock, every day"),
        ("fifo_landed_cogs", "cost of goods of a closed month is what was signed"),
    ):
        books.con.execute("create or replace temp table journal as select * from reports.journal")
        books.con.execute("drop view reports.journal")
        books.con.execute("create view reports.journal as select * from temp.journal")
        books.con.execute(f"update marts.fct_period_close_line set {column} = {column} + 0.000000000001")
        assert books.wrong() == [said]
        books.con.execute(f"update marts.fct_period_close_line set {column} = {column} - 0.000000000001")


def test_a_write_down_is_booked_when_it_is_signed(books: Books) -> None:
    """3.00 in January, 1.00 in February: the difference is booked at the end of each month, and stock stays at cost."""
    books.sign(date(2025, 1, 1), "3")
    books.sign(date(2025, 2, 1), "1")

    assert books.lines("kind = 'write_down'") == [
        (date(2025, 1, 31), "month 2025-01", "write_down", "559", 3, 0),
        (date(2025, 1, 31), "month 2025-01", "write_down", "196", 0, 3),
        (date(2025, 2, 28), "month 2025-02", "write_down", "559", 0, 2),
        (date(2025, 2, 28), "month 2025-02", "write_down", "196", 2, 0),
    ]
    assert books.wrong() == []


def test_without_accounts_there_is_no_journal(books: Books) -> None:
    """A policy folder of one's own from before has no accounts.yml: nothing is booked and nothing is broken."""
    books.book_by(None)

    assert books.lines() == []
    assert books.broken() == {}


@pytest.mark.parametrize(
    ("harm", "broken"),
    [
        ("update {} set {} = {} + 0.000000000001 where line_no = 1 and kind = 'receipt'", 2),
        ("delete from {0} where kind = 'return' and line_no = 2", 2),
        ("update {0} set date = date + 1 where kind = 'damage'", 1),
        ("update {0} set variant_id = 8 where kind = 'cost_of_goods' and date = '2025-01-20'", 1),
    ],
    ids=["a digit", "a line", "a day", "a variant"],
)
def test_one_wrong_digit_line_day_or_variant_is_found(books: Books, harm: str, broken: int) -> None:
    """Of any figure: the checks of the night are red."""
    for figure in FIGURES:
        books.con.execute("create or replace temp table kept as select * from reports.journal")
        books.con.execute("drop view reports.journal")
        books.con.execute("create table reports.journal as select * from kept")
        books.con.execute(harm.format("reports.journal", f"{figure}_amount", f"{figure}_amount"))
        assert len(books.wrong()) == broken
        books.con.execute("drop table reports.journal")
        books.con.execute("create view reports.journal as select * from kept")


@given(movements(most=24))
@settings(
    max_examples=proof_size.of(8, 200),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_the_trial_balance_is_the_value_of_stock(tmp_path_factory: pytest.TempPathFactory, case: Ledger) -> None:
    """Of any ledger, by both ways and with an account for each pool, by all four figures, every day."""
    shop = Books(tmp_path_factory.mktemp("policy"))
    fill(shop, *case)
    shop.build(SEEN)
    for chart, way in ((WAY_A, "A"), (NEUTRAL, "A"), (WAY_B, "B")):
        shop.book_by(chart)
        assert_tied(shop.ask, way)
        assert shop.wrong() == []
    assert_cost_of_goods_by_way_b(shop)
    shop.con.close()


def assert_cost_of_goods_by_way_b(shop: Shop) -> None:
    """What 504 is left with at a month's end is the cost of goods, and what transformations did not put in again."""
    for figure in FIGURES:
        booked = shop.ask(f"""
            select sum({figure}_amount) from reports.journal where ledger_account = '504' and date < '2025-04-01'
        """)[0][0]
        cost = shop.ask(f"select sum({figure}_cogs) from reports.cogs_monthly")[0][0]
        lost = shop.ask(f"""
            select -sum({figure}_change - case when '{figure}' like '%landed' then extra_cost else 0 end)
            from intermediate.movement_change where happened = 'transformation'
        """)[0][0]
        assert (booked or 0) == (cost or 0) + (lost or 0)
