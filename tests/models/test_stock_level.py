"""What the warehouse counted, what is free and when it runs out: rows of staging in, rows of the marts out."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from test_valuation_program import Shop

from stockbook.checks.rules import of_table

REPORTS = (
    "marts.fct_stock_level",
    "marts.fct_stock_request",
    "reports.stock_availability",
    "reports.stock_out_days",
    "reports.stock_level_daily",
    "reports.replenishment_due",
)
TODAY = date(2025, 4, 1)


class Shelf(Shop):
    """A shop whose stock the warehouse counts every night at 02:15."""

    def __init__(self) -> None:
        super().__init__(also=REPORTS)

    def look(self, variant_id: int, on_hand: int, available: int | None, day: date = TODAY, **other: Any) -> None:
        """What a night finds of a variant."""
        at = datetime.combine(day, datetime.min.time()) + timedelta(hours=2, minutes=15)
        row = {"account": "main", "variant_id": variant_id, "snapshot_date": day, "snapshot_at": at}
        counted = {"quantity": on_hand, "damaged_quantity": 0, "available_quantity": available}
        self.insert("staging.stock_levels", row | counted | other)

    def sell(self, variant_id: int, pieces: dict[int, int]) -> None:
        """Pieces that leave so many days before today; a hundred came sixty days before."""
        first = 1_000 * variant_id
        self.move(first, variant_id, "in", 100, self.noon(60), price="1")
        for number, (days_ago, quantity) in enumerate(pieces.items(), first + 1):
            self.move(number, variant_id, "out", quantity, self.noon(days_ago), order=f"o{number}")

    def noon(self, days_ago: int) -> str:
        return f"{TODAY - timedelta(days=days_ago)} 12:00:00"

    def today(self) -> None:
        self.build(datetime(2025, 4, 1, 3))

    def rows(self, columns: str, relation: str) -> list[tuple[Any, ...]]:
        return self.ask(f"select {columns} from {relation} order by all")


@pytest.fixture
def shelf() -> Any:
    shelf = Shelf()
    yield shelf
    shelf.con.close()


RUN_OUT = "variant_id, days_of_cover, run_out_date_earliest, run_out_date_latest"


def test_cover_and_run_out_follow_the_pace_of_28_days(shelf: Shelf) -> None:
    """
    One piece a day: 14 last for 14 days. Sold in the latest of four weeks only: a range that may never end.

    Seven pieces a day in the last week are 49: 1.75 a day in the mean. Of the 22 weeks that end on one of the 28 days
    the quarter with the most begins at 1.75 a day, the slowest quarter had none.
    """
    shelf.look(1, 20, 14)
    shelf.look(2, 20, 14)
    shelf.sell(1, dict.fromkeys(range(1, 29), 1))
    shelf.sell(2, dict.fromkeys(range(1, 8), 7))
    shelf.today()
    assert shelf.rows(RUN_OUT, "reports.stock_availability") == [
        (1, 14.0, date(2025, 4, 15), date(2025, 4, 15)),
        (2, 8.0, date(2025, 4, 9), None),
    ]
    assert shelf.broken() == {}


def test_the_day_of_the_look_and_other_issues_are_no_demand(shelf: Shelf) -> None:
    """What left today, 29 days ago or for no order says nothing of the pace: no cover, no run-out day."""
    shelf.look(1, 20, 14)
    shelf.sell(1, {29: 5})
    shelf.move(1, 1, "out", 3, "2025-04-01 01:00:00", order="today")
    shelf.move(2, 1, "out", 3, shelf.noon(3))
    shelf.today()
    assert shelf.rows(RUN_OUT, "reports.stock_availability") == [(1, None, None, None)]


@pytest.mark.parametrize(("first_days_ago", "has_range"), [(13, False), (14, True)])
def test_less_than_14_days_of_history_give_no_range(shelf: Shelf, first_days_ago: int, has_range: bool) -> None:
    """The mean is of 28 days all the same."""
    shelf.look(1, 28, 28)
    shelf.move(1, 1, "in", 50, shelf.noon(first_days_ago), price="1")
    for days_ago in range(1, first_days_ago + 1):
        shelf.move(10 + days_ago, 1, "out", 1, shelf.noon(days_ago), order=f"o{days_ago}")
    shelf.today()
    earliest = date(2025, 4, 29) if has_range else None
    assert shelf.rows(RUN_OUT, "reports.stock_availability") == [(1, 28 * 28.0 / first_days_ago, earliest, earliest)]
    assert shelf.rows("history_days", "reports.stock_availability") == [(first_days_ago,)]


def test_what_is_promised_beyond_the_stock_is_kept_and_flagged(shelf: Shelf) -> None:
    """Negative, nothing, unknown and reserved above stock each have their word; nothing is cut to 0 or guessed."""
    shelf.look(1, 2, -3, reserved_quantity=5, requested_quantity=0)
    shelf.look(2, 0, 0)
    shelf.look(3, 7, None)
    shelf.look(4, 7, 6, reserved_quantity=1)
    shelf.sell(1, {1: 28})
    shelf.today()
    columns = "variant_id, available_quantity, availability, oversold_quantity, is_reserved_above_stock"
    assert shelf.rows(columns, "reports.stock_availability") == [
        (1, -3, "oversold", 3, True),
        (2, 0, "none", 0, False),
        (3, None, "unknown", None, False),
        (4, 6, "available", 0, False),
    ]
    assert shelf.rows("variant_id, held_quantity", "marts.fct_stock_level") == [(1, 2), (2, 0), (3, None), (4, 1)]
    # three days of demand are owed already
    assert shelf.rows(RUN_OUT, "reports.stock_availability where variant_id = 1") == [(1, -3.0, TODAY, TODAY)]
    [check] = [each for each in shelf.tables["marts.fct_stock_level"].checks if "is reserved" in each.name]
    assert shelf.ask(check.rows or "") == [("main", 1, 2, 5)]
    assert shelf.rows(
        "variants, oversold_variants, sold_out_variants, unknown_variants, on_hand_quantity, available_quantity, "
        "oversold_quantity, held_quantity",
        "reports.stock_level_daily",
    ) == [(4, 1, 1, 1, 16, 6, 3, 3)]


def test_lost_pieces_are_estimated_by_the_pace_before_the_goods_ran_out(shelf: Shelf) -> None:
    """
    28 pieces left in the 28 days before variant 1 ran out, so one a day is lost, however long it lasts.

    A night without a look breaks nothing, a night with goods does; a variant nobody bought has lost none.
    """
    days = [TODAY - timedelta(days=ago) for ago in (8, 7, 5, 4, 3)]
    for day, available in zip(days, (0, -1, 0, 4, 0), strict=True):
        shelf.look(1, max(available, 0), available, day)
        shelf.look(2, 0, 0 if day == days[0] else None, day)
    shelf.sell(1, {20: 28})
    shelf.today()
    columns = "variant_id, date, out_since, lost_pieces_estimate"
    assert shelf.rows(columns, "reports.stock_out_days") == [
        (1, days[0], days[0], 1.0),
        (1, days[1], days[0], 1.0),
        (1, days[2], days[0], 1.0),
        (1, days[4], days[4], 1.0),
        (2, days[0], days[0], 0.0),
    ]


def test_requests_keep_when_they_stood(shelf: Shelf) -> None:
    """A request that grew and was met has two versions; a later one that stands is counted with its oldest."""
    request = {"account": "main", "variant_id": 1, "created_text": "2025-03-01 09:00:00"}
    versions = [
        (7, 1, 2, datetime(2025, 3, 2, 2, 15), datetime(2025, 3, 5, 2, 15)),
        (7, 2, 3, datetime(2025, 3, 5, 2, 15), datetime(2025, 3, 9, 2, 15)),
        (8, 1, 1, datetime(2025, 3, 30, 2, 15), None),
        # of a night after this run
        (9, 1, 4, datetime(2025, 4, 3, 2, 15), None),
    ]
    for number, version, quantity, since, until in versions:
        stamp = {"_version": version, "_valid_from": since, "_valid_to": until}
        shelf.insert("staging.stock_requests_history", request | {"request_id": number, "quantity": quantity} | stamp)
    shelf.look(1, 0, -1)
    shelf.today()
    assert shelf.rows("request_id, version_no, quantity, is_open", "marts.fct_stock_request") == [
        (7, 1, 2, False),
        (7, 2, 3, False),
        (8, 1, 1, True),
    ]
    assert shelf.rows("open_requests, oldest_request_at", "reports.stock_availability") == [
        (1, datetime(2025, 3, 1, 9))
    ]


def rule(shelf: Shelf, carton: str, variant: str, limit: int, pieces: int = 12) -> None:
    row = {"mastercase_code": carton, "variant_ext_code": variant, "variant_limit_quantity": limit}
    shelf.insert("staging.replenishment_rules", {"account": "main", "mastercase_quantity": pieces} | row)


def test_a_rule_that_should_have_fired_is_due(shelf: Shelf) -> None:
    """Too few loose pieces with cartons there: due since the night they fell below; the other rules have their word."""
    for variant_id, ext_code in ((1, "loose"), (2, "carton"), (3, "other"), (4, "empty carton")):
        shelf.insert(
            "staging.variants_history",
            {"account": "main", "variant_id": variant_id, "product_id": 1, "code": f"DS{variant_id}"}
            | {"ext_code": ext_code, "_version": 1, "_valid_from": datetime(2025, 1, 1, 2, 15)},
        )
    for ago, loose in ((3, 2), (2, 9), (1, 4), (0, 3)):
        day = TODAY - timedelta(days=ago)
        shelf.look(1, loose, loose, day)
        shelf.look(2, 5, 5, day)
        shelf.look(3, 1, 1, day)
        shelf.look(4, 0, 0, day)
    rule(shelf, "DS2", "loose", 5)
    rule(shelf, "carton", "other", 1)
    rule(shelf, "empty carton", "other", 2)
    rule(shelf, "DS2", "of nobody", 5)
    rule(shelf, "DS4", "loose", 5, pieces=0)
    shelf.today()
    assert shelf.rows(
        "mastercase_code, variant_ext_code, state, due_since, nights_due", "reports.replenishment_due"
    ) == [
        ("DS2", "loose", "due", date(2025, 3, 31), 2),
        ("DS2", "of nobody", "unknown_code", None, 0),
        ("carton", "other", "enough", None, 0),
        ("empty carton", "other", "no_carton", None, 0),
    ]


def test_more_available_than_on_hand_is_told(shelf: Shelf) -> None:
    """Cover and days out of stock go by what is available; of the latest night only, and not below nothing on hand."""
    [rule] = [
        rule for rule in of_table(shelf.tables["marts.fct_stock_level"]) if rule.name.startswith("no more is available")
    ]
    for variant_id, on_hand, available in ((1, 5, 5), (2, 5, 6), (3, 5, None), (4, -1, 0)):
        shelf.look(variant_id, on_hand, available)
    shelf.look(1, 5, 9, TODAY - timedelta(days=1))
    shelf.today()

    assert shelf.ask(rule.bad_rows) == [("main", 2, 5, 6)]
