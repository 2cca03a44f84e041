"""Declarations are read strictly: names that go into SQL are names, columns say what they are, once."""

import shutil
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from checkout import PROJECT
from model_runner import run, warehouse

from stockbook.declaration_files import SHARED_TEXTS, load, shared_texts
from stockbook.declarations import Table
from stockbook.errors import ConfigError, DeclarationError
from stockbook.projection import renames

MODELS = PROJECT / "include" / "sql"
INJECTED = "a; drop table meta.run --"
DECLARATION = """
table: t
description: A table.
grain: [id]
columns:
  id: {type: bigint, description: "Key."}
"""


def declared(folder: Path, text: str, texts: str = "") -> Table:
    """The table of a folder with this one declaration."""
    (folder / "staging").mkdir()
    (folder / "staging" / "t.yml").write_text(text)
    if texts:
        (folder / SHARED_TEXTS).write_text(texts)
    return load(folder)["staging.t"]


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("table: t", f"table: {INJECTED!r}", "$.table"),
        ("grain: [id]", f"grain: [{INJECTED!r}]", "$.grain[0]"),
        ("  id: {", f"  {INJECTED!r}: {{", "key` in `$.columns"),
        ("type: bigint", f"type: {'bigint) as select 1; --'!r}", "$.columns.id.type"),
        ("type: bigint", "type: \"enum('a', 'b'); --')\"", "$.columns.id.type"),
        ("type: bigint", "type: bigint, from: 'a\" from meta.run --'", "$.columns.id.from"),
        ("type: bigint", f"type: timestamp, utc_of: {INJECTED!r}", "$.columns.id.utc_of"),
        ("type: bigint", "type: bigint, least: '0 or true'", "$.columns.id.least"),
        ("type: bigint", 'type: "bigint\\n"', "$.columns.id.type"),
        ("grain:", f"history: [{INJECTED!r}]\ngrain:", "$.history[0]"),
        ("grain:", f"program: {INJECTED!r}\ngrain:", "$.program"),
        ("grain:", f"parameters: {{{INJECTED!r}: date}}\ngrain:", "key` in `$.parameters"),
        ("grain:", f"parameters: {{day: {INJECTED!r}}}\ngrain:", "$.parameters[...]"),
        ("grain:", f"dated: {{by: {INJECTED!r}}}\ngrain:", "$.dated.by"),
        ("grain:", f"source: {{api: flickrocket, listing: {INJECTED!r}}}\ngrain:", "$.source.listing"),
        ("grain:", "source: {api: flickrocket, listing: a, rows: ['b\"']}\ngrain:", "$.source.rows[0]"),
    ],
)
def test_a_name_that_is_no_name_is_refused(old: str, new: str, field: str, tmp_path: Path) -> None:
    """Whatever becomes part of a statement is refused while the file is read, by file and field."""
    with pytest.raises(DeclarationError, match=r"t\.yml in staging cannot be read: Expected `str` matching") as refused:
        declared(tmp_path, DECLARATION.replace(old, new))

    assert field in str(refused.value)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("grain", "grain: [id, other]"),
        ("history", "history: [other]\ngrain: [id]"),
        ("dated", "dated: {by: other}\ngrain: [id]"),
        (
            "check 'a':",
            "checks: [{name: a, severity: fail, expect: ExpectColumnValuesToNotBeNull, args: {column: other}}]\n"
            "grain: [id]",
        ),
    ],
)
def test_a_column_that_is_not_declared_is_refused(field: str, text: str, tmp_path: Path) -> None:
    """Whatever names a column names one of the table."""
    with pytest.raises(DeclarationError, match=f"t.yml in staging: {field} column 'other' is not declared"):
        declared(tmp_path, DECLARATION.replace("grain: [id]", text))


def test_a_column_takes_the_shared_text_unless_it_has_its_own(tmp_path: Path) -> None:
    """By its own name, or by the name it says; a description of its own wins; none at all is refused."""
    texts = "id: Key.\nid_of_parent: Key of the parent.\n"
    columns = """
  id: {type: bigint}
  parent: {type: bigint, text: id_of_parent}
  own: {type: bigint, text: id_of_parent, description: "Its own."}
"""
    text = DECLARATION.split("columns:", maxsplit=1)[0] + "columns:" + columns
    table = declared(tmp_path, text, texts)

    assert {name: column.description for name, column in table.columns.items()} == {
        "id": "Key.",
        "parent": "Key of the parent.",
        "own": "Its own.",
    }


def test_a_column_without_any_text_is_refused(tmp_path: Path) -> None:
    """The message names the file, the column and the text that is missing."""
    text = DECLARATION.replace(', description: "Key."', "")
    with pytest.raises(
        DeclarationError, match=r"t\.yml in staging: column 'id' has no description, and columns\.yml has no text 'id'"
    ):
        declared(tmp_path, text, "other: Another.")


def test_a_name_of_a_field_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that maps names of fields holds nothing but names."""
    file = tmp_path / "flickrocket_fields.yml"
    file.write_text("fulfillments: {names: {status: ['a\" from meta.run --']}}")
    monkeypatch.setattr(renames, "FILE", file)
    monkeypatch.setattr(renames, "_all", renames._all.__wrapped__)

    with pytest.raises(ConfigError, match=r"flickrocket_fields\.yml must map .* Expected `str` matching"):
        renames.of("fulfillments")


def test_a_text_of_a_policy_stays_a_text(tmp_path: Path) -> None:
    """What a policy file says is bound, never part of a statement: a status may be written like one."""
    folder = shutil.copytree(PROJECT / "include" / "policy", tmp_path / "policy")
    status = "'); drop table meta.run; --"
    with (folder / "statuses.yml").open("a") as file:
        file.write(f'  - {{source_status: "{status}", status: sent, stage: carrier, is_final: false}}\n')
    con = warehouse()

    run(con, "intermediate.run_now", datetime(2026, 3, 1, 2, 15), policy_dir=folder)

    query = "select source_status from intermediate.order_status_map where source_status like '%drop%'"
    assert con.execute(query).fetchall() == [(status,)]
    assert con.execute("select count(*) from meta.run").fetchall() == [(0,)]


def test_every_shared_text_is_of_several_tables() -> None:
    """A text that only one table has stands in that table."""
    texts = shared_texts(MODELS)
    users = Counter(
        key
        for table in load(MODELS).values()
        for name, column in table.columns.items()
        if texts.get(key := column.text or name) == column.description
    )

    assert len(texts) > 50
    assert [key for key in texts if users[key] < 2] == []


def test_no_long_text_is_written_in_two_files() -> None:
    """What several tables say of a column in more than 40 characters stands once, in columns.yml."""
    written: Counter[str] = Counter()
    for file in MODELS.rglob("*.yml"):
        content = yaml.load(file.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        columns = content.get("columns", {}).values()
        texts = content.values() if file.name == SHARED_TEXTS else [column.get("description", "") for column in columns]
        written.update({" ".join(text.split()) for text in texts})

    assert [text for text, files in written.items() if len(text) > 40 and files > 1] == []
