"""Data contracts: what is exported is the standard's, and is what is published; what differs is named once."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest
import yaml
from checkout import PROJECT
from typer.testing import CliRunner

from stockbook.checks import rules
from stockbook.cli.main import app
from stockbook.contracts import odcs
from stockbook.contracts.difference import Change, changes
from stockbook.contracts.published import SCHEMAS, contract
from stockbook.contracts.read import read
from stockbook.contracts.relation import Contract, PublishedColumn, Relation, fit
from stockbook.declarations import Table
from stockbook.errors import ConfigError

STANDARD = Path(__file__).parent / "odcs-json-schema-v3.1.0.json"
HERE = odcs.Installation("Europe/Prague", "15 2 * * *")
Documents = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def ours(tables: dict[str, Table]) -> Contract:
    """What this version promises in crowns."""
    return contract(tables, {"valuationCurrency": "CZK", "reportingCurrency": "CZK"})


@pytest.fixture(scope="module")
def whole(ours: Contract, tables: dict[str, Table]) -> Documents:
    """Its documents, as files give them back."""
    written = odcs.documents(ours, tables, HERE)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return {schema: yaml.load(odcs.text(document), loader) for schema, document in written.items()}


@pytest.fixture(scope="module")
def standard() -> jsonschema.Draft201909Validator:
    """The official schema of the standard, 3.1.0."""
    return jsonschema.Draft201909Validator(json.loads(STANDARD.read_text()))


def of_each_form(document: dict[str, Any]) -> dict[str, Any]:
    """The document with one column of each form, for thousands have the same fields of the same types."""
    forms: set[object] = set()

    def is_new(column: dict[str, Any]) -> bool:
        form = (column.get("logicalType"), *sorted(column), str(column.get("logicalTypeOptions")))
        return form not in forms and not forms.add(form)  # type: ignore[func-returns-value]  # adds as it asks

    short = copy.deepcopy(document)
    for relation in short["schema"]:
        relation["properties"] = [column for column in relation["properties"] if is_new(column)]
    return short


def test_every_contract_is_the_standards(
    whole: Documents, ours: Contract, tables: dict[str, Table], standard: jsonschema.Draft201909Validator
) -> None:
    """Whole and in shape, each form of column of each schema; a field the standard does not know is refused."""
    shape = odcs.documents(ours, tables)
    wrong = of_each_form(whole["meta"])
    wrong["schema"][0]["properties"][0]["colour"] = "red"

    for document in (*whole.values(), *(json.loads(json.dumps(document)) for document in shape.values())):
        assert [error.message for error in standard.iter_errors(of_each_form(document))] == []
    assert [error.message for error in standard.iter_errors(wrong)] != []


def test_the_contract_is_what_is_published(home_after_a_night: Path, ours: Contract) -> None:
    """Each table and view of the published schemas with each column, its type and a comment; each macro."""
    with duckdb.connect(str(home_after_a_night / "published" / "warehouse.duckdb"), read_only=True) as con:
        columns = con.execute(
            "select schema_name || '.' || table_name, column_name, replace(data_type, ' ', '') "
            "from duckdb_columns() where not internal and list_contains(?, schema_name)",
            [list(SCHEMAS)],
        ).fetchall()
        macros = con.execute(
            "select schema_name || '.' || function_name, parameters from duckdb_functions() "
            "where function_type = 'table_macro' and list_contains(?, schema_name)",
            [list(SCHEMAS)],
        ).fetchall()
        returned = {}
        for name, _ in macros:
            nulls = ", ".join(f"cast(null as {type_})" for type_ in ours.relations[name].parameters.values())
            rows = con.execute(f"describe from {name}({nulls})").fetchall()
            returned[name] = [(row[0], row[1].replace(" ", "")) for row in rows]
        silent = con.execute(
            "select table_name, column_name from duckdb_columns() "
            "where not internal and comment is null and list_contains(?, schema_name)",
            [list(SCHEMAS)],
        ).fetchall()
    tables, called = (
        {name: relation for name, relation in ours.relations.items() if (relation.kind == "macro") == is_macro}
        for is_macro in (False, True)
    )

    assert len(columns) > 2500
    assert silent == []
    assert {
        (name, column, c.type.replace(" ", "")) for name, r in tables.items() for column, c in r.columns.items()
    } == {*columns}
    assert {name: list(relation.parameters) for name, relation in called.items()} == dict(macros)
    assert {
        name: [(column, c.type.replace(" ", "")) for column, c in relation.columns.items()]
        for name, relation in called.items()
    } == returned


def test_a_contract_says_who_a_column_is_of_what_it_counts_and_what_holds(
    whole: Documents, tables: dict[str, Table]
) -> None:
    """A hash is classified, pieces have their unit, keys their places; every rule but those of `required` is there."""
    orders = next(item for item in whole["staging"]["schema"] if item["name"] == "orders")
    lines = {item["name"]: item for item in orders["properties"]}
    rules_of_schemas = [rule for table in tables.values() if table.layer in SCHEMAS for rule in rules.of_table(table)]
    written = [rule for document in whole.values() for item in document["schema"] for rule in item.get("quality", ())]

    assert lines["recipient_key"]["classification"] == "personal, hashed"
    assert lines["city"]["classification"] == "personal, kept"
    assert "classification" not in lines["number"]
    assert [lines[name]["primaryKeyPosition"] for name in ("account", "order_id")] == [1, 2]
    assert lines["problem_photo_count"]["customProperties"] == [{"property": "unit", "value": "photos"}]
    assert {(p["property"], p["value"]) for p in whole["marts"]["customProperties"]} >= {("valuationCurrency", "CZK")}
    missing = {rule.name for rule in rules_of_schemas} - {rule["name"] for rule in written}
    assert missing
    assert {name for name in missing if not name.endswith((" is there", " are there"))} == set()


def test_a_rule_of_the_contract_counts_its_bad_rows(whole: Documents, home_after_a_night: Path) -> None:
    """Each query of a rule of severity error runs on the published file and gives the number it must be."""
    queries = [
        rule
        for item in whole["meta"]["schema"] + whole["reports"]["schema"][::6]
        for rule in item.get("quality", ())
        if rule["type"] == "sql" and rule["severity"] == "error"
    ]
    with duckdb.connect(str(home_after_a_night / "published" / "warehouse.duckdb"), read_only=True) as con:
        counts = {rule["name"]: con.execute(rule["query"]).fetchall() for rule in queries}

    assert len(counts) > 5
    assert counts == {rule["name"]: [(rule["mustBe"],)] for rule in queries}


@pytest.fixture
def planted(whole: Documents, tmp_path: Path) -> Callable[[Documents], list[Change]]:
    """``planted(documents)``: what they change of ours, both read from files."""

    def written(name: str, documents: Documents) -> Contract:
        (tmp_path / name).mkdir()
        for schema, document in documents.items():
            (tmp_path / name / f"{schema}{odcs.ENDING}").write_text(odcs.text(document))
        return read(tmp_path / name)

    before = written("before", whole)
    return lambda documents: changes(before, written("after", documents))


def column_of(documents: Documents, table: str, column: str) -> dict[str, Any]:
    """A column of a table, to be changed."""
    schema, _, name = table.partition(".")
    item = next(item for item in documents[schema]["schema"] if item["name"] == name)
    return next(line for line in item["properties"] if line["name"] == column)  # type: ignore[no-any-return]  # as written


def test_what_is_exported_and_read_again_changes_nothing(
    planted: Callable[[Documents], list[Change]], whole: Documents, ours: Contract, tmp_path: Path
) -> None:
    """Neither between two exports nor between an export and the declarations."""
    assert planted(copy.deepcopy(whole)) == []
    assert changes(read(tmp_path / "before"), ours) == []


def test_six_planted_changes_are_named_and_nothing_else(
    planted: Callable[[Documents], list[Change]], whole: Documents
) -> None:
    """A table gone, a column renamed, a type narrowed, a unit, a meaning and a key changed; each once."""
    after = copy.deepcopy(whole)
    after["reports"]["schema"] = [item for item in after["reports"]["schema"] if item["name"] != "gtin_matches"]
    column_of(after, "marts.fct_order", "postcode")["name"] = "recipient_area"
    column_of(after, "marts.fct_stock_level", "on_hand_quantity")["physicalType"] = "INTEGER"
    column_of(after, "reports.sla_daily", "on_time_rate")["customProperties"] = [
        {"property": "unit", "value": "percent"}
    ]
    column_of(after, "staging.orders", "is_on_hold")["description"] = "Whether anybody ever held it."
    key = column_of(after, "marts.fct_fulfillment", "cycle_no")
    del key["primaryKey"], key["primaryKeyPosition"]

    assert sorted((change.kind, change.where, change.is_breaking) for change in planted(after)) == [
        ("column renamed", "marts.fct_order.postcode", True),
        ("key changed", "marts.fct_fulfillment", True),
        ("meaning changed", "staging.orders.is_on_hold", True),
        ("table gone", "reports.gtin_matches", True),
        ("type narrowed", "marts.fct_stock_level.on_hand_quantity", True),
        ("unit changed", "reports.sla_daily.on_time_rate", True),
    ]


A = PublishedColumn("VARCHAR", "Code of the warehouse.")
B = PublishedColumn("BIGINT", "Pieces on hand.", True, "pieces")


def one(name: str = "marts.t", currencies: dict[str, str] | None = None, **fields: Any) -> Contract:
    """A contract of one relation, ``a`` and ``b`` unless told otherwise."""
    whole = {"kind": "table", "description": "Goods.", "key": ("a",), "columns": {"a": A, "b": B}, "parameters": {}}
    return Contract("1", {name: Relation(name, **(whole | fields))}, currencies or {})


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (one(), one("reports.t"), [("table renamed", "marts.t", True)]),
        (
            one(),
            one("reports.t", columns={"x": A, "y": B}),
            [("table gone", "marts.t", True), ("table new", "reports.t", False)],
        ),
        (one(), one(columns={"code": A, "b": B}, key=("code",)), [("column renamed", "marts.t.a", True)]),
        (
            one(),
            one(columns={"a": A, "c": B._replace(description="Parcels in transit.")}),
            [("column gone", "marts.t.b", True), ("column new", "marts.t.c", False)],
        ),
        (
            one(),
            one(columns={"a": A, "c": B, "d": B}),
            [
                ("column gone", "marts.t.b", True),
                ("column new", "marts.t.c", False),
                ("column new", "marts.t.d", False),
            ],
        ),
        (one(), one(columns={"a": A, "b": B._replace(is_required=False)}), [("may be missing", "marts.t.b", True)]),
        (one(), one(columns={"a": A._replace(is_required=True), "b": B}), [("always there", "marts.t.a", False)]),
        (one(), one(columns={"a": A, "b": B._replace(type="HUGEINT")}), [("type widened", "marts.t.b", False)]),
        (one(), one(columns={"a": A._replace(type="DATE"), "b": B}), [("type changed", "marts.t.a", True)]),
        (
            one(),
            one(columns={"a": A._replace(treatment="hashed"), "b": B}),
            [("classification changed", "marts.t.a", True)],
        ),
        (one(), one(kind="macro"), [("kind changed", "marts.t", True)]),
        (one(), one(kind="view", description=" goods"), []),
        (
            one(kind="macro", parameters={"day": "DATE"}),
            one(kind="macro", parameters={"day": "DATE", "zone": "VARCHAR"}),
            [("parameters changed", "marts.t", True)],
        ),
        (
            one(currencies={"valuationCurrency": "CZK"}),
            one(currencies={"valuationCurrency": "EUR"}),
            [("currency changed", "valuationCurrency", True)],
        ),
        (one(), one(currencies={"valuationCurrency": "EUR"}), []),
    ],
)
def test_each_kind_of_change_is_told_apart(old: Contract, new: Contract, named: list[tuple[str, str, bool]]) -> None:
    """What was renamed from what is gone, what breaks from what is a promise more; two alike are no evidence."""
    assert sorted((change.kind, change.where, change.is_breaking) for change in changes(old, new)) == named


@pytest.mark.parametrize(
    ("old", "new", "how"),
    [
        ("BIGINT", "BIGINT", "same"),
        ("INTEGER", "BIGINT", "widened"),
        ("UTINYINT", "INTEGER", "widened"),
        ("UBIGINT", "BIGINT", "narrowed"),
        ("BIGINT", "DECIMAL(38,12)", "widened"),
        ("BIGINT", "DECIMAL(18,0)", "narrowed"),
        ("DECIMAL(24,12)", "DECIMAL(38,12)", "widened"),
        ("DECIMAL(24,12)", "DECIMAL(30,10)", "narrowed"),
        ("DECIMAL(38,12)", "DOUBLE", "narrowed"),
        ("TIMESTAMP", "DATE", "narrowed"),
        ("DATE", "TIMESTAMP", "narrowed"),
        ("ENUM('in', 'out')", "ENUM('in', 'out', 'moved')", "widened"),
        ("ENUM('in', 'out')", "ENUM('in')", "narrowed"),
        ("VARCHAR", "ENUM('in')", "narrowed"),
        ("VARCHAR", "VARCHAR[]", "changed"),
        ("BIGINT", "VARCHAR", "changed"),
    ],
)
def test_a_type_is_wide_enough_when_every_value_still_has_a_place(old: str, new: str, how: str) -> None:
    """Whole numbers, digits before and behind the point, words of a list."""
    assert fit(old, new) == how


def test_the_command_exports_and_tells_what_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of all schemas and the same as one text; exit code 0 between them, 1 when something broke, and JSON."""
    # the smallest layer: a command reads what declarations there are
    shutil.copytree(PROJECT / "include" / "sql" / "meta", tmp_path / "sql" / "meta")
    shutil.copy(PROJECT / "include" / "sql" / "columns.yml", tmp_path / "sql")
    monkeypatch.setenv("STOCKBOOK_MODELS_DIR", str(tmp_path / "sql"))
    monkeypatch.setenv("STOCKBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STOCKBOOK_POLICY_DIR", str(PROJECT / "include" / "policy"))
    run = CliRunner().invoke
    folder, text = tmp_path / "contracts", tmp_path / "contracts.yml"

    exported = run(app, ["contract", "export", "--to", str(folder)])
    text.write_text(run(app, ["contract", "export"]).output)
    same = run(app, ["contract", "diff", str(folder), str(text)])
    (folder / "meta.odcs.yaml").unlink()
    broken = run(app, ["contract", "diff", str(text), str(folder), "--json"])
    here = run(app, ["contract", "diff", str(folder)])

    assert exported.exit_code == 0
    assert [line.split(": ")[0].rpartition("/")[2] for line in exported.output.splitlines()] == [
        f"{schema}.odcs.yaml" for schema in SCHEMAS
    ]
    assert (same.exit_code, same.output) == (0, "Nothing that was there is broken.\n")
    written = json.loads(broken.output)
    assert broken.exit_code == 1
    assert written["breaking"] == len(written["changes"]) > 5
    assert {change["kind"] for change in written["changes"]} == {"table gone"}
    assert here.exit_code == 0
    assert "ok  table new: meta.run" in here.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: [", "contract.yml is no data contract in the Open Data Contract Standard"),
        ("version: 1.0.0\nkind: DataContract\nschema: [{physicalName: marts.t}]", "missing required field `name`"),
        ("version: 1.0.0\nkind: Table", "must be of kind DataContract; got 'Table'"),
        ("", "holds no data contract; expected files of `stockbook contract export`"),
    ],
)
def test_what_is_no_contract_is_refused_in_a_sentence(text: str, said: str, tmp_path: Path) -> None:
    """Which file, what was expected and what came."""
    file = tmp_path / "contract.yml"
    file.write_text(text)

    with pytest.raises(ConfigError, match=said):
        read(file)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read(tmp_path / "absent.yml")
