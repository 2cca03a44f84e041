"""The worked examples of docs/valuation.md: the page's movements in, the page's figures out."""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from checkout import PROJECT
from test_valuation_known import Known

from stockbook.errors import ConfigError
from stockbook_sandbox import valuation_examples
from stockbook_sandbox.valuation_examples import Example, Expected

FIRST = date(2025, 3, 1)
EXAMPLES = valuation_examples.read(PROJECT / "docs" / "valuation.md")
COSTS = ("fifo_landed", "fifo_bare", "average_landed", "average_bare")

Ask = Callable[[str], list[tuple[Any, ...]]]


def day(number: int) -> date:
    return FIRST + timedelta(days=number - 1)


def night(number: int) -> datetime:
    return datetime.combine(day(number), datetime.min.time()) + timedelta(hours=2, minutes=15)


def told(ask: Ask, wanted: Expected, variant: dict[str, int], movement: dict[int, int]) -> tuple[Any, ...]:
    """Pieces, source, figures, and pieces without a cost if asked, of a warehouse where the page has ``wanted``."""
    if wanted.kind == "cost of":
        cogs = ", ".join(f"sum({name}_cogs)" for name in COSTS)
        costs = ", ".join(f"sum({name}_cost)" for name in COSTS)
        moved = movement[int(wanted.subject[0])]
        source = ask(f"select cost_source, direction from marts.fct_stock_movement where movement_id = {moved}")[0]
        table = f"{costs} from marts.fct_receipt_cost" if source[1] == "in" else f"{cogs} from marts.fct_issue_cost"
        return (None, source[0], *ask(f"select {table} where movement_id = {moved}")[0])
    if wanted.kind == "settlement of":
        figures = ", ".join(f"{name}_settlement" for name in COSTS)
        issue, receipt = (movement[int(number)] for number in wanted.subject)
        row = ask(
            f"select quantity, {figures} from marts.fct_cost_settlement where issue_id = {issue} "
            f"and receipt_id = {receipt}"
        )[0]
        return (row[0], None, *row[1:])
    values = ", ".join(f"{name}_value" for name in COSTS)
    if wanted.unknown is not None:
        values += ", missing_cost_quantity, average_missing_cost_quantity"
    letter, pool = wanted.subject
    assert wanted.day is not None
    if wanted.kind == "known on day":
        assert wanted.known is not None
        source_of = f"reports.stock_balance_as_known(date '{day(wanted.day)}', date '{day(wanted.known)}') where true"
    else:
        at = f"date '{day(wanted.day)}'"
        source_of = f"marts.fct_stock_balance where valid_from <= {at} and (valid_to is null or valid_to > {at})"
    row = ask(
        f"select quantity, {values} from {source_of} and variant_id = {variant[str(letter)]} and pool = '{pool}'"
    )[0]
    return (row[0], None, *row[1:])


def assert_figures(ask: Ask, example: Example, variant: dict[str, int], movement: dict[int, int]) -> None:
    """Every figure of the page stands in the warehouse, to the last digit the page gives."""
    for wanted in example.expected:
        row = told(ask, wanted, variant, movement)
        assert row == (wanted.pieces, wanted.source, *wanted.figures, *(wanted.unknown or ())), wanted


def keys(number: int, example: Example) -> tuple[dict[str, int], dict[int, int]]:
    """Variants and movements of an example as they are numbered among all."""
    variant = {letter: 100 * number + ord(letter) for letter in example.variants}
    return variant, {moved.id: 1000 * number + moved.id for moved in example.movements}


@pytest.fixture(scope="module")
def shop() -> Iterator[Known]:
    """All examples side by side in one warehouse."""
    shop = Known()
    for number, example in enumerate(EXAMPLES, start=1):
        variant, movement = keys(number, example)
        versions: dict[str, int] = {}
        for priced in example.prices:
            versions[priced.variant] = versions.get(priced.variant, 0) + 1
            shop.price(variant[priced.variant], str(priced.price), night(priced.day), versions[priced.variant])
        for place, lined in enumerate(example.lines):
            line = {"account": "main", "receiving_id": 100 * number + lined.receiving, "line_no": 1 + place}
            counted = {"received_quantity": lined.pieces, "price_per_unit": lined.price}
            shop.insert("staging.receiving_lines", line | counted | {"variant_id": variant[lined.variant]})
        for moved in example.movements:
            shop.move(
                movement[moved.id],
                variant[moved.variant],
                moved.direction,
                moved.quantity,
                f"{day(moved.day)} 10:00:00",
                damaged=moved.damaged,
                price=moved.price,
                extra=moved.extra,
                order=None if moved.order is None else f"{number}-{moved.order}",
                transformation=None if moved.transformation is None else 100 * number + moved.transformation,
                receiving=None if moved.receiving is None else 100 * number + moved.receiving,
                first_seen=None if moved.known is None else night(moved.known),
            )
    shop.con.execute("update staging.variants_history set _in_first_load = _version = 1")
    shop.build(night(103))
    yield shop
    shop.con.close()


@pytest.mark.parametrize("number", range(1, len(EXAMPLES) + 1), ids=[example.title for example in EXAMPLES])
def test_every_figure_of_an_example_comes_out(shop: Known, number: int) -> None:
    """The movements of the page give the costs, settlements and balances of the page."""
    assert_figures(shop.ask, EXAMPLES[number - 1], *keys(number, EXAMPLES[number - 1]))


def test_the_examples_break_no_identity(shop: Known) -> None:
    """All checks of a night hold over the examples."""
    assert shop.broken() == {}


def test_a_wrong_figure_on_the_page_would_be_found(shop: Known) -> None:
    """The comparison fails for a figure that is a millionth of a millionth off."""
    example = EXAMPLES[0]
    variant, movement = keys(1, example)
    wanted = example.expected[0]
    off = (wanted.figures[0] + Decimal("0.000000000001"), *wanted.figures[1:])
    assert told(shop.ask, wanted, variant, movement)[2:] == wanted.figures != off


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("### Example: x\n\n| movement | day |\n|---|---|\n| 1 | 1 |\n", "is not understood"),
        ("### Example: x\n\n| colour | day |\n|---|---|\n| 1 | 1 |\n", "begins with 'colour'"),
        ("### Example: x\n\nnothing\n", "expected movements and figures"),
    ],
)
def test_a_page_that_is_not_understood_says_where(tmp_path: Any, page: str, message: str) -> None:
    """A slip in the tables of the page is an error that names the example, not an example less."""
    (tmp_path / "page.md").write_text(page)
    with pytest.raises(ConfigError, match=message):
        valuation_examples.read(tmp_path / "page.md")
