"""
The tables of the valuation in the writer's file, and what their rows were made of.

Rows, fingerprints of their inputs, the rules and the run that wrote them stand in the file together,
written in one transaction. Whoever finds rows of other rules, or of a run that was not published,
makes all of them anew: a red night is followed by a full replay.
"""

import hashlib
from pathlib import Path

import duckdb
import pyarrow as pa

from stockbook.declarations import Table
from stockbook.valuation.fingerprints import INPUT, Variants
from stockbook.warehouse.arrow_view import ArrowView

SETTING = "marts.dim_valuation_setting"
WRITE_DOWN = "marts.dim_write_down_rule"
BUILD = "intermediate.valuation_build"
FACTS = (
    "marts.fct_stock_movement",
    "marts.fct_receipt_cost",
    "marts.fct_issue_cost",
    "marts.fct_cost_allocation",
    "marts.fct_cost_settlement",
    "marts.fct_stock_balance",
    "marts.fct_stock_layer",
)


def rules(tables: dict[str, Table], *settings: str) -> str:
    """A digest of all that rows depend on besides their inputs: this package, the tables' columns, settings."""
    texts = [duckdb.__version__, *settings]
    texts += [f"{file.name}\n{file.read_text()}" for file in sorted(Path(__file__).parent.glob("*.py"))]
    texts += [columns_of(tables[name]) for name in (*FACTS, INPUT)]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def columns_of(table: Table) -> str:
    """The declared columns as ``create table`` takes them."""
    return ", ".join(f"{name} {column.type}" for name, column in table.columns.items())


def can_be_continued(con: duckdb.DuckDBPyConnection, rules: str) -> bool:
    """Whether the rows in the file were made by the same rules and published."""
    there = con.execute(
        "select count(*) from duckdb_tables() where schema_name || '.' || table_name in (select unnest(?::varchar[]))",
        [[BUILD, INPUT, *FACTS]],
    ).fetchall()[0][0]
    if there < len(FACTS) + 2:
        return False
    builds = con.execute(
        f"""
        select count(*)
        from {BUILD} as b
        inner join meta.run as r on b.run_id = r.run_id
        where b.rules = ? and r.status = 'published'
        """,
        [rules],
    ).fetchall()
    return bool(builds[0][0])


def begin_anew(con: duckdb.DuckDBPyConnection, tables: dict[str, Table]) -> None:
    """Empty tables with their declared columns."""
    for name in (INPUT, *FACTS):
        con.execute(f"create or replace table {name} ({columns_of(tables[name])})")


def drop_rows(con: duckdb.DuckDBPyConnection, variants: Variants) -> None:
    """Delete the rows of variants that are touched or no longer in the ledger."""
    is_gone = f"from {INPUT} anti join valuation_fingerprint using (account, variant_id)"
    if not variants.is_touched.any() and not con.execute(f"select 1 {is_gone} limit 1").fetchall():
        return
    with ArrowView(con, "untouched_variant", of_variants(variants, ~variants.is_touched)):
        con.execute(f"""
            create or replace temp table valuation_variant as
            select i.account, i.variant_id
            from {INPUT} as i
            anti join untouched_variant as u on i.account = u.account and i.variant_id = u.variant_id
        """)
    if con.execute("select count(*) from valuation_variant").fetchall()[0][0]:
        for name in (INPUT, *FACTS):
            con.execute(f"""
                delete from {name} as t
                using valuation_variant as v
                where t.account = v.account and t.variant_id = v.variant_id
            """)


def of_variants(variants: Variants, which: "pa.Array") -> pa.Table:
    """Account, number and fingerprint of some of the variants."""
    return pa.table(
        {
            "account": variants.account.filter(pa.array(which)),
            "variant_id": variants.variant_id[which],
            "fingerprint": variants.fingerprint[which],
        }
    )


def write_build(con: duckdb.DuckDBPyConnection, table: Table, run_id: str, rules: str) -> None:
    """Write down by which rules the rows now in the file were made, and by whom."""
    con.execute(f"create or replace table {BUILD} ({columns_of(table)})")
    con.execute(f"insert into {BUILD} by name select ? as run_id, ? as rules", [run_id, rules])
