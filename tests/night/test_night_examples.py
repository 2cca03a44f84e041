"""
Nights over the sandbox shop that sells the worked examples.

What the page says stands in the published file; a late row three months back changes what it must and no more; and
an identity that is broken on purpose ends the night.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from night_rig import Rig
from test_valuation_examples import assert_figures

from stockbook import connections
from stockbook.dictionary import questions
from stockbook.errors import CheckFailed
from stockbook.night import steps as night
from stockbook.runs.context import parse_parameters
from stockbook.runs.report import Report
from stockbook_sandbox import Running, running
from stockbook_sandbox.examples import FIRST_NIGHT, SECOND_NIGHT, ExampleShop

pytestmark = pytest.mark.slow

MARCH, KNOWN = date(2025, 3, 31), date(2025, 4, 1)
FIGURES = (
    "sum(fifo_landed_value), sum(fifo_bare_value), sum(average_landed_value), sum(average_bare_value), sum(quantity)"
)
AS_KNOWN = f"select {FIGURES} from reports.stock_value_on_as_known(date '{MARCH}', date '{KNOWN}')"
NOW = f"select {FIGURES} from reports.stock_value_on(date '{MARCH}')"


@dataclass
class Nights:
    """The shop, the home, and what was published before the late row came."""

    shop: ExampleShop
    rig: Rig
    before: dict[str, list[tuple[Any, ...]]]

    def find(self, title: str) -> tuple[dict[str, int], dict[int, int]]:
        """Ids of the variants and movements of the example whose title begins so."""
        number = next(n for n, example in enumerate(self.shop.examples) if example.title.startswith(title))
        return self.shop.variant_ids[number], self.shop.movement_ids[number]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """The examples, served."""
    with running(ExampleShop(), FIRST_NIGHT) as served:
        yield served


@pytest.fixture(scope="module")
def nights(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """A night on 10 March, and one on 10 June that brings the late row."""
    rig = Rig(server, tmp_path_factory.mktemp("examples"))
    rig.night(FIRST_NIGHT)
    before = {query: rig.rows(query) for query in (AS_KNOWN, NOW)}
    rig.night(SECOND_NIGHT)
    assert isinstance(server.shop, ExampleShop)
    return Nights(server.shop, rig, before)


def test_the_published_file_has_every_figure_of_the_page(nights: Nights) -> None:
    """Costs, settlements, balances and figures as known, of every example; a product has each one's title."""
    shop = nights.shop
    # opening the file takes longer than each of hundreds of answers
    with duckdb.connect(str(nights.rig.settings.published), read_only=True) as con:
        for example, variant, movement in zip(shop.examples, shop.variant_ids, shop.movement_ids, strict=True):
            assert_figures(lambda query: con.execute(query).fetchall(), example, variant, movement)
    titles = {
        title for (title,) in nights.rig.rows("select product_name from reports.stock_value_on(date '2025-06-10')")
    }
    assert {example.title for example in shop.examples} <= titles


def test_a_late_row_leaves_the_closed_month_as_it_was_known(nights: Nights) -> None:
    """March as known on 1 April is what it was before the late row came, in every digit; March as known now is not."""
    assert nights.rig.rows(AS_KNOWN) == nights.before[AS_KNOWN] == nights.before[NOW]
    now, then = nights.rig.rows(NOW)[0], nights.before[NOW][0]
    assert [a - b for a, b in zip(now, then, strict=True)] == [60, 60, 55, 55, 10]


def test_a_late_row_changes_the_days_from_its_own_on(nights: Nights) -> None:
    """Ten came on the first, five left on the eighth; the receipt of the fifth is there from the fifth."""
    variant, _ = nights.find("a late row")
    days = [1, 4, 5, 7, 8, 31]
    changed_days = [
        nights.rig.rows(
            f"select quantity, average_landed_value from reports.stock_value_on(date '2025-03-{day:02}') "
            f"where variant_id = {variant['A']}"
        )[0]
        for day in days
    ]
    assert changed_days == [(10, 40), (10, 40), (20, 100), (20, 100), (15, 75), (15, 75)]


def test_a_late_row_is_told_in_restatements(nights: Nights) -> None:
    """Each month closed meanwhile has one row: the movement, the night that brought it, pieces and value."""
    variant, movement = nights.find("a late row")
    rows = nights.rig.rows("""
        select date, known_day, cause, movement_id, variant_id, pool, quantity_change, value_change, fifo_bare_change
        from reports.restatements order by date
    """)
    came = date(2025, 6, 10)
    assert rows == [
        (end, came, "late", movement[3], variant["A"], "sellable", 10, Decimal(55), Decimal(60))
        for end in (MARCH, date(2025, 4, 30), date(2025, 5, 31))
    ]
    assert nights.rig.rows(f"select * from reports.restatement_on(date '{MARCH}', date '{came}')") == []


def test_the_question_of_the_closed_month_is_answered(nights: Nights) -> None:
    """In June the late row of March changed May: the rows of the page's query are May now less May as it was closed."""
    (query,) = [
        question.sql for question in questions.read() if question.text.startswith("What changed in my closed month")
    ]
    month_end, value_change = date(2025, 5, 31), 9

    rows = nights.rig.rows(query)
    now = nights.rig.rows(f"select sum(stock_value) from reports.stock_value_on(date '{month_end}')")[0][0]
    closed = f"reports.stock_value_on_as_known(date '{month_end}', date '2025-06-01')"

    assert [row[1] for row in rows] == [month_end]
    assert rows[0][value_change] == now - nights.rig.rows(f"select sum(stock_value) from {closed}")[0][0] == 55


def tampered(rig: Rig, changes: list[str]) -> Report:
    """A night whose marts are changed between build and check. Returns its report."""
    as_of = SECOND_NIGHT + timedelta(days=1)
    rig.server.set_clock(as_of)
    tonight = rig.tonight()
    ids = connections.conn_ids_in_environment(rig.environ)
    run = night.open_run(tonight, "tampered", parse_parameters({"as_of": as_of.isoformat()}), ids, whole_run_here=True)
    for conn_id in run.conn_ids:
        night.extract(tonight, run.run_id, conn_id)
    night.load(tonight, run.run_id)
    night.build(tonight, run.run_id)
    with duckdb.connect(str(rig.settings.warehouse)) as con:
        for change in changes:
            touched = con.execute(change).fetchall()[0][0]
            assert touched > 0, change
    with pytest.raises(CheckFailed, match="Nothing was published"):
        night.check(tonight, run.run_id, "check_marts")
    return night.finish(tonight, run.run_id)


def test_every_broken_identity_is_red_and_names_variant_and_day(nights: Nights) -> None:
    """Each identity is broken for another variant; the report has each check red, with that variant and a day."""
    least = Decimal("0.000000000001")
    fifo, fifo_id = nights.find("FIFO takes")
    extra, _ = nights.find("extra cost is on")
    order, _ = nights.find("rows go by time")
    empty, _ = nights.find("the issue that empties")
    short, short_id = nights.find("a shortage is booked")
    chain, _ = nights.find("the chain of prices")
    zero, zero_id = nights.find("0.00 is a price")
    back, _ = nights.find("a return costs")
    surplus, _ = nights.find("surplus pieces")
    whole, _ = nights.find("a transformation conserves")
    late, _ = nights.find("a late row")
    corrected, _ = nights.find("corrections are")
    broken = {
        (
            "marts.fct_stock_balance",
            "value is what came in less what went out less settlements, every day",
            extra["A"],
        ): (
            f"update marts.fct_stock_balance set average_bare_value = average_bare_value + {least} "
            f"where variant_id = {extra['A']}"
        ),
        ("marts.fct_stock_balance", "quantity is the sum of movements, every day", order["A"]): (
            f"update marts.fct_stock_balance set quantity = quantity + 1 where variant_id = {order['A']}"
        ),
        ("marts.fct_stock_balance", "nothing on hand is worth nothing", empty["B"]): (
            f"update marts.fct_stock_balance set fifo_bare_value = {least} "
            f"where variant_id = {empty['B']} and quantity = 0"
        ),
        ("marts.fct_stock_layer", "layers less shortages are the balance", chain["A"]): (
            f"update marts.fct_stock_layer set bare_value = bare_value + {least} where variant_id = {chain['A']}"
        ),
        ("marts.fct_cost_allocation", "slices cover every issue at its final cost", fifo["A"]): (
            f"delete from marts.fct_cost_allocation where issue_id = {fifo_id[3]} and slice_no = 2"
        ),
        ("marts.fct_issue_cost", "settlements add up", short["A"]): (
            f"delete from marts.fct_cost_settlement where issue_id = {short_id[2]}"
        ),
        ("marts.fct_stock_movement", "every movement in force is valued", zero["A"]): (
            f"delete from marts.fct_stock_movement where movement_id = {zero_id[2]}"
        ),
        ("reports.stock_movements_monthly", "opening and what moved is closing", back["A"]): (
            f"update reports.stock_movements_monthly set fifo_bare_returns = fifo_bare_returns + {least} "
            f"where variant_id = {back['A']} and month = '2025-03-01'"
        ),
        ("reports.stock_ageing", "ages add up to the balance", whole["B"]): (
            f"update reports.stock_ageing set average_landed_value = average_landed_value + {least} "
            f"where variant_id = {whole['B']}"
        ),
        ("reports.cogs_monthly", "booked and settled is final", surplus["A"]): (
            f"update reports.cogs_monthly set average_bare_dispatched = average_bare_dispatched + {least} "
            f"where variant_id = {surplus['A']}"
        ),
        ("marts.fct_stock_balance_version", "what is known now is the balance", late["A"]): (
            f"update marts.fct_stock_balance_version set fifo_landed_value = fifo_landed_value + {least} "
            f"where variant_id = {late['A']} and known_to is null"
        ),
        ("marts.fct_stock_movement", "no cost is zero in silence", corrected["A"]): (
            f"update marts.fct_stock_movement set average_bare_unit_cost = 0 "
            f"where variant_id = {corrected['A']} and cost_source = 'price'"
        ),
    }

    report = tampered(nights.rig, list(broken.values()))

    assert (report.status, report.failed_step) == ("failed", "check_marts")
    outcomes = {(check["suite"], check["expectation"]): check for check in found(nights.rig)}
    for (suite, expectation, variant), change in broken.items():
        outcome = outcomes[suite, expectation]
        assert (outcome["success"], outcome["severity"]) == (False, "fail"), change
        named = [key for key in outcome["sample_keys"] if key["variant_id"] == variant]
        assert named, (expectation, outcome["sample_keys"])
        days = [value for key in named for name, value in key.items() if name in DAYS]
        assert any(str(value).startswith("2025-0") for value in days), (expectation, named)
    # in total nothing may hide behind a sum
    monthly = outcomes["reports.stock_movements_monthly_total", "opening and what moved is closing"]
    assert not monthly["success"]
    assert nights.rig.rows("select run_id from meta.current_run") == [("run2",)]


DAYS = ("valid_from", "moved_date", "moved_at", "created_at", "month", "date")


def found(rig: Rig) -> list[dict[str, Any]]:
    """The checks of the tampered night, as its report tells them."""
    import json

    steps = json.loads((rig.settings.runs / "tampered" / "steps" / "check_marts.json").read_text())
    checks: list[dict[str, Any]] = steps["checks"]
    return checks
