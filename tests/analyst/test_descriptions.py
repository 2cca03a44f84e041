"""What the tools say of figures and tables before one asks them."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from analyst_rig import answer, beside_another, published_with_more, settings_of, with_client
from checkout import PROJECT

from stockbook.declarations import Table
from stockbook.metrics.files import load

if TYPE_CHECKING:
    from mcp import Client


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a tiny published file, beside another database."""
    return beside_another(tmp_path)


@pytest.mark.slow
def test_figures_and_tables_are_described_as_they_are_declared(
    home_after_a_night: Path, tmp_path: Path, tables: dict[str, Table]
) -> None:
    """Every metric is listed with its definition and unit; a table has grain, columns and the figures that read it."""
    metrics = load(PROJECT / "include" / "sql", tables)
    calls: list[tuple[str, dict[str, Any]]] = [
        ("list_metrics", {}),
        ("list_metrics", {"subject": "shop", "search": "MARGIN known"}),
        ("describe_metric", {"name": "on_time_rate_sure"}),
        ("describe_metric", {"name": "ordered_goods_value"}),
        ("describe_metric", {"name": "cogs"}),
        ("list_tables", {"schema": "reports", "search": "write rules"}),
        ("describe_table", {"name": "reports.order_margin"}),
        ("describe_table", {"name": "marts.fct_order"}),
        ("describe_table", {"name": "reports.stock_value_on"}),
    ]

    async def ask(client: "Client") -> list[Any]:
        descriptions = [await answer(client, tool, arguments) for tool, arguments in calls]
        examples = [await answer(client, "query", {"sql": table["example_sql"]}) for table in descriptions[-3:]]
        return descriptions + examples

    home = published_with_more(home_after_a_night, tmp_path / "home")
    everything, margins, share, value, cogs, listed, view, table, macro, *examples = with_client(
        settings_of(home, ROWS="20", KILOBYTES="20"), ask
    )

    assert {cut["name"]: cut["definition"] for cut in everything["metrics"]} == {
        m.name: m.says for m in metrics.values()
    }
    assert not [cut["name"] for cut in everything["metrics"] if "currency" in cut["unit"].replace("currency of", "")]
    assert {cut["name"] for cut in margins["metrics"]} >= {"margin", "margin_share"}
    assert {cut["unit"] for cut in margins["metrics"]} <= {"CZK", "share", "orders"}
    assert share["name"] == "on_time_rate"
    assert "say the range" in share["caveats"][0]
    assert (value["must_name"], "do not" in " ".join(value["caveats"])) == (["currency"], False)
    assert any("Cut by currency" in caveat for caveat in value["caveats"])
    assert (cogs["unit"], cogs["periods"]) == ("CZK", ["month", "quarter", "year"])
    assert any("first day of one to the last day" in caveat for caveat in cogs["caveats"])
    assert [row[0] for row in listed["rows"] if row[1] == "table"] == ["reports.stock_write_down"]
    assert (view["kind"], view["grain"]) == ("view", ["account", "order_id"])
    assert {"margin", "margin_share"} <= set(view["metrics"])
    columns = {column["name"]: column for column in table["columns"]}
    # whatever the limits of answers are
    assert columns.keys() >= tables["marts.fct_order"].columns.keys()
    assert len(columns) > 20
    assert columns["goods_value_reporting"]["unit"] == "CZK"
    assert (columns["order_id"]["is_key"], columns["status"]["is_key"]) == (True, False)
    assert all(column["description"] for column in table["columns"])
    assert macro["parameters"] == ["day"]
    assert (macro["kind"], bool(macro["columns"])) == ("macro", True)
    for example in examples:
        assert example["rows"]


def test_what_there_is_not_is_answered_with_what_is_near(home: Path) -> None:
    """A name that is none, a schema or subject that is none, a cut that is none: the sentence helps to ask again."""
    calls: dict[tuple[str, str], dict[str, Any]] = {
        ("describe_metric", "near it are stock_value"): {"name": "stok_value"},
        ("ask_metric", "There is no metric 'stock'"): {"metrics": ["stock"]},
        ("ask_metric", "it cannot be cut by day"): {"metrics": ["cogs"], "by": ["day"]},
        ("ask_metric", "do not add up: cut by currency"): {"metrics": ["ordered_goods_value"]},
        ("ask_metric", "from_day"): {"metrics": ["cogs"], "from_day": "yesterday"},
        ("list_metrics", "there are promise, shop"): {"subject": "money"},
        ("list_tables", "there are staging, marts"): {"schema": "main"},
        ("describe_table", "near it are marts.m"): {"name": "m"},
        ("query", "list_tables and describe_table say what there is"): {"sql": "from marts.orders"},
        ("query", "Parser Error"): {"sql": "selec 1"},
        ("query", "Ask one query at a time"): {"sql": ""},
    }

    async def ask(client: "Client") -> list[Any]:
        return [await answer(client, tool, arguments) for (tool, _), arguments in calls.items()]

    for (tool, said), refusal in zip(calls, with_client(settings_of(home), ask), strict=True):
        assert isinstance(refusal, str), tool
        assert said in refusal, (tool, refusal)


def test_a_users_own_figures_and_tables_are_among_them(home: Path, tmp_path: Path) -> None:
    """From the folder STOCKBOOK_EXTRA_DIR: described, asked by name, and listed with whose they are."""
    extra = tmp_path / "extra"
    (extra / "metrics").mkdir(parents=True)
    (extra / "sql").mkdir()
    (extra / "sql" / "counted.yml").write_text(
        "table: counted\ndescription: Counted by us.\ngrain: [n]\ncolumns:\n"
        "  n: {type: bigint, description: Which.}\n  amount: {type: 'decimal(30, 12)', description: How much.}\n"
    )
    (extra / "sql" / "counted.sql").write_text("-- Counted.\n-- Grain: one row per n.\nselect n, amount from marts.m\n")
    (extra / "metrics" / "own.yml").write_text(
        "relations: {extra.counted: {by: [n], unit: crates, metrics: {crates: {says: Our crates., sql: n}}}}\n"
    )
    with duckdb.connect(str(home / "published" / "warehouse.duckdb")) as con:
        con.execute("create schema extra; create table extra.counted as from marts.m")
        con.execute("comment on table extra.counted is 'Counted by us. One row per n.'")
    settings = replace(settings_of(home), extra_dir=extra)

    async def ask(client: "Client") -> list[Any]:
        return [
            await answer(client, "describe_metric", {"name": "crates"}),
            await answer(client, "ask_metric", {"metrics": ["crates"], "only": {"n": "2"}}),
            await answer(client, "list_tables", {"schema": "extra"}),
            await answer(client, "describe_table", {"name": "extra.counted"}),
        ]

    described, figure, listed, table = with_client(settings, ask)

    assert (described["definition"], described["unit"], described["subject"]) == ("Our crates.", "crates", "own")
    assert figure["rows"] == [[2]]
    assert listed["rows"] == [["extra.counted", "table", "Counted by us"]]
    assert "user's own" in listed["definitions"][0]["definition"]
    assert (table["grain"], table["metrics"]) == (["n"], ["crates"])
