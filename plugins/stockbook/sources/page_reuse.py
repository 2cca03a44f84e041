"""
A listing's answers, projected unless an earlier night projected the very same one.

A digest of the whole body, keyed like all that is hashed here, tells whether it is the same.
"""

import hmac
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from stockbook.landing.copies import with_copies
from stockbook.landing.earlier_pages import EarlierAnswer
from stockbook.projection.page import Projected, Projection


class PageAnswer(NamedTuple):
    """
    An answer: a key for every row received, the promised total, a digest (empty where more than the body counts).

    It was projected, or it is one of an ``earlier`` night and has its ``body`` in case that night's rows do not serve.
    """

    keys: list[int | str | None]
    total: int | None
    digest: str
    page: Projected | None
    earlier: EarlierAnswer | None = None
    body: bytes = b""

    @property
    def undeclared(self) -> Counter[tuple[str, str]]:
        """Fields nobody declared, by path and JSON type."""
        if self.page is not None:
            return self.page.undeclared
        fields = self.earlier.answer.undeclared if self.earlier is not None else []
        return Counter({(field.path, field.json_type): field.rows for field in fields})

    def landing(self, fresh: list[int]) -> list[int]:
        """The positions of the rows that land, of those whose keys are new: a copy that says something else too."""
        return fresh if self.page is None else with_copies(self.page.keys, self.page.lines, fresh)

    def set_aside(self, fresh: list[int]) -> Counter[tuple[str, str]]:
        """What was set aside of the rows that land, by reason and path."""
        if self.page is not None:
            if not self.page.set_aside:
                return Counter()
            return Counter(
                (broken.reason, broken.path) for at in self.landing(fresh) for broken in self.page.set_aside.get(at, ())
            )
        refused = self.earlier.answer.refused if self.earlier is not None else []
        return Counter({(part.reason, part.path): part.rows for part in refused})

    @property
    def mended(self) -> int:
        """Characters of it that were no text."""
        if self.page is not None:
            return self.page.mended
        return self.earlier.answer.mended if self.earlier is not None else 0

    def left_out(self, fresh: list[int]) -> list[int]:
        """The positions of the rows that came before."""
        return [] if len(fresh) == len(self.keys) else sorted(set(range(len(self.keys))) - set(fresh))

    def reusable(self, fresh: list[int]) -> EarlierAnswer | None:
        """The earlier night's answer, when just these rows of it landed then."""
        earlier = self.earlier
        return earlier if earlier is not None and earlier.answer.left_out == self.left_out(fresh) else None


class AnswerReader:
    """The reading of a listing's bodies. Safe to use from several threads."""

    def __init__(self, projection: Projection, hash_key: bytes, earlier: dict[str, EarlierAnswer]) -> None:
        """``earlier`` are the answers of an earlier night by their digest."""
        self._projection = projection
        self._hash_key = hash_key
        self._earlier = earlier

    def read(self, body: bytes, constants: Mapping[str, int] | None = None) -> PageAnswer:
        """An answer from its body; raises as ``Projection.read`` does."""
        # what is written into every row is no part of the body
        digest = "" if constants else hmac.digest(self._hash_key, body, "sha256").hex()
        earlier = self._earlier.get(digest)
        if earlier is not None:
            return PageAnswer(earlier.answer.keys, earlier.answer.total, digest, None, earlier, body)
        page = self._projection.read(body, constants)
        return PageAnswer(page.keys, page.total, digest, page)

    def projected(self, answer: PageAnswer) -> Projected:
        """The rows of an answer."""
        return answer.page if answer.page is not None else self._projection.read(answer.body)
