"""Two nights over the sandbox shop that sells the worked examples: what the page says stands in the published file."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from rig import Rig
from stockbook.sandbox import Running, running
from stockbook.sandbox.examples import FIRST_NIGHT, SECOND_NIGHT, ExampleShop
from test_valuation_examples import assert_figures

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """The examples, served."""
    with running(ExampleShop(), FIRST_NIGHT) as served:
        yield served


@pytest.fixture(scope="module")
def rig(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """A night on the tenth day and one on the twentieth."""
    made = Rig(server, tmp_path_factory.mktemp("examples"))
    made.night(FIRST_NIGHT)
    made.night(SECOND_NIGHT)
    return made


def test_the_published_file_has_every_figure_of_the_page(rig: Rig, server: Running) -> None:
    """Costs, settlements, balances and figures as known, of every example."""
    shop = server.shop
    assert isinstance(shop, ExampleShop)
    for example, variant, movement in zip(shop.examples, shop.variant_ids, shop.movement_ids, strict=True):
        assert_figures(rig.rows, example, variant, movement)


def test_examples_are_found_by_their_titles(rig: Rig, server: Running) -> None:
    """Every title is a product of the report a reader opens first."""
    shop = server.shop
    assert isinstance(shop, ExampleShop)
    titles = {title for (title,) in rig.rows("select product_name from reports.stock_value_on(date '2025-03-20')")}
    assert {example.title for example in shop.examples} <= titles


def test_the_late_row_is_told_as_a_revision(rig: Rig, server: Running) -> None:
    """The night of the twentieth brought one receipt of the fifth: ten pieces more, and 60.00 or 55.00 more worth."""
    shop = server.shop
    assert isinstance(shop, ExampleShop)
    number = next(n for n, one in enumerate(shop.examples) if one.title.startswith("a late row"))
    assert rig.rows("""
        select movement_id, cause, known_from, quantity_change, fifo_landed_change, average_landed_change
        from reports.restatement_on(date '2025-03-08', date '2025-03-10')
    """) == [
        (shop.movement_ids[number][3], "late", date(2025, 3, 20), 10, Decimal(60), Decimal(55)),
    ]
