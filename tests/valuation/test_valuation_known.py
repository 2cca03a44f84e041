"""Stock as it was known: given forms of movements and when they were seen, figures of a day as known on a day."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import proof_size
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import VARIANTS, exchange, movements, transformation
from ledgers import receiving as goods
from reference_valuation import FIGURES, POOLS, Defaults, Line, Lines, Move, books
from test_valuation_program import FIRST_LOAD, POLICY, Shop, with_settings
from test_valuation_replay import NEAR

from stockbook.valuation.as_known.revisions import MOST_EVENTS

KNOWN = (
    "program known_stock",
    "reports.stock_balance_as_known",
    "reports.stock_value_on_as_known",
    "reports.restatements",
    "reports.restatement_on",
    "reports.stock_movements_monthly",
)
START = date(2025, 3, 1)
CAUSES = {"late", "changed", "gone", "reappeared", "receiving_line", "default_cost", "several", "in order"}


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
        version = {
            "_version": "_version + 1",
            "_valid_from": "_valid_to",
            "_valid_to": "null",
            "_in_first_load": "false",
        }
        version |= {name: f"${name}" for name in other}
        self.con.execute(
            f"insert into staging.movements_history select {', '.join(version.get(name, name) for name in columns)} "
            "from staging.movements_history where movement_id = $movement_id order by _version desc limit 1",
            other | {"movement_id": movement_id},
        )
        for name, value in other.items():
            self.con.execute(f"update staging.movements set {name} = ? where movement_id = ?", [value, movement_id])

    def line(self, receiving: int, variant: int, price: Any, at: datetime | None = None, **other: Any) -> None:
        """What a line of a receiving says since a night; None: since the account's first reading of receivings."""
        row = {"account": "main", "receiving_id": receiving, "line_no": 1, "variant_id": variant, "quantity": 10}
        row |= {"price_per_unit": price} | other
        key = (receiving, row["line_no"])
        self.con.execute("delete from staging.receiving_lines where (receiving_id, line_no) = (?, ?)", key)
        self.insert("staging.receiving_lines", row)
        of_line = "staging.receiving_lines_history where (receiving_id, line_no) = (?, ?)"
        versions = self.con.execute(f"select count(*) from {of_line}", key).fetchall()[0][0]
        self.con.execute(
            "update staging.receiving_lines_history set _valid_to = ? "
            "where (receiving_id, line_no) = (?, ?) and _valid_to is null",
            [at, *key],
        )
        stamp = {"_version": versions + 1, "_valid_from": at or FIRST_LOAD, "_in_first_load": at is None}
        self.insert("staging.receiving_lines_history", row | stamp)

    def as_known(self, day: date, known_day: date) -> dict[tuple[int, str], tuple[Any, ...]]:
        """Quantity, the four values and pieces without cost by variant and pool."""
        rows = self.ask(
            "select variant_id, pool, quantity, fifo_landed_value, fifo_bare_value, average_landed_value, "
            "average_bare_value, missing_cost_quantity, average_missing_cost_quantity "
            f"from reports.stock_balance_as_known(date '{day}', "
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
    shop = Known()
    yield shop
    shop.con.close()


def at_night(day: int) -> datetime:
    return datetime(2025, 3, 1, 2, 15) + timedelta(days=day)


def wall(day: int) -> str:
    return (datetime(2025, 3, 1) + timedelta(days=day)).isoformat(sep=" ")


@dataclass(frozen=True)
class Form:
    """A form of a movement and the days from and to which it was known."""

    move: Move
    known_from: int
    known_to: int | None
    in_first_load: bool = False


# of receiving, variant and the place of a line: the price it has since a night
Edits = dict[tuple[int, int, int], tuple[int, Decimal]]
History = tuple[list[Form], Defaults, Lines, Edits]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Ledgers of a few variants whose rows are seen on time, late, early on their own day, change and vanish."""
    moves, defaults, lines = draw(movements(most=12))
    forms = []
    for move in moves:
        first_load = draw(st.sampled_from([False, False, True]))
        seen = move.day if first_load else move.day + draw(st.sampled_from([0, 1, 1, 1, 2, 5]))
        fate = draw(st.sampled_from(["stays", "stays", "stays", "stays", "changes", "goes"]))
        until = None if fate == "stays" else max(seen, move.day + 1) + draw(st.integers(1, 4))
        forms.append(Form(move, seen, until, first_load))
        if fate == "changes":
            other = replace(
                move,
                quantity=draw(st.integers(0, 12)),
                price=draw(st.sampled_from([None, Decimal(3)])),
                at=draw(st.sampled_from([move.at, move.at, max(0, move.at - 2)])),
            )
            assert until is not None
            forms.append(Form(other, until, None))
    places = [(*lot, place) for lot, several in lines.items() for place in range(len(several))]
    edited = draw(st.lists(st.sampled_from(places), unique=True, max_size=2)) if places else []
    edits = {line: (draw(st.integers(1, 8)), Decimal(draw(st.integers(0, 9)))) for line in edited}
    return forms, defaults, lines, edits


def as_edited(lines: Lines, edits: Edits, known_day: int) -> Lines:
    """The lines with the prices that were known by a day."""
    return {
        (receiving, variant): [
            replace(line, price=edits[receiving, variant, place][1])
            if edits.get((receiving, variant, place), (known_day + 1, None))[0] <= known_day
            else line
            for place, line in enumerate(several)
        ]
        for (receiving, variant), several in lines.items()
    }


def fill(shop: Known, forms: list[Form], defaults: Defaults, lines: Lines, edits: Edits) -> None:
    first = {}
    for form in forms:
        move = form.move
        if move.id in first:
            created_at = wall(move.day)
            shop.change(
                move.id,
                at_night(form.known_from),
                quantity=move.quantity,
                unit_price=move.price,
                created_text=created_at,
            )
            shop.con.execute("update staging.movements set created_at = ? where movement_id = ?", [created_at, move.id])
            continue
        first[move.id] = form
        shop.move(
            move.id,
            move.variant,
            move.direction,
            move.quantity,
            wall(move.day),
            damaged=move.damaged,
            price=move.price,
            extra=move.extra,
            order=move.order,
            receiving=move.receiving,
            transformation=move.transformation,
            first_seen=None if form.in_first_load else at_night(form.known_from),
        )
    for form in forms:
        if form.known_to is not None and not any(
            other.move.id == form.move.id and other.known_from == form.known_to for other in forms
        ):
            shop.change(form.move.id, at_night(form.known_to), gone=True)
    for (receiving, variant), several in lines.items():
        for place, line in enumerate(several):
            said = {"line_no": 10 * variant + place, "quantity": line.pieces}
            shop.line(receiving, variant, line.price, **said)
            if (receiving, variant, place) in edits:
                night, price = edits[receiving, variant, place]
                shop.line(receiving, variant, price, at_night(night), **said)
    for variant, versions in defaults.items():
        for number, (day, price) in enumerate(versions, 1):
            shop.price(variant, None if price is None else str(price), at_night(day), number)


def expected(history: History, day: int, known_day: int) -> dict[tuple[int, str], tuple[int, list[Decimal], list[int]]]:
    """Balances of the reference from what was known."""
    forms, defaults, lines, edits = history
    moves = [
        form.move
        for form in forms
        if form.known_from <= known_day and (form.known_to is None or form.known_to > known_day)
    ]
    prices = {
        variant: [version for version in versions if version[0] <= known_day] for variant, versions in defaults.items()
    }
    by_figure = [
        books(moves, method, basis, prices, as_edited(lines, edits, known_day)).balance for method, basis in FIGURES
    ]
    stock = {}
    for variant in {move.variant for move in moves}:
        for pool in POOLS:
            days = [at for number, name, at in by_figure[0] if (number, name) == (variant, pool) and at <= day]
            if days:
                parts = [balance[variant, pool, max(days)] for balance in by_figure]
                stock[variant, pool] = (parts[0][0], [part[1] for part in parts], [*parts[0][2:]])
    return stock


def check_history(history: History, pairs: list[tuple[int, int]]) -> None:
    shop = Known()
    fill(shop, *history)
    shop.build(datetime(2025, 3, 31, 2, 15))
    assert shop.broken() == {}
    for day, known_day in pairs:
        stock = shop.as_known(START + timedelta(days=day), START + timedelta(days=known_day))
        wanted = expected(history, day, known_day)
        assert stock.keys() == wanted.keys(), (day, known_day)
        for key, (quantity, *values, by_fifo, by_average) in stock.items():
            pieces, worth, unknown = wanted[key]
            assert (quantity, [by_fifo, by_average]) == (pieces, unknown), (day, known_day, key)
            assert all(abs(a - b) <= NEAR for a, b in zip(values, worth, strict=True)), (day, known_day, key)
        assert_explained(shop, START + timedelta(days=day), START + timedelta(days=known_day))
    shop.con.close()


def assert_explained(shop: Known, day: date, known_day: date) -> None:
    """The rows of the restatement are the difference, to the last digit."""
    now = shop.as_known(day, date(2100, 1, 1))
    then = shop.as_known(day, known_day)
    nothing = (0,) * 7
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
@settings(
    max_examples=proof_size.of(5, 100),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_figures_as_known_equal_the_reference(case: History) -> None:
    """For days and days of knowledge, the macro is the Decimal reference over what was known, and rows explain it."""
    check_history(case, PAIRS)


@st.composite
def edited_later(draw: st.DrawFn) -> History:
    """A month seen night by night, a receiving per variant; later nights edit a price each."""
    chances = st.randoms(use_true_random=False)
    stories = draw(st.lists(chances.map(goods), min_size=1, max_size=3))
    stories += draw(st.lists(st.one_of(chances.map(exchange), chances.map(transformation)), max_size=2))
    moves = [move for story in stories for move in story]
    ids = draw(st.permutations(range(1, len(moves) + 1)))
    forms = [
        Form(replace(move, id=number, receiving=move.receiving and 10 + move.variant), move.day + 1, None)
        for number, move in zip(ids, moves, strict=True)
    ]
    line = st.builds(Line, st.integers(1, 6), st.one_of(st.none(), st.decimals(1, 9, places=2)))
    lines = {(10 + variant, variant): draw(st.lists(line, min_size=1, max_size=3)) for variant in VARIANTS}
    places = [(*lot, place) for lot, several in lines.items() for place in range(len(several))]
    edited = draw(st.lists(st.sampled_from(places), unique=True, min_size=1, max_size=3))
    nights = draw(st.lists(st.integers(35, 85), unique=True, min_size=len(edited), max_size=len(edited)))
    edits = {line: (night, Decimal(draw(st.integers(0, 9)))) for line, night in zip(edited, nights, strict=True)}
    return forms, {}, lines, edits


def changes_by_edit(history: History, month_end: int) -> dict[tuple[Any, ...], list[Decimal]]:
    """What each edit changed of a month's last stock: by night, receiving, variant and pool the four values."""
    changes = {}
    for (receiving, *_), (night, _) in history[3].items():
        before, after = (expected(history, month_end, known_day) for known_day in (night - 1, night))
        for (variant, pool), (_, worth, _) in after.items():
            change = [new - old for new, old in zip(worth, before[variant, pool][1], strict=True)]
            if any(abs(value) > NEAR for value in change):
                changes[START + timedelta(days=night), receiving, variant, pool] = change
    return changes


@pytest.mark.slow
@given(edited_later())
@settings(
    max_examples=proof_size.of(3, 60),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_edits_of_prices_leave_closed_months_and_are_named(history: History) -> None:
    """What was known of a month before an edit stays; the restatement is the edits' own changes, by receiving."""
    shop = Known()
    fill(shop, *history)
    shop.build(at_night(90))
    month_end, closed_on = START + timedelta(days=30), START + timedelta(days=31)
    edits = sorted(night for night, _ in history[3].values())
    closed = shop.as_known(month_end, closed_on)
    restated = shop.ask(
        "select known_day, receiving_id, variant_id, pool, sum(fifo_landed_change), sum(fifo_bare_change), "
        "sum(average_landed_change), sum(average_bare_change) from reports.restatements "
        f"where date = date '{month_end}' and cause = 'receiving_line' group by all"
    )
    published = {row[:4]: row[4:] for row in restated if any(abs(value) > NEAR for value in row[4:])}
    true = changes_by_edit(history, 30)

    assert shop.broken() == {}
    for night in edits[:1]:
        assert shop.as_known(month_end, START + timedelta(days=night - 1)) == closed
    assert closed.keys() == expected(history, 30, 31).keys()
    for key, (pieces, worth, _) in expected(history, 30, 31).items():
        assert closed[key][0] == pieces
        assert all(abs(a - b) <= NEAR for a, b in zip(closed[key][1:5], worth, strict=True))
    assert published.keys() == true.keys()
    for key, change in true.items():
        assert all(abs(a - b) <= 2 * NEAR for a, b in zip(published[key], change, strict=True)), key
    assert_explained(shop, month_end, closed_on)
    assert shop.ask(f"select distinct cause from reports.restatements where date = date '{month_end}'") in (
        [], [("receiving_line",)],
    )  # fmt: skip
    shop.con.close()


@pytest.fixture(scope="module")
def revised() -> Iterator[Known]:
    """One warehouse in which each variant tells one story; nights are at 02:15, the last on 10 April."""
    shop = Known()
    # 1: a price that was filled in later, after goods had left at the provisional one
    shop.price(1, "4", datetime(2025, 1, 1, 2, 15))
    shop.move(1, 1, "in", 10, "2025-03-01 10:00:00")
    shop.move(2, 1, "out", 4, "2025-03-05 10:00:00", order="a")
    shop.change(1, at_night(20), unit_price=Decimal(6))
    # 2: a row that vanished
    shop.move(10, 2, "in", 5, "2025-03-01 10:00:00", price="2")
    shop.move(11, 2, "in", 1, "2025-03-02 10:00:00", price="2")
    shop.change(11, at_night(40), gone=True)
    # 3: a purchase price that came after the goods, and another that changes nothing
    shop.move(20, 3, "in", 2, "2025-03-03 10:00:00", first_seen=at_night(3))
    shop.price(3, "7", at_night(10), 1)
    shop.price(3, "9", at_night(35), 2)
    # 4 and 5: a late receipt of what was made into something else
    shop.move(30, 4, "in", 1, "2025-03-01 10:00:00", price="10")
    shop.move(31, 4, "out", 1, "2025-03-04 10:00:00", transformation=9)
    shop.move(32, 5, "in", 10, "2025-03-04 10:00:01", transformation=9)
    shop.move(33, 4, "in", 1, "2025-02-27 10:00:00", price="30", first_seen=at_night(32))
    # 6: a variant nothing happened to, seen on time
    shop.move(40, 6, "in", 3, "2025-03-06 10:00:00", price="1", first_seen=at_night(6))
    # 7: a night that brings more than is told one by one
    shop.move(50, 7, "out", 1, "2025-03-20 10:00:00", first_seen=at_night(20))
    for number in range(MOST_EVENTS + 1):
        shop.move(100 + number, 7, "in", 1, "2025-03-10 10:00:00", price="1", first_seen=at_night(32))
    shop.build(datetime(2025, 4, 10, 2, 15))
    yield shop
    shop.con.close()


def told(shop: Known, variant: int) -> list[tuple[Any, ...]]:
    return shop.ask(
        "select date, known_day, cause, movement_id, version, quantity_change, fifo_landed_change, "
        f"average_landed_change from reports.restatements where variant_id = {variant} order by all"
    )


def test_a_price_filled_in_later_changes_what_is_known_from_that_night(revised: Known) -> None:
    """Ten at the purchase price 4.00; a night says 6.00: March was worth 24.00 until then, 36.00 since."""
    days = [date(2025, 3, 20), date(2025, 3, 21)]
    assert [revised.values(date(2025, 3, 10), known_day)[0] for known_day in days] == [(1, 6, 24), (1, 6, 36)]
    # the night came before the month was over: nothing that was closed changed
    assert told(revised, 1) == []
    assert revised.ask("""
        select valid_from, cause, movement_id, version, average_landed_change from marts.fct_stock_revision
        where variant_id = 1 order by 1
    """) == [
        (date(2025, 3, 1), "changed", 1, 2, Decimal(20)),
        (date(2025, 3, 5), "changed", 1, 2, Decimal(-8)),
    ]


def test_a_row_that_vanished_is_told(revised: Known) -> None:
    """Six were known at the end of March until the night of 10 April took one away."""
    night = date(2025, 4, 10)
    assert told(revised, 2) == [(date(2025, 3, 31), night, "gone", 11, 1, -1, -2, -2)]
    assert revised.as_known(date(2025, 3, 31), date(2025, 4, 9))[2, "sellable"][:2] == (6, 12)
    assert revised.as_known(date(2025, 3, 31), night)[2, "sellable"][:2] == (5, 10)


def test_a_purchase_price_known_after_the_goods_reaches_back_and_is_told(revised: Known) -> None:
    """Without a cost until 11 March, 7.00 a piece since; the edit of April changes nothing."""
    known_days = [date(2025, 3, 10), date(2025, 3, 11), date(2025, 4, 9)]
    stock = [revised.as_known(date(2025, 3, 5), known_day)[3, "sellable"] for known_day in known_days]
    assert [(row[1], row[-1]) for row in stock] == [(0, 2), (14, 0), (14, 0)]
    assert revised.ask("""
        select known_from, valid_from, cause, quantity_change, fifo_bare_change from marts.fct_stock_revision
        where variant_id = 3
    """) == [(date(2025, 3, 11), date(2025, 3, 3), "default_cost", 0, Decimal(14))]


def test_a_late_receipt_reaches_what_was_made_of_the_goods(revised: Known) -> None:
    """A piece for 30.00 lay in front: by FIFO it was that one of which ten were made, by the average one of 20.00."""
    night = date(2025, 4, 2)
    # of the ten 20.00 more by FIFO and 10.00 by the average; of the other piece 10.00 and 20.00
    assert told(revised, 5) == [(date(2025, 3, 31), night, "late", 33, 1, 0, 20, 10)]
    assert told(revised, 4) == [
        (date(2025, 2, 28), night, "late", 33, 1, 1, 30, 30),
        (date(2025, 3, 31), night, "late", 33, 1, 1, 10, 20),
    ]


def test_a_variant_seen_on_time_needs_no_version_and_is_known_the_night_after(revised: Known) -> None:
    """Nothing of it is kept twice; its day is known from the next day on."""
    assert revised.ask("select count(*) from marts.fct_stock_balance_version where variant_id = 6") == [(0,)]
    day = date(2025, 3, 6)
    assert [(6, "sellable") in revised.as_known(day, known_day) for known_day in (day, day + timedelta(days=1))] == [
        False,
        True,
    ]
    assert revised.ask(f"""
        select cause, quantity_change from reports.restatement_on(date '{day}', date '{day}') where variant_id = 6
    """) == [("in order", 3)]


def test_a_night_of_very_many_revisions_is_told_as_one(revised: Known) -> None:
    """Fifty-one late rows of a night are one row of the restatement, and it adds up."""
    count = MOST_EVENTS + 1
    assert told(revised, 7) == [
        (date(2025, 3, 31), date(2025, 4, 2), "several", None, None, count, count - 1, count - 1)
    ]
    assert_explained(revised, date(2025, 3, 25), date(2025, 3, 26))


def test_every_check_holds_over_revisions(revised: Known) -> None:
    """What is known now is the balance, and rows explain closed months."""
    assert revised.broken() == {}


def test_versions_are_a_function_of_staging(revised: Known) -> None:
    """Building again gives the same rows: nothing is kept from before."""
    tables = ("marts.fct_stock_balance_version", "marts.fct_stock_revision", "reports.restatements")
    before = [revised.ask(f"select * from {table} order by all") for table in tables]
    revised.build(datetime(2025, 4, 10, 2, 15))
    assert [revised.ask(f"select * from {table} order by all") for table in tables] == before
    assert all(before)


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        (
            "update marts.fct_stock_balance_version set average_bare_value = average_bare_value + 0.000000000001 "
            "where known_to is null",
            "what is known now is the balance",
        ),
        ("delete from marts.fct_stock_balance_version where known_to is null", "what is known now is the balance"),
        (
            "update reports.restatements set fifo_landed_change = fifo_landed_change + 0.000000000001 "
            "where variant_id = 4 and date = '2025-03-31'",
            "rows explain what closed months gained since their night",
        ),
        (
            "delete from reports.restatements where variant_id = 2",
            "rows explain what closed months gained since their night",
        ),
    ],
)
def test_a_broken_identity_of_what_was_known_is_found(revised: Known, damage: str, check: str) -> None:
    """Each check finds rows once its identity is broken on purpose."""
    revised.con.execute("begin")
    try:
        revised.con.execute(damage)
        assert check in revised.broken()
    finally:
        revised.con.execute("rollback")


def test_an_opening_is_made_of_what_was_known_then(tmp_path: Path) -> None:
    """
    Ten were counted on 1 March when two issues were known, so twelve had been there; a night brings a third issue.

    Since then thirteen had been there: the count is the same, the opening another.
    """
    shop = Known(with_settings(tmp_path, "opening_balance: {main: 2025-02-01}"))
    shop.price(1, "4", datetime(2025, 1, 1, 2, 15))
    shop.move(1, 1, "out", 2, "2025-02-10 10:00:00")
    shop.stock(1, 10, datetime(2025, 3, 1, 2, 15))
    shop.move(2, 1, "out", 1, "2025-02-20 10:00:00", first_seen=datetime(2025, 3, 15, 2, 15))
    shop.build(datetime(2025, 4, 1, 2, 15))
    days = (date(2025, 2, 5), date(2025, 2, 25), date(2025, 3, 5))
    assert [
        [shop.values(day, known_day)[0] for day in days] for known_day in (date(2025, 3, 14), date(2025, 3, 15))
    ] == [[(1, 12, 48), (1, 10, 40), (1, 10, 40)], [(1, 13, 52), (1, 10, 40), (1, 10, 40)]]
    assert shop.broken() == {}
    shop.con.close()


def test_a_late_row_of_the_same_second_is_told(shop: Known) -> None:
    """
    The B of a transformation came in its second, before A by id; a night later an issue of B between both is seen.

    In the replay B waits for A, so the issue is in front of it and finds none: one is owed, and settled at once.
    """
    shop.move(1, 1, "in", 2, "2025-03-01 10:00:00", price="60", first_seen=at_night(1))
    shop.move(2, 2, "in", 6, "2025-03-04 10:00:00", transformation=9, first_seen=at_night(4))
    shop.move(4, 1, "out", 2, "2025-03-04 10:00:00", transformation=9, first_seen=at_night(4))
    shop.move(3, 2, "out", 1, "2025-03-04 10:00:00", first_seen=at_night(6))
    shop.build(at_night(20))
    day = date(2025, 3, 4)
    assert [shop.as_known(day, day + timedelta(days=later))[2, "sellable"][:2] for later in (1, 3)] == [
        (6, 120),
        (5, 100),
    ]
    assert shop.ask("select cost_source from marts.fct_stock_movement where movement_id = 3") == [("settled",)]
    assert shop.broken() == {}
    assert_explained(shop, day, date(2025, 3, 5))


def test_a_leg_of_a_transformation_behind_a_late_row_of_its_night_is_told(shop: Known) -> None:
    """
    The IN of a transformation was known; its OUT comes in April behind a late receipt of the same second and night.

    The receipt came last and stands for itself, the OUT makes a transformation of what was known: both are told.
    """
    april = at_night(35)
    shop.move(14, 1, "in", 3, "2025-03-19 10:00:00", price="6", transformation=9, first_seen=at_night(19))
    shop.move(16, 2, "in", 5, "2025-03-19 10:00:00", price="10", first_seen=april)
    shop.move(19, 2, "out", 3, "2025-03-19 10:00:00", transformation=9, first_seen=april)
    shop.build(at_night(40))

    assert shop.ask(
        "select variant_id, movement_id, quantity_change, average_bare_change from reports.restatements order by all"
    ) == [(1, 19, 0, 12), (2, 16, 5, 50), (2, 19, -3, -30)]
    assert shop.broken() == {}
    assert_explained(shop, date(2025, 3, 31), date(2025, 4, 1))


def test_lines_are_filled_by_what_was_known_then(shop: Known) -> None:
    """
    Lines of ten at 5.00 and ten at 7.00; a movement of ten is seen, later another of the day before it.

    The first line is 50.00 until then; since then it is the other's, and what came first is of the second line.
    """
    for number, price in enumerate((5, 7), 1):
        line = {"account": "main", "receiving_id": 1, "line_no": number, "variant_id": 7, "quantity": 10}
        shop.insert("staging.receiving_lines", line | {"price_per_unit": price})
    shop.move(1, 7, "in", 10, "2025-03-05 10:00:00", receiving=1, first_seen=at_night(5))
    shop.move(2, 7, "in", 10, "2025-03-04 10:00:00", receiving=1, first_seen=at_night(9))
    shop.build(at_night(20))
    known_days = [date(2025, 3, 6), date(2025, 3, 10)]
    assert [shop.values(date(2025, 3, 5), known_day) for known_day in known_days] == [[(7, 10, 50)], [(7, 20, 120)]]
    assert shop.ask("""
        select movement_id, cost_source, average_bare_unit_cost from marts.fct_stock_movement order by 1
    """) == [(1, "receiving_line", 7), (2, "receiving_line", 5)]
    assert shop.broken() == {}


def test_a_price_edit_on_a_receiving_leaves_closed_months_and_is_named(shop: Known) -> None:
    """
    Ten come in January at their line's 4.00 and four leave; in March the line says 7.00.

    January stays 24.00 as known on 1 February and is 42.00 now: 18.00 more, all of it the edit of the receiving. The
    receipt with a price of its own and the receiving that was edited before its goods came are not restated.
    """
    shop.price(6, "1")
    shop.line(1, 7, "4.00")
    shop.line(2, 8, "4.00")
    shop.line(3, 6, "4.00")
    shop.move(1, 7, "in", 10, "2025-01-10 10:00:00", receiving=1, first_seen=datetime(2025, 1, 11, 2, 15))
    shop.move(2, 7, "out", 4, "2025-01-20 10:00:00", order="a", first_seen=datetime(2025, 1, 21, 2, 15))
    shop.move(3, 8, "in", 10, "2025-01-10 10:00:00", receiving=2, price="4.00", first_seen=datetime(2025, 1, 11, 2, 15))
    shop.line(3, 6, "5.00", datetime(2025, 1, 11, 2, 15))
    shop.move(4, 6, "in", 10, "2025-01-10 10:00:00", receiving=3, first_seen=datetime(2025, 1, 11, 2, 15))
    for receiving, variant in ((1, 7), (2, 8)):
        shop.line(receiving, variant, "7.00", at_night(20), received_quantity=10)
    shop.build(at_night(40))
    month_end, night = date(2025, 1, 31), date(2025, 3, 21)
    closed = [(6, 10, 50), (7, 6, 24), (8, 10, 40)]
    assert shop.values(month_end, date(2025, 2, 1)) == closed
    assert shop.values(month_end, night - timedelta(days=1)) == closed
    assert shop.values(month_end, night) == [(6, 10, 50), (7, 6, 42), (8, 10, 40)]
    restated = "select date, known_day, cause, movement_id, receiving_id, variant_id, quantity_change, value_change"
    assert shop.ask(f"{restated} from reports.restatements order by all") == [
        (end, night, "receiving_line", None, 1, 7, 0, 18) for end in (month_end, date(2025, 2, 28))
    ]
    assert shop.broken() == {}
    assert_explained(shop, month_end, date(2025, 2, 1))


def test_a_line_that_comes_or_goes_after_its_goods_is_named(shop: Known) -> None:
    """At the purchase price 1.00 until the line of a night says 3.00; at 1.00 again since another took it away."""
    shop.price(7, "1")
    shop.line(9, 9, "1.00")
    shop.move(1, 7, "in", 2, "2025-03-02 10:00:00", receiving=1, first_seen=at_night(2))
    shop.line(1, 7, "3.00", at_night(5))
    shop.con.execute(
        "update staging.receiving_lines_history set _valid_to = ? where receiving_id = 1 and _valid_to is null",
        [at_night(35)],
    )
    shop.con.execute("update staging.receiving_lines set _deleted_at = ? where receiving_id = 1", [at_night(35)])
    shop.build(at_night(40))
    known_days = [date(2025, 3, 5), date(2025, 3, 6), date(2025, 4, 4), date(2025, 4, 5)]
    assert [shop.values(date(2025, 3, 31), day) for day in known_days] == [[(7, 2, value)] for value in (2, 6, 6, 2)]
    assert shop.ask("select known_from, cause, receiving_id, average_bare_change from marts.fct_stock_revision") == [
        (date(2025, 3, 6), "receiving_line", 1, 4),
        (date(2025, 4, 5), "receiving_line", 1, -4),
    ]
    assert shop.broken() == {}


def test_a_day_before_anything_was_known_says_since_when(shop: Known) -> None:
    """Movements of the first load are known from their own day; before it there is no figure but a sentence."""
    shop.move(1, 7, "in", 2, "2024-12-01 10:00:00", price="4")
    shop.build(at_night(0))
    as_known = "select quantity, known_since from reports.stock_value_on_as_known(date '2024-12-05', date '{}')"
    assert shop.ask(as_known.format("2024-12-06")) == [(2, date(2025, 1, 1))]
    for query in (as_known, "select count(*) from reports.stock_value_on_as_known(date '2024-12-05', date '{}')"):
        with pytest.raises(duckdb.Error, match=r"Nothing is known on 2024-11-30: .* known from 2024-12-01 on"):
            shop.ask(query.format("2024-11-30"))


def test_stock_on_a_day_names_its_category_of_the_day(shop: Known) -> None:
    """A product moved to another category on the night of 5 March: the day before still names the old one."""
    shop.con.execute("""
        insert into staging.categories (account, category_id, parent_id, category_name)
        values ('main', 1, 0, 'Home'), ('main', 2, 1, 'Lamps')
    """)
    shop.con.execute("""
        insert into staging.products_history (account, product_id, category_id, product_name, _version, _valid_from)
        values ('main', 1, 2, 'Lamp', 1, '2025-01-01 02:15'), ('main', 1, 1, 'Lamp', 2, '2025-03-05 02:15')
    """)
    shop.price(7, "1")
    shop.move(1, 7, "in", 10, "2025-03-01 09:00:00", price="4")
    shop.move(2, 8, "in", 1, "2025-03-01 09:00:00", price="4")
    shop.build(datetime(2025, 3, 6, 2, 15))

    def category(day: int) -> list[tuple[Any, ...]]:
        on, known_day = date(2025, 3, day), date(2025, 3, 6)
        select = "select variant_id, category_path from reports."
        now = shop.ask(f"{select}stock_value_on(date '{on}') order by 1")
        assert shop.ask(f"{select}stock_value_on_as_known(date '{on}', date '{known_day}') order by 1") == now
        return now

    assert category(4) == [(7, "Home > Lamps"), (8, None)]
    assert category(5) == [(7, "Home"), (8, None)]
