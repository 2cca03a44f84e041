"""A night over the real order history, where the file is."""

import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from rig import Rig
from stockbook.demo import differences
from stockbook.sandbox import Running, Shop, running
from stockbook.settings import PROJECT

FILE = Path(os.environ.get("STOCKBOOK_ORDERS") or PROJECT.parent / "shared" / "data" / "online_retail.parquet")
END = datetime(2011, 12, 10, 2, 15)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real,
    pytest.mark.skipif(
        not FILE.exists(),
        reason=f"{FILE.name} is not there: get Online Retail (doi.org/10.24432/C5BW33) and name it in STOCKBOOK_ORDERS",
    ),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """The real orders of a year, goods and dispatch invented."""
    with running(Shop(history=FILE), END) as served:
        yield served


@pytest.fixture(scope="module")
def rig(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """One night over all of it."""
    made = Rig(server, tmp_path_factory.mktemp("real"))
    made.night(END)
    return made


def test_a_year_of_real_orders_equals_the_truth(rig: Rig, server: Running) -> None:
    """Quantities of both pools for every variant and the status of every order are the sandbox's own."""
    truth = json.loads(json.dumps(server.shop.truth(END)))

    assert (len(truth["orders"]) > 19_000, len(truth["stock"]) > 3_000) == (True, True)
    assert differences(rig.settings.published, truth) == []


def test_the_value_of_every_day_is_the_sum_over_variants(rig: Rig) -> None:
    """For days all over the year, reports.stock_value_on adds up to reports.stock_value_daily to the last digit."""
    days = [
        day for (day,) in rig.rows("select date from reports.stock_value_daily where day(date) in (1, 15) order by 1")
    ]
    assert len(days) > 20

    for day in days:
        told = rig.rows(
            f"select stock_value, fifo_landed_value from reports.stock_value_daily where date = date '{day}'"
        )
        summed = rig.rows(
            "select coalesce(sum(average_landed_value), 0), coalesce(sum(fifo_landed_value), 0) "
            f"from reports.stock_value_on(date '{day}')"
        )
        assert told == summed, day
