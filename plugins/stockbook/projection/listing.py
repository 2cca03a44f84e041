"""
What is declared of a listing: where it is, how it is walked and what proves it complete.

Everything the extraction does differently for one listing than for another stands here, so that
a new endpoint is a declaration, and ``docs/sources.md`` can be printed from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Walk = Literal["offset", "ledger", "documents", "pages", "followed"]
Proof = Literal["totalCount", "count.json", "empty page", "floor passed", "by id"]
Deletes = Literal["absence", "never"]


@dataclass(frozen=True, kw_only=True)
class Each:
    """
    A listing that is read once for each row of another one.

    ``listing`` is the other one; its rows whose field ``where`` says yes are asked for by their field
    ``key``, as the query parameter ``parameter``. Rows do not tell what they were asked for: it is
    written into them under the parameter's name.
    """

    listing: str
    where: str
    key: str
    parameter: str


@dataclass(frozen=True, kw_only=True)
class Listing:
    """
    One listing of one API.

    ``key`` names the first-level wire fields that hold a row's key, in order of preference;
    ``key_is_number`` says that keys are whole numbers, ``key_with`` names fields that belong to it besides.
    ``page_limit`` is the number of rows asked for
    (the documented maximum), None where the endpoint knows no paging. ``proof`` is what ends the
    listing and proves it complete. ``deletes`` tells what absence means: ``absence`` marks a row
    deleted once the listing was complete, ``never`` means that a row missing from it says nothing.
    ``envelope`` is (plural, singular) where the rows hang under the resource's name instead of
    ``data``, ``renamed`` the section of the mapping file that tells the names of their fields.
    ``names_orders`` is the wire field that names orders to be read besides the window. ``one_path`` is
    the path of a single row, with ``{id}`` in it. ``where_served`` tells that the source may not have it at all.
    """

    api: str
    name: str
    path: str
    key: tuple[str, ...]
    walk: Walk
    proof: Proof
    deletes: Deletes
    about: str
    key_is_number: bool = True
    key_with: tuple[str, ...] = ()
    page_limit: int | None = None
    envelope: tuple[str, str] | None = None
    count_path: str | None = None
    renamed: str | None = None
    names_orders: str | None = None
    one_path: str | None = None
    each: Each | None = None
    where_served: bool = False
    read_first: bool = False

    @property
    def folder(self) -> str:
        """Name of the listing's folder in landing."""
        return f"{self.api}.{self.name}"

    @property
    def is_snapshot(self) -> bool:
        """Read whole, and therefore only by a run whose now is the source's now."""
        return self.deletes == "absence"

    def parameters(
        self, offset: int = 0, limit: int | None = None, filters: Mapping[str, object] | None = None
    ) -> list[tuple[str, str]]:
        """
        Query parameters of one page; a list among the filters is repeated as ``name[]``, as PHP reads it.

        ``offset`` is the number of the page where pages are numbered.
        """
        asked: list[tuple[str, str]] = []
        for name, value in (filters or {}).items():
            if isinstance(value, list | tuple):
                asked += [(f"{name}[]", str(one)) for one in value]
            elif value is not None:
                asked.append((name, str(value)))
        if self.walk == "pages":
            return [*asked, ("Page", str(offset))]
        rows = self.page_limit if limit is None else limit
        if rows is not None:
            asked.append(("limit", str(rows)))
        if offset or self.page_limit is not None:
            asked.append(("offset", str(offset)))
        return asked
