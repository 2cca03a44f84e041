"""The columns that a column is by_table of: of SQL, of programs, of what lies on the wire."""

import json
from pathlib import Path

import duckdb
import pytest
from checkout import PROJECT

from stockbook.declaration_files import load
from stockbook.declarations import Table
from stockbook.errors import ConfigError, DeclarationError
from stockbook.extra_folder import with_extra
from stockbook.lineage import declared, graph, told, wire
from stockbook.lineage.graph import Graph
from stockbook.lineage.inputs import ROWS, Inputs, Ref, Relation, Way
from stockbook.lineage.selects import Selects
from stockbook.models.extra import plan
from stockbook.models.order import steps
from stockbook.sources import field_ledger

MODELS = PROJECT / "include" / "sql"
COPIED, WORKED_OUT, AGGREGATED, SWAYS = Way


@pytest.fixture(scope="module")
def lineage(tables: dict[str, Table]) -> Graph:
    """The lineage of everything there is."""
    return graph.load(MODELS, tables)


def read(sql: str) -> Relation:
    """The relation of a select over staging.a (key: k) and staging.b (key: k, n)."""
    names = {"staging.a": ("k", "x", "y"), "staging.b": ("k", "n", "z", "s")}
    keys = {"staging.a": {"k"}, "staging.b": {"k", "n"}}

    def table(name: str) -> Relation:
        columns: dict[str, Inputs] = {column: {Ref(name, column): COPIED} for column in names[name]}
        return Relation(columns, frozenset({Ref(name, ROWS)}), frozenset({frozenset(keys[name])}))

    with duckdb.connect() as con:
        tree = con.execute(
            "select json_serialize_sql($1::varchar, skip_null := true, skip_empty := true, skip_default := true)", [sql]
        ).fetchall()[0][0]
    return Selects(table, {}, frozenset({"sum", "max_by", "count", "count_star"})).relation(
        json.loads(tree)["statements"][0]
    )


def short(inputs: Inputs) -> dict[str, Way]:
    """Inputs as ``a.x``."""
    return {str(ref).removeprefix("staging."): way for ref, way in inputs.items()}


@pytest.mark.parametrize(
    ("sql", "column", "rows"),
    [
        ("select x as v from staging.a", {"a.x": COPIED}, {"a.*"}),
        ("select x + 1 as v from staging.a", {"a.x": WORKED_OUT}, {"a.*"}),
        ("select x as v from staging.a where y > 1", {"a.x": COPIED}, {"a.*", "a.y"}),
        ("select case when y > 1 then x end as v from staging.a", {"a.x": WORKED_OUT, "a.y": SWAYS}, {"a.*"}),
        ("select sum(x) as v from staging.a group by y", {"a.x": AGGREGATED}, {"a.*", "a.y"}),
        ("select sum(x) filter (where k = 1) as v from staging.a", {"a.x": AGGREGATED, "a.k": SWAYS}, {"a.*"}),
        ("select max_by(x, y) as v from staging.a", {"a.x": AGGREGATED, "a.y": SWAYS}, {"a.*"}),
        ("select count(*) as v from staging.a", {}, {"a.*"}),
        (
            "select sum(x) over (partition by k order by y) as v from staging.a",
            {"a.x": AGGREGATED, "a.k": SWAYS, "a.y": SWAYS},
            {"a.*"},
        ),
        ("select distinct x as v from staging.a", {"a.x": COPIED}, {"a.*", "a.x"}),
        # a left join by the key of its right side decides no rows, by part of a key it does
        (
            "select a.x as v, b.x as w from staging.a as a left join staging.a as b on a.y = b.k",
            {"a.x": COPIED},
            {"a.*"},
        ),
        (
            "select b.x as v from staging.a as a left join staging.a as b on a.y = b.k",
            {"a.x": COPIED, "a.y": SWAYS, "a.k": SWAYS, "a.*": SWAYS},
            {"a.*"},
        ),
        (
            "select a.x as v from staging.a as a left join staging.b as b on a.k = b.k",
            {"a.x": COPIED},
            {"a.*", "b.*", "a.k", "b.k"},
        ),
        (
            "select a.x as v from staging.a as a inner join staging.b as b using (k)",
            {"a.x": COPIED},
            {"a.*", "b.*", "a.k", "b.k"},
        ),
        (
            "select a.x as v from staging.a as a where exists (select 1 from staging.b as b where b.k = a.k)",
            {"a.x": COPIED},
            {"a.*", "b.*", "a.k", "b.k"},
        ),
        ("select (select max(z) from staging.b) as v from staging.a", {"b.z": WORKED_OUT, "b.*": SWAYS}, {"a.*"}),
        ("with c as (select x + y as v from staging.a) from c", {"a.x": WORKED_OUT, "a.y": WORKED_OUT}, {"a.*"}),
        (
            "select x as v from staging.a union all select z from staging.b",
            {"a.x": COPIED, "b.z": COPIED},
            {"a.*", "b.*"},
        ),
        ("select x as v from staging.a except select z from staging.b", {"a.x": COPIED}, {"a.*", "b.*", "a.x", "b.z"}),
        ("select * exclude (k, y) rename (x as v) from staging.a", {"a.x": COPIED}, {"a.*"}),
        ("select columns('^(x)$') + 1 as 'v' from staging.a", {"a.x": WORKED_OUT}, {"a.*"}),
        (
            "select unnest(list_transform(s, lambda e: e + n)) as v from staging.b",
            {"b.s": WORKED_OUT, "b.n": WORKED_OUT},
            {"b.*", "b.s", "b.n"},
        ),
        ("select x as v from staging.a order by y limit 3", {"a.x": COPIED}, {"a.*", "a.y"}),
        (
            "with recursive r(v) as (select x from staging.a union all select z from r join staging.b as b on v = k)"
            " select v from r",
            {"a.x": COPIED, "b.z": COPIED},
            {"a.*", "b.*", "a.x", "b.z", "b.k"},
        ),
    ],
)  # fmt: skip
def test_a_select_tells_what_a_column_is_made_of(sql: str, column: dict[str, Way], rows: set[str]) -> None:
    """The columns in its value, those that only sway it, and those that decide which rows there are."""
    relation = read(sql)
    assert short(relation.columns["v"]) == column
    assert {str(ref).removeprefix("staging.") for ref in relation.rows} == rows


def test_a_name_that_means_nothing_is_no_lineage() -> None:
    """The message names the column; a table of none of ours would have been refused before."""
    with pytest.raises(DeclarationError, match="nothing is no column"):
        read("select nothing from staging.a")


def test_every_select_is_followed_and_every_column_has_its_way(tables: dict[str, Table], lineage: Graph) -> None:
    """All columns of all tables as they are declared, and the tables on the way are those that parsing finds too."""
    by_table = graph.made(MODELS, tables, steps(MODELS, tables), strict=True)
    assert set(tables) <= by_table.keys()
    for name, table in tables.items():
        assert set(table.columns) <= by_table[name].keys(), name
    for step in steps(MODELS, tables):
        for table in step.tables:
            named = {ref.table for inputs in by_table[table.name].values() for ref in inputs if ref.table in by_table}
            assert named <= step.reads | {other.name for other in step.tables}, table.name
            if step.program is None:
                # a table without a column or row in it would not be read
                assert step.reads <= named, table.name
    assert {name: dict(of) for name, of in lineage.tables.items()} == by_table


def test_what_comes_from_outside_is_there(tables: dict[str, Table], lineage: Graph) -> None:
    """Fields of listings and events, headers and files of policies, by the names of the ledger and the folder."""
    ledger = field_ledger.load()
    listed = {tuple(name.split(".")): set(paths) for name, paths in field_ledger.declared(tables).items()}
    events = {system: [*bodies, *ledger.headers.get(system, {})] for system, bodies in ledger.bodies.items()}
    policies = {file.name for file in (PROJECT / "include" / "policy").iterdir()}
    wrong = []
    for ref in {ref for of in lineage.tables.values() for inputs in of.values() for ref in inputs}:
        if ref.table in lineage.tables or ref.table in (wire.RUN, "connection", "signed"):
            continue
        if ref.table == declared.POLICY:
            is_there = ref.column in policies
        elif " " in ref.table:
            is_there = ref.column in listed[tuple(ref.table.split())] or ref.column == "#" or ref.column.endswith("[]")
        else:
            is_there = any(
                path == ref.column or path.startswith((f"{ref.column}.", ref.column)) for path in events[ref.table]
            )
        if not is_there:
            wrong.append(str(ref))
    assert wrong == []


def test_columns_lead_to_the_wire(lineage: Graph) -> None:
    """A town from the order, a due day from policies, the worth of stock from what came in and went out."""
    assert [str(end) for end in lineage.ends(Ref("marts.fct_order", "city"))] == [
        "fulfillment_cz orders.recipient.city"
    ]
    assert [str(end) for end in lineage.ends(Ref("marts.fct_fulfillment", "due_at_utc"))] == [
        "policy.calendar.yml",
        "policy.sla.yml",
    ]
    worth = {str(end) for end in lineage.ends(Ref("reports.stock_ageing", "fifo_landed_value"))}
    assert {"fulfillment_cz movements.price_per_unit", "fulfillment_cz receivings.items[].price_per_unit"} <= worth
    assert lineage.back(Ref("marts.fct_order", "city"))[Ref("staging.orders", "_deleted_at")] is SWAYS


def test_a_program_without_declaration_is_an_error(tables: dict[str, Table], tmp_path: Path) -> None:
    """So is a column that it leaves out, and one that it takes from nowhere."""
    table = tables["intermediate.rate_source"]
    with pytest.raises(DeclarationError, match="rate_source: include/lineage says nothing"):
        declared.relation(table, None, (), {})
    (tmp_path / "channels.yml").write_text("intermediate.rate_source: {columns: {source: money.yml}}")
    with pytest.raises(DeclarationError, match=r"rate_source\.position"):
        declared.relation(table, declared.read(tmp_path)[table.name], (), {})
    (tmp_path / "channels.yml").write_text("intermediate.rate_source: {columns: {source position: staging.orders.no}}")
    with pytest.raises(DeclarationError, match=r"staging\.orders\.no, which is not there"):
        declared.relation(table, declared.read(tmp_path)[table.name], (), {"staging.orders": ["number"]})
    (tmp_path / "channels.yml").write_text("intermediate.rate_source: [1]")
    with pytest.raises(DeclarationError, match=r"channels\.yml"):
        declared.read(tmp_path)


def test_a_users_own_models_have_their_lineage_too(tmp_path: Path) -> None:
    """One as ours are is followed; a pivot, which none of ours has, is swayed by all that it reads."""
    (tmp_path / "sql").mkdir()
    for name, column, sql in (
        ("towns", "town", "select city as town from marts.fct_order where is_cod"),
        ("paid", "cash", "select cash from (pivot (from extra.towns) on town in ('cash') using count(*))"),
    ):
        (tmp_path / "sql" / f"{name}.sql").write_text(sql)
        (tmp_path / "sql" / f"{name}.yml").write_text(
            f"{{table: {name}, description: T., columns: {{{column}: {{type: varchar, description: C.}}}}}}"
        )
    tables = with_extra(MODELS, tmp_path)
    own = graph.load(MODELS, tables, tmp_path)
    assert own.direct(Ref("extra.towns", "town")) == {Ref("marts.fct_order", "city"): COPIED}
    assert [str(end) for end in own.ends(Ref("extra.towns", "town"))] == ["fulfillment_cz orders.recipient.city"]
    assert own.tables["extra.towns"][ROWS].keys() == {Ref("marts.fct_order", ROWS), Ref("marts.fct_order", "is_cod")}
    assert own.tables["extra.paid"] == {
        "cash": {},
        ROWS: {Ref("extra.towns", ROWS): SWAYS, Ref("extra.towns", "town"): SWAYS},
    }
    assert Ref("extra.paid", "cash") in own.onward(Ref("staging.orders", "city"))
    with pytest.raises(DeclarationError, match=r"extra\.paid: its lineage cannot be followed"):
        graph.made(MODELS, tables, list(plan(tmp_path, MODELS, load(MODELS)).steps), strict=True)


def test_a_column_is_told_for_people_and_programs(lineage: Graph) -> None:
    """Step by step to the wire, and who uses it; a misspelt name is answered with those that come near."""
    column = told.column_of(lineage, "marts.fct_order.city")
    text = list(told.as_text(lineage, column))
    assert text[:4] == [
        "marts.fct_order.city",
        "  comes from fulfillment_cz orders recipient.city",
        "  step by step:",
        "    staging.orders.city (as it is)",
    ]
    assert "staging.orders" in next(line for line in text if "swayed besides" in line)
    answer = json.loads(json.dumps(told.as_json(lineage, column)))
    assert answer["comes_from"] == [{"source": "fulfillment_cz orders", "field": "recipient.city"}]
    assert {"table": "staging.orders", "column": "city", "way": "copied"} in answer["back"]
    with pytest.raises(ConfigError, match=r"perhaps .*marts\.fct_order\.city"):
        told.column_of(lineage, "marts.fct_order.citi")
