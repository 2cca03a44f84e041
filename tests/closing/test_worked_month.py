"""The worked month of docs/closing.md: the page's movements in, the page's figures out."""

import re
import shutil
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from checkout import PROJECT
from test_valuation_program import POLICY, PRAGUE, Shop, with_settings

from stockbook.closing import posting
from stockbook.models.build import run_step
from stockbook.models.programs import BuildContext

PAGE = PROJECT / "docs" / "closing.md"
SEEN = datetime(2025, 11, 2, 2, 15)
OCTOBER, LAST_DAY = date(2025, 10, 1), date(2025, 10, 31)
CHARTS = {"way A": POLICY / "accounts.yml", "way B": POLICY / "examples" / "accounts_czech_b.yml"}
REPORTS = (
    "program closes",
    "intermediate.closable_month",
    "reports.journal",
    "reports.cogs_monthly",
    "reports.stock_movements_monthly",
    "reports.stock_write_down",
)
FLOWS = (
    "opening",
    "receipts",
    "returns",
    "transformations in",
    "issues",
    "transformations out",
    "settlements",
    "closing",
)
Row = dict[str, str]


def tables(text: str) -> dict[str, list[Row]]:
    """The tables below the heading, by the head of their first column."""
    section = text.split("### A worked month\n")[1].split("\n## ", maxsplit=1)[0]
    by_head = {}
    for block in re.findall(r"(?:^\|.*\|$\n?)+", section, flags=re.MULTILINE):
        head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.strip().splitlines()]
        by_head[head[0]] = [dict(zip(head, row, strict=True)) for row in rows]
    return by_head


def rule(text: str) -> str:
    """The rule of write-down that the page names."""
    return re.findall(r"`(\{applies_to: .*?\})`", text.split("### A worked month\n")[1])[0]


TEXT = PAGE.read_text()
TABLES = tables(TEXT)
VARIANTS = {"A": 1, "B": 2}


class Month(Shop):
    """The page's shop, seen on 2 November."""

    def __init__(self, folder: Path) -> None:
        super().__init__(with_settings(folder, f"write_down: [{{version: a, rules: [{rule(TEXT)}]}}]"), REPORTS)
        self.book_by(CHARTS["way A"])
        for row in TABLES["movement"]:
            self.move(
                int(row["movement"]),
                VARIANTS[row["variant"]],
                row["direction"],
                int(row["pieces"]),
                f"{row['day']} 10:00:00",
                price=row["price"] or None,
                extra=row["extra cost"] or None,
                order=row["order"] or None,
                receiving=row["receiving"] or None,
                transformation=row["transformation"] or None,
            )
        self.build(SEEN)

    def book_by(self, chart: Path) -> None:
        """Have the journal by this chart of accounts."""
        shutil.copyfile(chart, self.policy_dir / "accounts.yml")

    def journal(self, way: str) -> list[tuple[Any, ...]]:
        """The entries of October: day, document, entry, debited, credited, amount; each is two lines."""
        self.book_by(CHARTS[way])
        posting.build(self.con, BuildContext(SEEN, "run-1", PRAGUE, self.policy_dir, self.tables))
        return self.ask(f"""
            select
                date,
                document,
                kind,
                any_value(ledger_account) filter (where debit > 0),
                any_value(ledger_account) filter (where credit > 0),
                sum(debit)
            from reports.journal
            where date between date '{OCTOBER}' and date '{LAST_DAY}'
            group by date, document, kind, source_row
            order by date, document, kind, source_row
        """)


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    folder = tmp_path_factory.mktemp("month") / "policy"
    shutil.copytree(POLICY, folder)
    shop = Month(folder)
    sign(shop)
    yield shop
    shop.con.close()


def sign(shop: Month) -> None:
    """Close October as it stands, and make again what is made of closes."""
    shop.con.execute(f"""
        insert into marts.fct_period_close by name
        select
            'main/2025-10/1' as close_id,
            'main' as account,
            date '{OCTOBER}' as month,
            1 as sequence,
            timestamp '2025-11-01 00:00:00' as as_of,
            date '{SEEN.date()}' as known_on,
            'run-1' as run_id,
            timestamp '2025-11-02 09:00:00' as closed_at,
            'test' as closed_by,
            true as is_in_force,
            'CZK' as valuation_currency,
            '{PRAGUE.key}' as day_zone,
            '{{}}' as settings,
            '' as signed_columns,
            2 as line_count,
            '' as digest
    """)
    shop.con.execute(f"""
        insert into marts.fct_period_close_line by name
        select 'main/2025-10/1' as close_id, 1 as sequence, * from intermediate.closable_month(date '{OCTOBER}', false)
    """)
    of_closes = {"marts.fct_period_close", "marts.fct_period_close_line"}
    for step in shop.steps:
        if step.reads & of_closes:
            run_step(shop.con, step, BuildContext(SEEN, "run-1", PRAGUE, shop.policy_dir, shop.tables))
            of_closes |= {table.name for table in step.tables}


def figures(row: Row, *names: str) -> tuple[Any, ...]:
    return tuple(Decimal(row[name]) for name in names)


def test_the_month_opens_moves_and_closes_as_the_page_says(month: Month) -> None:
    """Value of each variant from opening to closing, and its cost of goods."""
    columns = ", ".join(f"m.{flow.replace(' ', '_')}_value" for flow in FLOWS)
    assert month.ask(f"""
        select m.variant_id, {columns}, c.cogs
        from reports.stock_movements_monthly as m
        inner join reports.cogs_monthly as c on m.variant_id = c.variant_id and m.month = c.month
        where m.month = date '{OCTOBER}' order by 1
    """) == [(VARIANTS[row["month of"]], *figures(row, *FLOWS, "cost of goods")) for row in TABLES["month of"]]
    assert month.broken() == {}


def test_the_write_down_is_that_of_the_page(month: Month) -> None:
    """Cost, what it can be sold for and the rule, at the end of the month."""
    for row in TABLES["at the end of"]:
        assert month.ask(f"""
            select quantity, cost, net_realisable_value, write_down, coalesce(rule, '')
            from reports.stock_write_down_on(date '{row["at the end of"]}')
            where variant_id = {VARIANTS[row["variant"]]}
        """) == [(*figures(row, "pieces", "cost", "net realisable value", "write-down"), row["rule"])]


def test_a_close_signs_the_write_down(month: Month) -> None:
    """It stands in the lines of the close, and their values stay at cost."""
    signed = month.ask("select variant_id, closing_value, write_down from marts.fct_period_close_line order by 1")
    assert signed == [
        (VARIANTS[row["variant"]], *figures(row, "cost", "write-down")) for row in TABLES["at the end of"]
    ]


@pytest.mark.parametrize("way", CHARTS)
def test_the_journal_is_that_of_the_page(month: Month, way: str) -> None:
    """Every entry of the month with its accounts, and none besides."""
    assert sorted(month.journal(way)) == sorted(
        (
            date.fromisoformat(row[way]),
            row["document"],
            row["entry"],
            row["debit"],
            row["credit"],
            Decimal(row["amount"]),
        )
        for row in TABLES[way]
    )
    assert month.broken() == {}


@pytest.mark.parametrize("way", CHARTS)
def test_the_accounts_have_the_balance_of_the_page(month: Month, way: str) -> None:
    """What October changed on each account; an account that the way does not know has none."""
    balances: dict[str, Decimal] = {}
    for _, _, _, debited, credited, amount in month.journal(way):
        balances[debited] = balances.get(debited, Decimal(0)) + amount
        balances[credited] = balances.get(credited, Decimal(0)) - amount
    assert balances == {row["account"]: Decimal(row[way]) for row in TABLES["account"] if row[way]}
