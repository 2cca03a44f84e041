"""The replay against its slow reference, and its identities, on invented ledgers."""

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from random import Random

import numpy as np
import proof_size
import pytest
from hypothesis import HealthCheck, given, settings
from ledgers import VARIANTS, Ledger, ledger, movements
from reference_valuation import FIGURES, POOLS, Books, Defaults, Lines, Move, books

from stockbook.valuation import fixed_point, receiving_lines
from stockbook.valuation.replay import COST_SOURCES, DefaultCosts, Movements, replay
from stockbook.valuation.replay_result import Replay
from stockbook.valuation.transformations import Leg, behind_their_outs, linked_rows

NEAR = Decimal("0.000001")


def scaled(amount: Decimal | None) -> int:
    return int((amount or Decimal(0)) * fixed_point.SCALE)


def arrays(moves: list[Move], defaults: Defaults, lines: Lines) -> tuple[Movements, DefaultCosts]:
    """Movements in replay order as the replay takes them."""
    legs = [
        Leg(row, move.transformation, move.direction == "in", move.pieces, own_price(move))
        for row, move in enumerate(moves)
        if move.transformation is not None and move.order is None
    ]
    group, share = linked_rows(legs, len(moves))
    orders: dict[tuple[str, int], int] = {}
    order = [-1 if m.order is None else orders.setdefault((m.order, m.variant), len(orders)) for m in moves]
    price, rest, source = receiving_lines.stated(
        whole([scaled(m.price) for m in moves]),
        np.array([m.price is not None and m.direction == "in" for m in moves], np.bool_),
        lots(moves, lines),
        np.array([m.pieces for m in moves], np.int64),
        stacked(lines),
    )
    versions = [defaults.get(variant, []) for variant in VARIANTS]
    return (
        Movements(
            variant=np.array([m.variant for m in moves], np.int64),
            is_in=np.array([m.direction == "in" for m in moves], np.bool_),
            quantity=np.array([m.quantity for m in moves], np.int64),
            damaged_quantity=np.array([m.damaged for m in moves], np.int64),
            price=price,
            price_rest=rest,
            price_source=source,
            extra_cost=whole([scaled(m.extra) for m in moves]),
            day=np.array([m.day for m in moves], np.int64),
            order=np.array(order, np.int64),
            group=group,
            share=share,
        ),
        DefaultCosts(
            start=np.cumsum([0, *(len(history) for history in versions)]).astype(np.int64),
            from_day=np.array([day for history in versions for day, _ in history], np.int64),
            price=whole([scaled(price) for history in versions for _, price in history]),
            is_known=np.array([price is not None for history in versions for _, price in history], np.bool_),
        ),
    )


def whole(values: list[int]) -> np.ndarray:
    fits = all(abs(value) < 2**63 for value in values)
    return np.array(values, np.int64 if fits else object)


def lots(moves: list[Move], lines: Lines) -> np.ndarray:
    """Number of each IN's receiving and variant among ``lines``, -1 for none."""
    number = {key: place for place, key in enumerate(lines)}
    return np.array(
        [-1 if m.direction == "out" else number.get((m.receiving or 0, m.variant), -1) for m in moves], np.int64
    )


def stacked(lines: Lines) -> receiving_lines.Lines:
    """Lines as the valuation reads them: a price below zero is none."""
    flat = [line for several in lines.values() for line in several]
    return receiving_lines.Lines(
        starts=np.cumsum([0, *(len(several) for several in lines.values())]).astype(np.int64),
        pieces=np.array([line.pieces for line in flat], np.int64),
        price=whole([scaled(line.price) for line in flat]),
        is_priced=np.array([line.price is not None and line.price >= 0 for line in flat], np.bool_),
    )


def own_price(move: Move) -> int | None:
    return None if move.price is None or move.price < 0 else scaled(move.price)


def in_order(moves: list[Move]) -> list[Move]:
    """The order in which the engine replays them."""
    moves = sorted(moves, key=lambda move: (move.at, move.id))
    of_order = [-1 if m.transformation is None or m.order is not None else m.transformation for m in moves]
    behind = behind_their_outs(
        np.array(of_order, np.int64),
        np.array([m.direction == "in" for m in moves], np.bool_),
        np.array([m.pieces for m in moves], np.int64),
        np.array([m.at for m in moves], np.int64),
    )
    return moves if behind is None else [moves[row] for row in behind]


def run(moves: list[Move], defaults: Defaults | None = None, lines: Lines | None = None) -> Replay:
    return replay(*arrays(in_order(moves), defaults or {}, lines or {}))


def money(value: int) -> Decimal:
    return Decimal(value) / fixed_point.SCALE


def figures(high: np.ndarray, low: np.ndarray) -> list[list[int]]:
    width = high.shape[1]
    pairs = zip(high.ravel().tolist(), low.ravel().tolist(), strict=True)
    flat = [(upper << fixed_point.WORD_BITS) + lower for upper, lower in pairs]
    return [flat[at : at + width] for at in range(0, len(flat), width)]


def assert_equal_to_reference(moves: list[Move], defaults: Defaults, lines: Lines | None = None) -> None:
    assert_result_equal(in_order(moves), defaults, lines, run(moves, defaults, lines))


def assert_result_equal(moves: list[Move], defaults: Defaults, lines: Lines | None, result: Replay) -> None:
    for figure, (method, basis) in enumerate(FIGURES):
        expected = books(moves, method, basis, defaults, lines)
        assert_figure_equal(moves, result, figure, expected)


def assert_figure_equal(moves: list[Move], result: Replay, figure: int, expected: Books) -> None:
    ids = [move.id for move in moves]
    near = lambda computed, reference: abs(money(computed) - reference) <= NEAR  # noqa: E731  # reads as a sentence below
    assert [COST_SOURCES[code] for code in result.cost_source] == [expected.source[move] for move in ids]
    for row, move in enumerate(ids):
        assert move not in expected.unit_cost or near(int(result.unit_cost[row, figure]), expected.unit_cost[move])
    issues, receipts = result.issues, result.receipts
    issue_keys = [(ids[row], POOLS[pool]) for row, pool in zip(issues.row, issues.pool, strict=True)]
    receipt_keys = [(ids[row], POOLS[pool]) for row, pool in zip(receipts.row, receipts.pool, strict=True)]
    assert sorted(issue_keys) == sorted(expected.cogs)
    assert sorted(receipt_keys) == sorted(expected.received)
    for key, cost, settled in zip(
        issue_keys,
        figures(issues.cost_high, issues.cost_low),
        figures(issues.settled_high, issues.settled_low),
        strict=True,
    ):
        assert near(cost[figure], expected.cogs[key])
        assert near(settled[figure], expected.settlement.get(key, Decimal(0)))
    assert dict(zip(issue_keys, issues.average_missing, strict=True)) == {
        key: expected.unknown[key] for key in issue_keys
    }
    for key, cost in zip(receipt_keys, figures(receipts.high, receipts.low), strict=True):
        assert near(cost[figure], expected.received[key])
    balances = result.balances
    seen = {
        (cell // 2, POOLS[cell % 2], day): (pieces, value[figure], missing, unknown)
        for cell, day, pieces, value, missing, unknown in zip(
            balances.cell,
            balances.day,
            balances.pieces,
            figures(balances.high, balances.low),
            balances.missing,
            balances.average_missing,
            strict=True,
        )
    }
    assert seen.keys() == expected.balance.keys()
    for key, (pieces, value, *missing) in seen.items():
        assert [pieces, *missing] == [expected.balance[key][0], *expected.balance[key][2:]]
        assert near(value, expected.balance[key][1])
        assert value == 0 or pieces != 0
    slices = result.slices
    allocated = sorted(
        (issue_keys[issue], receipt_keys[receipt][0] if receipt >= 0 else -1, pieces)
        for issue, receipt, pieces in zip(slices.issue, slices.receipt, slices.pieces, strict=True)
    )
    assert allocated == sorted(
        ((issue, pool), -1 if receipt is None else receipt, pieces) for issue, receipt, pool, pieces in expected.slices
    )
    layers = [(*key, left) for key, left in zip(receipt_keys, receipts.left, strict=True) if left]
    assert sorted(layers) == sorted(expected.layers)


def assert_identities(moves: list[Move], result: Replay) -> None:
    assert_slices_are_the_final_cost(result)
    assert_settlements_are_dated(result)
    assert_balances_are_the_flows(in_order(moves), result)


def assert_slices_are_the_final_cost(result: Replay) -> None:
    issues, slices = result.issues, result.slices
    costs = figures(issues.cost_high, issues.cost_low)
    settled = figures(issues.settled_high, issues.settled_low)
    allocated: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    covered: dict[int, int] = defaultdict(int)
    for issue, count, parts in zip(slices.issue, slices.pieces, figures(slices.high, slices.low), strict=True):
        covered[issue] += int(count)
        allocated[issue] = [so_far + part for so_far, part in zip(allocated[issue], parts, strict=True)]
    for at in range(len(issues.row)):
        assert covered[at] == issues.pieces[at]
        assert allocated[at] == [costs[at][basis] + settled[at][basis] for basis in range(2)]


def assert_settlements_are_dated(result: Replay) -> None:
    issues, settlements = result.issues, result.settlements
    dated: dict[int, list[int]] = defaultdict(lambda: [0] * 4)
    for issue, parts in zip(settlements.issue, figures(settlements.high, settlements.low), strict=True):
        dated[issue] = [so_far + part for so_far, part in zip(dated[issue], parts, strict=True)]
    assert [dated[at] for at in range(len(issues.row))] == figures(issues.settled_high, issues.settled_low)


def assert_balances_are_the_flows(moves: list[Move], result: Replay) -> None:
    receipts, issues, balances = result.receipts, result.issues, result.balances
    flow: dict[int, list[int]] = defaultdict(lambda: [0] * 4)
    layers: dict[int, list[int]] = defaultdict(lambda: [0] * 2)
    pieces: dict[int, int] = defaultdict(int)
    for at, cost in enumerate(figures(receipts.high, receipts.low)):
        cell = 2 * moves[receipts.row[at]].variant + int(receipts.pool[at])
        left = int(receipts.left[at])
        pieces[cell] += int(receipts.pieces[at])
        flow[cell] = [so_far + came for so_far, came in zip(flow[cell], cost, strict=True)]
        for basis in range(2):
            rest = int(receipts.remainder[at, basis]) if left else 0
            layers[cell][basis] += int(receipts.unit[at, basis]) * left + rest
    costs, settled = figures(issues.cost_high, issues.cost_low), figures(issues.settled_high, issues.settled_low)
    for at in range(len(issues.row)):
        cell = 2 * moves[issues.row[at]].variant + int(issues.pool[at])
        pieces[cell] -= int(issues.pieces[at])
        flow[cell] = [flow[cell][figure] - costs[at][figure] - settled[at][figure] for figure in range(4)]
        for basis in range(2):
            layers[cell][basis] -= int(issues.short_rate[at, basis]) * int(issues.left[at])
    for row, value in enumerate(figures(balances.high, balances.low)):
        cell, following = int(balances.cell[row]), int(balances.next_row[row])
        assert balances.pieces[row] != 0 or value == [0, 0, 0, 0]
        if following >= 0:
            assert balances.cell[following] == cell
            assert balances.day[following] > balances.day[row]
        else:
            assert (balances.pieces[row], value, value[:2]) == (pieces[cell], flow[cell], layers[cell])


def check(case: Ledger) -> None:
    moves, defaults, lines = case
    result = run(moves, defaults, lines)
    assert_result_equal(in_order(moves), defaults, lines, result)
    assert_identities(moves, result)


patient = [HealthCheck.too_slow, HealthCheck.data_too_large]


@given(movements())
@settings(max_examples=100, deadline=None, suppress_health_check=patient)
def test_replay_equals_the_reference(case):
    """Every figure agrees with the Decimal reference and every identity holds to the last digit."""
    check(case)


@pytest.mark.slow
def test_replay_equals_the_reference_on_many_ledgers() -> None:
    """As above, on many ledgers, each of a seed: to draw one takes a tenth of checking it."""
    for seed in range(proof_size.of(500, 5_000)):
        case = ledger(Random(seed))
        try:
            check(case)
        except AssertionError as error:
            error.add_note(f"seed {seed}: {case}")
            raise


@given(movements())
@settings(max_examples=50, deadline=None, suppress_health_check=patient)
def test_both_widths_of_numbers_give_the_same_digits(case):
    """The compiled replay and the one with integers of any size agree in every array."""
    moves, defaults, lines = case
    rows, costs = arrays(in_order(moves), defaults, lines)
    narrow = replay(rows, costs)
    wide = replay(Movements(**{**vars(rows), "price": rows.price.astype(object)}), costs)
    assert wide.is_widened
    for name in ("receipts", "issues", "slices", "settlements", "balances"):
        narrow_columns, wide_columns = getattr(narrow, name), getattr(wide, name)
        for narrow_column, wide_column in zip(narrow_columns, wide_columns, strict=True):
            assert narrow_column.tolist() == wide_column.tolist()
    assert narrow.unit_cost.tolist() == wide.unit_cost.tolist()


def test_prices_beyond_64_bits_stay_exact():
    """A piece for 12 million million crowns, a third of it lost in a split, is accounted for to the last digit."""
    price = Decimal("12000000000000.123456789012")
    moves = [Move(1, 0, "in", 3, price=price), Move(2, 0, "out", 1), Move(3, 0, "out", 2, at=1)]
    result = run(moves)
    assert result.is_widened
    assert_equal_to_reference(moves, {})
    assert_identities(moves, result)
    assert figures(result.issues.cost_high, result.issues.cost_low)[0][0] == scaled(price)


def test_fractions_of_a_cent_stay_in_stock_until_the_last_piece_takes_them():
    """Three pieces for 10.00 in all leave one by one: 3.333333333333, then the rest, nothing lost."""
    moves = [
        Move(1, 0, "in", 1, price=Decimal(10)),
        Move(2, 0, "out", 1, transformation=7),
        Move(3, 1, "in", 3, transformation=7),
        Move(4, 1, "out", 1, at=1),
        Move(5, 1, "out", 1, at=2),
        Move(6, 1, "out", 1, at=3),
    ]
    result = run(moves)
    costs = [cost[0] for cost in figures(result.issues.cost_high, result.issues.cost_low)][1:]
    assert sum(costs) == 10 * fixed_point.SCALE
    assert all(abs(cost - Fraction(10 * fixed_point.SCALE, 3)) < 1 for cost in costs)


def test_a_negative_quantity_is_refused():
    """Direction says the sign; a negative quantity never reaches the books."""
    with pytest.raises(ValueError, match="must not be negative; row 0 has -1"):
        run([Move(1, 0, "in", -1)])
