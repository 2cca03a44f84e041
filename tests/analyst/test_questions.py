"""What people ask in plain words, by its right call: the figures are those of SQL written by hand beside it."""

import math
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml
from analyst_rig import answer, published_with_more, settings_of, with_client
from checkout import PROJECT

from stockbook.declarations import Table
from stockbook.metrics.files import load

if TYPE_CHECKING:
    from mcp import Client

ASKED = yaml.safe_load(Path(__file__).with_name("questions.yml").read_text())


@pytest.mark.slow
def test_every_question_has_its_figures(home_after_a_night: Path, tmp_path: Path) -> None:
    """To the last digit; no answer is cut, each says its night and its query, and only a handful are of nothing."""
    home = published_with_more(home_after_a_night, tmp_path / "home")

    async def ask_all(client: "Client") -> list[Any]:
        return [await answer(client, "ask_metric", question["call"]) for question in ASKED]

    answers = with_client(settings_of(home), ask_all)

    different, of_something = [], 0
    with duckdb.connect(str(home / "published" / "warehouse.duckdb"), read_only=True) as con:
        for question, reply in zip(ASKED, answers, strict=True):
            assert not isinstance(reply, str), (question["ask"], reply)
            expected = con.execute(question["sql"]).fetchall()
            rows = [as_values(row, reply["columns"]) for row in reply["rows"]]
            cuts = len(reply["columns"]) - sum(column["unit"] is not None for column in reply["columns"])
            if question.get("having") == "nonzero":
                rows = [row for row in rows if any(row[cuts:])]
                expected = [row for row in expected if any(row[cuts:])]
            if question.get("nulls") == "zero":
                rows, expected = ([tuple(v or 0 for v in row) for row in side] for side in (rows, expected))
            if "order by" not in question["sql"]:
                rows, expected = (sorted(side, key=lambda row: list(map(str, row[:cuts]))) for side in (rows, expected))
            if not alike(rows, expected):
                different.append((question["ask"], rows, expected))
            of_something += any(value for row in rows for value in row[cuts:])
            assert not reply["truncated"]
            assert [current["run_id"] for current in reply["as_of"]] == ["first"]
            assert con.execute(reply["sql"]).fetchall() or not rows

    assert different == []
    assert len(ASKED) >= 60
    assert of_something == len(ASKED), "each question is asked of rows that have something to answer"


def test_every_metric_is_asked(tables: dict[str, Table]) -> None:
    """No figure is without a question, and none of the questions is asked twice."""
    metrics = load(PROJECT / "include" / "sql", tables)
    wanted = {metrics.of_figure(name).name for question in ASKED for name in question["call"]["metrics"]}

    assert sorted(metrics.keys() - wanted) == []
    assert len({question["ask"] for question in ASKED}) == len(ASKED)


def as_values(row: list[Any], columns: list[dict[str, Any]]) -> tuple[Any, ...]:
    """The values of an answer's row: amounts are texts there."""
    return tuple(
        Decimal(value) if value is not None and column["type"].startswith("DECIMAL") else value
        for value, column in zip(row, columns, strict=True)
    )


def alike(rows: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> bool:
    """Exactly, but for floating-point numbers that were added up in another order."""
    return len(rows) == len(expected) and all(
        len(row) == len(other) and all(map(same, row, other)) for row, other in zip(rows, expected, strict=True)
    )


def same(value: Any, expected: Any) -> bool:
    if isinstance(value, float) and expected is not None:
        return math.isclose(value, float(expected), rel_tol=1e-12)
    if isinstance(value, str):
        return value == str(expected)
    return bool(value == expected)
