"""Two accounts of different settings, zones and currencies in one lake: tables, views and macros as in their files."""

import shutil
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest
from checkout import PROJECT
from lake_rig import database

from stockbook.declarations import Table
from stockbook.fleet.lake.catalog import PublishedRun
from stockbook.fleet.lake.lake import Lake, data_path
from stockbook.lake_url import LakeUrl
from stockbook.version import VERSION
from stockbook.warehouse.connect import reader

pytest.importorskip("duckdb_extension_ducklake", reason="DuckDB's extensions are not installed: stockbook[fleet]")
# another shop with settings of its own: what depends on them in a view or macro differs from the first's
OTHER = """
update marts.dim_valuation_setting
set
    headline_method = 'fifo', headline_basis = 'bare', valuation_currency = 'EUR', nrv_factor = 0.5,
    day_zone = 'Asia/Tokyo';
update intermediate.account_headline set headline = 'fifo_bare', nrv_factor = 0.5;
update marts.dim_date set date = date + 1;
update marts.fct_stock_balance set quantity = quantity + 1, fifo_bare_value = fifo_bare_value + 7;
update marts.fct_order set order_id = 'x' || order_id where order_id > '8';
update meta.current_run set zone = 'Asia/Tokyo', as_of = as_of + interval 7 hours
"""


@pytest.fixture(scope="module")
def files(home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The published file of a night, and one of another shop made of it."""
    first = home_after_a_night / "published" / "warehouse.duckdb"
    second = tmp_path_factory.mktemp("second") / "warehouse.duckdb"
    shutil.copy(first, second)
    second.chmod(0o600)
    with duckdb.connect(str(second)) as con:
        con.execute(OTHER)
        for (name,) in con.execute(
            "select c.schema_name || '.' || c.table_name from duckdb_columns() as c "
            "semi join duckdb_tables() as t using (schema_name, table_name) where c.column_name = 'account'"
        ).fetchall():
            con.execute(f"update {name} set account = 'second'")
    return {"main": first, "second": second}


@pytest.fixture(scope="module")
def lake(
    server: str, files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A reader of the lake that holds both."""
    folder = tmp_path_factory.mktemp("lake")
    url = LakeUrl.parse(database(server), {})
    publisher = Lake(url, data_path(f"file://{folder}"), folder / "scratch", PROJECT / "include" / "sql")
    for account, file in files.items():
        run = PublishedRun(account, "book", "run", 1, datetime(2026, 3, 1, 2, 15), VERSION)
        publisher.commit(publisher.prepare(file, run), lambda: None)
    with reader(url) as con:
        yield con


def digests(con: duckdb.DuckDBPyConnection, source: str, values: str, account: str) -> dict[str, tuple[int, int]]:
    """Of each account of a relation how many rows it has, and a digest of them; ``account`` is what tells accounts."""
    measured = f"{account}, count(*), sum(cast(hash({{{values}}}) as hugeint))"
    query = f"select {measured} from {source} group by all having count(*) > 0"
    return {owner: (count, total) for owner, count, total in con.execute(query).fetchall()}


def values_of(con: duckdb.DuckDBPyConnection, source: str) -> str:
    """A file's columns as the fields of a struct, with the types that a lake has for them."""
    fields = []
    for name, kind, *_ in con.execute(f"describe select * from {source}").fetchall():
        of_lake = "varchar" if kind.startswith("ENUM") else {"HUGEINT": "decimal(38, 0)"}.get(kind, kind)
        fields.append(f'"{name}": cast("{name}" as {of_lake})')
    return ", ".join(fields)


def test_every_table_and_view_is_that_of_the_file(
    lake: duckdb.DuckDBPyConnection, files: dict[str, Path], tables: dict[str, Table]
) -> None:
    """Row by row, for both accounts; a view that is made of settings has those of its account."""
    of_files: dict[str, dict[str, tuple[int, int]]] = {}
    values: dict[str, str] = {}
    for account, file in files.items():
        with reader(file) as con:
            for (name,) in con.execute(
                "select schema_name || '.' || table_name from duckdb_tables() where schema_name <> 'intermediate' "
                "union all select schema_name || '.' || view_name from duckdb_views() "
                "where not internal and schema_name <> 'intermediate'"
            ).fetchall():
                values[name] = values_of(con, name)
                of_files.setdefault(name, {}).update(digests(con, name, values[name], f"'{account}'"))

    of_lake = {name: digests(lake, name, fields, "account") for name, fields in values.items()}
    assert {name for name in of_files if of_files[name] != of_lake[name]} == set()
    assert of_files.keys() >= {
        table.name for table in tables.values() if table.kind == "view" and table.layer != "intermediate"
    }
    assert len({of_files["marts.dim_valuation_setting"][account] for account in files}) == len(files)


def test_every_macro_is_that_of_the_file(
    lake: duckdb.DuckDBPyConnection, files: dict[str, Path], tables: dict[str, Table]
) -> None:
    """Asked of the lake each macro gives for an account what it gives in the account's own file; they differ."""
    with reader(files["main"]) as con:
        last, known_day = con.execute(
            "select cast(max(moved_at) as date), max(known_from) from marts.fct_stock_movement"
        ).fetchall()[0]
        batches = con.execute("select max(batch_number) from marts.fct_stock_batch").fetchall()[0][0]
    arguments: dict[str, date | str] = {"day": last, "known_day": known_day, "batch": batches or "none"}
    calls = set()
    for macro in tables.values():
        if macro.kind == "macro":
            texts = [f"'{arguments[name]}'::{kind}" for name, kind in macro.parameters.items()]
            calls.add(f"{macro.name}({', '.join(texts)})")
    of_files: dict[str, dict[str, tuple[int, int]]] = {}
    values: dict[str, str] = {}
    for account, file in files.items():
        with reader(file) as con:
            for call in calls:
                values[call] = values_of(con, call)
                of_files.setdefault(call, {}).update(digests(con, call, values[call], f"'{account}'"))

    of_lake = {call: digests(lake, call, values[call], "account") for call in calls}
    assert {call for call in calls if of_files[call] != of_lake[call]} == set()
    assert len(calls) >= 6
    (of_the_day,) = (of_files[call] for call in calls if call.startswith("reports.stock_value_on("))
    assert of_the_day["main"][0] == of_the_day["second"][0] > 0
    assert of_the_day["main"][1] != of_the_day["second"][1]


def test_no_relation_of_a_lake_is_without_account(lake: duckdb.DuckDBPyConnection) -> None:
    """Who joins or filters by account can do so everywhere."""
    without = lake.execute(
        "select schema_name, table_name from duckdb_columns() where database_name = current_database() "
        "group by all having not bool_or(column_name = 'account')"
    ).fetchall()
    assert without == []
