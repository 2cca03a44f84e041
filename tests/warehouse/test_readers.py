"""Readers of the published file reach that file and nothing else, through every door, and never without end."""

import ast
import io
import json
import os
import subprocess
from pathlib import Path

import duckdb
import pytest
from checkout import PROJECT

import stockbook
from stockbook.cli.printing import Format, Printer
from stockbook.cli.prompt import Prompt
from stockbook.declarations import Table
from stockbook.errors import ConfigError
from stockbook.settings import Limits, Settings
from stockbook.warehouse.connect import reader

# {file} is the published file, {other} another database, {folder} a folder outside
REFUSED = """
select * from read_text('/etc/passwd')
select * from read_csv('/etc/passwd')
select * from read_csv_auto('/etc/passwd')
select * from read_blob('{file}')
select * from read_json('/etc/passwd')
select * from read_ndjson_objects('/etc/passwd')
select * from read_parquet('http://127.0.0.1:9/x.parquet')
select * from read_parquet('{folder}/*.parquet')
select * from parquet_metadata('/etc/passwd')
select * from read_duckdb('{other}')
select * from glob('/etc/*')
select * from sniff_csv('/etc/passwd')
from '/etc/passwd'
from '{other}'
from '{folder}/x.csv'
from 's3://bucket/x.parquet'
from "read_text"('/etc/passwd')
from READ_TEXT /* a comment */ ('/etc/passwd')
from query('from read_text(''/etc/passwd'')')
from query('from enable_' || 'logging()')
from query_table('{file}')
from json_execute_serialized_sql(json_serialize_sql('select 1'))
select getenv('HOME')
copy (select 1) to '{folder}/out.csv'
copy (select 1) to '{file}'
copy (select 1) to '{file}.wal'
copy (select 1) to '/dev/stdout'
copy t from '/etc/passwd'
explain analyze copy (select 1) to '{folder}/out.csv'
explain (analyze, format json) copy (select 1) to '{folder}/out.csv'
prepare p as copy (select 1) to '{folder}/out.csv'
export database '{folder}/exported'
import database '{folder}'
pragma import_database('{folder}')
copy from database warehouse to memory
attach '{other}'
attach '{other}' as other (read_only)
attach ':memory:' as scratch
attach 'x.db' (type sqlite)
detach warehouse
install httpfs
load httpfs
load '{folder}/evil.duckdb_extension'
update extensions
set memory_limit = '9GB'
set global threads = 64
set enable_external_access = true
set lock_configuration = false
set temp_directory = '{folder}'
set max_temp_directory_size = '900GB'
set home_directory = '{folder}'
set secret_directory = '{folder}'
set log_query_path = '{folder}/log'
set profiling_output = '{folder}/profile'
set custom_extension_repository = 'http://127.0.0.1:9'
reset memory_limit
pragma memory_limit = '9GB'
pragma enable_profiling
call enable_logging(storage = 'file', storage_path = '{folder}/logs')
select * from enable_logging(storage = 'file', storage_path = '{folder}/logs')
select * from enable_profiling(save_location = '{folder}/profile')
create temp macro door() as table from enable_logging(storage = 'file', storage_path = '{folder}/logs')
select * from duckdb_secrets()
create secret s (type s3, key_id 'a', secret 'b')
create persistent secret s (type http)
select * from which_secret('s3://x', 's3')
select * from arrow_scan(1, 2, 3)
select * from pandas_scan(1)
force checkpoint
checkpoint
vacuum
create table u as select 1
insert into t values (1)
update t set n = 2
delete from t
drop table t
alter table t add column m int
create schema s
select * from frame
""".strip().splitlines()

ALLOWED = [
    "select n from t",
    "from t",
    "explain select n from t",
    "explain analyze select n from t",
    "describe t",
    "summarize t",
    "show tables",
    "show all tables",
    "pragma table_info('t')",
    "select * from duckdb_tables()",
    "create temp table mine as select n from t; insert into mine values (2); select sum(n) as s from mine",
    "create temp view seen as select n from t; from seen",
    "create temp macro twice(x) as 2 * x; select twice(n) as n from t",
    "create temp macro up_to(x) as table from range(x); from up_to(3)",
    "set variable wanted = 1; select n from t where n = getvariable('wanted')",
    "use marts; select * from m",
    "with q as (select 1 as query) select query from q",
    "select * from range(3), unnest([1, 2])",
    "select 'read_text(''/etc/passwd'')' as text -- glob('x')",
    "pivot t on n using count(*)",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a small published file, beside another database."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "published").mkdir()
    for file in (folder / "published" / "warehouse.duckdb", folder / "other.duckdb"):
        with duckdb.connect(str(file)) as con:
            con.execute("create table t as select 1 as n; create schema reports; create schema marts")
            con.execute("create table reports.r as select 1 as n; create table marts.m as select 1 as n")
    return folder


def published(home: Path) -> Path:
    return home / "published" / "warehouse.duckdb"


def in_words(home: Path, statement: str) -> str:
    """A statement with the paths of this home in it."""
    return statement.format(file=published(home), other=home / "other.duckdb", folder=home)


def everything_in(home: Path) -> dict[str, bytes]:
    """Every file of a home with its content."""
    return {str(file): file.read_bytes() for file in home.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def answers_of_superset(home: Path) -> dict[str, str | None]:
    """What Superset's own engine raises for each statement, None when it answers."""
    python = PROJECT / ".venv-bi" / "bin" / "python"
    if not python.exists():
        pytest.skip("needs Superset in .venv-bi: `make test` installs it")
    program = """
import json, os, sys
sys.path.insert(0, os.environ["BI_FOLDER"])
from sqlalchemy import create_engine, pool
import doors
doors.use()
frame = __import__("pandas").DataFrame({"secret": [1]})
engine = create_engine(f"duckdb:///{sys.argv[1]}", poolclass=pool.NullPool)
told = {}
for statement in json.load(sys.stdin):
    con = engine.raw_connection()
    try:
        cursor = con.cursor()
        cursor.execute(statement)
        cursor.fetchall()
        told[statement] = None
    except Exception as error:
        told[statement] = f"{type(error).__name__}: {error}"
    finally:
        con.close()
print(json.dumps(told))
"""
    statements = [in_words(home, statement) for statement in REFUSED] + ALLOWED
    ended = subprocess.run(
        [str(python), "-c", program, str(published(home))],
        input=json.dumps(statements),
        capture_output=True,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "BI_FOLDER": str(PROJECT / "bi" / "superset"),
            "BI_HOME": str(home),
            "BI_PACKAGE": str(PROJECT / "plugins" / "stockbook"),
        },
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    answers: dict[str, str | None] = json.loads(ended.stdout.splitlines()[-1])
    return answers


def asked_by_command(home: Path, statement: str, tables: dict[str, Table]) -> str:
    """As ``stockbook sql`` asks; raises what the command turns into a sentence."""
    out = io.StringIO()
    with reader(published(home), Settings.load({"STOCKBOOK_HOME": str(home)}).limits) as con:
        Printer(out, Format.csv).answer(con, statement)
    return out.getvalue()


def asked_by_prompt(home: Path, statement: str, tables: dict[str, Table]) -> str:
    prompt = Prompt(published(home), tables)
    prompt.stdout = io.StringIO()
    prompt.onecmd(statement.partition(" --")[0] + ";")
    return prompt.stdout.getvalue()


def test_every_door_refuses_what_is_not_the_published_file(home: Path, tables: dict[str, Table]) -> None:
    """The command, the prompt and `read` refuse each statement in one sentence, and no file is changed or made."""
    before = everything_in(home)
    frame = duckdb.sql("select 1 as secret").to_arrow_table()
    assert len(REFUSED) >= 30

    statements = [in_words(home, statement) for statement in REFUSED]
    with reader(published(home), Settings.load({"STOCKBOOK_HOME": str(home)}).limits) as con:
        for statement in statements:
            with pytest.raises(ConfigError) as refused:
                Printer(io.StringIO(), Format.csv).answer(con, statement)
            assert "\n" not in str(refused.value), statement
    for statement in statements:
        answer = asked_by_prompt(home, statement, tables)
        assert "cannot be answered" in answer or "not for readers" in answer, (statement, answer)
    asked_within = [text for text in statements if text.startswith(("select", "from"))]
    for within in [*(f"n in ({text})" for text in asked_within), f"n = 1; copy t to '{home}/x'", "n = 1; checkpoint"]:
        with pytest.raises(ConfigError):
            stockbook.read("reports.r", where=within, home=home)

    assert frame.num_rows == 1
    assert everything_in(home) == before


def test_superset_refuses_them_too(
    home: Path, tables: dict[str, Table], answers_of_superset: dict[str, str | None]
) -> None:
    """Superset's own engine, as its SQL Lab uses it: every statement is refused, and what readers may ask is not."""
    refused = {statement: answers_of_superset[in_words(home, statement)] for statement in REFUSED}

    assert [statement for statement, answer in refused.items() if answer is None] == []
    assert [
        (statement, answers_of_superset[statement]) for statement in ALLOWED if answers_of_superset[statement]
    ] == []


def test_ordinary_use_goes_on(home: Path, tables: dict[str, Table]) -> None:
    """Queries, plans, descriptions, temporary tables, views and macros are answered by command and prompt."""
    for statement in ALLOWED:
        asked_by_command(home, statement, tables)
        answer = asked_by_prompt(home, statement, tables)
        assert "cannot be answered" not in answer
        assert "not for readers" not in answer
    assert stockbook.read("reports.r", where="n in (select n from t)", home=home)["n"].tolist() == [1]


def test_a_query_over_the_time_limit_is_interrupted(home: Path) -> None:
    """The sentence names the setting; a short query after it is answered by a new reader."""
    endless = "select count(*) from range(1000000000000)"

    with (
        pytest.raises(ConfigError, match="longer than STOCKBOOK_READER_SECONDS allows and was interrupted"),
        reader(published(home), Limits(seconds=0.2)) as con,
    ):
        Printer(io.StringIO(), Format.csv).answer(con, endless)
    with reader(published(home), Limits(seconds=0.2)) as con:
        assert con.execute("select n from t").fetchall() == [(1,)]


def test_a_sort_larger_than_memory_spills_and_one_larger_than_the_disk_says_so(home: Path, tmp_path: Path) -> None:
    """What does not fit into memory goes to a folder of this reader and is gone afterwards; the limit is a sentence."""
    sort = "create temp table big as select hash(range)::varchar as h from range(1500000) order by h; select 1 as one"
    small = Limits(memory="64MB", spill=tmp_path / "spill")
    out = io.StringIO()

    with reader(published(home), small) as con:
        Printer(out, Format.csv).answer(con, sort)
        assert list((tmp_path / "spill").iterdir())
    assert list((tmp_path / "spill").iterdir()) == []
    assert out.getvalue().endswith("one\n1\n")
    with (
        pytest.raises(ConfigError, match="STOCKBOOK_READER_MEMORY and STOCKBOOK_READER_DISK"),
        reader(published(home), Limits(memory="32MB", disk="1MB", spill=tmp_path / "spill")) as con,
    ):
        Printer(out, Format.csv).answer(con, sort)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("STOCKBOOK_READER_MEMORY", "much"), ("STOCKBOOK_READER_SECONDS", "-1"), ("STOCKBOOK_READER_DISK", "4")],
)
def test_a_wrong_limit_is_named(variable: str, value: str) -> None:
    """The message names the variable and what it got."""
    with pytest.raises(ConfigError, match=f"{variable} must be .*{value}"):
        Settings.load({variable: value})


# what may open DuckDB by itself, and why it is no way for readers
OPENS = {
    "stockbook/warehouse/connect.py": "the one place",
    "stockbook/warehouse/lake.py": "in memory: the lake is attached to it, and locked in for readers",
    "stockbook/warehouse/file_errors.py": "reads every block of a file that could not be read",
    "stockbook/checks/run.py": "asks the declared checks of the writer's file",
    "stockbook_sandbox/replayed_demand.py": "in memory: reads the order history its operator names",
    "stockbook/models/reads.py": "in memory: its parser says what a select reads",
    "stockbook/valuation/program.py": "in memory: compiles the replay once",
}


def test_one_module_opens_duckdb() -> None:
    """No other module calls `duckdb.connect` or a query of the module itself, but those named with their reason."""
    opening = set()
    root = PROJECT / "plugins"
    for file in root.rglob("*.py"):
        for call in (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)):
            name = call.func
            if isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name) and name.value.id == "duckdb":
                if name.attr in ("connect", "sql", "execute", "query", "read_csv", "read_parquet", "read_json"):
                    opening.add(str(file.relative_to(root)))
            elif isinstance(name, ast.Name) and name.id == "connect" and "from duckdb import" in file.read_text():
                opening.add(str(file.relative_to(root)))

    assert opening == OPENS.keys()
