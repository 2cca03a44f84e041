"""A published file with something of everything, and the tools as a client calls them."""

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb
from checkout import PROJECT

from stockbook.analyst.asking import Questions
from stockbook.settings import Settings

if TYPE_CHECKING:
    from mcp import Client

MORE_ROWS = PROJECT / "tests" / "analyst" / "more_rows.sql"
T = TypeVar("T")


def published_with_more(after_a_night: Path, home: Path) -> Path:
    """A home whose published file is that of a night, with rows of what the night has none of."""
    file = home / "published" / "warehouse.duckdb"
    file.parent.mkdir(parents=True)
    shutil.copyfile(after_a_night / "published" / "warehouse.duckdb", file)
    with duckdb.connect(str(file)) as con:
        con.execute(MORE_ROWS.read_text())
    return home


def tiny(home: Path, run_id: str = "r1", rows: int = 3) -> Path:
    """A home whose published file has one table; published in one move, as a night does."""
    file = home / "published" / "warehouse.duckdb"
    file.parent.mkdir(parents=True, exist_ok=True)
    new = home / "new.duckdb"
    with duckdb.connect(str(new)) as con:
        con.execute("create schema meta; create schema marts")
        con.execute("create table meta.current_run (run_id varchar, as_of timestamp, zone varchar)")
        con.execute("insert into meta.current_run values (?, '2026-03-01 02:15:00', 'UTC')", [run_id])
        con.execute("create table marts.m (n bigint, amount decimal(30, 12))")
        con.execute("insert into marts.m select range, range / 8 from range(?)", [rows])
        con.execute("comment on table marts.m is 'Rows that count up. One row per n.'")
    new.replace(file)
    return home


def settings_of(home: Path, **limits: str) -> Settings:
    """Of a home, with limits of the analyst server by the ends of their names."""
    return Settings.load(
        {"STOCKBOOK_HOME": str(home), **{f"STOCKBOOK_MCP_{name}": text for name, text in limits.items()}}
    )


def with_client(settings: Settings, work: Callable[["Client"], Coroutine[Any, Any, T]]) -> T:
    """What ``work`` gives with a client of a server in this process."""
    from mcp import Client

    from stockbook.analyst.server import create

    async def run() -> T:
        with Questions(settings) as questions:
            async with Client(create(settings, questions)) as client:
                return await work(client)

    return asyncio.run(run())


async def answer(client: "Client", tool: str, arguments: Mapping[str, Any]) -> Any:
    """The structured answer of a tool, or the sentence of its refusal."""
    result = await client.call_tool(tool, dict(arguments))
    if result.is_error:
        return result.content[0].text  # type: ignore[union-attr]  # refusals are texts
    return result.structured_content


def beside_another(folder: Path) -> Path:
    """A home with a tiny published file, beside another database."""
    home = tiny(folder / "home")
    (home / "other.duckdb").write_bytes((home / "published" / "warehouse.duckdb").read_bytes())
    return home
