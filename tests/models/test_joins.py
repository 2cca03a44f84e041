"""No model asks a condition of every pair of rows: joins go by keys, and what does not is listed with its reason."""

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from checkout import PROJECT

from stockbook.checks.rules import of_table
from stockbook.declaration_files import load
from stockbook.models.build import run_step
from stockbook.models.macros import create_macros
from stockbook.models.order import Step, steps
from stockbook.warehouse.schema import create_all

MODELS = PROJECT / "include" / "sql"
PAIRING = ("BLOCKWISE_NL_JOIN", "NESTED_LOOP_JOIN", "CROSS_PRODUCT", "PIECEWISE_MERGE_JOIN", "IE_JOIN")
ONE_ROW = ("meta.current_run", "intermediate.run_now", "marts.dim_valuation_setting", "marts.dim_money_setting")
SHORT = {
    "intermediate.account_write_down_rule": "accounts and the rules of a policy",
    "intermediate.channel_match": "each order with each of the three numbers that channels may use",
    "intermediate.day_volume": "sixteen weeks of days and what comes every day",
    "intermediate.sla_rule": "rules of a policy: each names a warehouse, a method, an account or none",
    "intermediate.volume_measure": "ten days and two lengths",
    "marts.dim_order_status": "accounts and the statuses of a policy",
    "reports.backlog": "accounts and the buckets of an age",
}

Node = dict[str, Any]


def joined_by_pairs(con: duckdb.DuckDBPyConnection, select: str) -> list[str]:
    """
    The joins of a select that compare every row of one side with every row of the other, where both have several.

    Without the optimizer a plan says what was written: over tables without rows it would leave parts out.
    """
    con.execute("pragma disable_optimizer")
    # or a join asof of small tables is shown as one of all pairs
    con.execute("set asof_loop_join_threshold = 0")
    [(_, text)] = con.execute(f"explain (format json) {select}").fetchall()
    plan = list(_nodes(json.loads(text)[0]))
    ctes = {node["extra_info"]["Table Index"]: node["children"][0] for node in plan if node["name"].strip() == "CTE"}
    return [
        f"{node['name']} {node['extra_info'].get('Condition', '')}".strip()
        for node in plan
        if node["name"].strip() in PAIRING and not any(_is_one_row(side, ctes) for side in node["children"])
    ]


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node["children"]:
        yield from _nodes(child)


def _is_one_row(node: Node, ctes: dict[str, Node]) -> bool:
    name = node["name"].strip()
    if name == "CTE_SCAN":
        return _is_one_row(ctes[node["extra_info"]["CTE Index"]], ctes)
    if name in ("PROJECTION", "FILTER", "CROSS_PRODUCT"):
        return all(_is_one_row(child, ctes) for child in node["children"])
    table = str(node["extra_info"].get("Table", "")).partition(".")[2]
    return name in ("UNGROUPED_AGGREGATE", "DUMMY_SCAN") or table in ONE_ROW


@pytest.fixture(scope="module")
def empty() -> Iterator[tuple[duckdb.DuckDBPyConnection, list[Step]]]:
    """Every table that is declared, models as tables too, so that each plan is of one model; and the steps."""
    tables = load(MODELS)
    in_order = steps(MODELS, tables)
    with duckdb.connect() as con:
        create_all(con, tables)
        create_macros(con, MODELS)
        for step in in_order:
            for table in step.tables:
                if table.kind == "macro":
                    run_step(con, step, None)  # type: ignore[arg-type]  # only a program asks its context
                    continue
                account = ["account varchar"] if "account" in table.grain and "account" not in table.columns else []
                columns = ", ".join([*account, *(f"{name} {column.type}" for name, column in table.columns.items())])
                con.execute(f"create or replace table {table.name} ({columns})")
        yield con, in_order


def test_no_model_asks_a_condition_of_every_pair_of_rows(empty: tuple[duckdb.DuckDBPyConnection, list[Step]]) -> None:
    """A left join with a condition of one side, or an ``or`` over both, takes seconds where the others take none."""
    con, in_order = empty
    selects = {step.name: step.sql for step in in_order if step.sql is not None and step.tables[0].kind != "macro"}
    assert len(selects) > 150

    paired = {name: joins for name, sql in selects.items() if (joins := joined_by_pairs(con, sql))}

    assert {name: joins for name, joins in paired.items() if name not in SHORT} == {}
    assert sorted(paired) == sorted(SHORT)


def test_no_check_does(empty: tuple[duckdb.DuckDBPyConnection, list[Step]]) -> None:
    """Nor a rule; in the one that does, the nights of one table meet the listings of an account."""
    con, _ = empty
    rules = [rule for table in load(MODELS).values() for rule in of_table(table) if " join " in rule.bad_rows]
    assert len(rules) > 50

    assert {rule.name for rule in rules if joined_by_pairs(con, rule.bad_rows)} == {"every row received is somewhere"}


@pytest.mark.parametrize(
    "condition",
    [
        "o.order_id = l.order_id and o.created_at is null",
        "o.order_id = l.order_id and (l.code is null or o.order_id = l.code)",
        "o.created_at > l._loaded_at",
    ],
)
def test_a_join_of_every_pair_is_told(empty: tuple[duckdb.DuckDBPyConnection, list[Step]], condition: str) -> None:
    """A condition of one side, one that is no comparison, and one without an equal pair."""
    con, _ = empty
    join = "select 1 from staging.orders as o left join staging.order_lines as l on {}"

    assert joined_by_pairs(con, join.format("o.order_id = l.order_id and o.created_at < l._loaded_at")) == []
    assert len(joined_by_pairs(con, join.format(condition))) == 1
    assert len(joined_by_pairs(con, "select 1 from staging.orders cross join staging.order_lines")) == 1
    assert joined_by_pairs(con, "select 1 from staging.orders cross join intermediate.run_now") == []
