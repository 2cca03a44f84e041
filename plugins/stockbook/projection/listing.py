"""
What is declared of a listing: where it is, how it is read and what proves it complete.

Everything the extraction does differently for one listing than for another is declared, in
``include/sources/<api>_listings.yml`` (``sources.listings`` reads it). ``docs/sources.md`` is printed from it.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

Walk = Literal["offset", "once_per_row", "numbered_pages", "ledger", "orders_by_day", "fulfillment_window"]
Proof = Literal["totalCount", "count.json", "empty page", "floor passed", "by id"]


class Each(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The other listing for whose rows a listing is read, once for each.

    The rows of ``listing`` whose field ``where`` says yes are asked for by their field ``key``, as the query parameter
    ``parameter``. A row that comes back does not name the row it was asked for, so that is written into it under the
    parameter's name.
    """

    listing: str
    where: str
    key: str
    parameter: str


class Listing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One listing of one API.

    ``walk`` is how it is read: one of the classes of ``sources``. ``key`` names the first-level wire fields that hold
    a row's key, in order of preference; ``key_is_number`` says that keys are whole numbers, ``key_with`` names fields
    that belong to the key besides. ``page_limit`` is the number of rows asked for (the documented maximum), None where
    the endpoint knows no paging. ``has_total`` says that every page promises a total; ``count_path`` is where to ask
    for one instead. ``envelope`` is (plural, singular) where the rows hang under the resource's name instead of
    ``data``, ``renamed`` the section of ``<api>_fields.yml`` that names their fields. ``names_orders`` is the wire
    field that names orders to be read besides their window. ``one_path`` is the path of a single row, with ``{id}`` in
    it. ``filters`` are query parameters of every page. ``where_served`` says that the source may not have it at all,
    ``read_first`` that it is read before the others begin. What becomes of rows that are absent is declared once, by
    the ``kind`` of the table it feeds.
    """

    api: str
    name: str
    path: str
    about: str
    walk: Walk = "offset"
    key: tuple[str, ...] = ("id",)
    key_is_number: bool = True
    key_with: tuple[str, ...] = ()
    page_limit: int | None = None
    has_total: bool = True
    count_path: str | None = None
    envelope: tuple[str, str] | None = None
    renamed: str | None = None
    names_orders: str | None = None
    one_path: str | None = None
    each: Each | None = None
    filters: tuple[tuple[str, str | int], ...] = ()
    where_served: bool = False
    read_first: bool = False

    @property
    def folder(self) -> str:
        """Name of the listing's folder in landing."""
        return f"{self.api}.{self.name}"

    @property
    def proof(self) -> Proof:
        """What proves that all of it came."""
        if self.count_path is not None:
            return "count.json"
        return "totalCount" if self.has_total else "empty page"

    def parameters(
        self, offset: int = 0, limit: int | None = None, filters: Mapping[str, object] | None = None
    ) -> list[tuple[str, str]]:
        """Query parameters of one page."""
        query = query_of(filters)
        rows = self.page_limit if limit is None else limit
        if rows is not None:
            query.append(("limit", str(rows)))
        if offset or self.page_limit is not None:
            query.append(("offset", str(offset)))
        return query


def query_of(filters: Mapping[str, object] | None) -> list[tuple[str, str]]:
    """Query parameters of filters; a list is repeated as ``name[]``, as PHP reads it, and None is left out."""
    query: list[tuple[str, str]] = []
    for name, value in (filters or {}).items():
        if isinstance(value, list | tuple):
            query += [(f"{name}[]", str(item)) for item in value]
        elif value is not None:
            query.append((name, str(value)))
    return query
