"""A model's select is a file of SQL, or a template over the declarations."""

from pathlib import Path

import pytest
from model_runner import MODELS

from stockbook.declaration_files import load
from stockbook.declarations import Column, Dated, Source, Table
from stockbook.errors import DeclarationError
from stockbook.models.order import steps
from stockbook.models.reads import reads_of
from stockbook.models.select import select_of


def a_model(folder: Path, template: str) -> dict[str, Table]:
    """The declarations of a folder with one model that is a template."""
    (folder / "marts").mkdir(parents=True)
    (folder / "marts" / "names.yml").write_text(
        "table: names\ndescription: Names.\ncolumns: {name: {type: varchar, description: A name.}}\n"
    )
    (folder / "marts" / "names.sql.jinja").write_text(template)
    return load(folder)


def test_a_template_is_written_out_over_the_declarations(tmp_path: Path) -> None:
    """It knows every declared table; a template without a declaration is refused like any other model."""
    tables = a_model(tmp_path, "{% for table in tables %}\nselect '{{ table.name }}' as name\n{% endfor %}\n")

    assert [step.sql for step in steps(tmp_path, tables)] == ["select 'marts.names' as name\n"]

    (tmp_path / "marts" / "stray.sql.jinja").write_text("select 1")
    with pytest.raises(DeclarationError, match=r"marts\.stray has a \.sql but no declaration"):
        steps(tmp_path, tables)


def test_a_template_writes_a_figure_by_its_name(tmp_path: Path) -> None:
    """Over rows, of a row of sums, and its condition; its select changes with the definition and fails without it."""
    template = "select {{ metric('rate') }}, {{ metric_of_row('rate', 'n') }}, {{ metric_where('rate') }} as name\n"
    tables = a_model(tmp_path / "sql", template)
    (tmp_path / "metrics").mkdir()
    rate = "{says: R., type: ratio, sql: name, over: name, where: name > 0}"
    (tmp_path / "metrics" / "names.yml").write_text(f"relations: {{marts.names: {{metrics: {{rate: {rate}}}}}}}")

    (step,) = steps(tmp_path / "sql", tables)

    assert step.sql == "select sum(name) / nullif(sum(name), 0), n.name / nullif(n.name, 0), name > 0 as name\n"

    (tmp_path / "sql" / "marts" / "names.sql.jinja").write_text("select {{ metric('share') }} as name\n")
    with pytest.raises(DeclarationError, match="There is no metric 'share'"):
        steps(tmp_path / "sql", tables)


@pytest.mark.parametrize("template", ["{% for %}", "{{ nothing.name }}"])
def test_a_template_that_fails_is_named(template: str, tmp_path: Path) -> None:
    """A mistake of its syntax, or a name it does not know."""
    tables = a_model(tmp_path, template)

    with pytest.raises(DeclarationError, match=r"names\.sql\.jinja cannot be expanded"):
        steps(tmp_path, tables)


@pytest.mark.parametrize(
    ("report", "later"), [("reports.data_freshness", None), ("reports.rows_after_as_of", "sold after now")]
)
def test_a_new_table_of_staging_is_in_the_reports_of_its_kind(report: str, later: str | None) -> None:
    """A listing that is declared is in the freshness, and among the later rows when it says what dates them."""
    columns = {
        "sale_id": Column("bigint", "Sale."),
        "sold_at": Column("timestamp", "Time."),
        "sold_at_utc": Column("timestamp", "Instant."),
    }
    sales = Table(
        "sales",
        "Sales.",
        columns,
        grain=["account", "sale_id"],
        layer="staging",
        source=Source("flickrocket", "sales"),
        dated=Dated("sold_at", later) if later else None,
    )
    tables = load(MODELS)

    before = reads_of(select_of(MODELS, tables[report], tables), report)
    after = reads_of(select_of(MODELS, tables[report], tables | {sales.name: sales}), report)

    assert after - before == {"staging.sales"}
