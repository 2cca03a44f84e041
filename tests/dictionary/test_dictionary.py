"""The data dictionary and the questions of docs/queries.md."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import A4_WIDTH, browser_page, needs_browser
from checkout import PROJECT
from night_rig import Rig
from shared_home import FIRST, copy_of, small_shop

from stockbook.declarations import Table, in_currency
from stockbook.dictionary import questions, site
from stockbook.dictionary.lineage import Lineage, picture
from stockbook.errors import ConfigError, DeclarationError
from stockbook.metrics.files import load
from stockbook.warehouse.readers import reader
from stockbook_sandbox import running

MODELS = PROJECT / "include" / "sql"


@pytest.fixture(scope="module")
def folder(tables: dict[str, Table], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A written dictionary."""
    pages = tmp_path_factory.mktemp("docs") / "dictionary"
    assert site.write(pages, MODELS, tables, questions.read()) == len(tables) + 2
    return pages


@pytest.fixture(scope="module")
def rig(home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A home with one published night."""
    with running(small_shop(), FIRST) as server:
        yield Rig(server, copy_of(home_after_a_night, tmp_path_factory.mktemp("dictionary") / "home"))


def test_every_metric_stands_on_the_page_of_its_table_and_in_the_index(folder: Path, tables: dict[str, Table]) -> None:
    """Name and sentence; the index leads to it."""
    index = (folder / "index.html").read_text()
    metrics = load(MODELS, tables)

    assert len(metrics) > 25
    for metric in metrics.values():
        page = (folder / f"{metric.of}.html").read_text()
        assert f'<tr id="metric-{metric.name}"><td><code>{metric.name}</code></td>' in page
        assert f'href="{metric.of}.html#metric-{metric.name}"' in index


def test_every_table_has_a_page_with_every_column(folder: Path, tables: dict[str, Table]) -> None:
    """Description, columns and their descriptions of every declaration stand on its page."""
    from html import escape

    for name, table in tables.items():
        page = (folder / f"{name}.html").read_text()
        for column, declared in table.columns.items():
            assert f"<code>{column}</code>" in page
            assert escape(declared.description, quote=False).replace('"', "&#34;").replace("'", "&#39;") in page


def test_every_link_of_the_dictionary_leads_to_a_page(folder: Path) -> None:
    """No page names a neighbour that has none."""
    import re

    pages = {file.name for file in folder.glob("*.html")}
    for file in folder.glob("*.html"):
        links = set(re.findall(r'href="([^"#]+)"', file.read_text()))
        assert links - pages == set(), file.name


def test_lineage_knows_both_directions(folder: Path) -> None:
    """A report names what it reads, and what it reads names the report."""
    assert (
        'href="marts.fct_stock_reconciliation.html"' in (folder / "reports.stock_reconciliation_open.html").read_text()
    )
    assert (
        'href="reports.stock_reconciliation_open.html"' in (folder / "marts.fct_stock_reconciliation.html").read_text()
    )


def test_a_picture_has_a_box_for_every_neighbour() -> None:
    """Two read, one fed, itself: four boxes and three lines; a history is told with its table, others lead nowhere."""
    drawn = picture("marts.a", Lineage(("staging.b", "staging.c_history"), ("reports.d",)), {"staging.c"})
    assert (drawn.count("<rect"), drawn.count("<path"), drawn.count('<a href="staging.c.html"')) == (4, 3, 1)
    assert drawn.count("<a ") == 1


def test_a_folder_with_something_else_is_left_alone(tables: dict[str, Table], tmp_path: Path) -> None:
    """The message says which folder, and its file is still there."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="something other than a dictionary"):
        site.write(tmp_path, MODELS, tables, [])
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_dictionary_that_says_the_same_is_not_written_again(folder: Path, tables: dict[str, Table]) -> None:
    """A second time writes nothing; with another question all pages are made anew."""
    before = (folder / "index.html").stat().st_ino
    assert site.write(folder, MODELS, tables, questions.read()) == 0
    assert (folder / "index.html").stat().st_ino == before

    assert site.write(folder, MODELS, tables, questions.read()[:1]) == len(tables) + 2
    assert site.write(folder, MODELS, tables, questions.read()) == len(tables) + 2


def test_as_many_questions_are_answered_as_the_title_says(tmp_path: Path) -> None:
    """docs/queries.md has as many as its title says or more, and a heading without a query is named."""
    assert len(questions.read()) > 60
    assert questions.FILE.read_text().startswith("# Sixty questions and more")
    file = tmp_path / "queries.md"
    file.write_text("# Q\n\n## What now?\n\nNobody knows.\n")
    with pytest.raises(DeclarationError, match="What now"):
        questions.read(file)


@pytest.mark.slow
def test_every_column_has_the_type_the_dictionary_says(rig: Rig, tables: dict[str, Table]) -> None:
    """Of tables and of views, whose types nobody but their SQL decides, in the published file of a night."""
    with reader(rig.settings.published) as con:
        types: dict[str, dict[str, str]] = {}
        for name, column, data_type in con.execute(
            "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns() where not internal"
        ).fetchall():
            types.setdefault(name, {})[column] = data_type
        published = [table for table in tables.values() if table.kind != "macro"]
        assert len(published) > 100
        wrong = {}
        for table in published:
            nothing = ", ".join(f"cast(null as {column.type})" for column in table.columns.values())
            declared = [str(each[1]) for each in con.execute(f"select {nothing}").description]
            for name, expected in zip(table.columns, declared, strict=True):
                if types[table.name][name] != expected:
                    wrong[f"{table.name}.{name}"] = (expected, types[table.name][name])
    assert wrong == {}


@pytest.mark.slow
def test_every_query_of_the_documents_runs(rig: Rig, tables: dict[str, Table]) -> None:
    """The questions and every table's example have an answer in the published file of a night."""
    # opened once: with some two hundred tables that takes longer than most answers
    with reader(rig.settings.published) as con:
        answered = {question.text: len(con.execute(question.sql).fetchall()) for question in questions.read()}
        for table in tables.values():
            con.execute(site.example(table)).fetchall()
    # a small shop has no differences, no missing cost, nothing late or changed in one night; what remains is looked at
    empty = {text for text, rows in answered.items() if not rows}
    assert empty <= {
        "Where does the warehouse count other than the movements say?",
        "Which pieces have no cost?",
        "What changed in my closed month since I closed it?",
        "Who causes the problems in dispatch?",
        "Which prices changed?",
        "Which of SHOPLINE's fulfillment orders are open or held, and what was promised?",
        "Which orders has nobody a pick-up place for?",
        "Which problems wait for our answer?",
        "Which waiting orders lack pieces, and since when?",
        # a hash is to be put in
        "Whose is this tracking number?",
        # no webhook came in this night
        "From where do events come, and in which version?",
        "From where does SHOPLINE want its orders shipped, and what did the merchant ask for?",
        "What did SHOPLINE tell of a fulfillment order, one event after the other?",
        "What does customs want to know of SHOPLINE's lines?",
        "Which lines were in SHOPLINE's parcels?",
        "Which orders could not be sent, and does a note say why?",
        "Which warehouse ships how many orders?",
        "What expires within 60 days?",
        "Which cartons should have been opened?",
    }


@pytest.mark.slow
def test_every_cell_of_the_notebook_runs(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code, cell after cell, over the published file; its own assertion holds the sum to the last digit."""
    monkeypatch.setenv("STOCKBOOK_HOME", str(rig.home))
    notebook = json.loads((PROJECT / "docs" / "stockbook.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    there: dict[str, object] = {}
    for cell in cells:
        exec(compile(cell, "docs/stockbook.ipynb", "exec"), there)

    assert len(cells) == 3
    assert len(there["rates"]) > 3  # type: ignore[arg-type]  # a frame


def test_units_name_the_currency_of_the_policy(tables: dict[str, Table], tmp_path: Path) -> None:
    """The page of a table of values says EUR where its declaration says the valuation currency."""
    folder = tmp_path / "dictionary"
    site.write(folder, MODELS, in_currency(tables, "CZK"), [])
    assert site.write(folder, MODELS, in_currency(tables, "EUR"), []) > 0

    pages = [file.read_text() for file in folder.glob("*.html")]

    assert "<td>EUR</td>" in (folder / "reports.stock_ageing.html").read_text()
    assert not any("<td>CZK</td>" in page or "<td>valuation currency</td>" in page for page in pages)


@needs_browser
@pytest.mark.slow
def test_the_dictionary_fits_a_phone_and_paper(folder: Path, tables: dict[str, Table]) -> None:
    """The index and the tables with the longest names and most columns are no wider than screen or sheet."""
    longest = max(tables.values(), key=lambda table: max(map(len, table.columns)))
    most = max(tables.values(), key=lambda table: len(table.columns))
    name = max(tables.values(), key=lambda table: len(table.name))
    dropping = max(tables.values(), key=lambda table: len(table.drops))
    widths = {}
    with browser_page(390, 844) as (page, wrong):
        for file in {"index.html", *(f"{table.name}.html" for table in (longest, most, name, dropping))}:
            page.goto((folder / file).as_uri())
            page.emulate_media(media="screen")
            page.set_viewport_size({"width": 390, "height": 844})
            on_a_phone = page.evaluate("document.documentElement.scrollWidth")
            page.emulate_media(media="print")
            page.set_viewport_size({"width": A4_WIDTH, "height": 900})
            widest = "Math.max(...[...document.querySelectorAll('html, .scroll, pre')].map(part => part.scrollWidth))"
            widths[file] = (on_a_phone, page.evaluate(widest))
        assert wrong == []
    assert widths == dict.fromkeys(widths, (390, A4_WIDTH))


@needs_browser
@pytest.mark.slow
def test_a_column_shows_its_way_to_the_wire_and_who_uses_it(folder: Path) -> None:
    """From the table's page by keyboard; a step on the way leads on; what is not there is said; it fits a phone."""
    with browser_page(390, 844) as (page, wrong):
        page.goto((folder / "marts.fct_order.html").as_uri())
        page.focus("#column-city a")
        page.keyboard.press("Enter")
        page.wait_for_selector("h1:text-is('marts.fct_order.city')")
        shown = page.locator("#shown")
        assert shown.locator("li.end").all_inner_texts() == ["fulfillment_cz orders: recipient.city"]
        assert "Where do our orders go?" in shown.inner_text()
        page.locator("#shown summary a", has_text="staging.orders.city").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("h1:text-is('staging.orders.city')")
        assert "marts.fct_order.city as it is" in shown.inner_text().split("Who uses it")[1]
        page.fill("#search", "stock_ageing fifo_landed_value")
        page.locator("#found a", has_text="reports.stock_ageing.fifo_landed_value").first.click()
        page.wait_for_selector("h1:text-is('reports.stock_ageing.fifo_landed_value')")
        assert "fulfillment_cz movements: price_per_unit" in shown.locator("li.end").all_inner_texts()
        page.locator("details").evaluate_all("boxes => boxes.forEach(box => box.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.goto((folder / "lineage.html").as_uri() + "#marts.fct_order.nothing")
        assert "There is no such column" in page.locator("#about").inner_text()
        assert wrong == []


@needs_browser
@pytest.mark.slow
def test_the_search_finds_a_column(folder: Path) -> None:
    """Typing a column's name leaves the tables that have it."""
    with browser_page(1000, 800) as (page, wrong):
        page.goto((folder / "index.html").as_uri())
        page.fill("#search", "quantity_diff first_seen")
        names = [row.get_attribute("data-name") for row in page.locator("tr[data-name]:visible").all()]
        page.click("tr[data-name='reports.stock_reconciliation_open'] a")
        assert page.locator("h1").inner_text() == "reports.stock_reconciliation_open"
        assert wrong == []
    assert "reports.stock_reconciliation_open" in names
    assert len(names) < 6
