"""
Ask every expectation, in the database, and say what came of it.

Importing Great Expectations costs some seconds, so it stands inside the function, and all tables
of a stage are asked in one go.
"""

import logging
import os
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from stockbook.checks.suites import ROWS, Expectation, of_table
from stockbook.declarations import Table
from stockbook.errors import CheckFailed, ModelFailed

SAMPLE = 10


class Outcome(msgspec.Struct):
    """What came of one expectation. ``sample_keys`` never hold personal data: they are columns of the grain."""

    suite: str
    expectation: str
    severity: str
    success: bool
    observed: str | None
    failing_rows: int | None
    sample_keys: list[dict[str, Any]]
    query: str | None


def ask(database: Path, tables: list[Table]) -> list[Outcome]:
    """
    Ask all expectations of the tables in a database file, which must not be open for writing.

    Raises ModelFailed when an expectation could not be asked at all (a column that is not there, a
    query that is wrong).
    """
    expectations = [expectation for table in tables for expectation in of_table(table)]
    if not expectations:
        return []
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside Great Expectations and its imports
        return _ask(database, expectations)


def _ask(database: Path, expectations: list[Expectation]) -> list[Outcome]:
    import great_expectations as gx

    from stockbook.checks.dialect import SCHEME

    # on import this one module of it makes itself louder than the package
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    source = context.data_sources.add_sql(
        "warehouse",
        connection_string=f"{SCHEME}:///{database}",
        kwargs={"connect_args": {"read_only": True}},
    )
    outcomes = []
    try:
        for suite_name in dict.fromkeys(expectation.table.name for expectation in expectations):
            of_suite = [expectation for expectation in expectations if expectation.table.name == suite_name]
            outcomes += _ask_suite(context, source, suite_name, of_suite)
    finally:
        # it keeps two engines, one for testing the connection: both must let go of the file before the writer opens it
        source.get_execution_engine().close()
        source.get_engine().dispose()
    _sample_rows(database, outcomes)
    return outcomes


def _ask_suite(context: Any, source: Any, suite_name: str, expectations: list[Expectation]) -> list[Outcome]:
    import great_expectations as gx
    import great_expectations.expectations as gxe

    table = expectations[0].table
    # a table asset: of a query it would read every row only to learn the column names
    asset = source.add_table_asset(suite_name, table_name=table.table, schema_name=table.layer)
    suite = gx.ExpectationSuite(name=suite_name)
    for number, expectation in enumerate(expectations):
        kind = getattr(gxe, expectation.expect, None)
        if kind is None:
            raise ModelFailed(f"{suite_name} expects {expectation.expect!r}, which Great Expectations does not know.")
        severity = "critical" if expectation.severity == "fail" else "warning"
        args = dict(expectation.args)
        if expectation.expect == ROWS:
            # a query over several tables has no use for the batch, but Great Expectations insists on naming it
            args["unexpected_rows_query"] = _escaped(args["unexpected_rows_query"]) + " /* {batch} */"
        suite.add_expectation(kind(**args, severity=severity, meta={"number": number}))
    found = gx.ValidationDefinition(name=suite_name, data=asset.add_batch_definition_whole_table("all"), suite=suite)
    context.suites.add(suite)
    context.validation_definitions.add(found)
    keys = list(table.grain)
    results = found.run(
        result_format={
            "result_format": "SUMMARY",
            "partial_unexpected_count": SAMPLE,
            **({"unexpected_index_column_names": keys} if keys else {}),
        }
    ).results
    by_number = {result.expectation_config.meta["number"]: result for result in results}
    return [_outcome(expectations[number], by_number[number]) for number in range(len(expectations))]


def _outcome(expectation: Expectation, result: Any) -> Outcome:
    _raise_if_not_asked(expectation, result)
    found = result.result
    sample: list[dict[str, Any]] = []
    query: str | None = None
    observed: str | None
    if expectation.expect == ROWS:
        failing = int(found.get("observed_value") or 0)
        query = expectation.args["unexpected_rows_query"]  # its rows are sampled by `_sample_rows`
        observed = f"{failing} rows"
    else:
        failing = found.get("unexpected_count")
        sample = [
            {name: _plain(value) for name, value in row.items() if name in expectation.table.grain}
            for row in (found.get("partial_unexpected_index_list") or [])[:SAMPLE]
        ]
        observed = _observed(found)
    success = bool(result.success)
    return Outcome(
        suite=expectation.table.name,
        expectation=expectation.name,
        severity=expectation.severity,
        success=success,
        observed=observed,
        failing_rows=int(failing) if failing is not None else None,
        sample_keys=[] if success else sample,
        query=None if success else query,
    )


def _escaped(query: str) -> str:
    return query.replace("{", "{{").replace("}", "}}")


def _sample_rows(database: Path, outcomes: list[Outcome]) -> None:
    broken = [outcome for outcome in outcomes if outcome.query and not outcome.success]
    if not broken:
        return
    with duckdb.connect(str(database), read_only=True) as con:
        for outcome in broken:
            found = con.execute(f"select * from ({outcome.query}) as bad limit {SAMPLE}")
            names = [column[0] for column in found.description]
            outcome.sample_keys = [
                {name: _plain(value) for name, value in zip(names, row, strict=True)} for row in found.fetchall()
            ]


def _observed(found: dict[str, Any]) -> str | None:
    if "unexpected_count" in found:
        return f"{found['unexpected_count']} of {found.get('element_count')} rows"
    return str(found["observed_value"]) if "observed_value" in found else None


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _raise_if_not_asked(expectation: Expectation, result: Any) -> None:
    info = result.exception_info or {}
    for item in [info] if "raised_exception" in info else info.values():
        if isinstance(item, dict) and item.get("raised_exception"):
            message = str(item.get("exception_message", "")).strip().splitlines() or ["no message"]
            raise ModelFailed(
                f"{expectation.table.name}: '{expectation.name}' ({expectation.expect}) "
                f"could not be asked: {message[0]}"
            )


def keep(
    con: duckdb.DuckDBPyConnection, run_id: str, stage: str, outcomes: list[Outcome], checked_at: datetime
) -> None:
    """Write outcomes to ``meta.check_result``, in place of an earlier attempt's. ``checked_at`` is UTC."""
    con.execute("delete from meta.check_result where run_id = ? and stage = ?", [run_id, stage])
    for outcome in outcomes:
        con.execute(
            "insert into meta.check_result values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                run_id,
                outcome.suite,
                outcome.expectation,
                stage,
                outcome.severity,
                outcome.success,
                outcome.observed,
                outcome.failing_rows,
                msgspec.json.encode(outcome.sample_keys).decode(),
                outcome.query,
                checked_at.replace(tzinfo=None, microsecond=0),
            ],
        )


def raise_on_failed(outcomes: list[Outcome]) -> None:
    """Raise CheckFailed naming the broken ``fail`` checks and a sample of their keys."""
    broken = [outcome for outcome in outcomes if outcome.severity == "fail" and not outcome.success]
    if not broken:
        return
    told = []
    for outcome in broken[:5]:
        rows = f", {outcome.failing_rows:,} rows" if outcome.failing_rows is not None else ""
        keys = "; ".join(", ".join(f"{name}={value}" for name, value in key.items()) for key in outcome.sample_keys[:3])
        told.append(
            f"{outcome.suite}: '{outcome.expectation}' does not hold{rows}" + (f" (for example {keys})" if keys else "")
        )
    more = f"; and {len(broken) - 5} more" if len(broken) > 5 else ""
    raise CheckFailed("; ".join(told) + more + ". Nothing was published; meta.check_result has the queries.")
