"""The recipes of CONTRIBUTING.md, followed to the letter."""

import re
import shutil
from pathlib import Path

import duckdb
import pytest
import test_new_listing
import yaml
from checkout import PROJECT
from typer.testing import CliRunner

from stockbook import cost_methods, declaration_files
from stockbook.bi import bundle, spec
from stockbook.bi.serve import FOLDER
from stockbook.checks import rules
from stockbook.cli.main import app
from stockbook.dictionary import questions, site
from stockbook.dictionary.field_walk import Flow, complaints
from stockbook.metrics.files import load
from stockbook.metrics.question import Question
from stockbook.models.build import replace_table
from stockbook.models.order import steps
from stockbook.sources import field_ledger
from stockbook.sources.field_ledger import Field
from stockbook.warehouse.schema import create_all

TEXT = (PROJECT / "CONTRIBUTING.md").read_text()


def files_of(recipe: str) -> dict[str, str]:
    """The files that a recipe says to write: their paths, and their texts without the indentation of the list."""
    section = TEXT.split(f"## Recipe: {recipe}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^ {3}`([\w/.]+)`\n\n {3}```\w+\n(.*?)^ {3}```$", section, re.MULTILINE | re.DOTALL)
    return {path: re.sub("^ {3}", "", text, flags=re.MULTILINE) for path, text in blocks}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The project's models with the recipe's report beside them."""
    for folder in ("sql", "metrics"):
        shutil.copytree(PROJECT / "include" / folder, tmp_path / "include" / folder)
    for path, text in files_of("a report on the dashboard").items():
        if path.startswith("include/"):
            (tmp_path / path).write_text(text)
    return tmp_path / "include" / "sql"


def test_the_recipes_report_is_built_from_its_two_files(con: duckdb.DuckDBPyConnection, models: Path) -> None:
    """Two Mondays of four decided orders each, three of them broken: a row with the rate, built after what it reads."""
    tables = declaration_files.load(models)
    order = [step.name for step in steps(models, tables)]
    replace_table(
        con,
        tables["reports.sla_daily"],
        "select * from (values ('main', date '2025-03-03', 4, 3, 1, 0, 0), ('main', date '2025-03-10', 4, 2, 1, 1, 0)) "
        "as due(account, due_date, orders, on_time, late, overdue, pending)",
    )
    report = tables["reports.broken_weekdays"]
    replace_table(con, report, (models / report.folder / "broken_weekdays.sql").read_text())

    assert order.index("reports.broken_weekdays") > order.index("reports.sla_daily")
    assert con.execute("from reports.broken_weekdays").fetchall() == [("main", 1, 8, 3, 3 / 8)]


def test_the_recipes_report_is_checked_without_another_word(con: duckdb.DuckDBPyConnection, models: Path) -> None:
    """Its grain, its required columns and its own rule are asked, and hold of an empty report."""
    report = declaration_files.load(models)["reports.broken_weekdays"]
    replace_table(con, report, "select 'main' as account, 1 as weekday, 2 as decided, 3 as broken, 1.5 as broken_rate")
    broken = {rule.name: len(con.execute(rule.bad_rows).fetchall()) for rule in rules.of_table(report)}

    assert broken == {
        "one row per account × weekday": 0,
        "required columns are there": 0,
        "no more are broken than decided": 1,
    }


def test_the_recipes_chart_is_in_the_bundle(models: Path, tmp_path: Path) -> None:
    """With the recipe's lines the dashboard has the chart, and Superset's files are made of it."""
    tables = declaration_files.load(models)
    lines = files_of("a report on the dashboard")["bi/superset/dashboards.yml"]
    file = tmp_path / "dashboards.yml"
    now = (FOLDER / "dashboards.yml").read_text()
    file.write_text(now if lines in now else now + lines)
    metrics = load(models, tables)
    dashboards = spec.read(file, tables, metrics)

    assert dashboards.dashboards[-1].charts[-1].key == "broken_weekdays"
    assert "charts/broken_weekdays.yaml" in bundle.files(dashboards, tables, metrics, spec.Currencies("CZK", "CZK"))


def test_the_recipes_metric_is_one_entry(con: duckdb.DuckDBPyConnection, models: Path, tmp_path: Path) -> None:
    """With its lines the figure is answered, listed, in the dictionary, on the dashboard and in Superset's data set."""
    texts = files_of("a metric")
    entry = models.parent / "metrics" / "promise.yml"
    entry.write_text(entry.read_text() + texts["include/metrics/promise.yml"])
    file = tmp_path / "dashboards.yml"
    file.write_text((FOLDER / "dashboards.yml").read_text() + texts["bi/superset/dashboards.yml"])
    tables = declaration_files.load(models)
    metrics = load(models, tables)
    con.execute("""
        create or replace view reports.cancel_rate as
        from (values ('main', date '2025-03-03', 8, 1), ('main', date '2025-03-10', 2, 1)) as
        days(account, created_date, orders, cancelled)
    """)
    environ = {"STOCKBOOK_MODELS_DIR": str(models), "STOCKBOOK_HOME": str(tmp_path)}
    listed = CliRunner().invoke(app, ["metric", "list"], env=environ, catch_exceptions=False).output
    files = bundle.files(spec.read(file, tables, metrics), tables, metrics, spec.Currencies("CZK", "CZK"))
    site.write(tmp_path / "dictionary", models, tables, [])

    assert con.execute(Question(("cancelled_share",)).sql(metrics)).fetchall() == [(2 / 10,)]
    assert "cancelled_share [share]: Of the orders created so many were cancelled. By account, day" in listed
    assert "metric-cancelled_share" in (tmp_path / "dictionary" / "reports.cancel_rate.html").read_text()
    assert "sum(cancelled) / nullif(sum(orders), 0)" in files["charts/cancelled_share.yaml"]
    assert "metric_name: cancelled_share" in files["datasets/stockbook/cancel_rate.yaml"]


def with_lines(file: Path, lines: str, above: str) -> None:
    """Write lines into a file, above a line that it has."""
    assert above in file.read_text()
    file.write_text(file.read_text().replace(above, lines + above, 1))


def test_the_recipes_column_comes_from_the_wire_to_the_mart(con: duckdb.DuckDBPyConnection, models: Path) -> None:
    """With its lines the field is kept, the ledger holds, and the mart has what the source sent."""
    texts = files_of("a column of a listing")
    staging, mart, ledger_file = (models.parent.parent / path for path in texts)
    staging.write_text(staging.read_text().replace("  url: not used\n", ""))
    with_lines(staging, texts["include/sql/staging/delivery_places.yml"], "drops:\n")
    with_lines(mart, texts["include/sql/marts/promise/dim_delivery_place.yml"], "  deleted_at:")
    select = mart.with_suffix(".sql")
    with_lines(select, "        url,\n", "        _deleted_at as")
    with_lines(select, "    p.url,\n", "    p.deleted_at")
    tables = declaration_files.load(models)
    ledger = field_ledger.load()
    (line,) = yaml.safe_load(texts[f"include/sources/{ledger_file.name}"]).values()
    ledger.listings["fulfillment_cz.delivery_places"]["url"] = Field(**line)
    bodies = {
        source: yaml.safe_load((PROJECT / "include" / "sources" / f"{source}_events.yml").read_text())["bodies"]
        for source in ledger.bodies
    }
    pages = ledger_file.with_name("queries.md")
    pages.parent.mkdir()
    shutil.copy(PROJECT / "docs" / "queries.md", pages)
    assert "`, any_value(url) as page`" in TEXT
    with_lines(pages, ", any_value(url) as page", "\nfrom marts.dim_delivery_place")
    create_all(con, tables)
    con.execute(
        "insert into staging.delivery_places (account, delivery_id, place_id, url) values ('main', 2, 7, 'https://a.example')"
    )
    method = "select 'main' as account, 2 as delivery_id, 'Box' as name, true as needs_place, null as deleted_at"
    replace_table(con, tables["marts.dim_delivery_method"], method)
    replace_table(con, tables["marts.dim_delivery_place"], select.read_text())

    assert complaints(ledger, Flow(tables, steps(models, tables), questions.read(pages)), bodies) == []
    assert con.execute("select place_id, url from marts.dim_delivery_place").fetchall() == [(7, "https://a.example")]


def test_the_recipes_check_is_asked_and_can_fail(con: duckdb.DuckDBPyConnection, models: Path) -> None:
    """It holds where every place has a town, and names the place that has none."""
    (path, entry), *_ = files_of("a check").items()
    file = models.parent.parent / path
    file.write_text(file.read_text() + entry)
    table = declaration_files.load(models)["marts.dim_delivery_place"]
    (rule,) = (rule for rule in rules.of_table(table) if rule.name == "a place that is offered has a town")
    rows = "select 'main' as account, 2 as delivery_id, 7 as place_id, {} as city, null as deleted_at"

    named = []
    for town in ("'Brno'", "null"):
        replace_table(con, table, rows.format(town))
        named.append(con.execute(rule.bad_rows).fetchall())
    assert named == [[], [("main", 2, 7)]]


def test_the_recipe_of_a_listing_has_the_texts_that_are_tried() -> None:
    """tests/sources/test_new_listing.py reads, proves and loads a listing from the same two texts."""
    assert list(files_of("a listing").values()) == [test_new_listing.ENTRY, test_new_listing.TABLE]


def test_a_file_that_a_recipe_names_is_there_or_is_written_by_it() -> None:
    """Paths in CONTRIBUTING.md are files and folders of the project, but those that a recipe tells to write."""
    recipes = ("a report on the dashboard", "a listing", "a metric")
    written = {path for recipe in recipes for path in files_of(recipe)}
    named = re.findall(r"(?<![\w/<])(?:include|plugins|tests|bi|docs|tools|benchmarks)/[\w/.]*\w", TEXT)

    assert len(named) > 20
    assert [path for path in named if path not in written and not (PROJECT / path).exists()] == []


def test_a_method_that_is_named_gets_its_columns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The first step of the recipe of a valuation method: every declared column of each figure exists for it too."""
    monkeypatch.setattr(cost_methods, "FIGURES", (*cost_methods.FIGURES, "standard_landed", "standard_bare"))
    shutil.copytree(PROJECT / "include" / "sql", tmp_path / "sql")
    columns = list(declaration_files.load(tmp_path / "sql")["marts.fct_stock_balance"].columns)

    assert columns.index("standard_landed_value") == columns.index("average_bare_value") + 1
    assert "standard_bare_value" in columns


def test_the_recipe_of_a_stop_event_names_every_file_that_knows_them() -> None:
    """A select, enum or type that tells stop events apart is named in the recipe, or its folder is."""
    recipe = TEXT.split("## Recipe: a stop event\n")[1].split("\n## ")[0]
    tells_apart = re.compile(
        r"case stop_event|stop_event (?:=|in) |stop_event: \{type: \"?enum|^StopEvent = ", re.MULTILINE
    )
    files = [
        file.relative_to(PROJECT)
        for folder, end in (("include/sql", "sql"), ("include/sql", "yml"), ("plugins", "py"))
        for file in (PROJECT / folder).rglob(f"*.{end}")
        if tells_apart.search(file.read_text())
    ]

    assert len(files) > 3
    assert [str(file) for file in files if str(file) not in recipe and f"{file.parent}/`" not in recipe] == []
