"""The trial balance of the journal, added up line by line beside the value of stock of every day."""

from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Context, Decimal, localcontext
from typing import Any

from stockbook.cost_methods import FIGURES

Ask = Callable[[str], list[tuple[Any, ...]]]
POOLS = {"sellable": "", "damaged": "damaged_"}
# more digits than the warehouse has: no sum is rounded
EXACT = Context(prec=60)


def assert_tied(ask: Ask, way: str) -> int:
    """
    In way A the accounts of stock have the value of stock at the end of every day, of each pool by every figure.

    In way B they have it at the end of every month that is over, and keep it until the next. Debits are credits in
    every document. Returns how many values were compared.
    """
    assert_documents(ask)
    lines = ", ".join(f"sum({figure}_amount)" for figure in FIGURES)
    booked: dict[Any, list[Decimal]] = {
        (account, day, pool): amounts
        for account, day, pool, *amounts in ask(
            f"select account, date, pool, {lines} from reports.journal where is_stock group by account, date, pool"
        )
    }
    figures = ", ".join(f"{mark}{figure}_value" for mark in POOLS.values() for figure in FIGURES)
    days = ask(f"select account, date, {figures} from reports.stock_value_daily order by account, date")
    (this_month,) = ask("select cast(date_trunc('month', as_of) as date) from meta.current_run")[0]
    compared = 0
    with localcontext(EXACT):
        balances: dict[Any, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * len(FIGURES))
        expected: dict[Any, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * len(FIGURES))
        for account, day, *values in days:
            for number, pool in enumerate(POOLS):
                amounts = booked.pop((account, day, pool), [Decimal(0)] * len(FIGURES))
                pairs = zip(balances[account, pool], amounts, strict=True)
                balances[account, pool] = [balance + amount for balance, amount in pairs]
                if way == "A" or (is_month_end(day) and day < this_month):
                    expected[account, pool] = values[number * len(FIGURES) : (number + 1) * len(FIGURES)]
                assert balances[account, pool] == expected[account, pool], (account, day, pool)
                compared += len(FIGURES)
    assert booked == {}
    return compared


def is_month_end(day: date) -> bool:
    return (day + timedelta(days=1)).day == 1


def assert_documents(ask: Ask) -> None:
    """Each balances by itself, in debits and credits and by every figure."""
    sums = "".join(f" or sum({figure}_amount) <> 0" for figure in FIGURES)
    assert (
        ask(
            "select account, document from reports.journal group by account, document "
            f"having sum(debit) <> sum(credit){sums}"
        )
        == []
    )
