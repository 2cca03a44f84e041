"""
The expectations of a table, from its declaration.

Every table gets its grain (unique) and its required columns (not null) without anybody writing
them down; what else is expected stands under ``checks`` in the ``.yml``.
"""

from typing import Any, NamedTuple

from stockbook.declarations import Check, Severity, Table

ROWS = "UnexpectedRowsExpectation"


class Expectation(NamedTuple):
    """One expectation: what holds in words, how bad it is when it does not, and how it is asked for."""

    table: Table
    name: str
    severity: Severity
    expect: str
    args: dict[str, Any]


def of_table(table: Table) -> list[Expectation]:
    """All expectations of a table, generated and declared; none for macros."""
    if table.kind == "macro":
        return []
    found = []
    if table.grain and table.kind != "view":
        found.append(_grain(table))
    required = [name for name, column in table.columns.items() if column.required and table.kind != "view"]
    if table.layer == "reports":
        # many measures of one making: asked for together, for each question costs some 20 ms
        found += [_there(table, required)] if required else []
    else:
        found += [
            Expectation(table, f"{name} is there", "fail", "ExpectColumnValuesToNotBeNull", {"column": name})
            for name in required
        ]
    return found + [_declared(table, check) for check in table.checks]


def _there(table: Table, required: list[str]) -> Expectation:
    keys = ", ".join(table.grain)
    missing = " ".join(f"when {name} is null then '{name}'" for name in required)
    query = f"select {keys}, case {missing} end as missing_column from {table.name} where missing_column is not null"
    return Expectation(table, "required columns are there", "fail", ROWS, {"unexpected_rows_query": query})


def _grain(table: Table) -> Expectation:
    keys = ", ".join(table.grain)
    query = f"select {keys}, count(*) as copies from {table.name} group by {keys} having count(*) > 1"
    return Expectation(table, f"one row per {' × '.join(table.grain)}", "fail", ROWS, {"unexpected_rows_query": query})


def _declared(table: Table, check: Check) -> Expectation:
    if check.rows is not None:
        return Expectation(table, check.name, check.severity, ROWS, {"unexpected_rows_query": check.rows.strip()})
    return Expectation(table, check.name, check.severity, check.expect or "", dict(check.args))
