"""
Faults on order: rules that spoil chosen answers, decided by a seed or by counting requests.

``docs/sandbox.md`` lists every kind.
"""

import random
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from stockbook.errors import ConfigError

KINDS = {
    "status": "HTTP `status` (default 503), with header `retry_after` as given, if any, and a JSON or `text` body.",
    "html": "HTTP 200 (or `status`) with an HTML page instead of JSON.",
    "body_code": "HTTP 200 whose body has `code` `status` (default 500), a message and no data.",
    "truncated": "The right answer, cut after `share` (default 0.5) of its bytes, with a matching Content-Length.",
    "content_type": "The right answer labelled `text` (default text/plain).",
    "drop": "The connection is closed after the header and `share` (default 0.5) of the promised bytes.",
    "stall": "The right answer, `seconds` (default 5) late.",
    "repeat_row": "The page's last row twice.",
    "lost_row": "The page lacks its last row; the next page goes on behind it, as a changed listing would.",
    "short_page": "At most `rows` (default 1) rows on the page, whatever was asked for. Nothing is lost.",
    "wrong_total": "`totalCount` (or `count`) is off by `delta` (default 1).",
    "header": "The right answer with header `find` (default X-Note) set to `text`.",
    "replace": "Every `find` in the body becomes `text`.",
}


class Rule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    One fault. ``path`` is matched against the path (``*`` matches anything), ``query`` is a part of the raw query.

    The rule hits the ``nth`` matching request (from 1) when given, otherwise each one with
    ``probability``; at most ``count`` times.
    """

    kind: str
    path: str = "*"
    query: str = ""
    probability: float = 1.0
    seed: int = 0
    nth: int | None = None
    count: int | None = None
    status: int | None = None
    retry_after: str | None = None
    text: str | None = None
    find: str = ""
    share: float = 0.5
    seconds: float = 5.0
    rows: int = 1
    delta: int = 1


@dataclass
class _Armed:
    rule: Rule
    seen: int = 0
    hits: int = 0
    draw: random.Random = field(default_factory=random.Random)


class Faults:
    """The rules in force and how often each has hit."""

    def __init__(self) -> None:
        """Begin without any."""
        self._armed: list[_Armed] = []

    def replace(self, rules: list[dict[str, Any]]) -> None:
        """Put these rules in force instead of all earlier ones. Raises ConfigError for one that is not understood."""
        armed = []
        for fields in rules:
            try:
                rule = msgspec.convert(fields, Rule)
            except msgspec.ValidationError as error:
                raise ConfigError(f"A fault rule was expected; {error}.") from None
            if rule.kind not in KINDS:
                raise ConfigError(f"Fault kind must be one of {', '.join(KINDS)}; got {rule.kind!r}.")
            armed.append(_Armed(rule, draw=random.Random(rule.seed)))  # noqa: S311 - chooses faults, guards no secret
        self._armed = armed

    def hits(self) -> list[dict[str, Any]]:
        """Every rule with the matching requests seen and the faults made."""
        return [
            {"rule": msgspec.to_builtins(armed.rule), "seen": armed.seen, "hits": armed.hits} for armed in self._armed
        ]

    def strike(self, path: str, query: str) -> list[Rule]:
        """The rules that hit this request."""
        rules = []
        for armed in self._armed:
            rule = armed.rule
            if not fnmatchcase(path, rule.path) or rule.query not in query:
                continue
            armed.seen += 1
            if rule.count is not None and armed.hits >= rule.count:
                continue
            is_hit = armed.seen == rule.nth if rule.nth is not None else armed.draw.random() < rule.probability
            if is_hit:
                armed.hits += 1
                rules.append(rule)
        return rules
