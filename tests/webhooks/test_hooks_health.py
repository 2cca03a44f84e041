"""What health says of receiver, inbox, disk and last night: each by itself, and 503 when no event could be taken."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hooks_rig as hooks
import pytest
import requests
from hooks_rig import Receiving, receiving

from stockbook.clock import ManualClock
from stockbook.connections import SOURCES, from_environment
from stockbook.health import parts as whole
from stockbook.runs import report
from stockbook.runs.report import Report
from stockbook.settings import Settings
from stockbook.webhooks import health
from stockbook.webhooks.app import Desk, create_app

NOW = datetime(2026, 3, 5, 6, 0, tzinfo=UTC)


def answer_of(app: Any, path: str) -> tuple[int, Any]:
    """Status and JSON of a GET, asked of the application as a server would."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [],
        "root_path": "", "scheme": "http", "server": ("x", 80), "client": ("x", 1), "http_version": "1.1",
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"] or b"null")


def desk_of(environ: dict[str, str], clock: ManualClock) -> Desk:
    return Desk(
        lambda: Settings.load(environ), clock, lambda: SOURCES, lambda conn_id: from_environment(conn_id, environ)
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return hooks.variables(tmp_path / "home")


def night(home: Path, name: str, status: str, ended: datetime, **more: Any) -> None:
    """The report of a run, as `finish` leaves it."""
    folder = home / "runs" / name
    folder.mkdir(parents=True)
    fields: dict[str, Any] = {
        "run_id": name, "status": status, "as_of": datetime(2026, 3, 5, 2, 15), "started_at": ended, "seconds": 0,
        "finished_at": ended, "peak_memory": 0, "failed_step": None, "reason": None, "steps": [],
    }  # fmt: skip  # local wall clock
    report.write(folder, Report(**fields | more))


def test_a_receiver_that_is_well_says_so_part_by_part(environ: dict[str, str], clock: ManualClock) -> None:
    """Nothing of it is a path, a secret or an account's name; each part can be asked for by itself."""
    app = create_app(desk_of(environ, clock))
    night(Path(environ["STOCKBOOK_HOME"]), "a", "published", NOW - timedelta(hours=3))
    status, parts = answer_of(app, "/health")

    assert (status, parts["status"]) == (200, "ok")
    assert parts["receiver"] == {"status": "ok", "accounts": 3}
    assert parts["inbox"] == {"status": "ok", "waiting": 0}
    assert parts["published"] == {"status": "none"}
    assert parts["subscriptions"] == {"status": "ok", "active": 0, "off": 0}
    assert parts["attention"] == ["published"]
    assert parts["disk"]["free_megabytes"] > 0
    assert parts["last_night"] == {
        "status": "ok", "as_of": "2026-03-05T02:15:00", "ended_at": "2026-03-05T03:00:00+00:00",
    }  # fmt: skip
    there = [part for part in health.PARTS if part != "certificate"]
    assert {part: answer_of(app, f"/health/{part}") for part in there} == {
        part: (200 if parts[part]["status"] == "ok" else 503, parts[part]) for part in there
    }
    # TLS ends elsewhere
    assert [answer_of(app, f"/health/{part}")[0] for part in ("certificate", "other")] == [404, 404]
    assert [
        secret for secret in (*hooks.SECRETS, environ["STOCKBOOK_HOME"], "main") if secret in json.dumps(parts)
    ] == []


@pytest.mark.parametrize(
    ("reports", "wanted"),
    [
        ([], "none"),
        ([("a", "failed", 3)], "red"),
        ([("a", "failed", 5), ("b", "published", 3)], "ok"),
        ([("b", "published", 5), ("a", "failed", 3)], "red"),
        ([("a", "published", 40)], "late"),
    ],
)
def test_the_night_is_told_and_keeps_no_event_out(
    reports: list[tuple[str, str, int]], wanted: str, environ: dict[str, str], clock: ManualClock
) -> None:
    """The run that ended last counts; red, late or none, the receiver goes on, and the part itself is 503."""
    for name, status, hours in reports:
        night(
            Path(environ["STOCKBOOK_HOME"]), name, status, NOW - timedelta(hours=hours),
            failed_step="build" if status == "failed" else None, reason="Zqxvor",
        )  # fmt: skip
    app = create_app(desk_of(environ, clock))
    status, parts = answer_of(app, "/health")

    assert (status, parts["last_night"]["status"]) == (200, wanted)
    assert parts["last_night"].get("failed_step") == ("build" if wanted == "red" else None)
    assert answer_of(app, "/health/last_night")[0] == (200 if wanted == "ok" else 503)
    assert "Zqxvor" not in json.dumps(parts)


def test_a_disk_that_fills_up_is_told_before_events_are_refused(
    environ: dict[str, str], clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below what a night needs it is low: by itself 503, and events still come in."""
    monkeypatch.setattr(whole, "LOW", 1 << 62)
    app = create_app(desk_of(environ, clock))

    assert answer_of(app, "/health/disk")[0] == 503
    assert (answer_of(app, "/health")[0], answer_of(app, "/health")[1]["disk"]["status"]) == (200, "low")


SPOILED = {
    "the table is gone": "alter table inbox_event rename to elsewhere",
    "the table is shut": "create trigger no before insert on inbox_event begin select raise(abort, 'no'); end",
}


@pytest.mark.parametrize("how", SPOILED)
def test_an_inbox_that_takes_no_event_is_told(how: str, environ: dict[str, str], clock: ManualClock) -> None:
    """It can still be read, which is not enough: whole and part are 503, and 200 again as soon as it is mended."""
    desk = desk_of(environ, clock)
    app = create_app(desk)
    assert answer_of(app, "/health")[0] == 200
    file = Path(environ["STOCKBOOK_HOME"]) / "state" / "inbox.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as inbox:
        inbox.execute(SPOILED[how])
        assert answer_of(app, "/health")[0] == 200, "an answer holds for a second"
        clock.sleep(1.5)
        status, parts = answer_of(app, "/health")
        assert (status, parts["status"], parts["inbox"]) == (503, "unavailable", {"status": "unavailable"})
        assert parts["receiver"]["status"] == "ok"
        assert answer_of(app, "/health/inbox")[0] == 503
        inbox.execute("alter table elsewhere rename to inbox_event" if "gone" in how else "drop trigger no")
        clock.sleep(1.5)
        assert answer_of(app, "/health")[0] == 200
        assert inbox.execute("select count(*) from inbox_event").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("changes", "receiver", "inbox"),
    [
        ({"STOCKBOOK_HASH_KEY": ""}, "unavailable", "unavailable"),
        ({"STOCKBOOK_INBOX_URL": "postgresql://u:secret-word@127.0.0.1:9/x"}, "unavailable", "unavailable"),
        ({f"AIRFLOW_CONN_{name.upper()}": "" for name in SOURCES}, "nobody can send", "ok"),
    ],
)
def test_a_receiver_that_could_take_nothing_is_503(
    changes: dict[str, str], receiver: str, inbox: str, environ: dict[str, str], clock: ManualClock
) -> None:
    """No key, no database, no account with a secret: told by part, and disk and night are told all the same."""
    status, parts = answer_of(create_app(desk_of(environ | changes, clock)), "/health")

    assert (status, parts["receiver"]["status"], parts["inbox"]["status"]) == (503, receiver, inbox)
    assert parts["last_night"] == {"status": "none"}
    assert "free_megabytes" in parts["disk"]
    assert "secret-word" not in json.dumps(parts)


def test_connections_that_cannot_be_looked_up_are_told(environ: dict[str, str], clock: ManualClock) -> None:
    """Every event gets 503 then, though inbox and key are well."""

    def look_up(_: str) -> None:
        raise RuntimeError("secret-word")

    desk = Desk(lambda: Settings.load(environ), clock, lambda: SOURCES, look_up)
    status, parts = answer_of(create_app(desk), "/health")

    assert (status, parts["receiver"], parts["inbox"]["status"]) == (503, {"status": "unavailable"}, "ok")


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiving]:
    folder = tmp_path_factory.mktemp("health")
    with receiving(hooks.variables(folder / "home"), folder) as running:
        yield running


def test_an_event_that_is_refused_for_whatever_reason_is_seen_in_health(receiver: Receiving) -> None:
    """503 to a sender is 503 of health at once, by the part that says why; the next stored event makes it well."""
    file = receiver.log.parent / "home" / "state" / "inbox.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as inbox, receiver.line() as line:
        assert requests.get(f"{receiver.url}/health", timeout=10).status_code == 200
        # what a probe cannot see: only rows of this source are refused
        inbox.execute(
            "create trigger no before insert on inbox_event when new.source <> '' begin select raise(abort, 'no'); end"
        )
        assert line.status(hooks.fulfillment_cz(1)) == 503
        answer = requests.get(f"{receiver.url}/health", timeout=10)
        assert (answer.status_code, answer.json()["receiver"]["status"]) == (503, "refusing")
        inbox.execute("drop trigger no")
        assert line.status(hooks.fulfillment_cz(1)) == 200
        assert requests.get(f"{receiver.url}/health", timeout=10).json()["status"] == "ok"


def test_a_report_that_cannot_be_read_is_told_as_such(environ: dict[str, str], clock: ManualClock) -> None:
    """Half a file, written by a program that was killed: the part is unavailable, the others are not."""
    folder = Path(environ["STOCKBOOK_HOME"]) / "runs" / "a"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text('{"status": "publ')
    status, parts = answer_of(create_app(desk_of(environ, clock)), "/health")

    assert (status, parts["last_night"]) == (200, {"status": "unavailable"})
