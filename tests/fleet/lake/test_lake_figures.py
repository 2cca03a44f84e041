"""Two accounts of different settings, zones and currencies in one lake: tables, views and macros as in their files."""

import shutil
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest
from checkout import PROJECT
from fleet_rig import connections
from lake_rig import database
from night_rig import Rig
from shared_home import FIRST

from stockbook.declarations import Table
from stockbook.fleet.lake.catalog import PublishedRun
from stockbook.fleet.lake.lake import Lake, data_path
from stockbook.lake_url import LakeUrl
from stockbook.night import steps
from stockbook.version import VERSION
from stockbook.warehouse.connect import reader
from stockbook_sandbox import Shop, running

pytest.importorskip("duckdb_extension_ducklake", reason="DuckDB's extensions are not installed: stockbook[fleet]")
# what the second account's policies say otherwise: what depends on them in a view or macro differs from the first's
OTHERWISE = {
    "valuation.yml": {
        "method: average": "method: fifo",
        "basis: landed": "basis: bare",
        "valuation_currency: CZK": "valuation_currency: EUR",
        "nrv_factor: 1\n": "nrv_factor: 0.5\n",
        "day_zone: Europe/Prague": "day_zone: Asia/Tokyo",
    },
    "money.yml": {"reporting_currency: CZK": "reporting_currency: EUR"},
}


def policies(folder: Path) -> Path:
    """The project's policies, with what is otherwise."""
    shutil.copytree(PROJECT / "include" / "policy", folder)
    for name, changes in OTHERWISE.items():
        text = (folder / name).read_text()
        for before, after in changes.items():
            assert before in text
            text = text.replace(before, after)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def files(home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The published file of a night, and that of another shop's night with other policies, in another zone."""
    folder = tmp_path_factory.mktemp("second")
    with running(Shop.small(seed=12), FIRST) as server, pytest.MonkeyPatch.context() as patch:
        of_account = {f"{name}__SECOND": text for name, text in connections(server).items()}
        settings = {"STOCKBOOK_ZONE": "Asia/Tokyo", "STOCKBOOK_POLICY_DIR": str(policies(folder / "policy"))}
        # checks change no row
        patch.setattr(steps, "check", lambda *_: None)
        rig = Rig(server, folder / "home", of_account | settings)
        rig.night(FIRST, accounts=["second"])
    return {"main": home_after_a_night / "published" / "warehouse.duckdb", "second": rig.settings.published}


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
    settings = lake.execute(
        "select account, headline_method, valuation_currency, day_zone, reporting_currency "
        "from marts.dim_valuation_setting inner join marts.dim_money_setting using (account) order by all"
    ).fetchall()
    assert settings == [
        ("main", "average", "CZK", "Europe/Prague", "CZK"),
        ("second", "fifo", "EUR", "Asia/Tokyo", "EUR"),
    ]


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
    arguments["closed_month"] = last.replace(day=1)
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
    assert min(of_the_day["main"][0], of_the_day["second"][0]) > 0


def test_no_relation_of_a_lake_is_without_account(lake: duckdb.DuckDBPyConnection) -> None:
    """Who joins or filters by account can do so everywhere."""
    without = lake.execute(
        "select schema_name, table_name from duckdb_columns() where database_name = current_database() "
        "group by all having not bool_or(column_name = 'account')"
    ).fetchall()
    assert without == []
