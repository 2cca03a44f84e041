"""The tables of staging that are about people, and which of their columns go: as their declarations say."""

from collections.abc import Iterator
from typing import NamedTuple

from stockbook.declarations import Column, Table, of_layer, of_listing
from stockbook.sources import listings

SHOPLINE_ORDER, SHOPLINE_TIME = "order_id", "created_at_utc"


class PersonalTable(NamedTuple):
    """
    A table with rows of people: ``order`` is the column that names the order, of the ``system``.

    ``naming`` are the hashes by which a person is known, ``emptied`` what is NULL when they are forgotten (those too),
    ``renamed`` hashes that are others then, ``time`` the column that says when the order was.
    """

    table: Table
    system: str
    order: str
    naming: list[str]
    emptied: list[str]
    renamed: list[str]
    time: str | None = None


def personal_tables(tables: dict[str, Table]) -> list[PersonalTable]:
    """Every table of staging whose declaration has something of a person that does not stay."""
    return list(_personal_tables(tables))


def _personal_tables(tables: dict[str, Table]) -> Iterator[PersonalTable]:
    for table in of_layer(tables, "staging"):
        order = _order_of(table, tables)
        columns = table.columns.items()
        emptied = [name for name, column in columns if column.when_erased == "emptied"]
        renamed = [name for name, column in columns if column.when_erased == "renamed"]
        if order is not None and (emptied or renamed):
            naming = [name for name, column in columns if column.names_person]
            yield PersonalTable(table, _system_of(table), order, naming, emptied, renamed, _time_of(table))


def _time_of(table: Table) -> str | None:
    if table.dated is not None:
        return table.dated.by
    return SHOPLINE_TIME if SHOPLINE_TIME in table.columns else None


def _system_of(table: Table) -> str:
    return table.source.api if table.source is not None else table.table.partition("_")[0]


def _order_of(table: Table, tables: dict[str, Table]) -> str | None:
    """The column that names the order; None of a table that is about none, such as receivings."""
    if table.source is None:
        return SHOPLINE_ORDER if table.kind == "drained" and SHOPLINE_ORDER in table.columns else None
    fed = of_listing(tables, table.source.api, table.source.listing)
    if not any(_is_emptied(column) for each in fed for column in each.columns.values()):
        return None
    key = next(each.key for each in listings.of_api(table.source.api) if each.name == table.source.listing)
    paths = [*key, *(f"^.{name}" for name in key), *(f"^^.{name}" for name in key)]
    names = (name for path in paths for name, column in table.columns.items() if column.paths[:1] == [path])
    return next(names, None)


def _is_emptied(column: Column) -> bool:
    return column.when_erased == "emptied"
