"""A night as metrics: text of the receiver for who has the token, gauges of Airflow's own metrics."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hooks_rig as hooks
import pytest
from shared_home import copy_of

from stockbook.clock import ManualClock
from stockbook.connections import SOURCES, from_environment
from stockbook.errors import ConfigError
from stockbook.health import metrics
from stockbook.health.metrics import Sample
from stockbook.runs.last_run import last_ended
from stockbook.runs.report import Report
from stockbook.settings import Settings
from stockbook.webhooks.app import Desk, create_app

TOKEN = "a-metrics-token-that-must-stay-secret"
NOW = datetime(2025, 11, 18, 7, 15, tzinfo=UTC)
LINE = re.compile(r'[a-z_]+(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? -?[0-9.e+]+')


@pytest.fixture
def home(home_after_a_night: Path, tmp_path: Path) -> Path:
    copy_of(home_after_a_night, tmp_path / "home")
    return tmp_path / "home"


def asked(home: Path, token: str, query: str = "", **headers: str) -> tuple[int, bytes, str]:
    """Status, body and kind of a GET of the metrics, from a receiver with a token (empty: none)."""
    environ = hooks.variables(home, STOCKBOOK_METRICS_TOKEN=token)
    desk = Desk(
        lambda: Settings.load(environ), ManualClock(NOW), lambda: SOURCES, lambda name: from_environment(name, environ)
    )
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": "/metrics", "raw_path": b"/metrics", "query_string": query.encode(),
        "headers": [(name.encode(), text.encode()) for name, text in headers.items()],
        "root_path": "", "scheme": "http", "server": ("x", 80), "client": ("x", 1), "http_version": "1.1",
    }  # fmt: skip
    asyncio.run(create_app(desk)(scope, receive, send))
    desk.close()
    return sent[0]["status"], sent[1]["body"], dict(sent[0]["headers"]).get(b"content-type", b"").decode()


@pytest.mark.parametrize(
    ("token", "query", "headers"),
    [
        (TOKEN, "", {}),
        (TOKEN, "", {"authorization": f"Bearer {TOKEN}x"}),
        (TOKEN, "", {"authorization": TOKEN}),
        (TOKEN, f"token={TOKEN}", {}),
        (TOKEN, "", {"authorization": "Bearer "}),
        ("", "", {"authorization": "Bearer "}),
        ("", "", {}),
    ],
)
def test_a_stranger_gets_401_and_nothing(token: str, query: str, headers: dict[str, str], tmp_path: Path) -> None:
    """Without the token, with another, with it in another place; without any token nobody reads them."""
    assert asked(tmp_path / "home", token, query, **headers) == (401, b"", "")


def test_who_has_the_token_reads_health_and_the_last_night(home: Path) -> None:
    """Text as Prometheus reads it; each figure is that of the run report, under one name with one help."""
    status, body, kind = asked(home, TOKEN, authorization=f"Bearer {TOKEN}")
    lines = body.decode().splitlines()
    ended = last_ended(Settings.load({"STOCKBOOK_HOME": str(home)}))

    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert [line for line in lines if not line.startswith("#") and not LINE.fullmatch(line)] == []
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    assert names == [line.split()[2] for line in lines if line.startswith("# HELP")]
    assert 'stockbook_health{part="published"} 1' in lines
    assert 'stockbook_health{part="receiver"} 1' in lines
    assert "stockbook_inbox_waiting 0" in lines
    assert "stockbook_published_age_hours 6" in lines
    assert "stockbook_night_published 1" in lines
    assert ended is not None
    movements = next(item for item in ended.listings() if item.listing == "movements")
    label = 'account="main",api="fulfillment_cz",listing="movements"'
    assert f'stockbook_night_rows{{{label},rows="received"}} {movements.rows}' in lines
    assert f"stockbook_night_requests{{{label}}} {movements.requests}" in lines
    assert [word for word in (*hooks.SECRETS, TOKEN, str(home)) if word in body.decode()] == []


def test_labels_cannot_break_the_text() -> None:
    """Quotes, backslashes and line breaks of a label are escaped; in a name for StatsD they are underlines."""
    sample = Sample("stockbook_night_step_seconds", 0.5, {"step": 'a"b\\c\nd', "of": "fulfillment_cz"})

    assert metrics.text([sample]).splitlines()[-1] == (
        'stockbook_night_step_seconds{step="a\\"b\\\\c\\nd",of="fulfillment_cz"} 0.5'
    )
    assert sample.dotted() == "stockbook_night_step_seconds.a_b_c_d.fulfillment_cz"


def test_a_red_night_is_a_metric_too() -> None:
    """Published is 0; what was not read has no rows."""
    red = Report("r", datetime(2025, 11, 18, 2, 15), "failed", NOW, NOW, 12.5, 7, "open", "why", [])

    assert {sample.name: sample.value for sample in metrics.of_night(red)} == {
        "stockbook_night_published": 0,
        "stockbook_night_ended_seconds": NOW.timestamp(),
        "stockbook_night_seconds": 12.5,
        "stockbook_night_peak_memory_bytes": 7,
    }


def test_a_token_that_could_be_guessed_is_refused() -> None:
    """Sixteen characters at least, all of which a header can carry."""
    for token, reason in (("short", "at least 16 characters; it has 5"), ("a token of some length\n", "line break")):
        with pytest.raises(ConfigError, match=reason):
            Settings.load({"STOCKBOOK_METRICS_TOKEN": token})
