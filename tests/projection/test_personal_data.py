"""Personal data end to end: it comes over the wire in every way it can, and is found in no byte that was written."""

import hmac
import json
import logging
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import zstandard
from cryptography.fernet import Fernet
from night_rig import KEY, Rig, nights_before

from stockbook.clock import ManualClock, SystemClock
from stockbook.errors import StockbookError
from stockbook.landing.pages import write_page
from stockbook.progress import Logged
from stockbook.projection.personal import HIDDEN, hashed, is_plain
from stockbook_sandbox import Running, Shop, running
from stockbook_sandbox.people import MARK, pieces_in

FIRST, SECOND = nights_before(datetime(2025, 11, 20, 2, 15), 2)
PERSON = f"{MARK}anna {MARK}ova, +420707912345"

# Personal data where nobody expects it: in fields of no declaration, as a key, under a declared name of another
# type, in an object where a value is declared.
STRAY: list[dict[str, Any]] = [
    {
        "kind": "replace",
        "path": "*/orders",
        "find": '"currency_id"',
        "text": f'"contact":{{"who":"{PERSON}","{PERSON}":["{PERSON}"]}},"currency_id"',
    },
    {
        "kind": "replace",
        "path": "*/product-categories",
        "find": '"parent"',
        "text": f'"{PERSON}":"{PERSON}","parent"',
        "count": 1,
    },
    {
        "kind": "replace",
        "path": "*/warehouse-variants",
        "find": '"available_quantity":1,',
        "text": f'"available_quantity":"{PERSON}","was":1,',
    },
]

SECRET = f"{MARK}-secret-of-a-header"
# A secret in every header that servers, proxies and gateways are known to send.
HEADERS: list[dict[str, Any]] = [
    {"kind": "header", "find": name, "text": SECRET}
    for name in ("Set-Cookie", "X-Api-Key", "X-Auth-Token", "Authorization", "X-Request-Id", "Server", "ETag",
                 "Location", "WWW-Authenticate", "X-Forwarded-For", "Link")
]  # fmt: skip

# Faults that make a night red, with a person in what the source says.
RED: dict[str, list[dict[str, Any]]] = {
    "an error page quotes a person": [
        {"kind": "status", "status": 404, "path": "*/orders", "text": f'{{"code":404,"message":"{PERSON}"}}'}
    ],
    "a failure that stays quotes a person": [
        {"kind": "status", "status": 400, "path": "*/products", "text": f"<html>{PERSON}</html>"}
    ],
    "the content type is a person": [{"kind": "content_type", "path": "*/deliveries", "text": f"text/{MARK}"}],
    "a person where an object is declared": [
        {"kind": "replace", "path": "*/orders", "find": '"recipient":', "text": f'"recipient":"{PERSON}","was":'}
    ],
    "a person where a number is declared": [
        {
            "kind": "replace",
            "path": "*/warehouse-movements",
            "find": '"variant_id":',
            "text": f'"variant_id":"{PERSON}","was":',
        }
    ],
    "a person where the key is": [
        {"kind": "replace", "path": "*/warehouse-preloads", "find": '"id":', "text": f'"id":"{PERSON}","was":'}
    ],
    "a person where the code is": [
        {"kind": "replace", "path": "*/products", "find": '"code":200', "text": f'"code":"{PERSON}"'}
    ],
}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A small shop whose every order has a person in every field."""
    with running(Shop.small(seed=29), FIRST) as served:
        yield served


def findings(home: Path, secrets: list[bytes]) -> set[tuple[str, bytes]]:
    """Where a piece of personal data or a secret is under a folder: in any byte, page or table."""
    hits = set()

    def look(place: str, content: bytes) -> None:
        hits.update((place, piece) for piece in pieces_in(content))
        hits.update((place, secret) for secret in secrets if secret in content)

    for file in home.rglob("*"):
        name = str(file.relative_to(home))
        look(name, name.encode())
        if not file.is_file():
            continue
        content = file.read_bytes()
        look(name, zstandard.ZstdDecompressor().decompress(content) if file.suffix == ".zst" else content)
        if file.suffix == ".duckdb":
            # strings in the file may be compressed: what readers see is searched too
            for table, rows in contents(file):
                look(f"{name}: {table}", rows)
    return hits


def contents(file: Path) -> Iterator[tuple[str, bytes]]:
    """Every table of a DuckDB file as text."""
    with duckdb.connect(str(file), read_only=True) as con:
        tables = con.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
        for (table,) in tables:
            yield table, repr(con.execute(f"from {table}").fetchall()).encode()


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    """In a plain file, a compressed page, a table, a file's name."""
    (tmp_path / "log.txt").write_text(f"says {PERSON}")
    (tmp_path / f"{MARK}.txt").touch()
    write_page(tmp_path, 1, f'{{"note":"{PERSON}"}}\n'.encode(), 1)
    with duckdb.connect(str(tmp_path / "w.duckdb")) as con:
        con.execute(f"create table t as select 'secret-token' as name, '{PERSON}' as who from range(5000)")

    places = {place for place, _ in findings(tmp_path, [b"secret-token"])}

    assert {"log.txt", f"{MARK}.txt", "page-00001.ndjson.zst", "w.duckdb: main.t"} <= places
    assert ("w.duckdb: main.t", b"secret-token") in findings(tmp_path, [b"secret-token"])


@pytest.mark.slow
def test_no_personal_data_is_written_anywhere(
    server: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Not under the home, not in a log, not in an error, after a green night over people in every field, under stray
    values and failing answers, and after red nights whose answers quote a person.
    """
    caplog.set_level(logging.DEBUG)
    home = tmp_path / "home"
    fernet = Fernet.generate_key()
    extra: dict[str, Any] = {
        "client_id": "app",
        "refresh_token": f"{server.token}-refresh",
        "token_url": f"{server.url}/token",
    }
    connection = {
        "conn_type": "http",
        "host": server.url,
        "extra": {"sandbox": True, "requests_per_second": 0, **extra},
    }
    rotating = {"AIRFLOW_CONN_FLICKROCKET": json.dumps(connection), "STOCKBOOK_FERNET_KEY": fernet.decode()}
    rig = Rig(
        server,
        home,
        {"STOCKBOOK_QUARANTINE_SHARE": "0.2", **rotating},
        clock=ManualClock(datetime(2025, 11, 19, 1, 15, tzinfo=UTC)),
        progress=Logged(SystemClock()),
    )
    server.faults([*STRAY, {"kind": "status", "probability": 0.05, "text": PERSON}, *HEADERS])
    rig.night(FIRST, name="stray")
    assert all(rule["hits"] for rule in server.fault_hits())
    quarantined = rig.rows("select count(*) from staging.quarantine where table_name = 'stock_levels'")
    undeclared = rig.rows("select path from meta.undeclared_field order by 1")

    errors = []
    rig.variables = rotating
    for minute, (name, rules) in enumerate(RED.items()):
        server.faults([*rules, *HEADERS])
        with pytest.raises(StockbookError) as red:  # each as of another minute: none takes what another landed
            rig.night(SECOND + timedelta(minutes=minute), name=f"red {name}")
        errors.append("".join(traceback.format_exception(red.value)))
    server.faults([])

    # every token the sandbox gives out begins with its first one
    secrets = [KEY.encode(), server.token.encode(), fernet, SECRET.encode()]
    assert list(home.glob("state/*.db"))
    assert server.requests()["POST /token"] >= 1
    assert quarantined[0][0] > 0
    assert ("contact",) in undeclared
    assert sum("#" in path for (path,) in undeclared) == 2
    assert findings(home, secrets) == set()
    messages = "\n".join([caplog.text, *errors]).encode()
    assert len(caplog.records) > 50
    assert pieces_in(messages) == set()
    assert not any(secret in messages for secret in secrets)


@pytest.mark.parametrize(
    "text",
    ["", "12", "-0.50", "1e-7", "2025-11-20", "2025-11-20 02:15:00", "2025-11-20T02:15:00+01:00", "True", "null"],
)
def test_a_number_or_a_time_as_text_lands_as_it_came(text: str) -> None:
    """The wire sends both; their declared type is cast from the text."""
    assert is_plain(text)


@pytest.mark.parametrize("size", [1, 16, 63, 64, 65, 200])
def test_a_value_is_hashed_as_the_contract_says(size: int) -> None:
    """HMAC-SHA256 with a key of any length, over the trimmed text in small letters."""
    key = bytes(range(1, size + 1))
    for text in ("a", " Žižkov 14 ", "TUVA@secret.example", "x" * 300):
        expected = hmac.digest(key, text.strip().lower().encode(), "sha256").hex()
        assert hashed(text, key) == expected


@pytest.mark.parametrize("text", ["Anna", "anna@example.com", "12 Long Street", "E-12", "T", "yes", "1" * 40])
def test_another_text_does_not_land_where_none_is_declared(text: str) -> None:
    """It could be anybody's data; a mark that breaks the declaration lands instead."""
    assert not is_plain(text)
    assert not is_plain(HIDDEN)
