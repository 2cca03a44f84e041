"""Books over nothing: a new shop publishes, a home that never read a source does not, and no check counts as held."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from loopback import TOKEN, Shop, serving
from night_rig import environment

from stockbook import connections
from stockbook.checks.rules import of_table
from stockbook.clock import ManualClock
from stockbook.declarations import Table, of_layer
from stockbook.errors import ConfigError, PublishFailed
from stockbook.night import steps
from stockbook.night.steps import Night
from stockbook.progress import Silent
from stockbook.runs.context import parse_parameters
from stockbook.runs.report import Report, text
from stockbook.settings import Settings
from stockbook.warehouse.publish import publish


def run_at(url: str, home: Path, as_of: str, sandbox: bool = True, name: str = "r1") -> Report:
    """A whole night over the API at ``url``; the wall clock stands at 1 March 2026."""
    variables = environment(url, TOKEN, home)
    for variable in ("AIRFLOW_CONN_FULFILLMENT_CZ", "AIRFLOW_CONN_FLICKROCKET"):
        connection = json.loads(variables[variable])
        connection["extra"]["sandbox"] = sandbox
        variables[variable] = json.dumps(connection)
    tonight = Night(
        Settings.load(variables),
        ManualClock(datetime(2026, 3, 1, 1, 15, tzinfo=UTC)),
        Silent(),
        lambda conn_id: connections.from_environment(conn_id, variables),
    )
    ids = connections.conn_ids_in_environment(variables)
    return steps.run_all(tonight, name, parse_parameters({"as_of": as_of}), ids)


@pytest.fixture(scope="module")
def empty_shop() -> Iterator[tuple[str, Shop]]:
    """Both APIs of a shop that has nothing yet."""
    shop = Shop()
    with serving(shop) as url:
        yield url, shop


def test_a_run_that_reads_nothing_in_a_new_home_is_red(empty_shop: tuple[str, Shop], tmp_path: Path) -> None:
    """Eight months back, on a connection that is no sandbox: no source would be read, and none was read before."""
    with pytest.raises(ConfigError, match=r"this home has never read one: there is nothing to make books of"):
        run_at(empty_shop[0], tmp_path, "2025-07-01T02:15:00", sandbox=False)

    assert not Settings.load({"STOCKBOOK_HOME": str(tmp_path)}).published.exists()
    assert empty_shop[1].log == []


@pytest.mark.slow
def test_a_new_shop_with_nothing_in_it_publishes(empty_shop: tuple[str, Shop], tmp_path: Path) -> None:
    """
    Every listing was read and proven complete with 0 rows: books of nothing are right.

    No check says that it held over a table without rows.
    """
    report = run_at(empty_shop[0], tmp_path, "2026-03-01T02:15:00")

    assert report.status == "published"
    outcomes = [outcome for step in report.steps for outcome in step.checks]
    of_orders = [outcome for outcome in outcomes if outcome.suite in ("staging.orders", "marts.fct_stock_movement")]
    assert len(of_orders) > 20
    assert {(outcome.success, outcome.observed) for outcome in of_orders} == {(None, "nothing to check")}
    empty = sum(outcome.success is None for outcome in outcomes)
    assert f"{len(outcomes)} asked, {len(outcomes) - empty} hold, {empty} had nothing to check, 0 warn, 0 fail" in text(
        report
    )
    with duckdb.connect(str(tmp_path / "published" / "warehouse.duckdb"), read_only=True) as con:
        listings = con.execute("select count(*), sum(rows_received), count(proof) from meta.listing").fetchone()
        holding = con.execute(
            "select count(*) from meta.check_result where success and suite in ('staging.orders', 'staging.movements')"
        ).fetchone()
    assert listings is not None
    assert listings[0] > 10
    assert listings[1:] == (0, listings[0])
    assert holding == (0,)


def test_rows_that_were_received_and_are_nowhere_are_red(
    con: duckdb.DuckDBPyConnection, tables: dict[str, Table]
) -> None:
    """Every table a listing fills has a rule for it: rows came, none was set aside, and the table is empty."""
    con.execute("insert into meta.run (run_id, started_at) values ('r0', '2026-02-01'), ('r1', '2026-03-01')")
    filled = [table for table in of_layer(tables, "staging") if table.source and not table.source.rows]
    assert len(filled) > 10

    for table in filled:
        assert table.source is not None
        [rule] = [rule for rule in of_table(table) if rule.name == "rows that were received are there"]
        columns = "run_id, account, api, listing, rows_received, rows_quarantined"
        con.execute("delete from meta.listing")
        con.execute(
            f"insert into meta.listing ({columns}) values "
            f"('r0', 'earlier', $api, $listing, 5, 0), ('r1', 'lost', $api, $listing, 5, 4), "
            f"('r1', 'refused', $api, $listing, 5, 5), ('r1', 'none', $api, $listing, 0, 0)",
            {"api": table.source.api, "listing": table.source.listing},
        )
        assert con.execute(rule.bad_rows).fetchall() == [("lost", 5)], table.name


def test_books_without_any_listing_are_not_published(
    con: duckdb.DuckDBPyConnection, tables: dict[str, Table], tmp_path: Path
) -> None:
    """Whatever called it: without a cursor no listing was ever loaded."""
    settings = Settings.load({"STOCKBOOK_HOME": str(tmp_path)})
    with duckdb.connect(str(settings.warehouse)) as writer:
        writer.execute("create schema meta; create table meta.cursor (account varchar)")
        writer.execute("create table meta.current_run as select 'r1' as run_id")
        writer.execute("create table meta.content_mark as select 'build' as table_name, 'r1' as mark")

    with pytest.raises(PublishFailed, match="empty books are not published"):
        publish(settings, "r1")

    assert not settings.published.exists()
