"""
The three ways in which readers of such APIs lose rows without an error, and the rules that keep us from each.

Every loss is a scenario that is run twice: with the rule, when no row is missing, and with the rule replaced by the
one that loses, when the same scenario must fail.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from loopback import Shop as Rows
from loopback import movement, serving
from night_rig import Rig
from test_extract import plan, read, rows

from conftest import a_run
from stockbook.checks.rules import of_table
from stockbook.clock import ManualClock
from stockbook.declarations import Table
from stockbook.errors import ListingIncomplete
from stockbook.night import plans
from stockbook.progress import Silent
from stockbook.sources import offset_pager, walks
from stockbook.sources.offset_pager import Page
from stockbook.staging.load import Landed, load
from stockbook_sandbox import Shop, running
from stockbook_sandbox.localtime import local_of

PAGE = "warehouse-movements"


class Lost(AssertionError):
    """Rows are missing though nothing was red."""


# an offset advanced by the page size asked for


def two_hundred_rows_in_pages_of_thirty(folder: Path) -> None:
    """A server that caps pages at 30, where 1,000 are asked for; every row must be there."""
    served = Rows(rows={PAGE: [movement(number) for number in range(200, 0, -1)]}, cap=30)
    with serving(served) as url:
        manifest = read(url, folder, max_connections=1)["movements"]
    missing = set(range(1, 201)) - {row["id"] for row in rows(folder, manifest)}
    if missing:
        raise Lost(f"{len(missing)} of 200 rows")


def advanced_by_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutate: the next page begins where a full one would have ended."""
    take = offset_pager.AnchoredPager._take

    def mutated(self: offset_pager.AnchoredPager[object], page: Page[object], offset: int) -> list[int]:
        fresh = take(self, page, offset)
        self._offset = offset + (self._full or 0) - 1
        return fresh

    monkeypatch.setattr(offset_pager.AnchoredPager, "_take", mutated)


def taken_without_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutate: pages need not join each other, an empty page is the end, and no count is compared."""

    def believe(fetch: walks.Fetch[object], floor: int, full: int | None) -> walks.Pass[object]:
        pager = offset_pager.AnchoredPager(fetch, full)
        offset = 0
        while (page := fetch(offset)).keys:
            yield walks.Batch(page.content, pager._take(page, offset))
            offset = pager._offset + 1
        return walks.Outcome(pager.received, len(pager.seen), None, "floor passed", 200)

    monkeypatch.setattr(walks, "_ledger_pass", believe)


def test_an_offset_advanced_by_the_page_size_asked_for_loses_nothing(tmp_path: Path) -> None:
    """It is advanced by the rows received."""
    two_hundred_rows_in_pages_of_thirty(tmp_path)


def test_with_the_offset_advanced_by_the_page_size_asked_for_the_listing_is_red(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof of completeness notices the broken rule."""
    advanced_by_what_was_asked_for(monkeypatch)

    with pytest.raises(ListingIncomplete, match="not proved complete"):
        two_hundred_rows_in_pages_of_thirty(tmp_path)


def test_with_the_offset_advanced_so_and_no_proof_rows_are_lost_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scenario notices what peers do not: 170 of 200 rows are missing and nothing is red."""
    taken_without_proof(monkeypatch)
    two_hundred_rows_in_pages_of_thirty(tmp_path / "right offset")
    advanced_by_what_was_asked_for(monkeypatch)

    with pytest.raises(Lost, match="170 of 200"):
        two_hundred_rows_in_pages_of_thirty(tmp_path / "wrong offset")


# a tied row at the cursor of a newest-first feed

BOOKED = {4: "09:59:59", 5: "10:00:00", 6: "10:00:00", 7: "10:00:00", 8: "10:00:01"}


def rows_of_one_second_on_both_sides_of_the_cursor(folder: Path) -> None:
    """Movements 5, 6 and 7 are booked in one second; the first night saw up to 5, the second must bring 6, 7 and 8."""
    for night, newest, floor, expected in (("first", 5, 0, {4, 5}), ("second", 8, 5, {6, 7, 8})):
        booked = [movement(number, created=f"2025-03-02 {BOOKED[number]}") for number in range(newest, 3, -1)]
        with serving(Rows(rows={PAGE: booked}, cap=2)) as url:
            manifest = read(url, folder / night, plan(movements_floor=floor), max_connections=1)["movements"]
        missing = expected - {row["id"] for row in rows(folder / night, manifest)}
        if missing:
            raise Lost(f"movements {sorted(missing)}")


def compared_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutate: rows are newer than the cursor where their second is, as in a feed that is followed by time."""
    second = {number: int(datetime.fromisoformat(f"2025-03-02 {text}").replace(tzinfo=UTC).timestamp())
              for number, text in BOOKED.items()}  # fmt: skip
    original = walks._ledger_pass

    def mutated(fetch: walks.Fetch[object], floor: int, full: int | None) -> walks.Pass[object]:
        cursor = second.get(floor, 0)
        for step in original(fetch, 0, full):
            newer = [at for at in step.fresh if second[keys_of(step.content)[at]] > cursor]
            yield walks.Batch(step.content, newer)
        return walks.Outcome(len(second), len(second), None, "floor passed", max(second))

    monkeypatch.setattr(walks, "_ledger_pass", mutated)


def keys_of(content: object) -> Sequence[int]:
    """The ids of a page."""
    keys: Sequence[int] = content.keys  # type: ignore[attr-defined]  # pages as the projection makes them
    return keys


def test_a_tied_row_at_the_cursor_of_a_newest_first_feed_is_not_lost(tmp_path: Path) -> None:
    """Rows are told apart by id, never by time."""
    rows_of_one_second_on_both_sides_of_the_cursor(tmp_path)


def test_with_a_cursor_in_time_the_tied_rows_are_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same two nights with rows compared by their second miss movements 6 and 7 for ever."""
    compared_by_time(monkeypatch)

    with pytest.raises(Lost, match=r"movements \[6, 7\]"):
        rows_of_one_second_on_both_sides_of_the_cursor(tmp_path)


# an id that became visible after a higher one


def a_movement_that_shows_up_after_a_higher_one(home: Path) -> None:
    """
    Two green nights over the sandbox's own ledger: at the first one a movement was not visible yet though a higher
    id was. Both must be in staging after the second.
    """
    shop = Shop.small(seed=17)
    shown = shop.movements.visible
    lowest_behind = np.minimum.accumulate(shown[::-1])[::-1]
    late = int(np.flatnonzero(shown > lowest_behind)[0])
    first = local_of(int(lowest_behind[late])).replace(tzinfo=None)
    hidden = int(shop.movements.id[late])
    with running(shop, first) as server:
        rig = Rig(server, home, {"STOCKBOOK_MOVEMENTS_OVERLAP": "50", "STOCKBOOK_MOVEMENTS_OVERLAP_HOURS": "12"})
        rig.books(first, build=False)
        seen = staged(rig)
        assert hidden not in seen
        assert max(seen) > hidden
        rig.books(first + timedelta(days=1), build=False)
        if hidden not in staged(rig):
            raise Lost(f"movement {hidden}")


def staged(rig: Rig) -> set[int]:
    """The movements in staging."""
    with duckdb.connect(str(rig.settings.warehouse), read_only=True) as con:
        return {number for (number,) in con.execute("select movement_id from staging.movements").fetchall()}


@pytest.mark.slow
def test_an_id_that_became_visible_after_a_higher_one_is_not_lost(tmp_path: Path) -> None:
    """The next night reads an overlap below the cursor again."""
    a_movement_that_shows_up_after_a_higher_one(tmp_path)


@pytest.mark.slow
def test_without_the_overlap_the_late_id_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same two nights with the cursor itself as the floor are green and never see the movement."""

    def at_the_cursor(con: duckdb.DuckDBPyConnection, *arguments: object) -> int:
        ceilings = con.execute("select max(ceiling) from meta.cursor where listing = 'movements'").fetchall()
        return int(ceilings[0][0] or 0)

    monkeypatch.setattr(plans, "_movements_floor", at_the_cursor)

    with pytest.raises(Lost, match="movement 1000413"):
        a_movement_that_shows_up_after_a_higher_one(tmp_path)


# a page that has two rows of one key

# listing: path, key on the wire and in staging, a row, what a copy says otherwise
SAID_OTHERWISE: dict[str, tuple[str, str, str, dict[str, Any], dict[str, Any]]] = {
    "stock_levels": (
        "warehouse-variants", "variant_id", "variant_id", {"quantity": 1, "damaged_quantity": 0}, {"quantity": 9},
    ),
    "receivings": (
        "warehouse-preloads", "id", "receiving_id", {"items": [{"variant_id": 7, "quantity": 1}]},
        {"items": [{"variant_id": 7, "quantity": 9}]},
    ),
    "movements": (PAGE, "id", "movement_id", movement(1), {"quantity": 9}),
}  # fmt: skip


def test_of_two_rows_of_one_key_on_a_page_none_is_lost_and_none_believed(
    tmp_path: Path, con: duckdb.DuckDBPyConnection, tables: dict[str, Table], clock: ManualClock
) -> None:
    """From the wire to staging: a copy that says the same is one row, one that says something else sets both aside."""
    served = {
        path: [row | {key: 3}, row | {key: 3}, row | {key: 2}, row | {key: 2} | other, row | {key: 1}]
        for path, key, _, row, other in SAID_OTHERWISE.values()
    }
    with serving(Rows(rows=served, cap=1000)) as url:
        manifests = read(url, tmp_path, max_connections=1)
    landed = [
        Landed(manifests[name], tmp_path / "night" / "main" / f"fulfillment_cz.{name}") for name in SAID_OTHERWISE
    ]

    load(con, a_run(), landed, tables, clock, Silent(), 1.0)

    for name, (*_, key, _, _) in SAID_OTHERWISE.items():
        assert con.execute(f"select {key} from staging.{name} order by 1").fetchall() == [(1,), (3,)]
        rules = [rule for rule in of_table(tables[f"staging.{name}"]) if rule.name == "every row received is somewhere"]
        assert [con.execute(rule.bad_rows).fetchall() for rule in rules] == [[]]
    refused = con.execute("select table_name, row_key from staging.quarantine order by 1").fetchall()
    assert refused == [("movements", "2"), ("receivings", "2"), ("stock_levels", "2/2025-03-03")]
