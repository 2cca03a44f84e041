"""The lints of tools/ find what they are for, and find none of it in this project."""

from pathlib import Path

import duckdb
import pytest
from checkout import PROJECT
from tools import compare_published, figures, floors, words

PLANTED = {
    "upwards": ("stockbook/landing/pages.py", "from stockbook.night import steps", "does not lie below"),
    "sideways": ("stockbook/webhooks/drain.py", "import stockbook.morning.page", "does not lie below"),
    "inside a function": (
        "stockbook/clock.py",
        "def f():\n    from stockbook.sources import http",
        "does not lie below",
    ),
    "past a gate": ("stockbook/staging/text_rows.py", "from stockbook.jsonscan import columns", "import only"),
    "of the sandbox": ("stockbook_sandbox/shop.py", "from stockbook.valuation import replay", "knows nothing"),
}
MODULES = (
    "stockbook/jsonscan/columns.py",
    "stockbook/night/steps.py",
    "stockbook/morning/page.py",
    "stockbook/sources/http.py",
    "stockbook/valuation/replay.py",
)


@pytest.mark.parametrize("case", PLANTED)
def test_a_planted_import_breaks_the_floors(case: str, tmp_path: Path) -> None:
    """An import upwards, sideways, inside a function or out of the sandbox is one line that names both modules."""
    file, text, reason = PLANTED[case]
    for module in (*MODULES, file):
        (tmp_path / module).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / module).write_text("")
    assert list(floors.broken(tmp_path)) == []
    (tmp_path / file).write_text(text)

    (line,) = floors.broken(tmp_path)

    assert reason in line
    assert file.replace("/", ".").removesuffix(".py") in line


def test_every_room_of_the_package_has_a_floor() -> None:
    """A new folder is no part of the ground by accident."""
    rooms = {
        folder.name for folder in (PROJECT / "plugins" / "stockbook").iterdir() if (folder / "__init__.py").exists()
    }

    assert len(rooms) > 15
    assert rooms - floors.FLOOR_OF.keys() == set()


@pytest.mark.parametrize(
    "code",
    [
        "def f():\n    found = 1",
        "def f(kept): ...",
        "async def f(*, told=1): ...",
        "x = lambda one: 1",
        "x = [1 for thing in ()]",
        "def f():\n    with open() as held: ...",
        "def f():\n    for key, (made, n) in (): ...",
        "def f():\n    try: ...\n    except E as asked: ...",
        "def f():\n    if (mine := 1): ...",
        "def f(x):\n    match x:\n        case [others]: ...",
        "class A:\n    def f(self, known): ...",
    ],
)
def test_a_planted_word_is_refused(code: str, tmp_path: Path) -> None:
    """Every way to bind a local is seen."""
    (tmp_path / "a.py").write_text(code)

    (line,) = words.broken([tmp_path])

    assert "a.py" in line


def test_a_word_that_is_no_local_passes(tmp_path: Path) -> None:
    """Names of columns, keywords of calls and attributes are no locals."""
    (tmp_path / "a.py").write_text("def f(a):\n    a.found = 1\n    a.call(known=1)\n    return {'told': a.made}")

    assert list(words.broken([tmp_path])) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("morning/figures.py", "SQL = 'select sum(stock_value) from reports.stock_value_daily'"),
        (
            "cli/demo.py",
            "def f(con, day):\n    con.execute(f'select count(*) as n from marts.fct_order where d = {day}')",
        ),
        ("dashboards.yml", "measures: [{label: Orders, sql: sum(orders)}]"),
    ],
)
def test_a_planted_figure_is_refused(file: str, text: str, tmp_path: Path) -> None:
    """A figure of marts or reports that is no metric is named with its file; rows that are listed are none."""
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "rows.py").write_text("SQL = 'select account from reports.sla_daily'\nTEXT = 'sum(rows) of a file'")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "chart.yaml").write_text("sqlExpression: sum(orders)")
    assert list(figures.broken([tmp_path])) == []
    (tmp_path / file).write_text(text)

    (line,) = figures.broken([tmp_path])

    assert line.startswith(str(tmp_path / file))


def test_every_figure_of_this_project_is_a_metric() -> None:
    """What pages, dashboards and commands show of marts and reports is declared once."""
    assert list(figures.broken([PROJECT / "plugins", PROJECT / "bi"])) == []


def published(file: Path, value: str) -> str:
    """A published file with one fact, one report and what is compared of meta."""
    with duckdb.connect(str(file)) as con:
        con.execute("create schema marts")
        con.execute("create schema reports")
        con.execute("create schema meta")
        con.execute(f"create table marts.fct_sold as select 1 as id, {value} as value, 'night' as _run_id")
        con.execute("create view reports.sold as select sum(value) as value from marts.fct_sold")
        con.execute("create macro reports.sold_on(day) as table select id, day from marts.fct_sold where value > 0")
        con.execute("create table meta.current_run as select timestamp '2026-01-02 02:15' as as_of")
        con.execute(
            "create table meta.check_result (suite text, stage text, severity text, success bool, failing_rows int)"
        )
        columns = "account api listing proof pages rows_received distinct_keys promised_total rows_new rows_changed"
        columns += " rows_unchanged rows_gone rows_quarantined"
        con.execute(f"create table meta.listing ({', '.join(f'{name} int' for name in columns.split())})")
    return str(file)


def test_two_published_files_are_compared_row_by_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same rows are the same whatever the run is called; another value, type or column is a difference."""
    before = published(tmp_path / "before.duckdb", "2")

    assert compare_published.main(before, published(tmp_path / "same.duckdb", "2")) == 0
    assert "0 different" in capsys.readouterr().out
    assert compare_published.main(before, published(tmp_path / "other.duckdb", "3")) == 1
    assert "DIFFERENT marts.fct_sold: 1 rows, 1 only before, 1 only after" in capsys.readouterr().out
    assert compare_published.main(before, published(tmp_path / "type.duckdb", "2.0")) == 1
    assert "DIFFERENT marts.fct_sold: columns" in capsys.readouterr().out
    assert compare_published.main(before, published(tmp_path / "macro.duckdb", "-2")) == 1
    assert "DIFFERENT reports.sold_on: 1 rows, 1 only before, 0 only after" in capsys.readouterr().out
