"""Publishing into the lake: an account's rows exchanged whole, unchanged tables left alone, faults without a trace."""

import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from checkout import PROJECT
from lake_rig import TABLES, LakeRig, database, run_of

from stockbook.errors import CommitUnknown, ConfigError, LakeUnavailable, PublishFailed
from stockbook.fleet.lake import catalog
from stockbook.fleet.lake.maintenance import maintain
from stockbook.lake_url import LakeUrl
from stockbook.version import VERSION
from stockbook.warehouse.readers import reader

NOW = datetime(2026, 3, 9, tzinfo=UTC)
pytest.importorskip("duckdb_extension_ducklake", reason="DuckDB's extensions are not installed: stockbook[fleet]")


@pytest.fixture
def rig(server: str, tmp_path: Path) -> LakeRig:
    """A lake of a test's own, not made yet."""
    return LakeRig.of(database(server), tmp_path)


@pytest.fixture(scope="module")
def first_nights(server: str, tmp_path_factory: pytest.TempPathFactory) -> LakeRig:
    """A lake of two accounts with one night each: to be copied."""
    rig = LakeRig.of(database(server), tmp_path_factory.mktemp("lake"))
    rig.publish("a", 3, unit="kg")
    rig.publish("b", 5, unit="lb")
    return rig


@pytest.fixture
def published(server: str, first_nights: LakeRig, tmp_path: Path) -> LakeRig:
    """A copy of it."""
    return first_nights.copy(server, tmp_path)


def parts(rig: LakeRig) -> dict[str, int]:
    return dict(rig.rows("select account, count(*) from marts.fct_part group by account"))


def files(rig: LakeRig, account: str) -> set[str]:
    """The live tables of an account that have a file, with the file's number."""
    return {
        f"{name} {file}"
        for name, file in rig.catalog(
            "select t.table_name, d.data_file_id from ducklake_data_file as d "
            "join ducklake_table as t using (table_id) join ducklake_file_partition_value as v using (data_file_id) "
            f"where d.end_snapshot is null and v.partition_value = '{account}'"
        )
    }


def test_every_row_is_there_under_its_account(published: LakeRig) -> None:
    """Values of types that a lake has not are the same; a table without accounts gets them; a view is of its file."""
    assert published.rows(
        "select account, part, kind, pieces, tags from marts.fct_part where account = 'b' and part = 4"
    ) == [("b", 4, "screw", 170141183460469231731691, ["a", "b"])]
    assert published.rows("select * from marts.dim_setting order by all") == [("a", "kg", 2), ("b", "lb", 2)]
    assert published.rows("select account, unit, count(*) from reports.parts_with_unit group by all order by all") == [
        ("a", "kg", 3),
        ("b", "lb", 5),
    ]
    assert published.rows("select account, count(*) from reports.parts_of('screw') group by all order by all") == [
        ("a", 3),
        ("b", 5),
    ]
    assert published.rows("select part from marts.fct_part where pieces = 170141183460469231731691") == [(4,)]
    assert published.rows("select count(*) from marts.fct_part where pieces is null or kind is null") == [(0,)]


def test_the_lake_says_what_stands_in_it(published: LakeRig) -> None:
    """A reader finds account, run, book and as-of in meta.published; the publisher finds the same in the catalog."""
    run = run_of("a")

    assert published.lake.published("a") == run
    assert published.lake.published("c") is None
    assert published.rows("select run_id, book, generation, as_of from meta.published where account = 'a'") == [
        (run.run_id, run.book, run.generation, run.as_of)
    ]


def test_what_the_lake_says_is_what_the_contract_names(published: LakeRig) -> None:
    """The columns of meta.published are those of its row in docs/contract.md."""
    contract = (PROJECT / "docs" / "contract.md").read_text()
    (row,) = re.findall(r"^\| `meta\.published` \| (.+) \|$", contract, re.MULTILINE)

    assert [name for name, *_ in published.rows("describe meta.published")] == re.findall(r"`(\w+)`", row)


def test_comments_of_the_declarations_are_there(published: LakeRig) -> None:
    """Of tables and columns, and of a view, which is a table here, too."""
    assert published.rows("select comment from duckdb_tables() where table_name = 'parts_with_unit'") == [
        ("Parts with the unit of the setting. One row per account × part.",)
    ]
    assert published.rows(
        "select comment from duckdb_columns() where table_name = 'fct_part' and column_name = 'pieces'"
    ) == [("How many. Unit: pieces.",)]


def test_only_tables_that_changed_are_written(published: LakeRig) -> None:
    """A quiet night writes what the lake says of it; a changed table is exchanged, one that is empty now goes."""
    before, other = files(published, "a"), files(published, "b")

    published.publish("a", 3, generation=2)
    quiet = files(published, "a")
    published.publish("a", 0, generation=3)

    assert {name.split()[0] for name in quiet - before} == {"published"}
    assert {name.split()[0] for name in quiet - files(published, "a")} == {"published", "fct_part", "parts_with_unit"}
    assert parts(published) == {"b": 5}
    assert files(published, "b") == other


def test_a_refusal_under_the_lock_leaves_everything(published: LakeRig) -> None:
    """Whoever lost the account raises from ``before_commit``: readers see the night before, the lock is free."""
    lake = published.lake
    prepared = lake.prepare(published.file("a", 9), run_of("a", 2))

    def refuse() -> None:
        raise PublishFailed("Taken over.")

    with pytest.raises(PublishFailed, match="Taken over"):
        lake.commit(prepared, refuse)
    assert parts(published) == {"a": 3, "b": 5}
    lake.commit(prepared, lambda: None)
    assert parts(published) == {"a": 9, "b": 5}


def test_what_was_prepared_for_another_lake_is_refused(published: LakeRig) -> None:
    """The account was published meanwhile: what was compared with the night before would leave tables behind."""
    lake = published.lake
    prepared = lake.prepare(published.file("a", 9), run_of("a", 2))
    published.publish("a", 4, generation=3)

    with pytest.raises(PublishFailed, match="changed while this was prepared"):
        lake.commit(prepared, lambda: None)
    assert parts(published)["a"] == 4


def test_rows_of_another_account_are_refused(rig: LakeRig) -> None:
    """A home that holds two accounts would be published under one."""
    with pytest.raises(PublishFailed, match=r"marts\.fct_part of account a holds rows of another account"):
        rig.lake.prepare(rig.file("b", 2), run_of("a"))


def test_eight_publishers_at_once_all_publish(rig: LakeRig) -> None:
    """The first of them makes the lake; nobody conflicts, nobody's rows are lost or doubled."""
    accounts = {f"s{number}": number + 1 for number in range(8)}

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda account: rig.publish(account, accounts[account]), accounts))

    assert parts(rig) == accounts
    assert rig.rows("select count(*) from meta.published") == [(8,)]


def test_a_reader_sees_whole_nights_only(published: LakeRig) -> None:
    """While accounts are published over and over, one look at two tables finds both of one night."""
    done = threading.Event()

    def publish() -> None:
        try:
            for generation in range(2, 8):
                published.publish("a", generation + 2, generation, unit=f"u{generation + 2}")
        finally:
            done.set()

    seen: list[tuple[int, list[str]]] = []
    with ThreadPoolExecutor(1) as pool, reader(published.url) as con:
        publishing = pool.submit(publish)
        while not done.is_set() or len(seen) < 5:
            con.execute("begin transaction")
            counted = con.execute("select count(*) from marts.fct_part where account = 'a'").fetchall()[0][0]
            units = con.execute("select distinct unit from reports.parts_with_unit where account = 'a'").fetchall()
            con.execute("commit")
            seen.append((counted, [unit for (unit,) in units]))
        publishing.result()

    assert [look for look in seen if look[1] != ["kg" if look[0] == 3 else f"u{look[0]}"]] == []
    assert len({look[0] for look in seen}) > 1


def test_a_killed_publisher_leaves_the_lock_and_readers_as_they_were(published: LakeRig, tmp_path: Path) -> None:
    """Killed under the lock, between its statements and the commit; the next one publishes at once."""
    program = """
import os, sys
from pathlib import Path
from lake_rig import LakeRig, run_of
rig = LakeRig.of(sys.argv[1], Path(sys.argv[2]))
prepared = rig.lake.prepare(rig.file("a", 7, name="killed"), run_of("a", 2))
def wait():
    print("locked", flush=True)
    sys.stdin.read()
rig.lake.commit(prepared, wait)
"""
    words = published.url.words
    address = f"postgresql://{words['user']}@{words['host']}:{words['port']}/{words['dbname']}"
    path = os.pathsep.join([str(PROJECT / "plugins"), str(PROJECT / "tests" / "support"), str(PROJECT / "tests")])
    publisher = subprocess.Popen(
        [sys.executable, "-c", program, address, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
    )
    with publisher:
        assert publisher.stdout is not None
        assert publisher.stdout.readline() == b"locked\n"
        publisher.send_signal(signal.SIGKILL)

    assert parts(published) == {"a": 3, "b": 5}
    published.publish("a", 8, generation=2)
    assert parts(published) == {"a": 8, "b": 5}


def cut(rig: LakeRig) -> None:
    """End every session of the lake's database but the one that ends them."""
    rig.catalog(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )


def test_a_connection_cut_before_the_commit_is_no_publish(published: LakeRig) -> None:
    """The commit fails and nobody knows why: the lake is asked, and has the night before."""
    lake = published.lake
    prepared = lake.prepare(published.file("a", 9), run_of("a", 2))

    with pytest.raises(PublishFailed, match="nothing was"):
        lake.commit(prepared, lambda: cut(published))
    assert parts(published)["a"] == 3


@pytest.fixture
def broken_after_commit(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A connection that breaks when the server has committed and not yet said so; with ``away``, for good."""
    ways: list[str] = []
    commit = psycopg.Connection.commit

    def breaking(con: "psycopg.Connection[Any]") -> None:
        commit(con)
        if con.autocommit:
            return
        if ways == ["away"]:
            monkeypatch.setattr(psycopg, "connect", _refused)
        con.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(psycopg.Connection, "commit", breaking)
    return ways


def _refused(*_: object, **__: object) -> None:
    raise psycopg.OperationalError("connection refused")


def test_an_unknown_commit_is_looked_up(published: LakeRig, broken_after_commit: list[str]) -> None:
    """The row of the lake says that it was; where the lake does not answer, nobody guesses."""
    lake = published.lake
    snapshot = lake.commit(lake.prepare(published.file("a", 9), run_of("a", 2)), lambda: None)

    assert published.catalog("select max(snapshot_id) from ducklake_snapshot") == [(snapshot,)]
    assert lake.published("a") == run_of("a", 2)
    prepared = lake.prepare(published.file("a", 10), run_of("a", 3))
    broken_after_commit.append("away")
    with pytest.raises(CommitUnknown, match=r"meta\.published says"):
        lake.commit(prepared, lambda: None)


def test_an_account_is_removed_whole(published: LakeRig) -> None:
    """No row of it is left in any table; it can be published again."""
    published.lake.remove("a")

    assert parts(published) == {"b": 5}
    assert published.rows("select account from meta.published") == [("b",)]
    assert files(published, "a") == set()
    assert published.lake.published("a") is None
    published.publish("a", 2)
    assert parts(published) == {"a": 2, "b": 5}


def test_columns_and_tables_follow_the_program(published: LakeRig) -> None:
    """One that is new is NULL for who has not been published since, one that went is gone, another type is cast."""
    published.publish(
        "a",
        4,
        generation=2,
        marts__fct_part=TABLES["marts.fct_part"].replace("part integer", "part varchar, bin varchar"),
        marts__dim_setting="unit varchar, colour varchar",
        marts__dim_new="n integer",
    )

    assert published.rows("select account, max(part), count(bin) from marts.fct_part group by all order by all") == [
        ("a", "3", 0),
        ("b", "4", 0),
    ]
    assert published.rows("select * from marts.dim_setting order by all") == [
        ("a", "kg", None),
        ("b", "lb", None),
    ]
    assert published.rows("select count(*) from marts.dim_new") == [(0,)]
    published.publish("b", 2, generation=2)
    assert parts(published) == {"a": 4, "b": 2}
    assert "dim_new" not in {name for (name,) in published.rows("select table_name from duckdb_tables()")}


def test_an_earlier_program_is_refused(published: LakeRig) -> None:
    """It would take columns away that the later one writes."""
    published.catalog("update stockbook.lake set program = '99.0.0' returning 1")

    with pytest.raises(ConfigError, match=rf"Stockbook 99\.0\.0, this worker has {VERSION}"):
        published.publish("a", 4, generation=2)


def test_a_catalog_of_another_format_is_refused(published: LakeRig) -> None:
    """What is written into DuckLake's tables is of one version of its specification."""
    published.catalog("update ducklake_metadata set value = '2.0' where key = 'version' returning 1")

    with pytest.raises(ConfigError, match=r"must be of DuckLake 1\.0; it is of 2\.0"):
        published.publish("a", 4, generation=2)


def test_live_files_are_the_files_there_are(published: LakeRig) -> None:
    """After the maintenance of nights that changed everything no other file is left, and rows are as before."""
    for generation in (2, 3, 4):
        published.publish("a", generation + 5, generation, unit=f"u{generation}")
    lake = published.lake
    lake.prepare(published.file("a", 99), run_of("a", 5))  # never committed
    later = datetime.now(UTC) + timedelta(hours=1)

    gone = maintain(published.url, lake.data_path, published.folder, later, keep=timedelta(0), grace=timedelta(0))

    there = {str(file) for file in Path(lake.data_path).rglob("*.parquet")}
    live = {
        f"{lake.data_path}{path}"
        for (path,) in published.catalog(
            "select s.path || t.path || d.path from ducklake_data_file as d "
            "join ducklake_table as t using (table_id) join ducklake_schema as s using (schema_id) "
            "where d.end_snapshot is null"
        )
    }
    assert there == live
    assert gone.snapshots > 3
    assert gone.files > 0
    assert gone.orphans > 0
    assert parts(published) == {"a": 9, "b": 5}
    published.publish("a", 1, generation=6)
    assert parts(published) == {"a": 1, "b": 5}


def test_maintenance_leaves_what_is_being_prepared(published: LakeRig) -> None:
    """A file that is younger than the grace may be committed yet."""
    lake = published.lake
    prepared = lake.prepare(published.file("a", 9), run_of("a", 2))

    maintain(published.url, lake.data_path, published.folder, datetime.now(UTC), keep=timedelta(0))
    lake.commit(prepared, lambda: None)

    assert parts(published) == {"a": 9, "b": 5}


def test_no_error_says_the_password() -> None:
    """Neither DuckDB's nor the driver's, of a catalog that does not answer; nor does an address print itself."""
    url = LakeUrl.parse("postgres:dbname=x host=127.0.0.1 port=1 user=u password=hunter2", {})

    with pytest.raises(LakeUnavailable) as of_driver, catalog.connected(url):
        pass
    with pytest.raises(LakeUnavailable) as of_duckdb, reader(url):
        pass
    for error in (of_driver, of_duckdb):
        assert error.value.__cause__ is None
        assert error.value.__suppress_context__
        assert "hunter2" not in str(error.value)
    assert "hunter2" not in repr(url)


@pytest.mark.parametrize(
    "address",
    [
        "mysql://u@h/d",
        "postgres:host=h",
        "postgres:dbname='x",
        "postgresql://u:hunter2@h:port/d",
        "postgres:dbname=x pw=hunter2",
    ],
)
def test_a_wrong_address_is_refused_and_not_quoted(address: str) -> None:
    """It may hold a password."""
    with pytest.raises(ConfigError, match="STOCKBOOK_LAKE") as error:
        LakeUrl.parse(address, {})
    assert "hunter2" not in str(error.value)


def test_both_ways_to_write_an_address_say_the_same() -> None:
    """As libpq's words, or as an address with its parts escaped."""
    words = LakeUrl.parse("postgres:dbname=d host=h port=5 user=u password='p w'", {})

    assert LakeUrl.parse("postgresql://u:p%20w@h:5/d", {}) == words
    assert words.password == "p w"


def test_a_file_of_other_models_is_refused(published: LakeRig) -> None:
    """What a macro reads of ``intermediate`` is in the lake; a file without it would leave a macro without answers."""
    models = published.folder / "models"
    (models / "intermediate" / "part").mkdir(parents=True)
    (models / "reports" / "part" / "parts_of.sql").write_text(
        "-- Parts of a kind.\nselect account, part from intermediate.part_kind where kind = wanted\n"
    )
    declared = (models / "marts" / "part" / "fct_part.yml").read_text().replace("fct_part", "part_kind")
    (models / "intermediate" / "part" / "part_kind.yml").write_text(declared)
    (models / "intermediate" / "part" / "part_kind.sql").write_text("-- Parts.\nselect 'a' as account, 1 as part\n")

    with pytest.raises(PublishFailed, match=r"has no intermediate\.part_kind"):
        published.publish("a", 4, generation=2)
    published.publish("a", 4, generation=2, intermediate__part_kind="account varchar, part integer, kind varchar")
    assert published.rows("select count(*) from reports.parts_of('screw')") == [(0,)]


def test_a_lake_whose_files_lie_elsewhere_is_refused(published: LakeRig, tmp_path: Path) -> None:
    """A worker with another store would write files that no reader finds."""
    published.store = f"file://{tmp_path}/elsewhere"

    with pytest.raises(ConfigError, match=r"lie in .*/store/lake/, and STOCKBOOK_STORE means .*/elsewhere/lake/"):
        published.publish("a", 4, generation=2)


def test_before_anything_is_published_readers_are_told(rig: LakeRig) -> None:
    """An empty database is no lake yet; the publisher knows that, too."""
    with pytest.raises(ConfigError, match="Nothing has been published into the lake yet"), reader(rig.url):
        pass
    assert rig.lake.published("a") is None
    rig.lake.remove("a")
