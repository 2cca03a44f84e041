"""Readers of a lake ask its tables by the same words as a published file, and reach nothing else."""

import io
import json
from pathlib import Path

import psycopg
import pytest
from lake_rig import LakeRig, database
from refused_statements import ALLOWED as OF_FILES
from refused_statements import REFUSED as REFUSED_OF_FILES
from superset_engine import answers
from typer.testing import CliRunner

import stockbook
from stockbook.analyst.asking import Questions
from stockbook.cli.main import app
from stockbook.cli.printing import Format, Printer
from stockbook.cli.prompt import Prompt
from stockbook.declarations import Table
from stockbook.errors import ConfigError, LakeUnavailable
from stockbook.lake_url import LakeUrl
from stockbook.settings import Settings
from stockbook.warehouse.lake import EXTENSIONS, extension_files
from stockbook.warehouse.readers import reader

pytest.importorskip("duckdb_extension_ducklake", reason="DuckDB's extensions are not installed: stockbook[fleet]")
ROLE, PASSWORD = "lake_reader", "hunter2"
# {file} is a file of the lake, {other} one beside it, {folder} the store's, {catalog} where the catalog is
REFUSED = [
    *REFUSED_OF_FILES,
    *"""
select * from postgres_query('lake', 'select 1')
select * from postgres_query('__ducklake_metadata_lake', 'select 1')
call postgres_execute('__ducklake_metadata_lake', 'create table stolen (n int)')
select * from postgres_scan('{catalog}', 'stockbook', 'published')
select * from postgres_scan_pushdown('{catalog}', 'stockbook', 'published')
select * from postgres_attach('{catalog}')
select * from read_postgres_binary('{file}')
select * from __ducklake_metadata_lake.stockbook.published
select * from "__ducklake_metadata_lake".public.ducklake_data_file
delete from __ducklake_metadata_lake.public.ducklake_snapshot
use __ducklake_metadata_lake
attach '{catalog}' as catalog (type postgres)
attach 'ducklake:postgres:{catalog}' as twice
call ducklake_expire_snapshots('lake', older_than => now())
call ducklake_cleanup_old_files('lake', cleanup_all => true)
call ducklake_add_data_files('lake', 't', '{file}')
call ducklake_set_option('lake', 'data_inlining_row_limit', 9)
from ducklake_list_files('lake', 't')
call pg_clear_cache()
call postgres_configure_pool()
select * from which_secret('s3://bucket/x', 's3')
select * from read_parquet('{file}')
select * from read_parquet('{folder}/../**/*.parquet')
from '{other}'
from 's3://bucket/books/x.parquet'
copy (select 1) to '{folder}/lake/x.parquet'
create secret t (type s3, scope 's3://bucket')
create or replace secret lake_store (type s3, key_id 'a', secret 'b')
create secret p (type postgres, host 'localhost')
drop secret lake_catalog
set s3_endpoint = '127.0.0.1:9'
set http_proxy = '127.0.0.1:9'
set pg_connection_limit = 1
set ducklake_max_retry_count = 1
detach lake
create table lake.marts.u as select 1
create table memory.main.u as select 1
insert into lake.marts.dim_setting values ('a', 'b', 1)
comment on table marts.m is 'x'
""".strip().splitlines(),
]
# of a lake the schema main is empty
ALLOWED = [statement for statement in OF_FILES if "pragma" not in statement]


@pytest.fixture(scope="module")
def rig(server: str, tmp_path_factory: pytest.TempPathFactory) -> LakeRig:
    """A lake with the tables that the statements name, and a role that may read its catalog."""
    rig = LakeRig.of(database(server), tmp_path_factory.mktemp("lake"))
    columns = "account varchar, n integer default 1"
    run = f"{columns}, run_id varchar default 'r', as_of timestamp default '2026-03-01', zone varchar default 'UTC'"
    rig.publish("a", 3, marts__t=columns, marts__m=columns, reports__r=columns, meta__current_run=run)
    rig.publish("b", 5, marts__t=columns, marts__m=columns, reports__r=columns, meta__current_run=run)
    with psycopg.connect(server.removesuffix("postgres") + rig.url.words["dbname"], autocommit=True) as con:
        con.execute(f"create role {ROLE} login password '{PASSWORD}'")
        con.execute(f"grant usage on schema public to {ROLE}; grant select on all tables in schema public to {ROLE}")
    return rig


@pytest.fixture(scope="module")
def address(rig: LakeRig) -> str:
    """The lake as its readers have it."""
    words = rig.url.words
    return (
        f"postgres:dbname={words['dbname']} host={words['host']} port={words['port']} user={ROLE} password={PASSWORD}"
    )


@pytest.fixture(autouse=True)
def environment(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of a reader: nothing of a fleet is set but the lake."""
    monkeypatch.setenv("STOCKBOOK_LAKE", address)
    monkeypatch.setenv("STOCKBOOK_HOME", str(tmp_path))


def in_words(rig: LakeRig, statement: str) -> str:
    """A statement with the paths of this lake in it, and its tables where they are."""
    words = rig.url.words
    file = next(Path(rig.lake.data_path).rglob("*.parquet"))
    return statement.format(
        file=file,
        other=rig.folder / "a.duckdb",
        folder=rig.folder / "store",
        catalog=f"dbname={words['dbname']} host={words['host']} port={words['port']} user={words['user']}",
    )


def everything_in(folder: Path) -> set[Path]:
    return {file for file in folder.rglob("*") if file.is_file()}


def test_the_command_and_the_prompt_refuse_what_is_not_the_lake(rig: LakeRig, tables: dict[str, Table]) -> None:
    """Each statement of the published file's list and of the lake's own, in one sentence; no file or row is made."""
    before, snapshots = everything_in(rig.folder), rig.catalog("select count(*) from ducklake_snapshot")
    refusals: dict[str, str] = {}
    with reader(Settings.load().asked) as con:
        for statement in REFUSED:
            try:
                Printer(io.StringIO(), Format.csv).answer(con, in_words(rig, statement))
            except (ConfigError, LakeUnavailable) as error:
                refusals[statement] = str(error)
        assert con.execute("select count(*) from marts.t").fetchall() == [(2,)]

    assert set(REFUSED) - refusals.keys() == set()
    assert [text for text in refusals.values() if "\n" in text or PASSWORD in text] == []
    assert everything_in(rig.folder) == before
    assert rig.catalog("select count(*) from ducklake_snapshot") == snapshots


def test_ordinary_use_goes_on() -> None:
    """Queries, plans, descriptions, temporary tables, views and macros are answered."""
    with reader(Settings.load().asked) as con:
        for statement in ALLOWED:
            con.execute("use lake.marts")
            Printer(io.StringIO(), Format.csv).answer(con, statement)


def test_the_same_words_read_a_lake(tables: dict[str, Table]) -> None:
    """`stockbook sql`, the prompt and `stockbook.read` give the rows of all accounts."""
    query = "select account, count(*) as n from marts.fct_part group by account order by account"
    answer = CliRunner().invoke(app, ["sql", "--json", query])
    prompt = Prompt(Settings.load().asked, tables, format_=Format.csv)
    prompt.stdout = io.StringIO()
    prompt.onecmd(query + ";")

    assert [json.loads(line) for line in answer.stdout.splitlines()] == [
        {"account": "a", "n": 3},
        {"account": "b", "n": 5},
    ]
    assert prompt.stdout.getvalue() == "account,n\na,3\nb,5\n"
    assert stockbook.read("marts.fct_part", where="account = ?", values=["b"])["part"].tolist() == [0, 1, 2, 3, 4]
    assert len(stockbook.read("reports.parts_of", wanted="screw")) == 8
    with pytest.raises(ConfigError, match=r"Nothing published is called 'marts\.part'; there are .*marts\.fct_part"):
        stockbook.read("marts.part")


def test_a_named_home_is_read_and_not_the_lake(tmp_path: Path) -> None:
    """Whoever names a folder means it."""
    with pytest.raises(ConfigError, match="Nothing is published in"):
        stockbook.read("marts.fct_part", home=tmp_path)


def test_the_role_of_readers_sees_the_catalog_only(address: str) -> None:
    """What the publisher keeps for itself is refused by the server too, and nothing can be written."""
    url = LakeUrl.parse(address, {})
    with psycopg.connect(**dict(url.words), password=url.password, autocommit=True) as con:  # type: ignore[arg-type]
        for statement in (
            "select * from stockbook.published",
            "delete from ducklake_snapshot",
            "create table t (n int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                con.execute(statement)


def test_superset_reads_the_lake_in_the_same_cage(rig: LakeRig, address: str, tmp_path: Path) -> None:
    """Its own engine refuses each statement too, and answers what readers may ask; its address has no password."""
    count = "select account, count(*) from reports.parts_with_unit group by account"
    statements = [in_words(rig, statement) for statement in REFUSED]
    of_lake = {"STOCKBOOK_LAKE": address, EXTENSIONS: extension_files()}
    refusal_by_statement, printed = answers("lake:", [*statements, count], tmp_path, of_lake)

    assert [statement for statement in statements if refusal_by_statement[statement] is None] == []
    assert refusal_by_statement[count] is None
    assert PASSWORD not in printed


def test_assistants_are_answered_from_the_lake(rig: LakeRig) -> None:
    """With rows of all accounts, the night of each, and what the tables are; the catalog stays closed to them."""
    with Questions(Settings.load()) as questions:
        answer = questions.ask("select account, sum(n) as n from marts.t group by all order by all")
        with pytest.raises(ConfigError, match="catalog is not for readers"):
            questions.ask("from __ducklake_metadata_lake.public.ducklake_data_file")

    assert [account for account, _ in answer.rows] == ["a", "b"]
    assert {current["account"] for current in answer.current} == {"a", "b"}
    assert list(answer.tables) == ["marts.t"]
