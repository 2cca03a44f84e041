"""Answers before they are sent, and how faults spoil them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stockbook_sandbox.faults import Rule
from stockbook_sandbox.query import Page, Query


@dataclass
class Answer:
    """What will be sent, before faults."""

    body: bytes
    status: int = 200
    content_type: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


class Dropped(Response):
    """Sends a part of what its header promises and then hangs up."""

    def __init__(self, body: bytes, share: float, content_type: str) -> None:
        super().__init__(body, media_type=content_type)
        self._part = body[: int(len(body) * min(share, 0.99))]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self._part, "more_body": True})
        # returning with an unfinished body makes the server close the connection


def with_page_faults(listing: Callable[[Query], Page], text: str, rules: list[Rule]) -> Page:
    """A page under the faults that mean rows."""
    short = [rule.rows for rule in rules if rule.kind == "short_page"]
    page = listing(Query(f"{text}&limit={min(short)}" if short else text))
    for rule in rules:
        if rule.kind == "repeat_row":
            page.rows += page.rows[-1:]
        elif rule.kind == "lost_row":
            page.rows = page.rows[:-1]
        elif rule.kind == "wrong_total" and page.total is not None:
            page.total += rule.delta
    return page


def with_answer_faults(answer: Answer, rules: list[Rule]) -> tuple[Answer, Rule | None]:
    """An answer under the faults that mean bytes, and the rule that drops the connection, if any."""
    dropping = None
    for rule in rules:
        if rule.kind == "status":
            status = rule.status or 503
            headers = {} if rule.retry_after is None else {"Retry-After": rule.retry_after}
            body = (
                msgspec.json.encode({"code": status, "message": "fault"}) if rule.text is None else rule.text.encode()
            )
            answer = Answer(body, status, headers=headers)
        elif rule.kind == "html":
            answer = Answer(b"<html><body><h1>Maintenance</h1></body></html>", rule.status or 200, "text/html")
        elif rule.kind == "body_code":
            answer = Answer(msgspec.json.encode({"code": rule.status or 500, "message": "fault"}))
        elif rule.kind == "truncated":
            answer.body = answer.body[: int(len(answer.body) * rule.share)]
        elif rule.kind == "content_type":
            answer.content_type = rule.text or "text/plain"
        elif rule.kind == "replace":
            answer.body = answer.body.replace(rule.find.encode(), (rule.text or "").encode())
        elif rule.kind == "header":
            answer.headers[rule.find or "X-Note"] = rule.text or ""
        elif rule.kind == "drop":
            dropping = rule
    return answer, dropping


def with_row_faults(body: dict[str, Any], rules: list[Rule]) -> dict[str, Any]:
    """A FlickRocket list or count under the faults that mean rows."""
    for rule in rules:
        rows = next(iter(body.values()), None)
        if rule.kind == "wrong_total" and "count" in body:
            body["count"] += rule.delta
        elif isinstance(rows, list):
            name = next(iter(body))
            if rule.kind == "repeat_row":
                body = {name: rows + rows[-1:]}
            elif rule.kind == "lost_row":
                body = {name: rows[:-1]}
            elif rule.kind == "short_page":
                body = {name: rows[: rule.rows]}
    return body
