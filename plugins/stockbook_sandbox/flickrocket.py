"""FlickRocket's endpoints over the shop: envelopes, the singular key, ``Page``, tokens that rotate."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from stockbook.clock import Clock, SystemClock
from stockbook_sandbox.flickrocket_shop import FlickrocketShop
from stockbook_sandbox.localtime import Ints, seconds
from stockbook_sandbox.query import BadQuery, NotThere, Query

PRODUCTS_PER_PAGE = 50


@dataclass
class Tokens:
    """
    Access tokens that expire and refresh tokens that can be spent once.

    ``fixed`` is an access token that always works; ``<fixed>-refresh`` is the first refresh token.
    """

    fixed: str
    lifetime: timedelta = timedelta(hours=1)
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        """Issue the first refresh token."""
        self._access: dict[str, datetime] = {}
        self._refresh = {f"{self.fixed}-refresh"}
        self._issued = 0

    def grant(self) -> str:
        """A refresh token for an app that was allowed."""
        self._issued += 1
        granted = f"{self.fixed}-granted-{self._issued}"
        self._refresh.add(granted)
        return granted

    def accepts(self, token: str) -> bool:
        """Whether a Bearer token opens the door now."""
        return token == self.fixed or self._access.get(token, self.clock.utc()) > self.clock.utc()

    def renew(self, refresh: str) -> dict[str, Any] | None:
        """A new pair for an unspent refresh token, None otherwise."""
        if refresh not in self._refresh:
            return None
        self._refresh.remove(refresh)
        self._issued += 1
        access, following = f"{self.fixed}-access-{self._issued}", f"{self.fixed}-refresh-{self._issued}"
        expires = self.clock.utc() + self.lifetime
        self._access[access] = expires
        self._refresh.add(following)
        return {
            "access_token": access,
            "refresh_token": following,
            "token_type": "bearer",
            ".expires": expires.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        }


@dataclass
class Bucket:
    """The leaky bucket: ``size`` calls at once, ``leak`` more a second. Size 0 is no limit."""

    size: int = 0
    leak: float = 2.0
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        """Start empty."""
        self._level, self._at = 0.0, self.clock.monotonic()

    def takes(self) -> bool:
        """Whether one more call fits now."""
        if not self.size:
            return True
        now = self.clock.monotonic()
        self._level = max(0.0, self._level - (now - self._at) * self.leak)
        self._at = now
        if self._level + 1 > self.size:
            return False
        self._level += 1
        return True


@dataclass
class Flickrocket:
    """Answers below ``/api``: (plural key, rows) of a list, or a finished object."""

    shop: FlickrocketShop
    singular_key: bool = True

    def answer(self, path: str, query: Query, clock: int) -> dict[str, Any]:
        """
        The body of ``/api/<path>.json``, ``path`` without the extension.

        Raises NotThere for unknown paths and ids, BadQuery for a limit that is no time.
        """
        fields = query.text("fields")
        match path.split("/"):
            case ["prices"]:
                return self._list("price", self.shop.prices(clock), fields)
            case ["prices", "count"]:
                return {"count": len(self.shop.prices(clock))}
            case ["prices", number]:
                return {"price": self._one(self.shop.prices(clock), number)}
            case ["currency_rates"]:
                return self._list("currency_rate", self.shop.rates(clock), fields)
            case ["products"]:
                page = max(1, query.number("Page", 1) or 1)
                rows = self.shop.products(clock)[(page - 1) * PRODUCTS_PER_PAGE : page * PRODUCTS_PER_PAGE]
                return self._list("product", rows, fields)
            case ["products", "count"]:
                return {"count": len(self.shop.products(clock))}
            case ["products", number]:
                return {"product": self._one(self.shop.products(clock), number)}
            case ["fulfillments", *rest]:
                return self._fulfillments(rest, query, clock, fields)
        raise NotThere("no such resource")

    def _fulfillments(self, rest: list[str], query: Query, clock: int, fields: str | None) -> dict[str, Any]:
        rows = self.shop.fulfillment_rows(clock)
        if rest == ["count"]:
            return {"count": len(rows)}
        if rest in ([], ["open"], ["complete"]):
            rows = _between(rows, self.shop.created, query)
            if rest:
                is_open = self.shop.is_open(rows, clock)
                rows = rows[is_open if rest == ["open"] else ~is_open]
            return self._list("fulfillment", [self.shop.fulfillment(n, clock) for n in rows.tolist()], fields)
        if len(rest) == 1:
            for n in rows.tolist():
                if self.shop.order_id[n] == rest[0]:
                    return {"fulfillment": self.shop.fulfillment(n, clock)}
        raise NotThere("no such fulfillment")

    def _list(self, name: str, rows: list[dict[str, Any]], fields: str | None) -> dict[str, Any]:
        if fields:
            names = set(fields.split(","))
            rows = [{key: value for key, value in row.items() if key in names} for row in rows]
        return {name: rows[0]} if self.singular_key and len(rows) == 1 else {f"{name}s": rows}

    def _one(self, rows: list[dict[str, Any]], number: str) -> dict[str, Any]:
        for row in rows:
            if str(row["id"]) == number:
                return row
        raise NotThere("no such id")


def _between(rows: Ints, created: Ints, query: Query) -> Ints:
    for name, least in (("created_at_min", True), ("created_at_max", False)):
        text = query.text(name)
        if text is None:
            continue
        try:
            limit = seconds(datetime.fromisoformat(text).replace(tzinfo=None))
        except ValueError:
            raise BadQuery(f"{name} must be a date-time") from None
        rows = rows[np.asarray(created[rows] >= limit if least else created[rows] <= limit)]
    return rows
