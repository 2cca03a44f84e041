"""Stock as it was known: given forms of movements and when they were seen, figures of a day as known on a day."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference_valuation import FIGURES, POOLS, Move, books
from test_valuation_program import POLICY, Shop
from test_valuation_replay import NEAR, Defaults, in_order
from test_valuation_replay import movements as ledgers

KNOWN = (
    "program known_stock",
    "reports.stock_balance_as_known",
    "reports.stock_value_on_as_known",
    "reports.restatements",
    "reports.restatement_on",
    "reports.stock_movements_monthly",
)
START = date(2025, 3, 1)
CAUSES = {"late", "changed", "gone", "reappeared", "default_cost", "several", "in order"}


class Known(Shop):
    """A shop whose movements are seen on nights, and change."""

    def __init__(self, policy_dir: Path = POLICY) -> None:
        super().__init__(policy_dir, KNOWN)

    def change(self, movement_id: int, night: datetime, **other: Any) -> None:
        """Another form of a movement (``quantity``, ``unit_price``...), or its end (``gone=True``), seen on a night."""
        self.con.execute(
            "update staging.movements_history set _valid_to = ? where movement_id = ? and _valid_to is null",
            [night, movement_id],
        )
        if other.pop("gone", False):
            self.con.execute("update staging.movements set _deleted_at = ? where movement_id = ?", [night, movement_id])
            return
        columns = [name for name, *_ in self.ask("describe staging.movements_history")]
        told = {"_version": "_version + 1", "_valid_from": "_valid_to", "_valid_to": "null", "_in_first_load": "false"}
        told |= {name: f"${name}" for name in other}
        self.con.execute(
            f"insert into staging.movements_history select {', '.join(told.get(name, name) for name in columns)} "
            "from staging.movements_history where movement_id = $movement_id order by _version desc limit 1",
            other | {"movement_id": movement_id},
        )
        for name, value in other.items():
            self.con.execute(f"update staging.movements set {name} = ? where movement_id = ?", [value, movement_id])

    def as_known(self, day: date, known_day: date) -> dict[tuple[int, str], tuple[Any, ...]]:
        """Quantity, the four values and pieces without cost by variant and pool."""
        rows = self.ask(
            "select variant_id, pool, quantity, fifo_landed_value, fifo_bare_value, average_landed_value, "
            f"average_bare_value, missing_cost_quantity from reports.stock_balance_as_known(date '{day}', "
            f"date '{known_day}')"
        )
        return {row[:2]: row[2:] for row in rows}

    def values(self, day: date, known_day: date) -> list[tuple[Any, ...]]:
        """Variant, pieces and headline value."""
        return self.ask(
            "select variant_id, quantity, stock_value from "
            f"reports.stock_value_on_as_known(date '{day}', date '{known_day}') order by 1"
        )


@pytest.fixture
def shop() -> Iterator[Known]:
    found = Known()
    yield found
    found.con.close()


def at_night(day: int) -> datetime:
    return datetime(2025, 3, 1, 2, 15) + timedelta(days=day)


@dataclass(frozen=True)
class Form:
    """A form of a movement and the days from and to which it was known."""

    move: Move
    known_from: int
    known_to: int | None
    in_first_load: bool = False


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Form], Defaults]:
    """Ledgers of a few variants whose rows are seen on time, late, early on their own day, change and vanish."""
    moves, defaults = draw(ledgers())
    forms = []
    for move in moves:
        first_load = draw(st.sampled_from([False, False, True]))
        seen = move.day if first_load else move.day + draw(st.sampled_from([0, 1, 1, 1, 2, 5]))
        fate = draw(st.sampled_from(["stays", "stays", "stays", "stays", "changes", "goes"]))
        until = None if fate == "stays" else max(seen, move.day + 1) + draw(st.integers(1, 4))
        forms.append(Form(move, seen, until, first_load))
        if fate == "changes":
            other = replace(move, quantity=draw(st.integers(0, 12)), price=draw(st.sampled_from([None, Decimal(3)])))
            assert until is not None
            forms.append(Form(other, until, None))
    return forms, defaults


def fill(shop: Known, forms: list[Form], defaults: Defaults) -> None:
    first = {}
    for form in forms:
        move = form.move
        if move.id in first:
            shop.change(move.id, at_night(form.known_from), quantity=move.quantity, unit_price=move.price)
            continue
        first[move.id] = form
        shop.move(
            move.id,
            move.variant,
            move.direction,
            move.quantity,
            datetime(2025, 3, 1).__add__(timedelta(days=move.day)).isoformat(sep=" "),
            damaged=move.damaged,
            price=move.price,
            extra=move.extra,
            order=move.order,
            receiving=None if move.line_price is None else 1,
            transformation=move.transformation,
            first_seen=None if form.in_first_load else at_night(form.known_from),
        )
    for form in forms:
        if form.known_to is not None and not any(
            other.move.id == form.move.id and other.known_from == form.known_to for other in forms
        ):
            shop.change(form.move.id, at_night(form.known_to), gone=True)
    for variant in {form.move.variant for form in forms if form.move.line_price is not None}:
        row = {"account": "main", "receiving_id": 1, "line_no": 1, "variant_id": variant}
        shop.insert("staging.receiving_lines", row | {"price_per_unit": Decimal("4.25")})
    for variant, versions in defaults.items():
        for number, (day, price) in enumerate(versions, 1):
            shop.price(variant, None if price is None else str(price), at_night(day), number)


def expected(
    forms: list[Form], defaults: Defaults, day: int, known_day: int
) -> dict[tuple[int, str], tuple[int, list[Decimal], int]]:
    """Balances of the reference from what was known."""
    moves = in_order(
        [
            form.move
            for form in forms
            if form.known_from <= known_day and (form.known_to is None or form.known_to > known_day)
        ]
    )
    prices = {variant: [one for one in versions if one[0] <= known_day] for variant, versions in defaults.items()}
    found = [books(moves, method, basis, prices).balance for method, basis in FIGURES]
    told = {}
    for variant in {move.variant for move in moves}:
        for pool in POOLS:
            days = [at for one, name, at in found[0] if (one, name) == (variant, pool) and at <= day]
            if days:
                parts = [balance[variant, pool, max(days)] for balance in found]
                told[variant, pool] = (parts[0][0], [value for _, value, _ in parts], parts[0][2])
    return told


def check_history(case: tuple[list[Form], Defaults], pairs: list[tuple[int, int]]) -> None:
    forms, defaults = case
    shop = Known()
    fill(shop, forms, defaults)
    shop.build(datetime(2025, 3, 31, 2, 15))
    assert shop.broken() == {}
    for day, known_day in pairs:
        told = shop.as_known(START + timedelta(days=day), START + timedelta(days=known_day))
        wanted = expected(forms, defaults, day, known_day)
        assert told.keys() == wanted.keys(), (day, known_day)
        for key, (quantity, *values, missing) in told.items():
            pieces, worth, unknown = wanted[key]
            assert (quantity, missing) == (pieces, unknown), (day, known_day, key)
            assert all(abs(a - b) <= NEAR for a, b in zip(values, worth, strict=True)), (day, known_day, key)
        assert_explained(shop, START + timedelta(days=day), START + timedelta(days=known_day))
    shop.con.close()


def assert_explained(shop: Known, day: date, known_day: date) -> None:
    """The rows of the restatement are the difference, to the last digit."""
    now = shop.as_known(day, date(2100, 1, 1))
    then = shop.as_known(day, known_day)
    nothing = (0,) * 6
    difference = {
        key: tuple(a - b for a, b in zip(now.get(key, nothing), then.get(key, nothing), strict=True))[:5]
        for key in now.keys() | then.keys()
    }
    rows = shop.ask(
        "select variant_id, pool, sum(quantity_change), sum(fifo_landed_change), sum(fifo_bare_change), "
        "sum(average_landed_change), sum(average_bare_change) "
        f"from reports.restatement_on(date '{day}', date '{known_day}') group by all"
    )
    explained = {row[:2]: row[2:] for row in rows}
    assert {key: value for key, value in explained.items() if any(value)} == {
        key: value for key, value in difference.items() if any(value)
    }


PAIRS = [(0, 1), (2, 3), (3, 3), (5, 4), (4, 6), (6, 9), (9, 10), (9, 30)]


@pytest.mark.slow
@given(histories())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_figures_as_known_equal_the_reference(case: tuple[list[Form], Defaults]) -> None:
    """For days and days of knowledge, the macro is the Decimal reference over what was known, and rows explain it."""
    check_history(case, PAIRS)
