"""The lint of SQL sees what is not in house style, and moves imports to the front without changing a result."""

import re
from pathlib import Path

import duckdb
import pytest
from checkout import PROJECT
from tools import sql_style

from stockbook.declarations import Table
from stockbook.models.select import TEMPLATE, select_of

MODELS = PROJECT / "include" / "sql"
MODEL = """\
-- Orders of a day.
-- Grain: one row per account and day.
with

orders as (

    select
        account,
        created_date
    from marts.fct_order

),

counted as (

    select
        o.account,
        o.created_date,
        count(*) as "Orders"
    from orders as o
    left join orders as later on o.account = later.account
    group by o.account, o.created_date

)

select *
from counted
"""
PLANTED = {
    "upper case": ("    from orders as o", "    FROM orders as o", "FROM is not lower case"),
    "a function in upper case": ("count(*)", "COUNT(*)", "COUNT is not lower case"),
    "two columns in a line": ("account,\n        created_date\n", "account, created_date\n", "one column to a line"),
    "a column beside select": ("select\n        account,", "select account,", "several columns begin on a line"),
    "a latest value that may be an older one": (
        "count(*)",
        "arg_max(o.note, o.created_date) filter (where o.account is not null)",
        "arg_max passes over NULL",
    ),
    "a first value by its other name": ("count(*)", "min_by(o.note, o.created_date)", "arg_min passes over NULL"),
    "a comma that begins a line": (
        "account,\n        created_date\n",
        "account\n        , created_date\n",
        "a comma ends a line",
    ),
    "a join of no kind": ("left join", "join", "a join says its kind"),
    "an alias without as": ("orders as later", "orders later", "write: as later"),
    "no head": ("-- Orders of a day.\n-- Grain: one row per account and day.\n", "", "begin with a comment"),
    "no grain": ("-- Grain: one row per account and day.\n", "", "names the grain"),
    "a star of a declared table": (
        "select\n        account,\n        created_date\n    from",
        "select *\n    from",
        "a star stands only for a CTE",
    ),
    "a star of a declared table beside a CTE": (
        'o.created_date,\n        count(*) as "Orders"\n    from orders as o\n    left join orders as later',
        "later.*\n    from orders as o\n    left join marts.fct_order as later",
        "a star stands only for a CTE",
    ),
    "an unused CTE": ("from counted", "from orders", "nothing reads the CTE counted"),
    "a CTE without blank lines": ("orders as (\n\n", "orders as (\n", "a blank line stands above and below"),
    "an import behind": (
        "\n)\n\nselect *",
        "\n),\n\nlast as (\n\n    select day\n    from marts.dim_date\n\n)\n\nselect *",
        "last only reads a table",
    ),
    "an odd indent": ("        created_date\n", "       created_date\n", "indent by four"),
    "a blank at the end": ("select *\n", "select * \n", "a blank at the end of the line"),
    "a wide line": ("count(*)", f"count({'1 + ' * 40}1)", "characters; at most 150"),
    "a long model": ("select *\n", "\n" * 200 + "select *\n", "lines; at most 200"),
    "no line break at the end": ("from counted\n", "from counted", "ends with one line break"),
    "no SQL": ("select *\nfrom counted", "select (", "cannot be parsed"),
}


def test_a_model_in_house_style_has_no_fault() -> None:
    """Lower case but for names between quotes, one column to a line, imports first."""
    assert list(sql_style.faults(MODEL)) == []


@pytest.mark.parametrize("case", PLANTED)
def test_a_planted_fault_is_seen(case: str) -> None:
    """Each rule of the style is broken by one change to a model that had no fault."""
    old, new, sentence = PLANTED[case]
    assert old in MODEL

    sentences = [text for _, text in sql_style.faults(MODEL.replace(old, new, 1))]

    assert any(sentence in text for text in sentences)


@pytest.mark.parametrize(
    "latest",
    [
        "arg_max_null(o.note, o.created_date)",
        "arg_max(o.note, o.created_date) filter (where o.account = 'a' and o.note is not null)",
    ],
)
def test_a_latest_value_says_what_null_is(latest: str) -> None:
    """Either NULL counts as a value, or the select says that an older row speaks for one that has none."""
    assert list(sql_style.faults(MODEL.replace("count(*)", latest))) == []


def test_a_fault_is_printed_with_its_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The lint ends with 1, and with 0 where there is nothing to say; it fails where there is no SQL at all."""
    file = tmp_path / "a.sql"
    file.write_text(MODEL.replace("left join", "join"))
    assert sql_style.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith(f"{file}:21: a join says its kind")

    file.write_text(MODEL)
    assert sql_style.main([str(tmp_path)]) == 0

    file.unlink()
    assert sql_style.main([str(tmp_path)]) == 1


def test_imports_are_moved_to_the_front_with_their_comments(tmp_path: Path) -> None:
    """What is moved takes the comment above it along; the rows stay the same, and a second time changes nothing."""
    mixed = """\
-- Twice the numbers, and once.
-- Grain: one row per number.
with recursive

doubled as (

    select n * 2 as n
    from marts.b
    group by n

),

-- as they are
numbers as (

    select n
    from marts.a

)

select n
from doubled
union all
select n
from numbers
"""
    file = tmp_path / "mixed.sql"
    file.write_text(mixed)
    assert sql_style.main([str(file)]) == 1

    assert sql_style.main(["--fix", str(file)]) == 0
    assert sql_style.main(["--fix", str(file)]) == 0

    fixed = file.read_text()
    assert fixed.index("-- as they are\nnumbers as (") < fixed.index("doubled as (")
    with duckdb.connect() as con:
        con.execute("create schema marts; create table marts.a as select 1 as n; create table marts.b as select 5 as n")
        assert con.execute(fixed).fetchall() == con.execute(mixed).fetchall() == [(10,), (1,)]


def test_what_a_template_expands_to_is_in_house_style(tables: dict[str, Table]) -> None:
    """Whatever the declarations say; only its length follows their number."""
    templates = {file.name.removesuffix(TEMPLATE) for file in MODELS.rglob(f"*{TEMPLATE}")}
    assert "data_freshness" in templates

    for table in tables.values():
        if table.table in templates:
            sentences = [text for _, text in sql_style.faults(select_of(MODELS, table, tables))]
            assert [text for text in sentences if "lines; at most" not in text] == [], table.name


def test_no_macro_is_asked_of_what_another_macro_says() -> None:
    """
    DuckDB copies the text of an argument to each place where a macro names it: three of them within each other were
    planned for five seconds. A step between them makes a column of it.
    """
    call = re.compile(r"\b(?:staging|intermediate)\.\w+\(")
    nested = []
    for file in sorted([*MODELS.rglob("*.sql"), *MODELS.rglob("*.yml")]):
        text = file.read_text()
        for begin in call.finditer(text):
            depth, end = 1, begin.end()
            while depth:
                depth += {"(": 1, ")": -1}.get(text[end], 0)
                end += 1
            if call.search(text, begin.end(), end):
                nested.append(f"{file.name}: {text[begin.start() : end]}")

    assert nested == []
