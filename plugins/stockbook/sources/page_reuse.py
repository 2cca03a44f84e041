"""
A listing's answers, projected unless an earlier night projected the very same one.

Whether it is the same is told by a digest of the whole body, keyed like all that is hashed here.
"""

import hmac
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from stockbook.landing.earlier_pages import Known
from stockbook.projection.page import Projected, Projection


class Answered(NamedTuple):
    """
    An answer: a key for every row received, the promised total, a digest (empty where more than the body counts).

    It was projected, or it is ``known`` from an earlier night and its ``body`` is kept in case that does not serve.
    """

    keys: list[int | str | None]
    total: int | None
    digest: str
    page: Projected | None
    known: Known | None = None
    body: bytes = b""

    @property
    def undeclared(self) -> Counter[tuple[str, str]]:
        """Fields nobody declared, by path and JSON type."""
        if self.page is not None:
            return self.page.undeclared
        found = self.known.answer.undeclared if self.known is not None else []
        return Counter({(one.path, one.json_type): one.rows for one in found})

    def aside(self, fresh: list[int]) -> Counter[tuple[str, str]]:
        """What was set aside of the rows that land, by reason and path."""
        if self.page is not None:
            return Counter((found.reason, found.path) for at in fresh for found in self.page.aside.get(at, ()))
        refused = self.known.answer.refused if self.known is not None else []
        return Counter({(one.reason, one.path): one.rows for one in refused})

    @property
    def mended(self) -> int:
        """Characters of it that were no text."""
        if self.page is not None:
            return self.page.mended
        return self.known.answer.mended if self.known is not None else 0

    def left_out(self, fresh: list[int]) -> list[int]:
        """The positions of the rows that came before."""
        return [] if len(fresh) == len(self.keys) else sorted(set(range(len(self.keys))) - set(fresh))

    def as_known(self, fresh: list[int]) -> Known | None:
        """The earlier night's answer, when just these rows of it landed."""
        known = self.known
        return known if known is not None and known.answer.left_out == self.left_out(fresh) else None


class Answers:
    """The reading of a listing's bodies. Safe to use from several threads."""

    def __init__(self, projection: Projection, hash_key: bytes, known: dict[str, Known]) -> None:
        """``known`` are answers of an earlier night by their digest."""
        self._projection = projection
        self._hash_key = hash_key
        self._known = known

    def read(self, body: bytes, given: Mapping[str, int] | None = None) -> Answered:
        """An answer from its body; raises as ``Projection.read`` does."""
        # what is written into every row is no part of the body
        digest = "" if given else hmac.digest(self._hash_key, body, "sha256").hex()
        known = self._known.get(digest)
        if known is not None:
            return Answered(known.answer.keys, known.answer.total, digest, None, known, body)
        page = self._projection.read(body, given)
        return Answered(page.keys, page.total, digest, page)

    def projected(self, answered: Answered) -> Projected:
        """The rows of an answer."""
        return answered.page if answered.page is not None else self._projection.read(answered.body)
