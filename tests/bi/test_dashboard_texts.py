"""The dashboards in Czech: every text of them, in the words of the morning report."""

from collections import Counter
from pathlib import Path

import duckdb
import pytest

from stockbook.bi import bundle, spec
from stockbook.bi.headings import headings
from stockbook.bi.serve import FOLDER, TEXTS
from stockbook.bi.texts import ENGLISH, Texts, texts_of
from stockbook.declarations import Table
from stockbook.errors import DeclarationError
from stockbook.metrics.files import Metrics, load
from stockbook.morning.texts import catalogue_of
from stockbook.project import MODELS, SHIPPED


@pytest.fixture(scope="module")
def metrics(tables: dict[str, Table]) -> Metrics:
    """The figures that charts may name."""
    return load(SHIPPED / MODELS, tables)


@pytest.fixture(scope="module")
def dashboards(tables: dict[str, Table], metrics: Metrics) -> spec.Spec:
    """What the dashboards show."""
    return spec.read(FOLDER / "dashboards.yml", tables, metrics)


@pytest.fixture(scope="module")
def czech() -> Texts:
    """What they say in Czech."""
    return texts_of(FOLDER / TEXTS, "cs")


def test_czech_has_every_text_and_no_other(dashboards: spec.Spec, tables: dict[str, Table], czech: Texts) -> None:
    """Dashboards, charts with a label for each measure, filters, units, and headings of all columns that are shown."""
    charts = {chart.key: chart for page in dashboards.dashboards for chart in page.charts}
    shown = [(tables[chart.relation], name) for chart in charts.values() for name in [*chart.columns, chart.x] if name]
    of_tables = {(table.name, name) for table, name in shown if table.columns[name].type not in ("date", "timestamp")}
    columns = {name for chart in charts.values() for name in chart.columns} | {
        name for _, name in of_tables if name in dashboards.codes or name in czech.codes
    }
    units = {chart.unit for chart in charts.values()} | {table.columns[name].unit or "" for table, name in shown}

    assert set(czech.dashboards) == {page.key for page in dashboards.dashboards}
    assert {key: len(text.labels) for key, text in czech.charts.items()} == {
        key: len(chart.measures) for key, chart in charts.items()
    }
    assert set(czech.filters) == {wanted.name for page in dashboards.dashboards for wanted in page.filters}
    assert columns - set(czech.headings) == set()
    assert set(czech.headings) - columns <= {name for _, name in shown}
    assert {unit for unit in units if unit and "currency" not in unit} == set(czech.units)


def test_no_english_title_is_left_in_a_czech_bundle(
    dashboards: spec.Spec, tables: dict[str, Table], metrics: Metrics, czech: Texts
) -> None:
    """Nothing that a dashboard says in English stands in the Czech files, and ids stay those of the English ones."""
    crowns = spec.Currencies("CZK", "CZK")
    english = bundle.files(dashboards, tables, metrics, crowns)
    written = bundle.files(dashboards, tables, metrics, crowns, texts=czech)
    said = "\n".join(text for path, text in written.items() if not path.startswith("datasets/"))
    charts = [chart for page in dashboards.dashboards for chart in page.charts]

    for text in [chart.title for chart in charts] + [chart.says for chart in charts] + [ENGLISH.drill]:
        assert len(text) < 12 or text not in said, text
    assert ENGLISH.beyond.split("{")[0].strip() not in said
    assert written.keys() == english.keys()
    for path, text in written.items():
        ids = [line for line in text.splitlines() if line.strip().startswith(("uuid:", "dataset_uuid:"))]
        assert ids == [
            line for line in english[path].splitlines() if line.strip().startswith(("uuid:", "dataset_uuid:"))
        ]


def test_no_two_columns_of_a_table_have_one_czech_heading(
    dashboards: spec.Spec, tables: dict[str, Table], czech: Texts
) -> None:
    """A heading that two columns share would be written as an English name of each."""
    spoken = czech.spoken(dashboards)
    for chart in (chart for page in spoken.dashboards for chart in page.charts if chart.columns):
        over = headings(tables[chart.relation].columns, spoken.headings)
        shown = Counter(over[name] for name in chart.columns)
        assert set(shown.values()) == {1}, chart.key
        assert [name for name in chart.columns if not over[name].startswith(czech.headings[name])] == [], chart.key


def test_codes_have_the_words_of_the_morning_report(czech: Texts) -> None:
    """Report and dashboards call the ages of stock and the states of open orders alike."""
    pages = catalogue_of("cs")
    words = {key.partition(".")[2]: text for key, text in pages.items() if key.startswith(("backlog.", "ageing."))}

    assert len(words) > 15
    assert {code: czech.values[code] for code in words} == words


def test_a_code_without_a_word_stays_one_in_plain_letters(czech: Texts) -> None:
    """The SQL of a column of codes says a word for each it knows."""
    sql = f"select {czech.of_code('c')} from (values ('due_today'), ('some_new_state')) as t(c)"
    assert duckdb.sql(sql).fetchall() == [("dnes",), ("some new state",)]


def test_a_file_of_texts_that_is_wrong_is_named(tmp_path: Path) -> None:
    """The message has the file and the field; a language without a file is English."""
    (tmp_path / "wrong.yml").write_text("charts: {stock_value_now: {name: Hodnota}}")

    assert texts_of(tmp_path, "de") is ENGLISH
    with pytest.raises(DeclarationError, match=r"wrong\.yml cannot be read.*name"):
        texts_of(tmp_path, "wrong")
