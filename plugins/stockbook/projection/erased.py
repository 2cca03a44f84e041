"""
What stays of a row or an event whose person was forgotten: all that no person can be known by.

Rows and events are walked as they land, by what their declarations say of each field, and no other byte of them
changes. A field that is *emptied* is null from then on; a hash that is *renamed* is another text, the same in every
place where the same value stood.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Raw

from stockbook.declarations import Erased, Table
from stockbook.projection.erasures import NOBODY, Erasures, order_name
from stockbook.projection.fields import Shape

Plan = Mapping[str, "Plan | Erased"]
"""What becomes of each personal field; elements of an array have the plan of the array."""

HASHED = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_HASHED_BYTES = re.compile(rb'"([0-9a-f]{64})"')
# made when the module is imported, as those of manifests are
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_ELEMENTS = msgspec.json.Decoder(list[Raw])


def plan_of(shape: Shape) -> Plan:
    """The plan of a listing's rows."""
    plan: dict[str, Plan | Erased] = {}
    for name, action in shape.leaves.items():
        if name in shape.emptied:
            plan[name] = "emptied"
        elif action in ("hash", "digits"):
            plan[name] = "renamed"
    for name, inner in (*shape.objects.items(), *shape.arrays.items()):
        if below := plan_of(inner):
            plan[name] = below
    return plan


def time_of(tables: Iterable[Table]) -> str | None:
    """The field of a listing's rows that says when each was; None where none does, or it lies deeper."""
    dated = (table for table in tables if table.dated and table.source and not table.source.rows)
    paths = [path for table in dated if table.dated for path in table.columns[table.dated.by].paths[:1]]
    return next((path for path in paths if path.isidentifier()), None)


def names_people(plan: Plan) -> bool:
    """Whether a row of this plan is about a person, and not only about parcels."""
    return any(action == "emptied" if isinstance(action, str) else names_people(action) for action in plan.values())


class _Reach(NamedTuple):
    """What of a row goes: all that is on the list with its order, or what names a person alone."""

    is_listed: bool
    empties: bool


class Eraser:
    """Takes from rows or events of one plan what tells of people on the list."""

    def __init__(self, erasures: Erasures, plan: Plan) -> None:
        """``plan`` says what becomes of each field."""
        self._erasures, self._plan = erasures, plan

    def erase(self, row: bytes, orders: Iterable[str] = (), is_old: bool = False) -> bytes | None:
        """
        A row without its person; None where nothing of it has to go.

        ``orders`` are the list's names of the orders it is about. What it shows of an erased person besides, an order
        or a hash, is put on the list. One that ``is_old`` loses what names a person and puts nothing on the list.
        """
        orders = list(orders)
        hashes = {text.decode() for text in _HASHED_BYTES.findall(row)}
        listed = self._erasures.has
        whole = any(listed("order", order) for order in orders) or any(listed("person", text) for text in hashes)
        if not whole and not is_old and not any(listed("value", text) for text in hashes):
            return None
        if whole:
            for order in orders:
                self._erasures.add("order", order)
        changed: list[bytes] = []
        erased = self._walked(self._plan, row, _Reach(whole, whole or is_old), changed)
        return erased if changed else None

    def _walked(self, plan: Plan | Erased, token: bytes, reach: _Reach, changed: list[bytes]) -> bytes:
        if token[:1] == b"[":
            parts = [self._walked(plan, bytes(part), reach, changed) for part in _ELEMENTS.decode(token)]
            return b"[" + b",".join(parts) + b"]"
        if isinstance(plan, str):
            leaf = self._leaf(plan, token, reach)
            if leaf != token:
                changed.append(leaf)
            return leaf
        if token[:1] != b"{":
            return token
        members = _MEMBERS.decode(token)
        for name, inner in plan.items():
            if name in members:
                members[name] = Raw(self._walked(inner, bytes(members[name]), reach, changed))
        return msgspec.json.encode(members)

    def _leaf(self, action: Erased, token: bytes, reach: _Reach) -> bytes:
        if action == "emptied":
            return b"null" if reach.empties else token
        text = msgspec.json.decode(token) if token[:1] == b'"' else ""
        if not HASHED.fullmatch(text):
            return token
        if self._erasures.has("person", text):
            return msgspec.json.encode(NOBODY)
        if reach.is_listed:
            self._erasures.add("value", text)
        return msgspec.json.encode(self._erasures.stand_in(text))


class RowEraser:
    """The same for the rows of one listing of an account."""

    def __init__(
        self, erasures: Erasures, shape: Shape, api: str, account: str, key: Sequence[str], time: str | None = None
    ) -> None:
        """``key`` are the fields that name a row, in order of preference; ``time`` is the one that says when it was."""
        plan = plan_of(shape)
        self.is_needed = bool(plan)
        self._erasures, self._eraser = erasures, Eraser(erasures, plan)
        self._api, self._account = api, account
        self._key, self._time = (key, time) if names_people(plan) else ((), None)

    def erase(self, row: bytes) -> bytes | None:
        """A landed row without its person; None where nothing of it has to go."""
        if not self._key:
            return self._eraser.erase(row)
        members = _MEMBERS.decode(row)
        return self._eraser.erase(row, self._orders(members), self._is_old(members))

    def page(self, lines: bytes) -> list[bytes] | None:
        """The rows of a page, those of people on the list without them; None where nothing of it has to go."""
        rows = lines.splitlines(keepends=True)
        erased = [self.erase(row.rstrip(b"\n")) for row in rows]
        if not any(erased):
            return None
        # before a byte of it lands: what was learned of it could not be found out again
        self._erasures.save()
        return [row if new is None else new + b"\n" for row, new in zip(rows, erased, strict=True)]

    def _orders(self, members: Mapping[str, Raw]) -> list[str]:
        values = (msgspec.json.decode(members[name]) for name in self._key if name in members)
        key = next((value for value in values if isinstance(value, str | int) and value != ""), None)
        return [] if key is None else [order_name(self._api, self._account, key)]

    def _is_old(self, members: Mapping[str, Raw]) -> bool:
        if self._erasures.before is None or self._time is None or self._time not in members:
            return False
        return self._erasures.is_old(msgspec.json.decode(members[self._time]))
