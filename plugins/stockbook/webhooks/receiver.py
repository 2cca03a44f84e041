"""
From a request to an event of the inbox: who sent it, which fields are kept, under which key.

One class per source says how its sender proves itself. What a source leaves unsigned (docs/webhooks.md) gives only
the name and the key of an event.
"""

import hashlib
import hmac
import logging
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

from stockbook.connections import SOURCES
from stockbook.inbox.event import AS_NEWEST, Arrival
from stockbook.limits import HookLimits
from stockbook.projection.undeclared_names import Names
from stockbook.webhooks import verify
from stockbook.webhooks.accounts import Accounts, HookAccount, unknown_account
from stockbook.webhooks.event_fields import EVENTS, Declarations, ReducedEvent
from stockbook.webhooks.field_classes import NAME
from stockbook.webhooks.loose_json import as_list, unwrapped
from stockbook.webhooks.request import (
    PROVEN,
    Headers,
    Receive,
    Refused,
    Scope,
    check_head,
    header,
    json_object,
    read_body,
)

BODY_LIMIT = 1 << 20
MERGE_SECONDS = 120
"""Events without identity that are equal merge within this time, the first retry of their sender included."""

# what the inbox has room for
_VERSION_LENGTH, _ID_LENGTH, _READING_LENGTH = 40, 100, 200

_log = logging.getLogger(__name__)


class Origin(NamedTuple):
    """What a sender says of itself: the version of its body, its shop (FlickRocket: company) and its merchant."""

    version: str | None = None
    shop_id: str | None = None
    merchant_id: str | None = None


class VerifiedBody:
    """
    A verified body: its topic, its content, the key of the event; ``merges`` when that is only a digest.

    ``mended`` are characters of it that were no text; ``origin`` is what the sender says of itself.
    """

    __slots__ = ("body", "key", "mended", "merges", "origin", "topic")

    def __init__(
        self,
        topic: str,
        body: dict[str, Any],
        key: str,
        mended: int,
        merges: bool = False,
        origin: Origin = Origin(),  # noqa: B008  # immutable
    ) -> None:
        self.topic, self.body, self.key, self.mended, self.merges = topic, body, key, mended, merges
        self.origin = origin


class Sender(Protocol):
    """How the events of a source are verified."""

    kinds: ClassVar[tuple[bytes, ...]]
    kind_required: ClassVar[bool]
    body_limit: ClassVar[int]

    def check_headers(self, account: HookAccount, headers: Headers) -> None:
        """Check what the headers prove, before the body is read. Raises Refused."""
        ...

    def read(self, account: HookAccount, headers: Headers, body: bytes) -> VerifiedBody:
        """Verify and read a body. Raises Refused."""
        ...


class FulfillmentCz(Sender):
    """The account's token in a header; the body is not signed."""

    kinds = (b"application/json",)
    kind_required = True
    body_limit = BODY_LIMIT

    def check_headers(self, account: HookAccount, headers: Headers) -> None:
        if not verify.token_fits(header(headers, b"authorization"), account.secrets):
            raise Refused(401)

    def read(self, account: HookAccount, headers: Headers, body: bytes) -> VerifiedBody:
        content, count = json_object(body)
        return VerifiedBody(_name(content.get("event_type")), content, _name(content.get("event_id")), count)


class FlickRocket(Sender):
    """A hash inside the body, which has therefore to be read before it is verified: its limit is small."""

    # the vendor says "format json" and names no content type
    kinds = (b"application/json", b"text/json", b"text/plain")
    kind_required = False
    body_limit = 16 << 10

    def check_headers(self, account: HookAccount, headers: Headers) -> None: ...

    def read(self, account: HookAccount, headers: Headers, body: bytes) -> VerifiedBody:
        content, count = json_object(body)
        try:
            pairs = verify.ordered_pairs(body)
        except verify.NotPairs:
            raise Refused(422) from None
        if not verify.flickrocket_fits(pairs, account.secrets, account.hash_rule):
            raise Refused(401)
        _check_sender(account, content.get("company_id"))
        origin = Origin(shop_id=_said(content.get("company_id"), _ID_LENGTH))
        digest = hashlib.sha256(body).hexdigest()
        return VerifiedBody(_name(content.get("scope")), content, digest, count, merges=True, origin=origin)


class Shopline(Sender):
    """A signature over the raw body; topic, shop and message id are headers and not signed."""

    # older pages name no content type
    kinds = (b"application/json",)
    kind_required = False
    body_limit = BODY_LIMIT

    def check_headers(self, account: HookAccount, headers: Headers) -> None:
        if verify.signature_bytes(header(headers, b"x-shopline-hmac-sha256")) is None:
            raise Refused(401)

    def read(self, account: HookAccount, headers: Headers, body: bytes) -> VerifiedBody:
        if not verify.shopline_fits(header(headers, b"x-shopline-hmac-sha256"), body, account.secrets):
            raise Refused(401)
        content, count = json_object(body)
        if account.sender_id is not None:
            named = [
                value for member in content.values() for value in (as_list(unwrapped(member)) or [unwrapped(member)])
            ]
            claims = [value.get("shop_id") for value in map(unwrapped, named) if isinstance(value, dict)]
            for claim in [content.get("shop_id"), *claims]:
                if claim is not None:
                    _check_sender(account, claim)
            _check_sender(account, (header(headers, b"x-shopline-shop-id") or b"").decode("latin-1"))
        topic = _name((header(headers, b"x-shopline-topic") or b"").decode("latin-1"))
        digest = hashlib.sha256(topic.encode() + b"\0" + body).hexdigest()
        origin = Origin(
            _said(header(headers, b"x-shopline-api-version"), _VERSION_LENGTH),
            _said(header(headers, b"x-shopline-shop-id"), _ID_LENGTH),
            _said(header(headers, b"x-shopline-merchant-id"), _ID_LENGTH),
        )
        message = header(headers, b"x-shopline-webhook-id")
        if message is None:
            return VerifiedBody(topic, content, digest, count, merges=True, origin=origin)
        # the id is not signed: together with topic and body it is at least about this event
        key = f"{_name(message.decode('latin-1'))[:64]}-{digest[:40]}"
        return VerifiedBody(topic, content, key, count, origin=origin)


SENDERS: Mapping[str, Sender] = {
    "fulfillment_cz": FulfillmentCz(),
    "flickrocket": FlickRocket(),
    "shopline": Shopline(),
}


class Receiver:
    """Takes requests of all sources; knows no database and no clock."""

    def __init__(self, hash_key: bytes, limits: HookLimits | None = None, events: Path = EVENTS) -> None:
        """``hash_key`` is the key of the personal-data hash. Raises DeclarationError."""
        self._hash_key = hash_key
        self._limits = limits or HookLimits()
        self._declared = {source: Declarations(events / f"{source}_events.yml") for source in SOURCES}
        self._names = {source: Names(hash_key) for source in SOURCES}
        self._noticed: set[tuple[str, str, str]] = set()

    async def take(
        self, source: str, account: str, accounts: Accounts, scope: Scope, receive: Receive, now: datetime
    ) -> Arrival:
        """
        The event of a request, verified and reduced to what is declared; ``now`` is when it came (aware).

        Raises Refused (404 for a source there is not; an account there is not is like a wrong secret), SenderHungUp.
        """
        sender = SENDERS.get(source)
        if sender is None:
            raise Refused(404)
        check_head(scope, sender.kinds, sender.kind_required, sender.body_limit, self._limits.header_bytes)
        sender_account = accounts.get((source, account)) or unknown_account(source)
        sender.check_headers(sender_account, scope["headers"])
        body = await read_body(receive, sender.body_limit, self._limits.body_seconds)
        event = sender.read(sender_account, scope["headers"], body)
        scope.get("state", {}).get(PROVEN, _do_nothing)()
        declared, version = self._declared[source], event.origin.version
        reduced = declared.reduce(event.topic, event.body, self._hash_key)
        self._notice(source, event, reduced)
        return Arrival(
            source=source,
            account=sender_account.account,
            event_key=event.key,
            event_type=event.topic,
            subject_kind=reduced.subject_kind,
            subject_id=reduced.subject_id,
            occurred_text=reduced.occurred_text,
            received_at_utc=now,
            payload=reduced.payload,
            merge_seconds=MERGE_SECONDS if event.merges else 0,
            api_version=version,
            shop_id=event.origin.shop_id,
            merchant_id=event.origin.merchant_id,
            reading=None if declared.is_declared(version) else _reading(reduced),
        )

    def _notice(self, source: str, event: VerifiedBody, reduced: ReducedEvent) -> None:
        """Log each undeclared field once, and once that an event held characters that are no text."""
        undeclared = sorted(reduced.undeclared)
        named_fields = [field for field in undeclared if field[1]]
        paths = self._names[source].report(event.key, [(above, name) for above, name, _ in named_fields])
        noticed = {(source, path, kind) for path, (_, _, kind) in zip(paths, named_fields, strict=True)}
        noticed |= {(source, path, kind) for path, name, kind in undeclared if not name}
        for field in sorted(noticed - self._noticed):
            _log.warning("Webhooks of %s have a field nobody declared: %s (%s); it is not kept.", *field)
        self._noticed |= noticed
        if event.mended and (source, "", "text") not in self._noticed:
            self._noticed.add((source, "", "text"))
            _log.warning("Webhooks of %s hold characters that are no text: U+FFFD stands in their place.", source)


def _do_nothing() -> None: ...


def _reading(reduced: ReducedEvent) -> str:
    """How a body of an undeclared version was read: names of ours only, nothing of the body."""
    return ", ".join(reduced.misfits)[:_READING_LENGTH] or AS_NEWEST


def _said(value: Any, longest: int) -> str | None:
    """What a sender says of itself, if it looks like an id or a version; one that is too long is none."""
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return text if value is not None and len(text) <= longest and NAME.fullmatch(text) else None


def _name(value: Any) -> str:
    """A topic, id or key, a whole number too; Refused with 422 when it looks like none."""
    if isinstance(value, str | int) and not isinstance(value, bool) and NAME.fullmatch(str(value)):
        return str(value)
    raise Refused(422)


def _check_sender(account: HookAccount, named: object) -> None:
    if account.sender_id is not None and not hmac.compare_digest(str(named).encode(), account.sender_id.encode()):
        raise Refused(401)
