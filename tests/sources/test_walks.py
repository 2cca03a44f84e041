"""Walks against a list that lives while it is paged."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import proof_size
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from stockbook.errors import ListingIncomplete
from stockbook.sources import day_windows, walks
from stockbook.sources.walks import Again, Batch, Outcome, Page


def walked(walk: walks.Walk[Sequence[int]]) -> tuple[list[int], Outcome]:
    """The keys a walk gave, those of a void pass forgotten, and its outcome."""
    keys: list[int] = []
    try:
        while True:
            step = next(walk)
            if isinstance(step, Again):
                keys.clear()
            else:
                assert isinstance(step, Batch)
                keys += [step.content[at] for at in step.fresh]
    except StopIteration as end:
        return keys, end.value


@dataclass
class Event:
    """What happens to the list before one answer, and how that answer is cut."""

    insert: list[float] = field(default_factory=list)
    remove: list[float] = field(default_factory=list)
    repeat: float | None = None
    cap: int = 1000


@dataclass
class Model:
    """
    A server whose list changes between answers.

    Events are used up one per answer, then nothing happens any more. ``throughout`` are the keys that were there
    from the first answer to the last. New keys are given by ``new_key`` from the two neighbours of their place.
    """

    keys: list[int]
    events: list[Event] = field(default_factory=list)
    total: bool = True
    limit: int = 1000
    newest_first: bool = False
    answers: int = 0
    repeats: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.throughout = set(self.keys)
        self.next_key = max(self.keys, default=0) + 1

    def fetch(self, offset: int, floor: int | None = None) -> Page[Sequence[int]]:
        event = self.events[self.answers] if self.answers < len(self.events) else Event()
        self.answers += 1
        self._change(event)
        visible = [key for key in self.keys if floor is None or key > floor]
        page = visible[offset : offset + min(self.limit, event.cap)]
        if event.repeat is not None and page:
            at = int(event.repeat * len(page))
            self.repeats.append((offset, page[at]))
            page.insert(at, page[at])
            page = page[: min(self.limit, event.cap)]
        return Page(page, len(visible) if self.total else None, page)

    def _change(self, event: Event) -> None:
        for place in event.insert:
            if self.newest_first:
                self._show_up(place)
            else:
                self.keys.insert(int(place * (len(self.keys) + 1)), self.next_key)
                self.next_key += 1
        for place in event.remove:
            if self.keys:
                self.throughout.discard(self.keys.pop(int(place * len(self.keys))))

    def _show_up(self, place: float) -> None:
        """A new id at the front, or an id below others that becomes visible late."""
        if place < 0.5 or not self.keys:
            self.keys.insert(0, self.next_key)
            self.next_key += 1
            return
        late = int((place - 0.5) * 2 * self.next_key)
        if late > 0 and late not in self.keys:
            self.keys.append(late)
            self.keys.sort(reverse=True)


places = st.floats(0, 0.999)


def histories(*, removes: bool = True, repeats: bool = True, least_cap: int = 1) -> st.SearchStrategy[list[Event]]:
    event = st.builds(
        Event,
        insert=st.lists(places, max_size=2),
        remove=st.lists(places, max_size=2) if removes else st.just([]),
        repeat=st.none() | places if repeats else st.none(),
        cap=st.integers(least_cap, 5),
    )
    return st.lists(event, max_size=10)


examples = proof_size.of(ci=300, proof=6_000)
many = settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# one row comes in front and two go: a row is pulled past the reading, and the count alone does not tell
MOVED = [Event(cap=3), Event(insert=[0.0], cap=3), Event(remove=[0.0, 0.0], cap=3)]


@pytest.mark.slow
@many
@given(st.integers(0, 14), histories(least_cap=3))
@example(6, MOVED)
def test_a_listing_with_a_total_gives_every_row_that_was_there_throughout_or_raises(
    count: int, history: list[Event]
) -> None:
    """Inserts, removals, late rows, repeats and caps lose nothing in silence."""
    model = Model(list(range(1, count + 1)), history)
    try:
        keys, _ = walked(walks.listing(model.fetch, "model", full=5))
    except ListingIncomplete:
        return
    assert model.throughout <= set(keys)
    assert len(keys) == len(set(keys))


@pytest.mark.slow
@many
@given(st.integers(0, 14), histories(removes=False))
def test_a_listing_served_row_by_row_gives_every_row_while_none_is_removed(count: int, history: list[Event]) -> None:
    """A page of one row leaves no room for the anchor; the count is the proof then."""
    model = Model(list(range(1, count + 1)), history)
    try:
        keys, _ = walked(walks.listing(model.fetch, "model", full=5))
    except ListingIncomplete:
        return
    assert model.throughout <= set(keys)


@pytest.mark.slow
@many
@given(st.integers(0, 14), histories(removes=False))
def test_a_listing_without_a_total_gives_every_row_while_none_is_removed(count: int, history: list[Event]) -> None:
    """Where the source promises nothing, an empty page behind an unbroken chain of pages is the proof."""
    model = Model(list(range(1, count + 1)), history, total=False)
    try:
        keys, _ = walked(walks.listing(model.fetch, "model", proof="empty page"))
    except ListingIncomplete:
        return
    assert model.throughout <= set(keys)


@pytest.mark.slow
@many
@given(st.integers(0, 14), histories(least_cap=3))
def test_numbered_pages_give_every_row_that_was_there_throughout_or_raise(count: int, history: list[Event]) -> None:
    """
    Rows inserted, removed or repeated while numbered pages are read lose nothing in silence.

    (A page that repeats the same row each time it is asked cannot be told from a total that counts the copies.)
    """
    model = Model(list(range(1, count + 1)), history, limit=3)
    try:
        keys, _ = walked(walks.pages(lambda number: model.fetch((number - 1) * 3), "model"))
    except ListingIncomplete:
        return
    assume(len(model.repeats) == len(set(model.repeats)))
    assert model.throughout <= set(keys)
    assert len(keys) == len(set(keys))


def test_a_row_pulled_past_a_numbered_page_is_not_lost() -> None:
    """One row removed from page 1 and one added at the end leave the count as it was: page 1 is looked at again."""
    model = Model(list(range(9)), [Event(), Event(remove=[0.0], insert=[0.999])], limit=3)

    keys, _ = walked(walks.pages(lambda number: model.fetch((number - 1) * 3), "model"))

    assert keys == [1, 2, 3, 4, 5, 6, 7, 8, 9]


@pytest.mark.slow
@many
@given(
    st.lists(st.integers(1, 40), unique=True, max_size=20),
    st.booleans().flatmap(lambda total: st.tuples(st.just(total), histories(removes=total, least_cap=1 + 2 * total))),
    st.integers(0, 20),
    st.sampled_from([None, 0, -1]),
)
def test_a_ledger_gives_every_row_between_its_bounds_or_raises(
    ids: list[int], served: tuple[bool, list[Event]], floor: int, server_floor: int | None
) -> None:
    """
    Rows booked, shown late, removed or repeated while the ledger is read lose nothing in silence,
    whether the server reads idFrom as inclusive, as exclusive, or not at all. (Without a total a removal
    at the very end cannot be told from the end; a ledger is append-only.)
    """
    total, history = served
    model = Model(sorted(ids, reverse=True), history, total=total, newest_first=True)
    lowest = None if server_floor is None else floor + server_floor
    try:
        keys, outcome = walked(walks.ledger(lambda offset: model.fetch(offset, lowest), "model", floor=floor))
    except ListingIncomplete:
        return
    assert outcome.ceiling is not None
    assert {key for key in model.throughout if floor < key <= outcome.ceiling} <= set(keys)
    assert all(floor < key <= outcome.ceiling for key in keys)
    assert len(keys) == len(set(keys))
    assert outcome.received == len(keys) + outcome.repeated + outcome.waiting + outcome.passed


@pytest.mark.parametrize("count", [0, 1, 2, 99, 100, 101, 250])
@pytest.mark.parametrize("cap", [7, 100])
def test_a_quiet_listing_comes_whole_and_once(count: int, cap: int) -> None:
    """A page size the server chose leaves no gap and repeats nothing."""
    model = Model(list(range(count)), limit=cap)

    assert walked(walks.listing(model.fetch, "model", full=100))[0] == list(range(count))


def test_the_offset_moves_by_rows_received() -> None:
    """A server that serves 30 where 100 were asked for still gives all of 200 rows."""
    model = Model(list(range(200)), limit=30)

    assert len(walked(walks.listing(model.fetch, "model"))[0]) == 200


def test_pages_of_one_row_come_whole() -> None:
    """A server that serves a single row a page is walked to its end, with and without a total."""
    for total in (True, False):
        assert walked(walks.listing(Model(list(range(9)), limit=1, total=total).fetch, "model"))[0] == list(range(9))
        ids = list(range(9, 0, -1))
        assert walked(walks.ledger(Model(ids, limit=1, total=total).fetch, "model", floor=3))[0] == [9, 8, 7, 6, 5, 4]


def test_a_row_that_comes_twice_on_a_page_moves_the_offset_once() -> None:
    """A server that repeats the last row of each page is read without a gap."""

    def fetch(offset: int) -> Page[list[int]]:
        page = list(range(20))[offset : offset + 6]
        page += page[-1:]
        return Page(page, 20, page)

    assert walked(walks.listing(fetch, "stutter"))[0] == list(range(20))


def test_a_total_that_ends_with_a_full_page_is_not_believed_at_once() -> None:
    """A page of as many rows as were asked for may be cut by the limit: a total that agrees with it is checked."""
    rows = list(range(7))

    def fetch(offset: int) -> Page[list[int]]:
        page = rows[offset : offset + 5]
        return Page(page, 5 if not offset else 7, page)

    assert walked(walks.listing(fetch, "stale", full=5))[0] == rows


def test_a_short_page_does_not_end_a_listing() -> None:
    """Only an empty page or the promised total ends a listing."""
    model = Model(list(range(10)), [Event(cap=6), Event(cap=3)], total=False)

    assert walked(walks.listing(model.fetch, "model", full=1000, proof="empty page"))[0] == list(range(10))


def test_a_removal_between_pages_of_one_row_voids_the_pass() -> None:
    """A row removed just behind the cursor would take the next one with it, and the count would agree."""
    single = Event(cap=1)
    model = Model([1, 2, 3, 4], [single, single, Event(cap=1, remove=[0.0]), single, single, single, single])

    assert walked(walks.listing(model.fetch, "model"))[0] == [2, 3, 4]


def test_a_row_removed_while_another_is_added_is_noticed() -> None:
    """A removal before the cursor and a new row at the end keep the count right; the gap is found all the same."""
    model = Model(list(range(20)), [Event(cap=10), Event(remove=[0.0], insert=[0.999], cap=1000)])
    keys, outcome = walked(walks.listing(model.fetch, "model"))

    assert set(range(1, 20)) <= set(keys)
    assert outcome.received > len(keys) or outcome.distinct == len(keys)


def test_a_tied_row_at_the_cursor_of_a_ledger_is_not_lost() -> None:
    """Rows of one second on both sides of the last cursor are told apart by id, never by time."""
    booked = {7: "10:00:00", 6: "10:00:00", 5: "10:00:00", 4: "09:59:59"}
    model = Model(list(booked))

    keys, _ = walked(walks.ledger(model.fetch, "ledger", floor=5))

    assert keys == [7, 6]


def test_an_id_that_shows_up_after_a_higher_one_is_read_inside_the_overlap() -> None:
    """Id 8 was invisible when the ledger was read up to 10; the next reading starts an overlap below 10 and has it."""
    first = walked(walks.ledger(Model([10, 9, 7, 6]).fetch, "ledger", floor=0))
    ceiling = first[1].ceiling
    assert ceiling == 10

    second, _ = walked(walks.ledger(Model([11, 10, 9, 8, 7, 6]).fetch, "ledger", floor=ceiling - 5))

    assert 8 in second


def test_rows_above_the_ceiling_wait_for_the_next_night() -> None:
    """What is booked while the ledger is read is left to the next reading."""
    model = Model([5, 4, 3, 2, 1], [Event(cap=2), Event(insert=[0.0, 0.0])], newest_first=True)

    keys, outcome = walked(walks.ledger(model.fetch, "ledger", floor=0))

    assert (sorted(keys), outcome.ceiling) == ([1, 2, 3, 4, 5], 5)
    assert outcome.received == len(keys) + outcome.repeated + outcome.waiting


@pytest.mark.parametrize("page", [[5, 4, 3, 5], [5, 4, 3, 4, 5], [5, 5, 4, 3], [5, 4, 5, 3, 3]])
def test_a_ledger_page_that_repeats_rows_is_in_order(page: list[int]) -> None:
    """A row that came before may come again anywhere: it is counted, and lands once."""
    keys, outcome = walked(walks.ledger(lambda offset: Page(page, 3, page), "ledger", floor=0))

    assert keys == [5, 4, 3]
    assert (outcome.received, outcome.repeated) == (len(page), len(page) - 3)


COPIED = [5, 4, 3, 5]


@pytest.mark.parametrize(
    "walk",
    [
        lambda fetch: walks.ledger(fetch, "ledger", floor=0, full=1000),
        lambda fetch: walks.listing(fetch, "listing", full=1000),
        lambda fetch: walks.whole(fetch, "whole"),
        lambda fetch: walks.pages(lambda number: fetch(4 * (number - 1)), "pages"),
    ],
)
def test_a_total_may_count_a_row_that_comes_twice(walk: Callable[[Any], Any]) -> None:
    """The row lands once where nothing stands behind as many rows as were promised; else the count decides."""

    def fetch(rows: list[int]) -> Callable[[int], Page[list[int]]]:
        return lambda offset: Page(rows[offset : offset + 4], 4, rows[offset : offset + 4])

    keys, outcome = walked(walk(fetch(COPIED)))

    assert (keys, outcome.received - outcome.distinct, outcome.total) == ([5, 4, 3], outcome.repeated, 4)
    # the count is of distinct rows: a row behind them is found, or the listing is not complete
    with suppress(ListingIncomplete):
        assert walked(walk(fetch([*COPIED, 2])))[0] == [5, 4, 3, 2]


@pytest.mark.parametrize("rows", [[None], [None, None], [None, None, None, 7], [None] * 5])
def test_a_page_of_rows_without_a_key_is_counted(rows: list[int | None]) -> None:
    """They are to be set aside, and cost the listing nothing while its total stays."""
    pages = [rows[at : at + 2] for at in range(len(rows) + 9)]

    places, outcome = walked(walks.listing(lambda at: Page(pages[at], len(rows), range(at, at + 2)), "listing", full=2))

    assert places == list(range(len(rows)))
    assert (outcome.distinct, outcome.received - outcome.repeated) == (len(rows), len(rows))


def test_rows_at_and_below_the_floor_are_counted() -> None:
    """They were read to prove that nothing is missing above it."""
    page = [9, 8, 7, 6, 5]
    keys, outcome = walked(walks.ledger(lambda offset: Page(page, 9, page), "ledger", floor=7))

    assert keys == [9, 8]
    assert (outcome.received, outcome.passed, outcome.waiting, outcome.repeated) == (5, 3, 0, 0)


def test_a_row_asked_for_by_itself_may_come_twice() -> None:
    """The same row again is a repeat; another one is an error."""
    keys, outcome = walked(walks.one_by_one(lambda number: Page([7, 7], None, [7, 7]), "one", [7]))

    assert (keys, outcome.received, outcome.repeated) == ([7], 2, 1)
    with pytest.raises(ListingIncomplete):
        walked(walks.one_by_one(lambda number: Page([7, 8], None, [7, 8]), "one", [7]))


def test_a_row_of_a_ledger_without_an_id_is_given() -> None:
    """It is neither above nor below anything: loading sets it aside."""
    page: Page[Sequence[int | None]] = Page([5, None, 4], 3, [5, None, 4])

    assert walked(walks.ledger(lambda offset: page, "ledger", floor=0))[0] == [5, None, 4]


@pytest.mark.parametrize("walk", [walks.listing, lambda fetch, name: walks.ledger(fetch, name, floor=0)])
def test_a_server_that_does_not_hear_the_offset_is_an_error(walk: Callable[..., walks.Walk[Sequence[int]]]) -> None:
    """The same page again and again must neither loop for ever nor pass for the whole."""
    page = Page([9, 8, 7], 10, [9, 8, 7])

    with pytest.raises(ListingIncomplete, match="not proved complete"):
        walked(walk(lambda offset: page, "deaf"))


def test_an_endpoint_without_paging_is_whole_with_its_one_answer() -> None:
    """No total and the same answer from another offset: the endpoint pages nothing and has said all."""
    page = Page([1, 2, 3], None, [1, 2, 3])

    assert walked(walks.whole(lambda offset: page, "deliveries"))[0] == [1, 2, 3]


def test_a_promise_that_stays_broken_is_an_error() -> None:
    """Nine rows of ten promised are read twice and then refused, with both numbers in the message."""
    rows = list(range(9))
    with pytest.raises(ListingIncomplete, match="9 distinct rows came, 10 were promised"):
        walked(walks.listing(lambda offset: Page(rows[offset:], 10, rows[offset:]), "short"))


def test_a_total_that_moved_is_read_once_more() -> None:
    """A row added at the front while paging voids the pass; the second one holds it too."""
    model = Model(list(range(10)), [Event(cap=5), Event(insert=[0.0])])

    keys, outcome = walked(walks.listing(model.fetch, "model"))

    assert sorted(keys) == list(range(11))
    assert outcome.total == 11


def test_rows_without_a_key_count_where_they_stand() -> None:
    """Two unreadable rows are two rows of the promised total, given on to be counted as refused."""
    page: Page[Sequence[int | None]] = Page([1, None, 2, None], 4, [1, None, 2, None])

    assert walked(walks.listing(lambda offset: page, "garbage"))[0] == [1, None, 2, None]


def test_a_ledger_that_is_not_newest_first_is_an_error() -> None:
    """The walk stops at the floor, which proves something only while ids fall."""
    with pytest.raises(ListingIncomplete, match="newest first"):
        walked(walks.ledger(lambda offset: Page([3, 5], 2, [3, 5]), "ledger", floor=0))
    with pytest.raises(ListingIncomplete, match="newest first"):
        walked(walks.ledger(lambda offset: Page([7, 3, 7, 5], 3, [7, 3, 7, 5]), "ledger", floor=0))


def test_ids_that_do_not_come_are_gone_and_no_error() -> None:
    """Of three ids asked for, two exist."""
    page = Page(["a", "c"], 2, ["a", "c"])

    assert walked(walks.by_ids(lambda offset: page, "orders", ["a", "b", "c"]))[0] == ["a", "c"]


def test_an_id_asked_for_in_another_case_is_that_id() -> None:
    """A UUID that comes in capitals was asked for in small letters; of other ids the case tells them apart."""
    small = "0b9f8a34-1c2d-4e5f-8a9b-0c1d2e3f4a5b"
    page = Page([small.upper()], 1, [small.upper()])

    assert walked(walks.by_ids(lambda offset: page, "orders", [small]))[0] == [small.upper()]
    with pytest.raises(ListingIncomplete, match="not asked for"):
        walked(walks.by_ids(lambda offset: Page(["X"], 1, ["X"]), "orders", ["x"]))


def test_a_filter_of_ids_that_is_not_heard_is_an_error() -> None:
    """Rows nobody asked for mean that the server gave a plain listing."""
    with pytest.raises(ListingIncomplete, match="not asked for"):
        walked(walks.by_ids(lambda offset: Page(["x"], 1, ["x"]), "orders", ["a"]))


@given(st.dates(date(2000, 1, 1), date(2025, 3, 3)), st.integers(0, 400))
@settings(max_examples=proof_size.of(ci=100, proof=5_000), deadline=None)
def test_the_first_day_is_found(first: date, later: int) -> None:
    """Bisecting the counts finds the first day with orders in few requests."""
    days: list[date] = []

    def count_until(day: date) -> int:
        days.append(day)
        return max(0, (day - first).days + 1)

    last = first + timedelta(days=later)

    assert day_windows.first_day(count_until, last) == first
    assert len(days) <= 25


def test_no_orders_at_all_have_no_first_day() -> None:
    """A new shop has nothing to read."""
    assert day_windows.first_day(lambda day: 0, date(2025, 3, 3)) is None
