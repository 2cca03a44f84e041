"""
Two accounts of different settings, zones and currencies in one lake, their months closed by different workers.

Tables, views and macros are those of their files; what is signed of the one is not the other's.
"""

import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import duckdb
import psycopg
import pytest
from checkout import PROJECT
from fleet_rig import Site, connections, databases, move_in, variables
from night_rig import Rig, leave_out_checks
from shared_home import FIRST
from typer.testing import CliRunner

from stockbook.cli.main import app
from stockbook.closing.landed import Close
from stockbook.declarations import Table
from stockbook.errors import CloseRefused, LakeUnavailable, RunLocked, StoreUnavailable
from stockbook.fleet.closing import close_account, verify_accounts
from stockbook.fleet.control import Book
from stockbook.fleet.lake.lake import Lake
from stockbook.fleet.store import Store
from stockbook.lake_url import LakeUrl
from stockbook.warehouse.readers import reader
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
        "\nwrite_down:\n": "\nwrite_down: [{version: a, rules: [{applies_to: age, days: 30, factor: 0.5}]}]\n",
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
def homes(home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The home of a night, and that of another shop's night with other policies, in another zone."""
    folder = tmp_path_factory.mktemp("second")
    with running(Shop.small(seed=12), FIRST) as server, pytest.MonkeyPatch.context() as patch:
        of_account = {f"{name}__SECOND": text for name, text in connections(server).items()}
        settings = {"STOCKBOOK_ZONE": "Asia/Tokyo", "STOCKBOOK_POLICY_DIR": str(policies(folder / "policy"))}
        leave_out_checks(patch.setattr)
        rig = Rig(server, folder / "home", of_account | settings)
        rig.night(FIRST, accounts=["second"])
    return {"main": home_after_a_night, "second": rig.home}


@pytest.fixture(scope="module")
def site(server: str, homes: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A fleet of both accounts, each published."""
    folder = tmp_path_factory.mktemp("fleet")
    listed = folder / "accounts.yml"
    policy_dir = homes["second"].parent / "policy"
    listed.write_text(f"accounts: {{main: {{}}, second: {{zone: Asia/Tokyo, policy_dir: {policy_dir}}}}}\n")
    environ = variables(folder, f"file://{folder}/store", *databases(server, "figures", "figures_lake"))
    environ |= {"STOCKBOOK_ACCOUNTS": f"file:{listed}", "STOCKBOOK_THREADS": "1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, text in environ.items():
            patch.setenv(name, text)
        site = Site(environ, folder)
        for account, home in homes.items():
            move_in(site.fleet(), account, home)
        yield site


class Standing(NamedTuple):
    """What there is of an account for others to see: where its books are, and the files that the lake has of it."""

    book: Book
    files: frozenset[str]


def standing(site: Site, account: str) -> Standing:
    """Of now."""
    with psycopg.connect(site.environ["STOCKBOOK_LAKE"]) as con:
        paths = con.execute(
            "select path from ducklake_data_file where end_snapshot is null and path like %s", [f"account={account}/%"]
        ).fetchall()
    return Standing(site.fleet().control.books()[account], frozenset(path for (path,) in paths))


class Signed(NamedTuple):
    """What was said of each close, and how the other account stood before and after it."""

    said: list[str]
    others: list[tuple[Standing, Standing]]


@pytest.fixture(scope="module")
def signed(site: Site) -> Signed:
    """September of the account main closed by one worker, its October by another, and the second account's October."""
    signed = Signed([], [])
    for worker, account, month in (("a", "main", "2025-09"), ("b", "main", "2025-10"), ("b", "second", "2025-10")):
        other = "second" if account == "main" else "main"
        before = standing(site, other)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("STOCKBOOK_SCRATCH", str(site.folder / f"worker-{worker}"))
            done = CliRunner().invoke(
                app, ["close", month, "--account", account, "--by", f"Jana of {account}"], catch_exceptions=False
            )
        assert done.exit_code == 0, done.output
        signed.said.append(done.output)
        signed.others.append((before, standing(site, other)))
    return signed


@pytest.fixture(scope="module")
def files(site: Site, signed: Signed) -> dict[str, Path]:
    """The published file of each account, as the last worker has it."""
    assert signed.said
    return {name: site.folder / "worker-b" / name / "published" / "warehouse.duckdb" for name in ("main", "second")}


@pytest.fixture(scope="module")
def lake(site: Site, files: dict[str, Path]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A reader of the lake that holds both."""
    assert files
    with reader(LakeUrl.parse(site.environ["STOCKBOOK_LAKE"], {})) as con:
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
    arguments |= {"closed_month": last.replace(day=1), "is_again": "false"}
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


def closes_of(site: Site, *accounts: str) -> list[Close]:
    """The closes of accounts, whole everywhere."""
    verdicts = verify_accounts(site.fleet(), accounts)
    assert [text for verdict in verdicts for text in verdict.problems] == []
    return [close for verdict in verdicts for close in verdict.closes]


def test_signing_one_account_leaves_the_other_alone(site: Site, signed: Signed) -> None:
    """No pointer and no file of the other's moves; each has a chain of its own, whichever worker signed."""
    assert [before == after for before, after in signed.others] == [True, True, True]
    first, second, alone = closes_of(site, "main", "second")
    assert (first.close_id, second.close_id, alone.close_id) == ("main/2025-09/1", "main/2025-10/1", "second/2025-10/1")
    assert (first.previous_digest, second.previous_digest, alone.previous_digest) == (None, first.digest, None)
    for said, close in zip(signed.said, (first, second, alone), strict=True):
        assert f"Signed by Jana of {close.account}: close {close.close_id}, digest {close.digest}." in said


def test_each_account_is_signed_by_its_own_rules(lake: duckdb.DuckDBPyConnection, site: Site) -> None:
    """Currency, zone and write-down of a close are those of its account, whose rules alone the lake has for it."""
    closes = lake.execute(
        "select account, max(valuation_currency), max(day_zone), sum(write_down) > 0, sum(closing_value) > 0 "
        "from marts.fct_period_close inner join marts.fct_period_close_line using (account, close_id) "
        "group by account order by account"
    ).fetchall()
    assert closes == [
        ("main", "CZK", "Europe/Prague", False, True),
        ("second", "EUR", "Asia/Tokyo", True, True),
    ]
    rules = lake.execute("select account, count(*) from marts.dim_write_down_rule group by account").fetchall()
    for account, count in rules:
        file = site.folder / "worker-b" / account / "published" / "warehouse.duckdb"
        with reader(file) as con:
            assert con.execute("select count(*) from marts.dim_write_down_rule").fetchall() == [(count,)]


def test_what_was_altered_in_the_lake_is_named(site: Site, signed: Signed) -> None:
    """`close verify` compares the lake's copy too; another account's lines are not this one's."""
    assert signed.said
    with psycopg.connect(site.environ["STOCKBOOK_LAKE"]) as con:
        hidden = con.execute(
            """
            update ducklake_data_file set end_snapshot = begin_snapshot
            where
                end_snapshot is null and path like 'account=main/%'
                and table_id in (select table_id from ducklake_table where table_name = 'fct_period_close')
            returning data_file_id
            """
        ).fetchall()
        con.commit()
        [main, second] = verify_accounts(site.fleet(), ["main", "second"])
        con.execute(
            "update ducklake_data_file set end_snapshot = null where data_file_id = any(%s)", [[i for (i,) in hidden]]
        )
    assert main.problems == [
        f"main/{month}/1 is not in the lake: it comes with the next night." for month in ("2025-09", "2025-10")
    ]
    assert second.problems == []


def test_what_cannot_be_closed_keeps_no_other_from_it(site: Site, signed: Signed) -> None:
    """Without an account all are closed, each for itself; those that are not are named, and the command ends with 1."""
    assert signed.said
    done = CliRunner().invoke(app, ["close", "2025-10", "--by", "Eva"])
    assert done.exit_code == 1
    lines = [line for line in done.output.splitlines() if line.startswith("NO ")]
    assert [line.split(":")[0] for line in lines] == ["NO  main", "NO  second"]
    assert all("is closed already" in line for line in lines)
    unknown = CliRunner().invoke(app, ["close", "2025-10", "--account", "third", "--by", "Eva"])
    assert "no account third in this fleet: expected one of main, second" in str(unknown.exception)
    nameless = CliRunner().invoke(app, ["close", "2025-11"])
    assert "say who with --by NAME" in str(nameless.exception)


def test_a_night_under_way_is_not_closed_into(site: Site, signed: Signed) -> None:
    """Between its steps nobody holds the account, and the close is refused all the same; a red night is over."""
    assert signed.said
    fleet = site.fleet()
    log = fleet.run_log
    log.begin("under-way", ["main"])
    log.note("under-way", "main", "read", "extract")
    with pytest.raises(RunLocked, match=r"night of account main is under way.*fleet run --name under-way"):
        close_account(fleet, "main", {"month": "2025-10", "by": "Eva"}, is_dry=False)
    log.note("under-way", "main", "red", "books", "a check")
    with pytest.raises(CloseRefused, match="closed already"):
        close_account(fleet, "main", {"month": "2025-10", "by": "Eva"}, is_dry=False)


AGAIN = {"month": "2025-10", "by": "Eva", "supersede": True, "reason": "once more"}


def fails(error: Exception) -> Callable[..., None]:
    """A function that raises it."""

    def failing(*_: object) -> None:
        raise error

    return failing


def test_what_fails_before_it_is_saved_signed_nothing(
    site: Site, signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that takes nothing: no pointer moves, so the next worker knows nothing of it."""
    assert signed.said
    before = standing(site, "second")
    with monkeypatch.context() as patch:
        patch.setattr(Store, "put", fails(StoreUnavailable("away")))
        with pytest.raises(StoreUnavailable):
            close_account(site.fleet(), "second", AGAIN, is_dry=False)
    assert standing(site, "second") == before


def test_a_close_that_readers_do_not_see_yet_is_signed(
    site: Site, signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lake that is away: it says so, and `verify` until the next night; nothing more is signed on what nobody saw."""
    assert signed.said
    with monkeypatch.context() as patch:
        patch.setattr(Lake, "prepare", fails(LakeUnavailable("away")))
        said = close_account(site.fleet(), "second", AGAIN, is_dry=False)
    assert said.sentences[-1] == "It is signed, and not everybody sees it before the next night: away"
    [verdict] = verify_accounts(site.fleet(), ["second"])
    assert [close.close_id for close in verdict.closes] == ["second/2025-10/1", "second/2025-10/2"]
    assert {text.partition(": ")[0] for text in verdict.problems} >= {
        f"second/2025-10/2 is not in {where}" for where in ("the published file", "the lake")
    }
    with pytest.raises(CloseRefused, match="second/2025-10/2 is signed and not in the published file: run a night"):
        close_account(site.fleet(), "second", AGAIN, is_dry=False)
