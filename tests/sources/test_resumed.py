"""A listing that was cut off goes on behind what landed, and gives what an undisturbed reading would have given."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import proof_size
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from loopback import Answer as Sent
from loopback import Request, movement, order, serving
from test_extract import plan, read, rows, shop
from test_walks import MOVED, Event, Model, histories

from stockbook.errors import ListingIncomplete, Unreachable
from stockbook.landing.answer_journal import Answer
from stockbook.landing.manifest import PageFile
from stockbook.sources import walks
from stockbook.sources.resumed_fetch import ResumedFetch

examples = proof_size.of(ci=300, proof=6_000)
many = settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MOVEMENTS = "/v2/fulfillment/warehouse-movements"


class CutOff(Exception):
    """The night ends here."""


def walked_twice(
    make: Callable[[walks.Fetch[Any]], walks.Walk[Any]], fetch: walks.Fetch[Any], cut: int
) -> tuple[list[int], list[int]]:
    """
    The keys of a walk that is cut off before its ``cut``-th answer and walked again over what was recorded, and the
    offsets the second one offsets for.
    """
    recorded: list[Answer] = []
    offsets: list[int] = []

    def limited(offset: int) -> walks.Page[Any]:
        offsets.append(offset)
        if len(offsets) == cut:
            raise CutOff
        return fetch(offset)

    def go(trail: ResumedFetch[Any]) -> list[int]:
        keys: list[int] = []
        for step in outcome_aside(make(trail)):
            if isinstance(step, walks.Again):
                keys.clear()
                trail.forget()
                recorded.clear()
                continue
            content = step.content.keys if isinstance(step.content, Answer) else step.content
            keys += [content[at] for at in step.fresh]
            recorded.extend(
                Answer(part="p", offset=offset, keys=list(page.keys), total=page.total)
                for offset, page in trail.new_pages()
            )
        return keys

    try:
        return go(ResumedFetch(limited)), []
    except CutOff:
        offsets.clear()
        landed = list(recorded)
        return go(ResumedFetch(limited_no_more(fetch, offsets), landed)), offsets


def limited_no_more(fetch: walks.Fetch[Any], offsets: list[int]) -> walks.Fetch[Any]:
    def counted(offset: int) -> walks.Page[Any]:
        offsets.append(offset)
        return fetch(offset)

    return counted


def outcome_aside(walk: walks.Walk[Any]) -> Any:
    yield from walk


@pytest.mark.slow
@many
@given(st.integers(0, 14), histories(least_cap=3), st.integers(1, 8))
@example(6, MOVED, 2)
def test_a_listing_cut_off_anywhere_gives_every_row_that_was_there_throughout_or_raises(
    count: int, history: list[Event], cut: int
) -> None:
    """The list lives on between the two attempts as it does between two pages."""
    model = Model(list(range(1, count + 1)), history)
    try:
        keys, _ = walked_twice(lambda fetch: walks.listing(fetch, "model", full=5), model.fetch, cut)
    except ListingIncomplete:
        return
    assert model.throughout <= set(keys)
    assert len(keys) == len(set(keys))


@pytest.mark.slow
@many
@given(
    st.lists(st.integers(1, 40), unique=True, max_size=20),
    histories(least_cap=3),
    st.integers(0, 20),
    st.integers(1, 8),
)
def test_a_ledger_cut_off_anywhere_gives_every_row_between_its_bounds_or_raises(
    ids: list[int], history: list[Event], floor: int, cut: int
) -> None:
    """Its ceiling stays that of the first attempt's first page."""
    model = Model(sorted(ids, reverse=True), history, newest_first=True)
    highest: list[int] = []

    def fetch(offset: int) -> walks.Page[Sequence[int]]:
        page = model.fetch(offset, floor)
        highest.append(max((key for key in page.content), default=floor))
        return page

    try:
        keys, _ = walked_twice(lambda fetch: walks.ledger(fetch, "model", floor=floor), fetch, cut)
    except ListingIncomplete:
        return
    assert {key for key in model.throughout if floor < key <= highest[0]} <= set(keys)
    assert len(keys) == len(set(keys))


def test_only_what_did_not_land_is_asked_for_again() -> None:
    """Cut off before its fourth answer, a list of thirty rows in pages of five goes on from the fourth."""
    model = Model(list(range(30)), limit=5)

    keys, offsets = walked_twice(lambda fetch: walks.listing(fetch, "model", full=5), model.fetch, cut=4)

    assert keys == list(range(30))
    assert offsets[0] == 12


def failing_after(served: Callable[[Request], Sent], pages: int, path: str) -> Callable[[Request], Sent]:
    """The same server, whose answers on a path are 503 after so many pages."""
    pages_sent = 0

    def answer(request: Request) -> Sent:
        nonlocal pages_sent
        if request.path == path:
            pages_sent += 1
            if pages_sent > pages:
                return Sent(status=503)
        return served(request)

    return answer


def cut_off(folder: Path, served: Callable[[Request], Sent], pages: int = 5) -> None:
    """Read with the ledger failing after some pages."""
    with serving(failing_after(served, pages, MOVEMENTS)) as url, pytest.raises(Unreachable):
        read(url, folder, max_connections=1)


def test_a_task_tried_again_asks_only_for_the_pages_it_lacks(tmp_path: Path) -> None:
    """The source fails after five of the ledger's eight pages: the next try asks for three."""
    served = shop(cap=57)
    cut_off(tmp_path, served)
    served.asked.clear()
    with serving(served) as url:
        manifest = read(url, tmp_path, max_connections=1)["movements"]

    assert served.asked[MOVEMENTS] == 3
    assert sorted(row["id"] for row in rows(tmp_path, manifest)) == list(range(1, 401))
    assert manifest.requests == 8


def test_orders_that_landed_pages_name_are_read(tmp_path: Path) -> None:
    """An order named by a movement of a page that landed before the cut is asked for by id."""
    old = order(900, "2024-06-01 09:00:00")
    ledger = [
        movement(number, fulfillment_order_id=old["id"] if number == 399 else None) for number in range(400, 0, -1)
    ]
    served = shop(cap=57, rows={"warehouse-movements": ledger, "orders": [old, order(1, "2025-03-02 09:00:00")]})
    cut_off(tmp_path, served)
    with serving(served) as url:
        manifest = read(url, tmp_path)["orders"]

    assert manifest.asked_ids == [old["id"]]


def test_a_page_altered_since_is_read_again_with_all_behind_it(tmp_path: Path) -> None:
    """Pages are compared with their checksums before they are taken."""
    served = shop(cap=57)
    cut_off(tmp_path, served)
    third = sorted((tmp_path / "night" / "main" / "fulfillment_cz.movements").glob("page-*"))[2]
    third.write_bytes(third.read_bytes()[:-1])
    served.asked.clear()
    with serving(served) as url:
        manifest = read(url, tmp_path, max_connections=1)["movements"]

    assert served.asked[MOVEMENTS] == 6
    assert sorted(row["id"] for row in rows(tmp_path, manifest)) == list(range(1, 401))


def test_a_page_with_a_row_that_is_set_aside_is_taken_over_too(tmp_path: Path) -> None:
    """The row landed as its reason, and what the page was answered is told again; what stood for its key is nowhere."""
    ledger = [movement(number) for number in range(400, 0, -1)]
    ledger[70] = {**ledger[70], "id": "Anna Secret"}
    served = shop(cap=57, rows={"warehouse-movements": ledger})
    cut_off(tmp_path, served)
    journal = (tmp_path / "night" / "main" / "fulfillment_cz.movements" / "journal.ndjson").read_text()
    answers = [json.loads(line) for line in journal.splitlines() if line.startswith('{"type"')]
    served.asked.clear()
    with serving(served) as url:
        manifest = read(url, tmp_path, max_connections=1)["movements"]

    assert [entry["offset"] for entry in answers] == [0, 56, 112, 168, 224]
    assert "Secret" not in journal
    assert served.asked[MOVEMENTS] == 3
    assert len(rows(tmp_path, manifest)) == 400
    assert [(entry.reason, entry.path, entry.rows) for entry in manifest.refused] == [
        ("the key must be a whole number", "id", 1)
    ]


def test_what_does_not_add_up_is_not_taken_over(tmp_path: Path) -> None:
    """Pages of a listing that missed its proof are gone: the next try reads it from the start."""
    served = shop(cap=57)

    def lying(request: Request) -> Sent:
        sent = served(request)
        if request.path == MOVEMENTS:
            sent.body = sent.body.replace(b'"totalCount": 400', b'"totalCount": 401')
        return sent

    with serving(lying) as url, pytest.raises(ListingIncomplete):
        read(url, tmp_path, plan(movements_floor=0))
    assert not list((tmp_path / "night" / "main" / "fulfillment_cz.movements").glob("page-*"))


def test_an_answer_to_another_question_ends_the_recalling() -> None:
    """What was recorded for other offsets is not taken for these."""
    page = PageFile("page-00001.ndjson.zst", 1, 1, "")
    earlier = [Answer(part="p", offset=offset, keys=[offset], total=3, page=page) for offset in (0, 7, 2)]
    offsets: list[int] = []

    def fetch(offset: int) -> walks.Page[str]:
        offsets.append(offset)
        return walks.Page([offset], 3, "fetched")

    trail = ResumedFetch(fetch, earlier)

    assert [trail(offset).keys for offset in (0, 1, 2)] == [[0], [1], [2]]
    assert offsets == [1, 2]
