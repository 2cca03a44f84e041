"""Who asks through the analyst server reads what is published, within limits, and reaches nothing else."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from analyst_rig import answer, beside_another, settings_of, tiny, with_client
from refused_statements import REFUSED

from stockbook.analyst import asking
from stockbook.analyst.asking import Questions
from stockbook.analyst.worker import Place
from stockbook.errors import ConfigError
from stockbook.lake_url import LakeUrl
from stockbook.settings import Settings

if TYPE_CHECKING:
    from mcp import Client

# further doors that refused_statements.py has no reason to name
MORE_DOORS = """
from 'x.csv'
from '{folder}/*.parquet'
from parquet_scan('{folder}/x.parquet')
from read_csv('{folder}/secret.csv')
from sqlite_scan('{folder}/x.db', 't')
from postgres_scan('host=127.0.0.1', 'public', 't')
from 'https://127.0.0.1:9/x.csv'
from read_text('/proc/self/environ')
attach '{other}' (type sqlite)
select 1; select 2
select 1; copy (select 1) to '{folder}/out.csv'
with x as (select 1) insert into marts.m select 1, 2
create temp table mine as select 1
create or replace temp view m as select 1
set variable x = 1
use marts
begin transaction
pragma max_memory = '99GB'
pragma threads = 64
set threads = 64
set temp_directory = '/tmp'
set allow_unsigned_extensions = true
reset memory_limit
execute p
explain analyze insert into marts.m values (1, 2)
select * from marts.m where amount = getenv('HOME')
select * from duckdb_extensions()
select nextval('s')
""".strip().splitlines()
LIMITS = {"MEMORY": "64MB", "DISK": "1MB", "KILOBYTES": "20"}
# a query, and the limit that its refusal names
EXHAUSTING = {
    "select count(*) from range(1000000000000)": "SECONDS",
    "with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r": "SECONDS",
    # what DuckDB does not stop when it is interrupted
    "select levenshtein(repeat('a', 200000), repeat('b', 200000))": "SECONDS",
    # what DuckDB does not count
    "select length(repeat('x', 3000000000))": "MEMORY",
    "select list_transform(range(100000000), x -> x * 2)[5]": "MEMORY",
    "select repeat('x', 100000000) from range(1000)": "MEMORY",
    "select sum(length(h)) from (select md5(range::varchar) as h from range(3000000) order by h limit 2900000)": (
        "DISK"
    ),
    "select repeat('x', 300000)": "KILOBYTES",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a tiny published file, beside another database."""
    return beside_another(tmp_path)


def in_words(home: Path, statement: str) -> str:
    """A statement with the paths of this home in it."""
    return statement.format(file=home / "published" / "warehouse.duckdb", other=home / "other.duckdb", folder=home)


def everything_in(home: Path) -> dict[str, bytes]:
    """Every file of a home with its content, and the folders."""
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in home.rglob("*")}


def test_nothing_but_the_published_tables_is_reached(home: Path) -> None:
    """Files, networks, extensions, settings, writing, a second statement: each is refused, and no file is changed."""
    (home / "secret.csv").write_text("a\n1\n")
    statements = [in_words(home, statement) for statement in (*REFUSED, *MORE_DOORS)]
    settings = settings_of(home)
    (home / "tmp" / "readers").mkdir(parents=True)
    before = everything_in(home)

    async def ask_all(client: "Client") -> list[Any]:
        return [await answer(client, "query", {"sql": statement}) for statement in statements]

    answers = with_client(settings, ask_all)

    assert [pair for pair in zip(statements, answers, strict=True) if not isinstance(pair[1], str)] == []
    for statement, said in zip(statements, answers, strict=True):
        assert "\n" not in said, statement
        assert "published" in said or "syntax error" in said, (statement, said)
    assert everything_in(home) == before


@pytest.mark.parametrize("limit", ["SECONDS", "MEMORY", "DISK", "KILOBYTES"])
def test_what_takes_too_much_is_stopped_and_the_next_question_is_answered(
    limit: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sentence names the setting and what to do; nothing is left on the disk."""
    monkeypatch.setattr(asking, "_GRACE_SECONDS", 0.3)
    # a busy machine may need the half second for the question after it
    settings = settings_of(home, **LIMITS | {"SECONDS": "0.5" if limit == "SECONDS" else "60"})
    queries = [query for query, named in EXHAUSTING.items() if named == limit]
    assert queries

    async def ask_all(client: "Client") -> list[tuple[str, Any]]:
        pairs = []
        for query in queries:
            refusal = await answer(client, "query", {"sql": query})
            for _ in range(10):
                after = await answer(client, "query", {"sql": "select max(n) from marts.m"})
                if "STOCKBOOK_MCP_SECONDS" not in after:
                    break
            pairs.append((refusal, after))
        return pairs

    pairs = with_client(settings, ask_all)

    for query, (refusal, after) in zip(queries, pairs, strict=True):
        assert isinstance(refusal, str), query
        assert f"STOCKBOOK_MCP_{limit} ({(LIMITS | {'SECONDS': '0.5'})[limit]})" in refusal, (query, refusal)
        assert after["rows"] == [[2]], query
    assert list((home / "tmp" / "readers").iterdir()) == []


def test_an_answer_says_where_it_was_cut(home: Path) -> None:
    """By rows and by size: so many rows are there, the answer says that there are more, and how to get on."""
    settings = settings_of(home, ROWS="50", KILOBYTES="5")
    wide = "select repeat('x', 900) as text from range(100)"

    async def ask(client: "Client") -> list[Any]:
        return [
            await answer(client, "query", {"sql": "from range(1000000000)"}),
            await answer(client, "query", {"sql": "from range(1000000000)", "rows": 2}),
            await answer(client, "query", {"sql": "from range(50)"}),
            await answer(client, "query", {"sql": wide}),
        ]

    many, two, all_of_them, heavy = with_client(settings, ask)

    assert (many["rows"][-1], many["truncated"]) == ([49], True)
    assert "STOCKBOOK_MCP_ROWS is the limit" in many["next_step"]
    assert (two["rows"], two["truncated"], "ask for up to 50" in two["next_step"]) == ([[0], [1]], True, True)
    assert (len(all_of_them["rows"]), all_of_them["truncated"], all_of_them["next_step"]) == (50, False, None)
    assert (len(heavy["rows"]), heavy["truncated"]) == (5, True)
    assert "STOCKBOOK_MCP_KILOBYTES" in heavy["next_step"]


def test_values_are_exact(home: Path) -> None:
    """Amounts and large numbers are texts, what JSON has no word for too; null stays null, also beside it."""
    query = """
        select 12345678901234567890.123456789012::decimal(38, 12) as amount, 9007199254740993 as large, 7 as small,
            'nan'::double as odd, 0.1::double as tenth, null::decimal(9, 2) as unknown, date '2026-02-28' as day,
            timestamp '2026-02-28 12:00' as at, [1.50::decimal(9, 2)] as list, true as yes, 1::uinteger as yes
    """

    async def ask(client: "Client") -> Any:
        return await answer(client, "query", {"sql": query})

    reply = with_client(settings_of(home), ask)

    assert reply["rows"] == [
        [
            *("12345678901234567890.123456789012", "9007199254740993", 7, "nan", 0.1, None, "2026-02-28"),
            *("2026-02-28 12:00:00", "[1.50]", True, 1),
        ]
    ]
    assert reply["columns"][0] == {"name": "amount", "type": "DECIMAL(38,12)", "unit": None}
    assert reply["sql"] == query


def test_what_is_published_meanwhile_is_seen(home: Path) -> None:
    """Each question opens the newest file: the night it names is the one its rows are of."""

    async def ask(client: "Client") -> list[Any]:
        before = await answer(client, "query", {"sql": "select count(*) from marts.m"})
        tiny(home, "r2", rows=8)
        return [before, await answer(client, "query", {"sql": "select count(*) from marts.m"})]

    before, after = with_client(settings_of(home), ask)

    assert [(a["as_of"][0]["run_id"], a["rows"]) for a in (before, after)] == [("r1", [[3]]), ("r2", [[8]])]
    assert before["definitions"] == [
        {
            "name": "marts.m",
            "kind": "table",
            "definition": "Rows that count up. One row per n.",
            "unit": None,
            "caveats": [],
        }
    ]


def test_the_process_that_asks_has_no_secret(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the environment it gets what Python needs; a token, a key or a password is not among that."""
    monkeypatch.setenv("STOCKBOOK_MCP_TOKEN", "token-that-must-stay-secret")
    monkeypatch.setenv("AIRFLOW_CONN_FULFILLMENT_CZ", "token-that-must-stay-secret")
    with Questions(settings_of(home)) as questions, questions._worker() as worker:
        environ = Path(f"/proc/{worker._process.pid}/environ").read_bytes()

    assert b"PATH=" in environ
    assert b"secret" not in environ
    assert b"STOCKBOOK_" not in environ


def test_more_questions_than_may_be_answered_at_once_wait_and_then_say_so(home: Path) -> None:
    """Nobody's question takes the memory of another's."""
    with Questions(settings_of(home, AT_ONCE="1", SECONDS="0.1")) as questions:
        with questions._worker(), pytest.raises(ConfigError, match=r"STOCKBOOK_MCP_AT_ONCE \(1\) questions"):
            questions.ask("select 1")
        with questions._worker() as free:
            assert not free.has_ended


def test_where_nothing_is_published_the_next_step_is_said(tmp_path: Path) -> None:
    """Every tool that asks the file."""
    calls: dict[str, dict[str, Any]] = {
        "list_metrics": {},
        "describe_metric": {"name": "stock_value"},
        "ask_metric": {"metrics": ["stock_value"]},
        "list_tables": {},
        "describe_table": {"name": "marts.fct_order"},
        "query": {"sql": "select 1"},
    }

    async def ask(client: "Client") -> list[Any]:
        return [await answer(client, tool, arguments) for tool, arguments in calls.items()]

    for said in with_client(settings_of(tmp_path), ask):
        assert "Nothing has been published yet" in said
        assert "Run a night first" in said


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MEMORY", "much"), ("DISK", "4"), ("SECONDS", "0"), ("ROWS", "1.5"), ("KILOBYTES", "x"), ("AT_ONCE", "0")],
)
def test_a_wrong_limit_is_named(variable: str, value: str) -> None:
    """The message names the variable and what it got."""
    with pytest.raises(ConfigError, match=f"STOCKBOOK_MCP_{variable} must be .*{value}"):
        Settings.load({f"STOCKBOOK_MCP_{variable}": value})


def test_a_lake_is_named_to_the_process_whole(tmp_path: Path) -> None:
    """Its address, password and the store's keys go through the pipe, never through a command line."""
    lake = LakeUrl.parse("postgres:dbname=lake host=db password=secret", {"AWS_REGION": "eu"})
    place = Place(settings_of(tmp_path).analyst, tmp_path, lake)
    sent = msgspec.json.decode(
        msgspec.json.encode(place, enc_hook=str), type=Place, dec_hook=lambda _, text: Path(text)
    )

    assert sent == place
