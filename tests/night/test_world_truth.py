"""What is published after a night equals what the sandbox calls true, which knows nothing of how it was worked out."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
import true_figures
from shared_home import FIRST, first_night, made_once, small_shop

from stockbook_sandbox import Shop

pytestmark = pytest.mark.slow  # a night, the one that others read too


@pytest.fixture(scope="module")
def shop() -> Shop:
    """The shop that the night read."""
    return small_shop()


@pytest.fixture(scope="module")
def truth(shop: Shop) -> dict[str, Any]:
    """What was true at the night's moment."""
    return shop.truth(FIRST)


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file."""
    home = made_once(tmp_path_factory, "home-after-a-night", first_night)
    with duckdb.connect(str(home / "published" / "warehouse.duckdb"), read_only=True) as opened:
        yield opened


@pytest.mark.parametrize("name", true_figures.ALL)
def test_a_figure_is_the_truth(con: duckdb.DuckDBPyConnection, truth: dict[str, Any], name: str) -> None:
    """Of every variant, batch, order, document and day, to the last digit."""
    true_figures.ALL[name](con, truth)


def test_orders_of_flickrocket_and_how_they_differ(
    con: duckdb.DuckDBPyConnection, shop: Shop, truth: dict[str, Any]
) -> None:
    """Each is joined to its order of the warehouse, and what differs for more than a day is told, and nothing else."""
    true_figures.flickrocket(con, truth, shop, FIRST)


def test_a_day_without_a_rate_is_counted(con: duckdb.DuckDBPyConnection) -> None:
    """Euros of days before the first night have no rate here: nothing is made up for them."""
    assert con.execute("select sum(orders_without_rate) > 0 from reports.sales_daily").fetchall() == [(True,)]
