"""A published file with a few months of a small shop in it, one of them signed: what packs are made of."""

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from stockbook.cost_methods import FIGURES
from stockbook.declaration_files import load
from stockbook.settings import Settings
from stockbook.warehouse.schema import declared_ddl

MODELS = Path(__file__).parents[2] / "include" / "sql"
AS_OF = datetime(2026, 3, 3, 2, 15)
SIGNED, DRAFT, RUNNING = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)
CLOSE_ID = "main/2026-01/1"
FORMULA = "=cmd|' /C calc'!A0"
TABLES = (
    "meta.current_run",
    "meta.run",
    "meta.check_result",
    "marts.dim_valuation_setting",
    "marts.dim_date",
    "marts.fct_period_close",
    "marts.fct_period_close_line",
    "reports.stock_movements_monthly",
    "reports.cogs_monthly",
    "reports.stock_ageing",
    "reports.stock_write_down",
    "reports.slow_movers",
    "reports.close_difference",
    "reports.close_difference_cause",
    "reports.journal",
)
FLOWS = ("opening", "receipts", "returns", "transformations_in", "issues", "transformations_out", "closing")
VALUES = (*FLOWS[:-1], "settlements", "corrections", "closing")


def amount(seed: int) -> Decimal:
    """Some money with all the decimals that the warehouse has."""
    return Decimal(seed * 7_919_000_000_007 % 10**15) / 10**9 + Decimal(seed) / 10**12


def statement(month: date, account: str, variant: int, pool: str) -> dict[str, Any]:
    """A row of the monthly statement."""
    seed = month.month * 1000 + variant * 10 + len(pool)
    names = {
        "code": FORMULA if variant == 1 else f"C{variant}",
        "ext_code": "@SUM(1)",
        "product_name": f"Čaj {variant}",
    }
    names |= {"variant_name": "-1", "category_path": None if variant == 3 else f"Category {variant % 2}"}
    row: dict[str, Any] = {"account": account, "month": month, "variant_id": variant, "pool": pool, **names}
    row |= {f"{flow}_quantity": seed % (at + 9) for at, flow in enumerate((*FLOWS, "corrections"))}
    row |= {f"{flow}_value": amount(seed + at) for at, flow in enumerate(VALUES)}
    row |= {f"{f}_{flow}": amount(seed + at * 3) for at, flow in enumerate(VALUES) for f in FIGURES}
    return row


def signed_home(home: Path, accounts: tuple[str, ...] = ("main",)) -> Settings:
    """A home whose published file has January signed, February unsigned and March under way."""
    settings = Settings.load({"STOCKBOOK_HOME": str(home)})
    settings.published.parent.mkdir(parents=True)
    settings.closes.mkdir(parents=True)
    tables = load(MODELS)
    with duckdb.connect(str(settings.published)) as con:
        con.execute("create schema meta; create schema marts; create schema reports")
        for name in TABLES:
            con.execute(declared_ddl(tables[name]))

        def put(name: str, **values: Any) -> None:
            marks = ", ".join("?" * len(values))
            con.execute(f"insert into {name} ({', '.join(values)}) values ({marks})", list(values.values()))

        put("meta.current_run", run_id="r1", as_of=AS_OF, zone="Europe/Prague")
        put("meta.run", run_id="r1", as_of=AS_OF, started_at=AS_OF, status="published", version="9")
        put("meta.check_result", run_id="r1", suite="marts.x", expectation="it holds", severity="fail", success=True)
        setting = {"valuation_currency": "CZK", "headline_method": "average", "headline_basis": "landed"}
        put("marts.dim_valuation_setting", **setting)
        for account in accounts:
            for month in (SIGNED, DRAFT, RUNNING):
                for variant in (1, 2, 3):
                    row = statement(month, account, variant, "sellable")
                    put("reports.stock_movements_monthly", **row)
                    cogs = {"cogs": amount(variant)} | {f"{f}_cogs": amount(variant + 5) for f in FIGURES}
                    names = {name: row[name] for name in ("account", "month", "variant_id", "code", "category_path")}
                    put("reports.cogs_monthly", **names, **cogs)
                    if month == SIGNED:
                        line = {"close_id": CLOSE_ID.replace("main", account), "sequence": 1}
                        stored = {"missing_cost_quantity": 0, "average_missing_cost_quantity": 0}
                        signed_cogs = {name: value + 1 for name, value in cogs.items()}
                        put(
                            "marts.fct_period_close_line",
                            **line, **row, **stored, **signed_cogs, write_down=amount(variant),
                        )  # fmt: skip
            put(
                "marts.fct_period_close",
                close_id=CLOSE_ID.replace("main", account), account=account, month=SIGNED, sequence=1,
                as_of=datetime(2026, 2, 1), known_on=date(2026, 2, 3), run_id="r0",
                closed_at=datetime(2026, 2, 3, 8, 12), closed_by=FORMULA, note="counted & agreed", is_in_force=True,
                valuation_currency="CZK", day_zone="Europe/Prague", settings=json.dumps({"valuation.yml": FORMULA}),
                signed_columns="", line_count=3, digest="d" * 64,
            )  # fmt: skip
            put(
                "reports.close_difference",
                close_id=CLOSE_ID.replace("main", account), account=account, month=SIGNED, sequence=1, variant_id=1,
                pool="sellable", quantity_signed=1, quantity_now=3, quantity_difference=2,
                value_signed=amount(1), value_now=amount(3), value_difference=amount(3) - amount(1),
                **{f"{f}_{what}": 0 for f in FIGURES for what in ("signed", "now", "difference")},
            )  # fmt: skip
            put(
                "reports.journal", account=account, date=SIGNED, document="D1", kind="receipt", line_no=1,
                ledger_account="132", debit=amount(1), credit=0, currency="CZK", source_row="m1",
            )  # fmt: skip
            put(
                "reports.stock_ageing", account=account, variant_id=1, pool="sellable", bucket_no=1,
                age_bucket="0-30 days", quantity=4, value=amount(9), **{f"{f}_value": 0 for f in FIGURES},
            )  # fmt: skip
    return settings
