"""What the receiver's log says of refused events: which connection, once an hour, and nothing of the request."""

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hooks_rig as hooks
import pytest
from hooks_rig import Sent

from stockbook.clock import ManualClock
from stockbook.connections import SOURCES, from_environment
from stockbook.settings import Settings
from stockbook.webhooks.app import Desk, create_app
from stockbook.webhooks.refusals import SAID_EVERY

Post = Callable[[Sent], int]
WRONG = "wrong-Zqxvor"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 5, 6, 0, tzinfo=UTC))


@pytest.fixture
def post(tmp_path: Path, clock: ManualClock) -> Iterator[Post]:
    """Sends an event to the application as a server would, and gives the status; FlickRocket has no secret here."""
    environ = hooks.variables(tmp_path / "home", AIRFLOW_CONN_FLICKROCKET='{"conn_type": "http", "password": "x"}')
    desk = Desk(lambda: Settings.load(environ), clock, lambda: SOURCES, lambda name: from_environment(name, environ))
    app = create_app(desk)

    def send_one(event: Sent) -> int:
        answers: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": event.body, "more_body": False}

        async def send(message: Any) -> None:
            answers.append(message)

        headers = [(name.lower().encode(), value.encode()) for name, value in event.headers.items()]
        scope = {"type": "http", "method": "POST", "path": event.path, "query_string": b"", "headers": headers}
        asyncio.run(app(scope, receive, send))
        status: int = answers[0]["status"]
        return status

    with closing(desk):
        yield send_one


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the receiver itself logged; of libraries it says nothing here."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("stockbook")]


def with_token(token: str, path: str = "/hooks/fulfillment_cz/main") -> Sent:
    event = hooks.fulfillment_cz(1)
    return dataclasses.replace(event, path=path, headers={**event.headers, "Authorization": token})


def labelled(name: str, text: str) -> Sent:
    event = with_token(hooks.TOKEN)
    return dataclasses.replace(event, headers={**event.headers, name: text})


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (with_token(WRONG), "fulfillment_cz are refused with 401: their sender's secret is not that of connection"),
        (hooks.shopline("a/b", {"x": WRONG}, "m", secret=WRONG), "not that of connection shopline"),
        (hooks.flickrocket("order/create", "order", "1"), "connection flickrocket holds no secret for events"),
        (with_token(hooks.TOKEN, f"/hooks/fulfillment_cz/{WRONG}"), "an account that has no connection"),
        (dataclasses.replace(with_token(hooks.TOKEN), body=b"{a"), "refused with 422: they are not what this source"),
        (labelled("Content-Encoding", "gzip"), "refused with 415: they are packed"),
    ],
)
def test_a_refused_event_is_said_once_an_hour(
    event: Sent, says: str, post: Post, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Which connection to look at; a thousand more of the kind say nothing more, and no word is the sender's."""
    for _ in range(3):
        assert post(event) in (401, 415, 422)
    clock.sleep(SAID_EVERY + 1)
    post(event)

    lines = said(caplog)
    assert len(lines) == 2
    assert says in lines[0]
    assert not [word for word in (WRONG, *hooks.SECRETS) if word in caplog.text]


def test_an_event_that_is_taken_and_a_source_that_there_is_not_say_nothing(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    """The log is no place for strangers who try addresses."""
    assert [post(hooks.fulfillment_cz(2)), post(with_token(WRONG, "/hooks/other/main"))] == [200, 404]
    assert said(caplog) == []
