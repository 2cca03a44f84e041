"""
The rules of a table, from its declaration.

Every table has its grain (unique), its required columns (not null) and its durations (not negative) checked without a
line in its declaration; all other rules stand under ``checks`` in the ``.yml``.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from stockbook.declarations import Check, Severity, Table
from stockbook.errors import ModelFailed
from stockbook.sql_text import quoted

# the relation a query reads first: when it is empty the query cannot return a row
_FIRST_RELATION = re.compile(
    r"\bfrom\s+((?:staging|intermediate|marts|reports|extra|meta)\.\w+)\b(?!\s*\()", re.IGNORECASE
)


# the unit of columns that say how long something took: an end is never before its beginning
DURATION = "hours"
COUNTED = ("webhook_events", "shopline_fulfillment_order_lines", "shopline_fulfillment_order_holds")
"""The drained tables with a row for each object in an event; a row of the others is made of many events."""


class Rule(NamedTuple):
    """
    One rule of a table: its sentence, its severity, and how bad rows are selected.

    Either ``condition``, which is true of a bad row of the table, or ``query``, which returns bad rows. A rule
    ``of_loads`` compares the table with what the latest loads counted.
    """

    table: Table
    name: str
    severity: Severity
    condition: str | None = None
    query: str | None = None
    of_loads: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Table and sentence."""
        return self.table.name, self.name

    @property
    def subjects(self) -> list[str]:
        """The relations that must have rows for the rule to say anything: the table, and what its query reads first."""
        first = _FIRST_RELATION.search(self.query or "")
        return list(dict.fromkeys([self.table.name, *([first[1].lower()] if first else [])]))

    @property
    def bad_rows(self) -> str:
        """A query for the bad rows: those that ``query`` returns, or the keys of those the condition is true of."""
        if self.query is not None:
            return self.query
        shown = ", ".join(self.table.grain) or "count(*) as bad_rows"
        return f"select {shown} from {self.table.name} where {self.condition}"


def of_table(table: Table) -> list[Rule]:
    """All rules of a table, generated and declared; none for macros. Raises ModelFailed for a wrong check."""
    if table.kind == "macro":
        return []
    rules = []
    if table.grain and table.kind != "view":
        rules.append(_grain(table))
    required = [name for name, column in table.columns.items() if column.required and table.kind != "view"]
    if table.layer == "reports":
        # a report has many measures: one rule that names the column
        rules += [_complete(table, required)] if required else []
    else:
        rules += [Rule(table, f"{name} is there", "fail", condition=f"{name} is null") for name in required]
    if durations := [name for name, column in table.columns.items() if column.unit == DURATION]:
        rules.append(_not_negative(table, durations))
    if table.layer == "staging" and table.source is not None and not table.source.rows:
        rules.append(_promised(table))
    if table.is_staged and (table.source is not None or table.table in COUNTED):
        rules.append(_nothing_is_lost(table))
    return rules + [_declared(table, check) for check in table.checks]


def _complete(table: Table, required: list[str]) -> Rule:
    keys = ", ".join(table.grain)
    missing = " ".join(f"when {name} is null then '{name}'" for name in required)
    query = f"select {keys}, case {missing} end as missing_column from {table.name} where missing_column is not null"
    return Rule(table, "required columns are there", "fail", query=query)


def _not_negative(table: Table, durations: list[str]) -> Rule:
    keys = "".join(f"{name}, " for name in table.grain)
    broken = " ".join(f"when {name} < 0 then '{name}'" for name in durations)
    query = f"select {keys}case {broken} end as duration from {table.name} where duration is not null"
    return Rule(table, "no duration is negative", "fail", query=query)


def _grain(table: Table) -> Rule:
    keys = ", ".join(table.grain)
    query = f"select {keys}, count(*) as copies from {table.name} group by {keys} having count(*) > 1"
    return Rule(table, f"one row per {' × '.join(table.grain)}", "fail", query=query)


def _promised(table: Table) -> Rule:
    """A listing that brought rows in this run has some in its table: no bad row in an empty table proves nothing."""
    assert table.source is not None  # noqa: S101  # of_table passes only tables with a source
    query = f"""
        select l.account, l.rows_received
        from meta.listing as l
        where
            l.run_id = (select max_by(r.run_id, r.started_at) from meta.run as r)
            and l.api = '{table.source.api}'
            and l.listing = '{table.source.listing}'
            and l.rows_received > coalesce(l.rows_quarantined, 0)
            and not exists (select 1 from {table.name} as t where t.account = l.account)
    """
    return Rule(table, "rows that were received are there", "fail", query=query, of_loads=True)


def _nothing_is_lost(table: Table) -> Rule:
    """Each row that the latest load of a listing, an array or the events received is loaded, repeated or set aside."""
    name = table.table
    query = f"""
        with

        latest as (
            select r.*
            from meta.loaded_rows as r
            semi join meta.cursor as c on
                r.run_id = c.run_id
                and r.api = c.api
                and r.listing = c.listing
                and c.account in (r.account, '*')
        ),

        counted as (
            select
                l.account,
                l.listing,
                l.table_name,
                l.rows_received,
                l.rows_new + l.rows_changed + l.rows_unchanged + l.rows_repeated + l.rows_waiting + l.rows_quarantined
                    as rows_accounted
            from latest as l
            where l.table_name = '{name}'

            union all

            select
                m.account,
                m.listing,
                m.endpoint as table_name,
                m.rows_received,
                m.rows_loaded + m.rows_repeated + m.rows_waiting + m.rows_passed + m.rows_quarantined as rows_accounted
            from meta.listing as m
            semi join meta.cursor as c on
                m.run_id = c.run_id
                and m.account = c.account
                and m.api = c.api
                and m.listing = c.listing
            where m.endpoint = '{name}'
        )

        select *
        from counted
        where rows_received <> rows_accounted
    """
    return Rule(table, "every row received is somewhere", "fail", query=query, of_loads=True)


def _declared(table: Table, check: Check) -> Rule:
    if check.rows is not None:
        return Rule(table, check.name, check.severity, query=check.rows.strip())
    condition = CONDITIONS.get(check.expect or "")
    if condition is None:
        raise ModelFailed(
            f"{table.name}: '{check.name}' expects {check.expect!r}; a check has `rows` (a query for bad rows) or "
            f"expects one of {', '.join(CONDITIONS)}."
        )
    try:
        return Rule(table, check.name, check.severity, condition=condition(**check.args))
    except TypeError as error:
        raise ModelFailed(f"{table.name}: '{check.name}' ({check.expect}) has wrong arguments: {error}.") from error


def _literal(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else str(float(value) if isinstance(value, float) else int(value))


def _not_null(column: str) -> str:
    return f"{column} is null"


def _in_set(column: str, value_set: list[Any]) -> str:
    return f"{column} not in ({', '.join(_literal(value) for value in value_set)})"


def _between(column: str, min_value: Any = None, max_value: Any = None) -> str:
    bounds = [(min_value, "<"), (max_value, ">")]
    return " or ".join(f"{column} {sign} {_literal(bound)}" for bound, sign in bounds if bound is not None) or "false"


def _match(column: str, regex: str) -> str:
    return f"not regexp_matches({column}, {_literal(regex)})"


def _not_match(column: str, regex: str) -> str:
    return f"regexp_matches({column}, {_literal(regex)})"


# the condition of a bad row, by the name of the expectation in Great Expectations; NULL breaks only the first
CONDITIONS: dict[str, Callable[..., str]] = {
    "ExpectColumnValuesToNotBeNull": _not_null,
    "ExpectColumnValuesToBeInSet": _in_set,
    "ExpectColumnValuesToBeBetween": _between,
    "ExpectColumnValuesToMatchRegex": _match,
    "ExpectColumnValuesToNotMatchRegex": _not_match,
}
