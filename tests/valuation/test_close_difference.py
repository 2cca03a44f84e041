"""What changed since a month was closed: nights in, signed figures that stay and the causes of each difference out."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from reference_valuation import FIGURES
from test_valuation_known import Known
from test_valuation_program import POLICY, all_steps, with_what_they_read

from stockbook.valuation.since_close.events import MOST_EVENTS
from stockbook.version import VERSION
from stockbook.warehouse.schema import declared_ddl

STATEMENTS = (
    "reports.stock_movements_monthly",
    "reports.stock_movements_monthly_category",
    "reports.stock_movements_monthly_total",
)
REPORTS = (*STATEMENTS, "program close_causes", "intermediate.closable_month")
START = date(2025, 3, 1)
AMOUNTS = ("quantity", *(f"{method}_{basis}" for method, basis in FIGURES))
SETTINGS = "headline: {{method: {method}, basis: landed}}\ndamaged_quantity_is_additive: {additive}\n"

# one amount each: pieces and the four values
Amounts = tuple[Any, ...]
# close, variant, pool, and why: cause, movement, receiving, transformation
Changes = dict[tuple[Any, ...], Amounts]


def with_policies(folder: Path, valuation: str) -> Path:
    """A folder with all policies of the project but ``valuation.yml``, which says this."""
    shutil.copytree(POLICY, folder, dirs_exist_ok=True)
    (folder / "valuation.yml").write_text(valuation)
    return folder


def night(day: int) -> datetime:
    """The as_of of the night after so many days."""
    return datetime(2025, 3, 1, 2, 15) + timedelta(days=day)


class Signed(Known):
    """A shop whose months are signed."""

    def __init__(self, policy_dir: Path = POLICY) -> None:
        super().__init__(policy_dir)
        names = (*(step.name for step in self.steps), *REPORTS)
        # months are signed by ``sign``
        self.steps = [step for step in with_what_they_read(names, all_steps()) if step.name != "program closes"]
        for name in ("marts.fct_period_close", "marts.fct_period_close_line"):
            self.con.execute(declared_ddl(self.tables[name]))

    def see(self, at: datetime, version: str = VERSION) -> None:
        """A night, published."""
        run = {"run_id": f"night of {at}", "as_of": at, "started_at": at, "status": "published", "version": version}
        self.con.execute("delete from meta.run where run_id = ?", [run["run_id"]])
        self.insert("meta.run", run | {"full_refresh": False, "observes": True})
        self.build(at)
        self.at = at

    def sign(self, month: date, sequence: int = 1) -> None:
        """Close a month by what the latest night knows."""
        over = (month + timedelta(days=31)).replace(day=1)
        close_id = f"main/{month:%Y-%m}/{sequence}"
        setting = self.con.execute("select * from marts.dim_valuation_setting")
        names = [name for name, *_ in setting.description or []]
        settings = {
            "valuation": {name: str(value) for name, value in zip(names, setting.fetchall()[0], strict=True)},
            "policy": {"valuation.yml": (self.policy_dir / "valuation.yml").read_text()},
        }
        self.con.execute(
            "update marts.fct_period_close set is_in_force = false, superseded_by = ? where month = ?",
            [sequence, month],
        )
        self.con.execute(
            "insert into marts.fct_period_close_line by name select ? as close_id, ? as sequence, * "
            f"from intermediate.closable_month(date '{month}', {sequence > 1})",
            [close_id, sequence],
        )
        close = {"close_id": close_id, "account": "main", "month": month, "sequence": sequence, "as_of": over}
        close |= {"known_on": self.at.date(), "run_id": f"night of {self.at}", "is_in_force": True, "known_at": self.at}
        self.insert("marts.fct_period_close", close | {"settings": msgspec.json.encode(settings).decode()})

    def signed(self) -> list[tuple[Any, ...]]:
        """All that was signed, as the monthly statement shows it."""
        return self.ask(
            "select * from reports.stock_movements_monthly semi join intermediate.closed_month using (account, month) "
            "order by all"
        )

    def differences(self) -> dict[tuple[Any, ...], Amounts]:
        """By close, variant and pool."""
        columns = ", ".join(f"{name}_difference" for name in AMOUNTS)
        rows = self.ask(f"select close_id, variant_id, pool, {columns} from reports.close_difference")
        return {row[:3]: row[3:] for row in rows}

    def causes(self, also: str = "") -> Changes:
        """By close, variant, pool and why."""
        columns = ", ".join(f"{name}_change" for name in AMOUNTS)
        rows = self.ask(f"""
            select close_id, variant_id, pool, known_at, cause, movement_id, receiving_id, transformation_id, {columns}
            from reports.close_difference_cause {also}
        """)
        return {row[:8]: row[8:] for row in rows}

    def assert_books_close(self, before: list[tuple[Any, ...]]) -> None:
        """Nothing signed moved; what is known now is signed figures and corrections; every check holds."""
        assert self.signed() == before
        assert self.broken() == {}
        for amount in ("{}_quantity", "{}_value", *(f"{method}_{basis}_{{}}" for method, basis in FIGURES)):
            opening, corrections, closing = (amount.format(part) for part in ("opening", "corrections", "closing"))
            # the books of each month begin where those of the month before end, from the first that was signed
            assert not self.ask(f"""
                with statement as (
                    select account, month, pool, sum({opening}) as opening, sum({closing}) as closing
                    from reports.stock_movements_monthly group by all
                )
                select * from statement as s
                inner join statement as b on s.pool = b.pool and b.month = s.month - interval 1 month
                where s.opening <> b.closing and b.month >= (select min(month) from intermediate.closed_month)
            """)  # fmt: skip
            first_open = (
                "select account, max(next_month) as month, max_by(close_id, month) as close_id "
                "from intermediate.closed_month group by account"
            )
            difference = {"{}_quantity": "quantity_difference", "{}_value": "value_difference"}.get(
                amount, amount.format("difference")
            )
            assert self.ask(f"""
                select coalesce(sum({corrections}), 0) from reports.stock_movements_monthly
                semi join ({first_open}) using (account, month)
            """) == self.ask(f"""
                select coalesce(sum({difference}), 0) from reports.close_difference
                semi join ({first_open}) using (close_id)
            """)  # fmt: skip


@pytest.fixture
def shop() -> Iterator[Signed]:
    shop = Signed()
    yield shop
    shop.con.close()


def test_a_late_receipt_is_the_correction_of_the_first_open_month(shop: Signed) -> None:
    """Ten at 4.00 are signed for March; a night of April brings five at 6.00 of March: April corrects them."""
    shop.move(1, 1, "in", 10, "2025-03-05 10:00:00", price="4", first_seen=night(5))
    shop.move(2, 1, "out", 2, "2025-04-03 10:00:00", first_seen=night(34))
    shop.see(night(35))
    shop.sign(START)
    shop.see(night(36))
    assert (shop.differences(), shop.causes()) == ({}, {})
    signed = shop.signed()

    shop.move(3, 1, "in", 5, "2025-03-20 10:00:00", price="6", first_seen=night(37))
    shop.see(night(37))

    assert shop.differences() == {("main/2025-03/1", 1, "sellable"): (5, 30, 30, 30, 30)}
    assert shop.causes() == {("main/2025-03/1", 1, "sellable", night(37), "late", 3, None, None): (5, 30, 30, 30, 30)}
    assert shop.ask("""
        select month, opening_quantity, receipts_quantity, issues_quantity, corrections_quantity, closing_quantity,
            fifo_bare_opening, fifo_bare_issues, fifo_bare_corrections, fifo_bare_closing
        from reports.stock_movements_monthly order by month
    """) == [
        (START, 0, 10, 0, 0, 10, 0, 0, 0, 40),
        (date(2025, 4, 1), 10, 0, 2, 5, 13, 40, 8, 30, 62),
    ]
    shop.assert_books_close(signed)


@dataclass
class Story:
    """What the shop is, and what nights see of it after March was signed; each variant tells a story of its own."""

    shop: Signed
    signed: list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    """March is signed on 2 April; the nights of 10, 11 and 12 April each see something."""
    shop = Signed()
    in_time = {"first_seen": night(8)}
    for variant in (1, 2, 3, 4, 8, 9):
        shop.move(10 * variant, variant, "in", 10, "2025-03-05 10:00:00", price="4", extra="1", **in_time)
    shop.move(21, 2, "out", 3, "2025-03-06 10:00:00", **in_time)
    shop.move(31, 3, "in", 2, "2025-03-07 10:00:00", price="9", **in_time)
    # 5: of a receiving, without a price of its own; 6: nobody knows what it costs
    shop.move(50, 5, "in", 4, "2025-03-05 10:00:00", receiving=1, **in_time)
    shop.line(1, 5, Decimal(3))
    shop.move(60, 6, "in", 2, "2025-03-05 10:00:00", **in_time)
    # 8 becomes 9
    shop.move(81, 8, "out", 1, "2025-03-09 10:00:00", transformation=7, **in_time)
    shop.move(91, 9, "in", 5, "2025-03-09 10:00:01", transformation=7, **in_time)
    # nothing happens to 11
    shop.move(110, 11, "in", 1, "2025-03-09 10:00:01", price="1", **in_time)
    shop.see(night(32))
    shop.sign(START)
    signed = shop.ask("select * from reports.stock_movements_monthly where month = '2025-03-01' order by all")

    shop.move(11, 1, "in", 1, "2025-03-04 10:00:00", price="2", first_seen=night(40))
    shop.change(21, night(40), quantity=4)
    shop.change(31, night(40), gone=True)
    shop.change(40, night(40), unit_price=Decimal(5))
    shop.see(night(40))
    shop.line(1, 5, Decimal(7), night(41))
    shop.price(6, "8", night(41))
    shop.move(92, 9, "in", 5, "2025-04-01 10:00:00", transformation=7, first_seen=night(41))
    shop.see(night(41))
    for number in range(MOST_EVENTS + 1):
        shop.move(1000 + number, 12, "in", 1, "2025-03-10 10:00:00", price="1", first_seen=night(42))
    # in order: of April, and seen in April
    shop.move(12, 1, "out", 1, "2025-04-10 10:00:00", first_seen=night(42))
    shop.see(night(42))
    yield Story(shop, signed)
    shop.con.close()


def told(story: Story, variant: int) -> list[tuple[Any, ...]]:
    return [
        (*why[3:], *amounts) for why, amounts in sorted(story.shop.causes().items(), key=str) if why[1] == variant
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("variant", "rows"),
    [
        (1, [(night(40), "late", 11, None, None, 1, 2, 2, 2, 2)]),
        (2, [(night(40), "changed", 21, None, None, -1, -5, -4, -5, -4)]),
        (3, [(night(40), "gone", 31, None, None, -2, -18, -18, -18, -18)]),
        (4, [(night(40), "price", 40, None, None, 0, 10, 10, 10, 10)]),
        (5, [(night(41), "receiving_line", None, 1, None, 0, 16, 16, 16, 16)]),
        (6, [(night(41), "default_cost", None, None, None, 0, 16, 16, 16, 16)]),
        (11, []),
        (12, [(night(42), "late", None, None, None, 51, 51, 51, 51, 51)]),
    ],
    ids=["late", "changed", "gone", "price", "receiving line", "catalogue", "nothing", "many of one night"],
)
def test_each_cause_is_named_with_what_it_changed(story: Story, variant: int, rows: list[tuple[Any, ...]]) -> None:
    """One thing that a later night saw is one row, with the night, the row it was seen in and what it changed."""
    assert told(story, variant) == rows


def test_a_leg_of_another_month_changes_what_was_signed_of_a_transformation(story: Story) -> None:
    """Half of what left goes to pieces that came in April, so that those of March are worth half."""
    five = Decimal("2.5")
    assert told(story, 9) == [(night(41), "transformation", None, None, 7, 0, -five, -2, -five, -2)]
    assert told(story, 8) == []


def test_signed_figures_stay_and_causes_add_up(story: Story) -> None:
    """March is what was signed, April is corrected by what nights saw, and every check of a night holds."""
    story.shop.assert_books_close(story.signed)


def test_a_cause_that_does_not_add_up_is_named_by_a_check(story: Story) -> None:
    """One digit of one cause is enough, and so is a signed figure that the statement does not show."""
    least = "0.000000000001"
    for table, column, check in (
        ("close_difference_cause", "average_bare_change", "causes add up to what changed since the close"),
        ("stock_movements_monthly", "fifo_bare_closing", "a closed month has the figures that were signed"),
    ):
        where = "where variant_id = 2 and month = '2025-03-01'"
        story.shop.con.execute(f"update reports.{table} set {column} = {column} + {least} {where}")
        broken = story.shop.broken()
        story.shop.con.execute(f"update reports.{table} set {column} = {column} - {least} {where}")
        assert check in broken
    assert story.shop.broken() == {}


def test_a_policy_is_a_cause_of_its_night(tmp_path: Path) -> None:
    """
    Two nights, two causes.

    Damaged pieces become part of the quantity: fifteen at a mean of 5.50 are thirteen at 102 / 18. Then another
    headline is chosen, which changes no figure but the one that is shown first.
    """
    shop = Signed(with_policies(tmp_path, SETTINGS.format(method="average", additive="true")))
    shop.move(1, 1, "in", 10, "2025-03-05 10:00:00", damaged=2, price="4", first_seen=night(5))
    shop.move(2, 1, "in", 10, "2025-03-06 10:00:00", price="7", first_seen=night(6))
    shop.move(3, 1, "out", 5, "2025-03-07 10:00:00", first_seen=night(7))
    shop.see(night(32))
    shop.sign(START)
    signed = shop.ask("select * from reports.stock_movements_monthly where month = '2025-03-01' order by all")
    with_policies(tmp_path, SETTINGS.format(method="average", additive="false"))
    shop.see(night(33))
    shop.see(night(34))
    with_policies(tmp_path, SETTINGS.format(method="fifo", additive="false"))
    shop.see(night(35))

    assert shop.causes() == {
        ("main/2025-03/1", 1, "sellable", night(33), "policy", None, None, None): tuple(
            map(Decimal, ("-2", "-8", "-8", "-8.833333333333", "-8.833333333333"))
        ),
        ("main/2025-03/1", 1, "sellable", night(35), "policy", None, None, None): (0, 0, 0, 0, 0),
    }
    values = shop.ask("select value_signed, value_now from reports.close_difference")
    told_values = shop.ask("select value_change from reports.close_difference_cause order by known_at")
    assert values[0][1] - values[0][0] == sum(change for (change,) in told_values)
    assert told_values[1][0] != 0
    shop.assert_books_close(signed)
    shop.con.close()


def test_an_opening_balance_that_is_set_later_is_a_policy(tmp_path: Path) -> None:
    """What the first count has above the movements known then comes in on the day that a new setting names."""
    text = SETTINGS.format(method="average", additive="true")
    shop = Signed(with_policies(tmp_path, text))
    shop.price(1, "3")
    shop.move(1, 1, "in", 10, "2025-03-05 10:00:00", price="4", first_seen=night(5))
    shop.stock(1, 14, night(10))
    shop.see(night(32))
    shop.sign(START)
    signed = shop.ask("select * from reports.stock_movements_monthly where month = '2025-03-01' order by all")
    with_policies(tmp_path, text + "opening_balance: {main: 2025-03-01}\n")
    shop.see(night(33))
    # a row of before the count: so much less is opened
    shop.move(2, 1, "in", 1, "2025-03-06 10:00:00", price="9", first_seen=night(34))
    shop.see(night(34))

    assert shop.causes() == {
        ("main/2025-03/1", 1, "sellable", night(33), "policy", None, None, None): (4, 12, 12, 12, 12),
        ("main/2025-03/1", 1, "sellable", night(34), "late", 2, None, None): (0, 6, 6, 6, 6),
    }
    shop.assert_books_close(signed)
    shop.con.close()


def test_what_another_version_values_otherwise_is_a_policy(shop: Signed) -> None:
    """A figure that another version signed, and no replay of today gives, is told with the night of the new version."""
    shop.move(1, 1, "in", 10, "2025-03-05 10:00:00", price="4", first_seen=night(5))
    shop.see(night(32), version="0.0.1")
    shop.sign(START)
    shop.con.execute("update marts.fct_period_close_line set average_bare_closing = 39, average_bare_receipts = 39")
    signed = shop.ask("select * exclude (close_id, sequence) from marts.fct_period_close_line")
    shop.see(night(33))

    assert shop.causes() == {("main/2025-03/1", 1, "sellable", night(33), "policy", None, None, None): (0, 0, 0, 0, 1)}
    assert shop.broken() == {}
    assert len(signed) == len(shop.signed())


def test_a_superseding_close_signs_what_is_known_by_then(shop: Signed) -> None:
    """The second close of March has the late receipt, so nothing differs from it; the first one stays beside it."""
    shop.move(1, 1, "in", 10, "2025-03-05 10:00:00", price="4", first_seen=night(5))
    shop.see(night(32))
    shop.sign(START)
    shop.move(2, 1, "in", 5, "2025-03-20 10:00:00", price="6", first_seen=night(33))
    shop.see(night(33))
    assert len(shop.differences()) == 1
    shop.sign(START, sequence=2)
    shop.see(night(34))

    assert (shop.differences(), shop.causes()) == ({}, {})
    of_lines = shop.ask("select sequence, closing_quantity from marts.fct_period_close_line order by 1")
    assert of_lines == [(1, 10), (2, 15)]
    assert shop.ask("""
        select closing_quantity, corrections_quantity from reports.stock_movements_monthly order by month
    """) == [(15, 0), (15, 0)]
    assert shop.broken() == {}


def test_a_night_started_again_after_a_close_is_told_apart(shop: Signed) -> None:
    """
    A second behind the night that was signed, where a run at its as_of is (closing/signed_nights.py), one sees more.

    What it sees is late, changed and gone, whatever the run is called; what the signed night saw is signed.
    """
    again = night(32) + timedelta(seconds=1)
    for variant in (1, 2, 3):
        shop.move(variant, variant, "in", 10, "2025-03-05 10:00:00", price="4", first_seen=night(32))
    shop.see(night(32))
    shop.sign(START)
    signed = shop.ask("select * from reports.stock_movements_monthly where month = '2025-03-01' order by all")
    # the run of this name was started again
    shop.con.execute("update meta.run set as_of = ?", [again])
    shop.move(4, 1, "in", 1, "2025-03-06 10:00:00", price="4", first_seen=again)
    shop.change(2, again, quantity=7)
    shop.change(3, again, gone=True)
    shop.see(again)

    assert {(why[1], *why[3:6]): change[0] for why, change in shop.causes().items()} == {
        (1, again, "late", 4): 1,
        (2, again, "changed", 2): -3,
        (3, again, "gone", 3): -10,
    }
    shop.assert_books_close(signed)


def test_a_run_dated_in_the_past_knows_of_no_later_close(shop: Signed) -> None:
    """On 20 March the month was open, whatever was signed of it since."""
    shop.move(1, 1, "in", 10, "2025-03-05 10:00:00", price="4", first_seen=night(5))
    shop.see(night(32))
    shop.sign(START)
    shop.move(2, 1, "in", 5, "2025-03-15 10:00:00", price="6", first_seen=night(33))
    shop.see(datetime(2025, 3, 20, 2, 15))

    assert shop.ask("select month, closing_quantity from reports.stock_movements_monthly") == [(START, 15)]
    assert (shop.differences(), shop.causes(), shop.broken()) == ({}, {}, {})


def test_a_signed_variant_that_the_ledger_lost_is_corrected_away(shop: Signed) -> None:
    """All rows of a variant vanish: April opens with what was signed, corrects it and closes with nothing."""
    shop.move(1, 1, "in", 10, "2025-03-05 10:00:00", price="4", first_seen=night(5))
    shop.see(night(32))
    shop.sign(START)
    shop.see(night(33))
    signed = shop.signed()
    shop.change(1, night(34), gone=True)
    shop.see(night(34))

    assert shop.ask("""
        select month, opening_quantity, corrections_quantity, closing_quantity, opening_value, corrections_value
        from reports.stock_movements_monthly order by month
    """) == [(START, 0, 0, 10, 0, 0), (date(2025, 4, 1), 10, -10, 0, 40, -40)]
    shop.assert_books_close(signed)


def test_a_change_that_leaves_the_end_of_a_month_alone_is_warned_of(shop: Signed) -> None:
    """Goods that came and went late, and a loss that was a sale: the end of March stays, its cost of goods does not."""
    for variant in (1, 2, 3):
        shop.move(10 * variant, variant, "in", 10, "2025-03-05 10:00:00", price="4", first_seen=night(5))
        shop.move(10 * variant + 1, variant, "out", 2, "2025-03-06 10:00:00", first_seen=night(6))
    check = next(
        check.rows or ""
        for step in shop.steps
        for table in step.tables
        for check in table.checks
        if check.name == "a change in a closed month changes its end"
    )
    shop.see(night(35))
    shop.sign(START)
    shop.see(night(36))
    assert shop.ask(check) == []

    shop.move(12, 1, "in", 3, "2025-03-07 10:00:00", price="4", first_seen=night(37))
    shop.move(13, 1, "out", 3, "2025-03-07 11:00:00", order="a", first_seen=night(37))
    shop.change(21, night(37), order_id="b")
    # told by its end
    shop.move(32, 3, "in", 3, "2025-03-07 10:00:00", price="4", first_seen=night(37))
    shop.see(night(37))

    assert sorted(shop.ask(check)) == [
        ("main/2025-03/1", 1, "sellable", Decimal(12), Decimal(12)),
        ("main/2025-03/1", 2, "sellable", Decimal(8), Decimal(8)),
    ]
    assert [variant for _, variant, _ in shop.differences()] == [3]
