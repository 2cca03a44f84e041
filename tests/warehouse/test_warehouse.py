"""Models in order, built side by side; publishing by rename."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
from checkout import PROJECT

from stockbook import declaration_files
from stockbook.clock import ManualClock
from stockbook.declaration_files import SHARED_TEXTS
from stockbook.declarations import Table
from stockbook.errors import ConfigError, DeclarationError, ModelFailed, PublishFailed, RunLocked, WarehouseDamaged
from stockbook.models.build import build
from stockbook.models.order import steps
from stockbook.models.programs import BuildContext
from stockbook.models.reads import reads_of
from stockbook.progress import Silent
from stockbook.settings import Settings
from stockbook.warehouse.connect import BLOCK, STORAGE, for_questions, held_open, let_go, spare_threads, writer
from stockbook.warehouse.publish import publish, published_as_of
from stockbook.warehouse.readers import reader
from stockbook.warehouse.rewriting import rewrite
from stockbook.warehouse.schema import create_all

AS_OF = datetime(2026, 3, 1, 2, 15)


def declare(
    folder: Path,
    layer: str,
    name: str,
    sql: str | None,
    columns: str = "n: {type: bigint, description: A number.}",
    **more: str,
) -> None:
    """Write a model into a folder of models."""
    (folder / layer).mkdir(parents=True, exist_ok=True)
    lines = [
        f"table: {name}",
        f"description: The {name}.",
        "columns:",
        f"  {columns}",
        *(f"{k}: {v}" for k, v in more.items()),
    ]
    (folder / layer / f"{name}.yml").write_text("\n".join(lines) + "\n")
    if sql is not None:
        (folder / layer / f"{name}.sql").write_text(sql)


def context(tables: dict[str, Table], run_id: str = "r1") -> BuildContext:
    """A build as of the first of March."""
    return BuildContext(AS_OF, run_id, ZoneInfo("Europe/Prague"), PROJECT / "include" / "policy", tables)


def with_meta(folder: Path) -> None:
    """Put the declarations of meta into a folder of models, with the texts they share."""
    for name in ("meta", SHARED_TEXTS):
        (folder / name).symlink_to(PROJECT / "include" / "sql" / name)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder of models that has the declarations of meta."""
    folder = tmp_path / "sql"
    folder.mkdir()
    with_meta(folder)
    return folder


def test_a_model_comes_after_what_it_reads(models: Path) -> None:
    """The order is found from the selects, through macros and views too."""
    declare(models, "reports", "a_last", "select n from reports.of_day(date '2026-01-01')", kind="view")
    declare(
        models,
        "reports",
        "of_day",
        "select n from marts.middle where day is not null",
        kind="macro",
        parameters="{day: date}",
    )
    declare(models, "marts", "middle", "with own as (select n from intermediate.z_first) select n from own")
    declare(models, "intermediate", "z_first", "select 1 as n from meta.current_run, range(3) as numbers(i)")

    order = [step.name for step in steps(models, declaration_files.load(models))]

    assert order == ["intermediate.z_first", "marts.middle", "reports.of_day", "reports.a_last"]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select n from marts.nobody", "reads marts.nobody, which no declaration describes"),
        ("select n from movements", "reads movements without a schema"),
        ("select n frm marts.a", "cannot be parsed as one select"),
        ("select n from marts.twin", "in a ring"),
    ],
)
def test_a_model_that_cannot_be_placed_is_named(models: Path, sql: str, message: str) -> None:
    """What it reads must be declared, qualified, parsable and no circle."""
    declare(models, "marts", "twin", "select n from marts.a")
    declare(models, "marts", "a", sql)

    with pytest.raises(DeclarationError, match=message):
        steps(models, declaration_files.load(models))


def test_a_select_without_a_declaration_is_refused(models: Path) -> None:
    """A .sql nobody described is an error, not a table without a comment."""
    declare(models, "marts", "a", "select 1 as n")
    (models / "marts" / "stray.sql").write_text("select 1")

    with pytest.raises(DeclarationError, match=r"marts\.stray has a \.sql but no declaration"):
        steps(models, declaration_files.load(models))


def test_ctes_and_functions_are_no_tables() -> None:
    """Only qualified names count as reads."""
    sql = "with a as (select * from staging.orders) select * from a, range(5) t(i) join marts.x on true"
    assert reads_of(sql, "t") == {"staging.orders", "marts.x"}


@pytest.mark.parametrize("sql", ["select 1; select 2", "delete from marts.x", "", "-- nothing"])
def test_what_is_not_one_select_is_refused(sql: str) -> None:
    """Two statements, none, or one that changes something: no model."""
    with pytest.raises(DeclarationError, match="t cannot be parsed as one select"):
        reads_of(sql, "t")


def test_comments_follow_their_declarations(models: Path, con: duckdb.DuckDBPyConnection, clock: ManualClock) -> None:
    """A build writes every comment that is not the declaration's, also of tables that no build makes anew."""
    texts = """
        select table_name, comment from duckdb_tables() union all select table_name || column_name, comment
        from duckdb_columns() where schema_name in ('meta', 'marts') order by all
    """
    declare(models, "marts", "a", "select 1 as n")
    build(con, models, context(declaration_files.load(models)), clock, Silent())
    before = con.execute(texts).fetchall()
    assert ("an", "A number.") in before
    con.execute("comment on table meta.run is null; comment on column meta.run.status is 'by hand'")

    build(con, models, context(declaration_files.load(models)), clock, Silent())

    assert con.execute(texts).fetchall() == before


def test_a_file_that_is_held_open_can_be_let_go(tmp_path: Path) -> None:
    """Steps write to it all the same; who opens it in another way can once it is let go, and steps go on."""
    settings = Settings.load({"STOCKBOOK_HOME": str(tmp_path / "home")})
    rows = "select count(*) from t"
    with held_open(settings):
        with writer(settings) as con:
            con.execute("create table t as select 1 as n")
        with pytest.raises(duckdb.ConnectionException):
            duckdb.connect(str(settings.warehouse), read_only=True)
        let_go(settings.warehouse)
        with duckdb.connect(str(settings.warehouse), read_only=True) as con:
            assert con.execute(rows).fetchall() == [(1,)]
        with writer(settings) as con:
            con.execute("insert into t values (2)")
    with duckdb.connect(str(settings.warehouse), read_only=True) as con:
        assert con.execute(rows).fetchall() == [(2,)]


def test_a_small_file_is_worked_on_by_one_thread_and_stays_open_for_questions(tmp_path: Path) -> None:
    """Who asks a file that is held open sees what steps wrote; a table of more than a row group takes all threads."""
    settings = Settings.load({"STOCKBOOK_HOME": str(tmp_path / "home"), "STOCKBOOK_THREADS": "2"})
    threads = "select current_setting('threads')"
    with held_open(settings):
        with writer(settings) as con:
            con.execute("create table t as from range(122_881)")
            spare_threads(con)
            assert con.execute(threads).fetchall() == [(2,)]
            con.execute("create or replace table t as from range(122_880)")
            spare_threads(con)
            assert con.execute(threads).fetchall() == [(1,)]
        with for_questions(settings.warehouse) as con:
            assert con.execute("select count(*) from t").fetchall() == [(122_880,)]
        with writer(settings) as con:
            assert con.execute(threads).fetchall() == [(1,)]
    with for_questions(settings.warehouse) as con, pytest.raises(duckdb.InvalidInputException, match="read-only"):
        con.execute("drop table t")


def test_a_file_that_is_held_open_is_opened_again_after_a_step_that_spilled(tmp_path: Path) -> None:
    """DuckDB refuses another folder for what does not fit into memory once it has used one; no step names another."""
    home = tmp_path / "home"
    settings = Settings.load({"STOCKBOOK_HOME": str(home), "STOCKBOOK_MEMORY_LIMIT": "128MB"})
    with held_open(settings):
        with writer(settings) as con:
            con.execute("create temp table t as select range as n, random() as r from range(20_000_000)")
            assert list((home / "tmp").iterdir())
        with writer(settings) as con:
            assert con.execute("select 1").fetchall() == [(1,)]


def test_an_error_inside_a_file_that_is_held_open_is_judged_of_the_closed_file(tmp_path: Path) -> None:
    """What is wrong with a query stays DuckDB's error: no step calls the file damaged because it is held."""
    settings = Settings.load({"STOCKBOOK_HOME": str(tmp_path / "home")})
    with pytest.raises(duckdb.IOException, match="gone"), held_open(settings), writer(settings) as con:
        con.execute("select * from read_csv('/gone/*.csv')")


def test_a_table_may_become_a_view_and_a_view_a_table(
    models: Path, con: duckdb.DuckDBPyConnection, clock: ManualClock
) -> None:
    """A warehouse built by an earlier version, where a model was of the other kind, is built all the same."""
    for number, (a, b) in enumerate((("table", "view"), ("view", "table"), ("table", "view"))):
        folder = models.parent / f"version{number}"
        folder.mkdir()
        with_meta(folder)
        declare(folder, "marts", "a", f"select {number} as n", kind=a)
        declare(folder, "marts", "b", f"select {number} + 10 as n", kind=b)
        build(con, folder, context(declaration_files.load(folder)), clock, Silent())

        assert con.execute("select a.n, b.n from marts.a, marts.b").fetchall() == [(number, number + 10)]

    assert con.execute("select table_name from duckdb_tables() where schema_name = 'marts'").fetchall() == [("a",)]


@pytest.mark.parametrize("walkers", [1, 2])
def test_a_build_that_fails_names_the_model_and_the_next_one_makes_all_anew(
    models: Path, home: Settings, clock: ManualClock, walkers: int
) -> None:
    """What it made before stands beside what was there, and nobody can publish that."""
    other, healed = models.parent / "other", models.parent / "healed"
    for folder, number, last in ((models, 1, "n"), (other, 2, "cast('x' as bigint)"), (healed, 3, "n")):
        if folder != models:
            folder.mkdir()
            with_meta(folder)
        declare(folder, "marts", "a", f"select {number} as n from range(2)")
        declare(folder, "marts", "b", f"select {last} as n from marts.a")
    with writer(home) as con:
        build(con, models, context(declaration_files.load(models)), clock, Silent(), walkers)
    with pytest.raises(ModelFailed, match=r"marts\.b could not be built: Conversion Error"), writer(home) as con:
        build(con, other, context(declaration_files.load(other), "r2"), clock, Silent(), walkers)

    with pytest.raises(PublishFailed, match="holds the figures of a build that did not end, not of run 'r2'"):
        publish(home, "r2")
    with writer(home) as con:
        assert con.execute("select a.n, b.n from marts.a positional join marts.b").fetchall() == [(2, 1), (2, 1)]
        built = build(con, healed, context(declaration_files.load(healed), "r3"), clock, Silent(), walkers)
        assert con.execute("select sum(a.n), sum(b.n) from marts.a cross join marts.b").fetchall() == [(12, 12)]
    assert list(built) == ["marts.a", "marts.b"]
    publish(home, "r3")


def test_a_mart_has_its_declared_columns_in_their_order(
    models: Path, con: duckdb.DuckDBPyConnection, clock: ManualClock
) -> None:
    """Columns are matched by name and cast to the declared type; comments come from the declaration."""
    columns = "b: {type: 'decimal(9, 2)', description: Money., unit: CZK}\n  a: {type: bigint, description: A number.}"
    declare(models, "marts", "t", "select 1 as a, 2.5 as b", columns=columns)
    build(con, models, context(declaration_files.load(models)), clock, Silent())

    written = con.execute(
        "select column_name, data_type, comment from duckdb_columns() where table_name = 't' order by column_index"
    ).fetchall()
    assert written == [("b", "DECIMAL(9,2)", "Money. Unit: CZK."), ("a", "BIGINT", "A number.")]


def test_every_model_of_the_project_builds_on_an_empty_warehouse(
    tables: dict[str, Table], con: duckdb.DuckDBPyConnection, clock: ManualClock
) -> None:
    """Before the first order there are no rows and no errors, and every table and column has its comment."""
    build(con, PROJECT / "include" / "sql", context(tables), clock, Silent())

    bare = con.execute("""
        select schema_name || '.' || table_name as name from duckdb_tables()
        where comment is null and schema_name in ('staging', 'intermediate', 'marts', 'meta')
        union all
        select schema_name || '.' || table_name || '.' || column_name from duckdb_columns()
        where comment is null and schema_name in ('staging', 'intermediate', 'marts', 'reports', 'meta')
    """).fetchall()
    assert [name for (name,) in bare if "quarantine" not in name] == []


@pytest.fixture
def home(tmp_path: Path, tables: dict[str, Table]) -> Settings:
    """A home whose writer's file holds run r1 with one mart."""
    settings = Settings.load({"STOCKBOOK_HOME": str(tmp_path / "home")})
    with writer(settings) as con:
        create_all(con, tables)
        con.execute("insert into meta.current_run values ('r1', '2026-03-01 02:15', 'Europe/Prague')")
        con.execute("insert into meta.cursor by name select 'main' as account, 'orders' as listing")
        con.execute("create table marts.t as select 1 as n")
    return settings


def test_a_published_file_is_the_writers_file(home: Settings) -> None:
    """Readers find the marts and the run they are of; nothing else lies beside the file."""
    assert published_as_of(home) is None

    publish(home, "r1")

    assert published_as_of(home) == AS_OF
    with reader(home.published) as con:
        assert con.execute("select n from marts.t").fetchall() == [(1,)]
    assert [file.name for file in home.published.parent.iterdir()] == ["warehouse.duckdb"]


def test_the_copy_is_told_before_it_is_published(home: Settings) -> None:
    """It is all there then, and nobody opens it yet; a copy of another run is not even made."""
    seen: list[tuple[bool, int]] = []

    def once_copied(copy: Path) -> None:
        with reader(copy) as con:
            seen.append((home.published.exists(), con.execute("select n from marts.t").fetchall()[0][0]))

    publish(home, "r1", once_copied=once_copied)
    with pytest.raises(PublishFailed):
        publish(home, "r2", once_copied=once_copied)

    assert seen == [(False, 1)]


def test_an_open_reader_keeps_its_night(home: Settings) -> None:
    """Publishing renames: who reads the old file goes on reading it, and leaves no lock in the way."""
    publish(home, "r1")
    with duckdb.connect(str(home.published), read_only=True) as old:
        with writer(home) as con:
            con.execute("update marts.t set n = 2")
            con.execute("update meta.current_run set run_id = 'r2'")
        publish(home, "r2")
        assert old.execute("select n from marts.t").fetchall() == [(1,)]

    with reader(home.published) as new:
        assert new.execute("select n from marts.t").fetchall() == [(2,)]


def test_figures_of_another_run_are_not_published(home: Settings) -> None:
    """A run whose models were not built cannot publish somebody else's."""
    with pytest.raises(PublishFailed, match="holds the figures of run 'r1', not of run 'r2'"):
        publish(home, "r2")

    assert not home.published.exists()


def test_what_a_killed_publish_left_is_removed(home: Settings) -> None:
    """A half-written copy of an earlier attempt is not there afterwards."""
    home.published.parent.mkdir(parents=True)
    (home.published.parent / "r0.duckdb.tmp").write_bytes(b"half")

    publish(home, "r1")

    assert [file.name for file in home.published.parent.iterdir()] == ["warehouse.duckdb"]


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The error says which folder must be writable."""
    (tmp_path / "file").write_text("")
    settings = Settings.load({"STOCKBOOK_HOME": str(tmp_path / "file")})

    with pytest.raises(ConfigError, match="STOCKBOOK_HOME must be a folder that can be written"), writer(settings):
        pytest.fail("a file was opened as a folder")


def test_a_file_that_is_no_database_is_named(home: Settings) -> None:
    """A damaged writer's file is an error that names it."""
    home.warehouse.write_bytes(b"no database" * 1000)

    with pytest.raises(WarehouseDamaged, match=r"warehouse\.duckdb cannot be opened.*stockbook repair"), writer(home):
        pytest.fail("a text file was opened as a database")


def test_reading_before_the_first_night_says_so(tmp_path: Path) -> None:
    """The error names the file that is expected and what to do."""
    with pytest.raises(ConfigError, match="Nothing has been published yet"), reader(tmp_path / "warehouse.duckdb"):
        pytest.fail("a file that is not there was opened")


def test_a_second_writer_is_refused(home: Settings) -> None:
    """Another process that has the writer's file open is told of in one sentence."""
    import subprocess
    import sys

    program = (
        f"import duckdb, sys; c = duckdb.connect({str(home.warehouse)!r}); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(RunLocked, match="only one run at a time"), writer(home):
            pytest.fail("two writers had the file open")
        process.stdin.close()


def test_a_column_declared_since_a_home_was_made_appears(tables: dict[str, Table]) -> None:
    """Tables of meta and staging that an earlier version made get their new columns, NULL in the rows they have."""
    declared = {name: table for name, table in tables.items() if table.layer == "meta" or table.is_staged}
    # its one row says who wrote the file: test_home_0_1
    del declared["meta.file_format"]
    with duckdb.connect() as con:
        create_all(con, tables)
        for name, table in declared.items():
            con.execute(f"insert into {name} by name select null as {next(iter(table.columns))}")
            con.execute(f"alter table {name} drop column {list(table.columns)[-1]}")

        create_all(con, tables)

        for name, table in declared.items():
            assert con.execute(f"select {list(table.columns)[-1]} from {name}").fetchall() == [(None,)], name


@pytest.mark.parametrize("is_old", [False, True], ids=["new", "of an earlier version"])
def test_a_file_is_stored_as_later_versions_of_duckdb_store_it(tmp_path: Path, is_old: bool) -> None:
    """A new file is, and stays so when it is written anew; one of an earlier version is from then on."""
    settings = Settings.load({"STOCKBOOK_HOME": str(tmp_path)})
    if is_old:
        duckdb.connect(str(settings.warehouse)).close()
    with writer(settings) as con:
        con.execute("create table numbers as select 1 as n")
        assert (stored(con) == (f"{STORAGE}+", BLOCK)) is not is_old

    rewrite(settings, settings.warehouse, lambda _: True, lambda: None)

    with writer(settings) as con:
        assert stored(con) == (f"{STORAGE}+", BLOCK)
        assert con.execute("from numbers").fetchall() == [(1,)]


def stored(con: duckdb.DuckDBPyConnection) -> tuple[str, int]:
    """The version of DuckDB from which on the open file can be read, and the bytes of a block of it."""
    form = "select tags['storage_version'] from duckdb_databases() where database_name = current_database()"
    sizes = "select block_size from pragma_database_size() where database_name = current_database()"
    (row,) = con.execute(f"select ({form}), ({sizes})").fetchall()
    return row[0], row[1]
