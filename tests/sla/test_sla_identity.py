"""Which variant a line means: the code as it was when the order was made, the order's own items, what it holds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest
from model_runner import run
from order_rows import Orders, Seen, at, utc

from conftest import a_run
from stockbook.clock import ManualClock
from stockbook.declarations import Table
from stockbook.progress import Silent
from stockbook.staging.load import Landed, load

FIRST_NIGHT, SECOND_NIGHT, THIRD_NIGHT = "2025-03-04 02:15", "2025-03-05 02:15", "2025-03-06 02:15"
LATER = "2025-03-20 02:15"
# an order of each: before the codes changed, between the two nights that saw them before and after, after it
BEFORE, BETWEEN, AFTER = "2025-03-03 09:00", "2025-03-04 09:00", "2025-03-06 09:00"


@dataclass
class Catalogue(Orders):
    """Orders beside a catalogue that nights saw change."""

    def variant(self, variant_id: int, *codes: tuple[str, str | None, str | None]) -> None:
        """A variant by its codes: ``(code, first night that saw it, last night)``."""
        for number, (code, first, last) in enumerate(codes, start=1):
            self.con.execute(
                """
                insert into staging.variants_history (account, variant_id, product_id, code, _version, _valid_from,
                    _last_seen_at, _valid_to, _in_first_load)
                values ('main', ?, 1, ?, ?, ?, ?, null, ?)
                """,
                [variant_id, code, number, at(first or FIRST_NIGHT), at(last or LATER), first in (None, FIRST_NIGHT)],
            )
        self.con.execute(
            "insert into staging.variants (account, variant_id, product_id, code, _last_seen_at) "
            "values ('main', ?, 1, ?, ?)",
            [variant_id, codes[-1][0], at(LATER)],
        )

    def ordered(
        self, order_id: str, created: str, code: str | None, *moved: tuple[int, int], pieces: int = 1,
        items: dict[int, tuple[str, int]] | None = None, table: str = "order_stock_items",
    ) -> None:  # fmt: skip  # one line per argument says no more
        """An order of one line with a code; ``moved`` are (variant, pieces), ``items`` variant -> (code, pieces)."""
        self.order(order_id, created, Seen("in_expedition", created))
        self.con.execute(
            "update staging.order_lines set code = ?, quantity = ? where order_id = ?", [code, pieces, order_id]
        )
        for variant_id, count in moved:
            self.move(order_id, created.replace("09:00", "10:00"), count, variant_id=variant_id)
        for number, (variant_id, (item_code, count)) in enumerate((items or {}).items(), start=1):
            package = ", package_id" if table == "order_packages" else ""
            self.con.execute(
                f"insert into staging.{table} (account, order_id, item_no, variant_id, code, quantity{package}) "
                f"values ('main', ?, ?, ?, ?, ?{', ?' if package else ''})",
                [order_id, number, variant_id, item_code, count, *(["p"] if package else [])],
            )


@pytest.fixture(scope="module")
def books() -> Catalogue:
    """One catalogue in which codes were renamed, re-used, swapped and shared, and orders of each."""
    shop = Catalogue()
    shop.con.execute("delete from staging.variants")
    # re-used: variant 1 gave its code to variant 4 between two nights
    shop.variant(1, ("A", None, FIRST_NIGHT), ("A-OLD", SECOND_NIGHT, None))
    shop.variant(4, ("D", None, FIRST_NIGHT), ("A", SECOND_NIGHT, None))
    # only renamed
    shop.variant(2, ("B", None, FIRST_NIGHT), ("B-NEW", SECOND_NIGHT, None))
    # swapped
    shop.variant(5, ("E", None, FIRST_NIGHT), ("F", SECOND_NIGHT, None))
    shop.variant(6, ("F", None, FIRST_NIGHT), ("E", SECOND_NIGHT, None))
    # a new variant took the code of an old one, which got another
    shop.variant(7, ("G", None, FIRST_NIGHT), ("G-1", SECOND_NIGHT, None))
    shop.variant(8, ("G", SECOND_NIGHT, None))
    # two at once
    shop.variant(9, ("H", None, None))
    shop.variant(10, ("H", None, None))
    # a set with a code and a variant of its own, what it holds, a leaflet
    shop.variant(20, ("SET", None, None))
    shop.variant(21, ("PART-1", None, None))
    shop.variant(22, ("PART-2", None, None))
    shop.variant(23, ("LEAFLET", None, None))
    shop.variant(24, ("BOX", None, FIRST_NIGHT), ("BOX-NEW", SECOND_NIGHT, None))
    # two codes that differ by case alone
    shop.variant(25, ("k", None, None))
    shop.variant(26, ("K", None, None))
    for number, code in ((2, "B"), (7, "G"), (20, "SET"), (21, "PART-1")):
        shop.variant(100 + number, (f"OTHER-{code}", None, None))
    return shop


# order -> (created, code, moved, pieces, items), then what its line means and how the order stands
Row = tuple[str, str | None, tuple[tuple[int, int], ...], int, dict[int, tuple[str, int]]]
CASES: dict[str, tuple[Row, tuple[int | None, str | None, str | None, str, bool | None]]] = {
    "re-used, before": ((BEFORE, "A", ((1, 1),), 1, {}), (1, "code", None, "on_time", True)),
    "re-used, after": ((AFTER, "A", ((4, 1),), 1, {}), (4, "code", None, "on_time", True)),
    "re-used, between, the old one left": ((BETWEEN, "A", ((1, 1),), 1, {}), (1, "movement", None, "on_time", True)),
    "re-used, between, the new one left": ((BETWEEN, "A", ((4, 1),), 1, {}), (4, "movement", None, "on_time", True)),
    "re-used, between, nothing left": (
        (BETWEEN, "A", (), 1, {}),
        (None, None, "the code was given to another variant about then", "overdue", None),
    ),
    "re-used, between, both left": (
        (BETWEEN, "A", ((1, 1), (4, 1)), 1, {}),
        (None, None, "the code was given to another variant about then", "unknown", None),
    ),
    "re-used, between, its items tell": (
        (BETWEEN, "A", ((4, 1),), 1, {4: ("A", 1)}),
        (4, "stock_item", None, "on_time", True),
    ),
    "re-used, before, relabelled since": (
        (BEFORE, "A", ((1, 1),), 1, {1: ("A-OLD", 1)}),
        (1, "code", None, "on_time", True),
    ),
    "re-used, before, its items name the new one": (
        (BEFORE, "A", ((4, 1),), 1, {4: ("A", 1)}),
        (4, "stock_item", None, "on_time", True),
    ),
    "renamed, before": ((BEFORE, "B", ((2, 1),), 1, {}), (2, "code", None, "on_time", True)),
    "renamed, between, the old code": ((BETWEEN, "B", ((2, 1),), 1, {}), (2, "code", None, "on_time", True)),
    "renamed, between, the new code": ((BETWEEN, "B-NEW", ((2, 1),), 1, {}), (2, "code", None, "on_time", True)),
    "renamed, after, the old code": (
        (AFTER, "B", ((2, 1),), 1, {}),
        (None, None, "no variant had the code then", "unknown", None),
    ),
    "renamed, after, the old code, its items tell": (
        (AFTER, "B", ((2, 1),), 1, {2: ("B", 1)}),
        (2, "stock_item", None, "on_time", True),
    ),
    "swapped, before": ((BEFORE, "E", ((5, 1),), 1, {}), (5, "code", None, "on_time", True)),
    "swapped, after": ((AFTER, "E", ((6, 1),), 1, {}), (6, "code", None, "on_time", True)),
    "swapped, the wrong one left": ((AFTER, "E", ((5, 1),), 1, {}), (6, "code", None, "overdue", False)),
    "taken over by a new variant, before": ((BEFORE, "G", ((7, 1),), 1, {}), (7, "code", None, "on_time", True)),
    "taken over by a new variant, after": ((AFTER, "G", ((8, 1),), 1, {}), (8, "code", None, "on_time", True)),
    "two at once": ((BEFORE, "H", ((10, 1),), 1, {}), (10, "movement", None, "on_time", True)),
    "typed otherwise": ((AFTER, " part-1", ((21, 1),), 1, {}), (21, "code", None, "on_time", True)),
    "typed otherwise, swapped, before": ((BEFORE, "e", ((5, 1),), 1, {}), (5, "code", None, "on_time", True)),
    "typed otherwise, swapped, after": ((AFTER, "e ", ((6, 1),), 1, {}), (6, "code", None, "on_time", True)),
    "typed otherwise, an old code": (
        (AFTER, "b", ((2, 1),), 1, {}),
        (None, None, "no variant had the code then", "unknown", None),
    ),
    "typed as one of two": ((AFTER, "K", ((26, 1),), 1, {}), (26, "code", None, "on_time", True)),
    "a set typed otherwise": (
        (BEFORE, "set", ((21, 1),), 1, {21: ("PART-1", 1)}),
        (None, "set", None, "on_time", True),
    ),
    "a set that was renamed": (
        (BEFORE, "BOX", ((21, 1), (22, 2)), 1, {21: ("PART-1", 1), 22: ("PART-2", 2)}),
        (None, "set", None, "on_time", True),
    ),
    "a set that was renamed, nothing tells": (
        (BEFORE, "BOX", ((21, 1),), 1, {}),
        (None, None, "perhaps a set", "unknown", None),
    ),
    "a set, its items tell": (
        (BEFORE, "SET", ((21, 1), (22, 2)), 1, {21: ("PART-1", 1), 22: ("PART-2", 2)}),
        (None, "set", None, "on_time", True),
    ),
    "a set, a part is still there": (
        (BEFORE, "SET", ((21, 1), (22, 1)), 1, {21: ("PART-1", 1), 22: ("PART-2", 2)}),
        (None, "set", None, "overdue", False),
    ),
    "a set without a variant, its items tell": (
        (BEFORE, "BUNDLE", ((21, 1), (22, 2)), 1, {21: ("PART-1", 1), 22: ("PART-2", 2)}),
        (None, "set", None, "on_time", True),
    ),
    "a set, nothing tells": (
        (BEFORE, "SET", ((21, 1), (22, 2)), 1, {}),
        (None, None, "perhaps a set", "unknown", None),
    ),
    "a set without a variant, nothing tells": (
        (BEFORE, "BUNDLE", ((21, 1),), 1, {}),
        (None, None, "no variant has the code", "unknown", None),
    ),
    "a set, nothing left": ((BEFORE, "SET", (), 1, {}), (20, "code", None, "overdue", None)),
    "no code": ((BEFORE, None, ((21, 1),), 1, {}), (None, None, "the line has no code", "unknown", None)),
    "no set but a leaflet with it": (
        (BEFORE, "PART-1", ((21, 1), (23, 1)), 1, {21: ("PART-1", 1), 23: ("LEAFLET", 1)}),
        (21, "code", None, "on_time", True),
    ),
    "short, only the leaflet left": (
        (BEFORE, "PART-1", ((23, 1),), 1, {23: ("LEAFLET", 1)}),
        (21, "code", None, "overdue", False),
    ),
}


@pytest.fixture(scope="module")
def stands(books: Catalogue) -> dict[str, dict[str, Any]]:
    """What became of every order of the table, with the meaning of its line."""
    for name, ((created, code, moved, pieces, items), _) in CASES.items():
        books.ordered(name, created, code, *moved, pieces=pieces, items=items)
    books.ordered("parcels tell", AFTER, "B", (2, 1), items={2: ("B", 1)}, table="order_packages")
    books.ordered("a set, parcels tell", AFTER, "SET", (21, 1), items={21: ("PART-1", 1)}, table="order_packages")
    fulfillments = books.fulfillment(LATER)
    books.build(LATER, "marts.fct_order_line")
    lines = {row["order_id"]: row for row in books.rows("marts.fct_order_line")}
    return {name: row | {"line": lines[name]} for name, row in fulfillments.items()}


@pytest.mark.parametrize("name", CASES)
def test_what_a_line_means(stands: dict[str, dict[str, Any]], name: str) -> None:
    """The line names the variant its code meant when the order was made, or says why nothing tells."""
    variant, evidence, reason, state, in_full = CASES[name][1]
    row = stands[name]

    assert (row["line"]["variant_id"], row["line"]["variant_evidence"], row["line"]["unknown_reason"]) == (
        variant,
        evidence,
        reason,
    )
    assert (row["sla_state"], row["is_in_full"]) == (state, in_full)


def test_parcels_tell_where_there_are_no_stock_items(stands: dict[str, dict[str, Any]]) -> None:
    """What was packed names a variant, and what a set holds."""
    assert stands["parcels tell"]["line"]["variant_evidence"] == "stock_item"
    assert stands["a set, parcels tell"]["line"]["variant_evidence"] == "set"
    assert {stands[name]["sla_state"] for name in ("parcels tell", "a set, parcels tell")} == {"on_time"}


def test_an_order_whose_line_is_in_quarantine_is_unknown() -> None:
    """Never complete without the line; once the order was read again without a refusal it is known as before."""
    orders = Orders()
    seen = Seen("in_expedition", "2025-03-04 09:30", "2025-03-05 02:15")
    for name in ("refused", "refused before", "whole", "refused and cancelled", "nothing left"):
        last = Seen("cancelled", "2025-03-04 12:00", "2025-03-05 02:15") if "cancelled" in name else seen
        orders.order(name, "2025-03-04 09:00", last)
        if name in ("refused", "refused before", "whole"):
            orders.move(name, "2025-03-04 10:00", 1)
    rows = [
        ("order_lines", "refused/2", "refused", "2025-03-05 02:15"),
        ("order_lines", "refused before/2", "refused before", "2025-03-04 02:15"),
        ("order_stock_items", "nothing left/1", "nothing left", "2025-03-05 02:15"),
        ("order_packages", "refused and cancelled/1", "refused and cancelled", "2025-03-05 02:15"),
        ("movements", "7", "whole", "2025-03-05 02:15"),
    ]
    for table, row_key, parent, seen_at in rows:
        orders.con.execute(
            "insert into staging.quarantine (account, table_name, row_key, reason, parent_key, _first_seen_at) "
            "values ('main', ?, ?, 'quantity: missing', ?, ?)",
            [table, row_key, parent, at(seen_at)],
        )

    fulfillments = orders.fulfillment("2025-03-06 02:15")
    orders.build("2025-03-06 02:15", "reports.fill_rate")
    (rate,) = orders.rows("reports.fill_rate")

    assert {
        name: (row["sla_state"], row["is_in_full"], row["unknown_reason"]) for name, row in fulfillments.items()
    } == {
        "refused": ("unknown", None, "in quarantine: order_lines"),
        "refused before": ("on_time", True, None),
        "whole": ("on_time", True, None),
        "refused and cancelled": ("excluded", None, "in quarantine: order_packages"),
        "nothing left": ("unknown", None, "in quarantine: order_stock_items"),
    }
    assert fulfillments["refused"]["first_stock_out_at_utc"] == utc("2025-03-04 10:00")
    assert (rate["orders"], rate["orders_not_countable"], rate["lines"], rate["complete_lines"]) == (4, 2, 2, 2)


def test_an_order_is_known_again_when_its_line_is(
    con: duckdb.DuckDBPyConnection, tables: dict[str, Table], land: Callable[..., Landed], clock: ManualClock
) -> None:
    """Loaded with a line that breaks its declaration it is unknown; read again without that line it is on time."""
    whole = {"code": "DS1", "quantity": 1}

    def night(as_of: str, number: int, lines: list[dict[str, Any]]) -> tuple[Any, ...]:
        order = {"id": "o1", "status": "in_expedition", "created": "2026-03-03 09:00:00", "products": lines}
        moved = {
            "id": 1,
            "variant_id": 1,
            "movement": "out",
            "fulfillment_order_id": "o1",
            "quantity": 1,
            "damaged_quantity": 0,
            "created": "2026-03-03 10:00:00",
        }
        product = {"id": 1, "name": "One", "variants": [{"id": 1, "code": "DS1"}]}
        landed = [
            land("orders", [order], window_from="2026-03-01", window_to="2026-03-05", read_at=as_of),
            land("movements", [moved], floor=0, ceiling=1, read_at=as_of),
            land("products", [product], read_at=as_of),
        ]
        load(con, a_run(as_of, f"r{number}"), landed, tables, clock, Silent(), 1)
        run(con, "marts.fct_fulfillment", at(as_of))
        return con.execute("select sla_state, is_in_full, unknown_reason from marts.fct_fulfillment").fetchall()[0]

    states = [
        night("2026-03-04T02:15:00", 1, [whole, {"code": "DS2", "quantity": "a few"}]),
        night("2026-03-05T02:15:00", 2, [whole]),
    ]

    assert states == [("unknown", None, "in quarantine: order_lines"), ("on_time", True, None)]
