"""
The ways to walk a listing, as pure functions: the page is fetched by a function handed in.

A walk gives pages as they come and ends with an outcome. It ends where an answer says that it reached its
own total, or on an empty page, never on a short one. What is not proved complete is read once more from the
start, and then it is an error.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from stockbook.errors import ListingIncomplete
from stockbook.ids import id_of
from stockbook.projection.listing import Proof
from stockbook.sources.offset_pager import AnchoredPager, Fetch, Key, Page, Step, Unproven

__all__ = [
    "Again",
    "Batch",
    "Fetch",
    "Key",
    "Outcome",
    "Page",
    "Walk",
    "by_ids",
    "ledger",
    "listing",
    "older",
    "one_by_one",
    "pages",
    "whole",
]

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Batch(Generic[C]):
    """The positions of a page whose rows are wanted and were not given before."""

    content: C
    fresh: list[int]


@dataclass(frozen=True, slots=True)
class Again:
    """The walk begins anew: what was given before is void."""

    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How a walk ended. ``ceiling`` is the highest id of a ledger's first page.

    Of the rows received, ``repeated`` came before, ``waiting`` are above the ceiling, ``passed`` lie on the other side
    of the floor; those that are none of these were given.
    """

    received: int
    distinct: int
    total: int | None
    proof: Proof
    ceiling: int | None = None
    repeated: int = 0
    waiting: int = 0
    passed: int = 0


Walk = Generator[Batch[C] | Again, None, Outcome]
Pass = Generator[Batch[C], None, Outcome]


def listing(fetch: Fetch[C], name: str, *, full: int | None = None, proof: Proof = "totalCount") -> Walk[C]:
    """
    Every row of an offset listing once.

    ``fetch(offset)`` gives a page of at most ``full`` rows. Raises ListingIncomplete when two passes did
    not prove the listing complete.
    """
    return _proved(lambda: _listing_pass(fetch, full, proof), name)


def whole(fetch: Fetch[C], name: str, *, proof: Proof = "empty page", passes: int = 2) -> Walk[C]:
    """
    Every row of a listing that knows no paging: one answer, compared with its total.

    Where it promises no total, it is asked once more from behind its rows: nothing or the same answer
    proves that it pages nothing. Raises ListingIncomplete when ``passes`` (1 or 2) did not prove it complete.
    """
    return _proved(lambda: _whole_pass(fetch, proof), name, passes)


def pages(fetch: Fetch[C], name: str, *, proof: Proof = "count.json") -> Walk[C]:
    """
    Every row of a listing of numbered pages; ``fetch(number)`` gives page 1, 2, ... with the total of that moment.

    Such pages have no anchor: those before the last answer are looked at once more, and their rows must still be the
    same, for a row that was removed pulls one of the next page past the reading. Raises ListingIncomplete
    when two passes did not prove the listing complete.
    """
    return _proved(lambda: _pages_pass(fetch, proof), name)


def ledger(fetch: Fetch[C], name: str, *, floor: int, full: int | None = None) -> Walk[C]:
    """
    Every row of a newest-first ledger with floor < id <= ceiling, once; keys are ids.

    The ceiling is the highest id of the first page: what is booked while the ledger is read waits
    for the next night. Paging goes on until a row at or below the floor was passed or the ledger ended,
    so it does not matter whether the server honours a lower bound, or counts it in.
    """
    return _proved(lambda: _ledger_pass(fetch, floor, full), name)


def older(fetch: Fetch[C], name: str, *, floor: int, full: int | None = None) -> Walk[C]:
    """
    Of an offset listing the rows with id <= floor: what a backfill adds to the part of a ledger above the floor.

    Raises ListingIncomplete when two passes did not prove the listing complete.
    """
    return _proved(lambda: _older_pass(fetch, floor, full), name)


def by_ids(fetch: Fetch[C], name: str, ids: Sequence[Key], *, full: int | None = None) -> Walk[C]:
    """
    The rows of a batch of ids; one that does not come is gone from the source and no error.

    Raises ListingIncomplete when a row comes that was not asked for: the source ignored the filter.
    """
    wanted = {id_of(key) for key in ids}

    def fetch_wanted(offset: int) -> Page[C]:
        page = fetch(offset)
        strange = sum(key is not None and id_of(key) not in wanted for key in page.keys)
        if strange:
            raise ListingIncomplete(
                f"Listing {name} gave {strange} rows that were not asked for by id: the API ignores its "
                "filter of ids. Nothing of it is loaded."
            )
        return page

    return listing(fetch_wanted, name, full=full)


def one_by_one(fetch: Fetch[C], name: str, ids: Sequence[Key]) -> Walk[C]:
    """
    The rows of some ids, each asked for by itself; ``fetch(number)`` gives that of ``ids[number]``.

    Raises ListingIncomplete when another row comes than was asked for.
    """
    received = 0
    for number, key in enumerate(ids):
        page = fetch(number)
        if {id_of(came) for came in page.keys} != {id_of(key)}:
            raise ListingIncomplete(f"Listing {name} gave {len(page.keys)} rows for an id, or one of another id.")
        received += len(page.keys)
        yield Batch(page.content, [0])
    return Outcome(received, len(ids), len(ids), "by id", repeated=received - len(ids))


def _proved(one_pass: Callable[[], Pass[C]], name: str, passes: int = 2) -> Walk[C]:
    if passes > 1:
        try:
            return (yield from one_pass())
        except Unproven as reason:
            yield Again(str(reason))
    try:
        return (yield from one_pass())
    except Unproven as reason:
        often = "twice" if passes > 1 else "once"
        raise ListingIncomplete(
            f"Listing {name} was read {often} and not proved complete: {reason}. "
            "Nothing of it is loaded; run again later."
        ) from None


def _listing_pass(fetch: Fetch[C], full: int | None, proof: Proof) -> Pass[C]:
    pager = AnchoredPager(fetch, full)
    while True:
        step = pager.step()
        if step.fresh:
            yield Batch(step.page.content, step.fresh)
        if step.at_end:
            return _counted(pager, step.page.total, proof)


def _older_pass(fetch: Fetch[C], floor: int, full: int | None) -> Pass[C]:
    pager = AnchoredPager(fetch, full)
    taken = passed = 0
    while True:
        step = pager.step()
        fresh = [at for at in step.fresh if not (isinstance(key := step.page.keys[at], int) and key > floor)]
        taken += len(fresh)
        passed += len(step.fresh) - len(fresh)
        if fresh:
            yield Batch(step.page.content, fresh)
        if step.at_end:
            outcome = _counted(pager, step.page.total, "totalCount")
            return replace(outcome, distinct=taken, total=None, passed=passed)


def _whole_pass(fetch: Fetch[C], proof: Proof) -> Pass[C]:
    page = fetch(0)
    pager = AnchoredPager(lambda offset: page)
    step = pager.step()
    if step.fresh:
        yield Batch(page.content, step.fresh)
    counts_copies = len(pager.seen) < len(page.keys) == page.total
    if page.keys and (page.total is None or counts_copies):
        behind = fetch(len(page.keys))
        if behind.keys and list(behind.keys) != list(page.keys):
            raise Unproven("an endpoint that pages nothing gave other rows for another offset")
    if counts_copies:
        return Outcome(pager.received, len(pager.seen), page.total, proof, repeated=pager.repeated)
    return _counted(pager, page.total, proof)


def _pages_pass(fetch: Fetch[C], proof: Proof) -> Pass[C]:
    seen: set[Key] = set()
    repeated = copies = 0
    read: list[list[Key | None]] = []
    while True:
        page = fetch(len(read) + 1)
        fresh = []
        for position, key in enumerate(page.keys):
            # a row without a key counts where it stands
            mark = key if key is not None else ("no key", len(read), position)
            if mark not in seen:
                seen.add(mark)
                fresh.append(position)
        if fresh:
            yield Batch(page.content, fresh)
            read.append(list(page.keys))
            repeated += len(page.keys) - len(fresh)
            copies += sum(key is not None for key in page.keys) - len({*page.keys} - {None})
        # where the source ignores the page number, the same rows come for ever
        if not fresh or page.total == len(seen):
            break
    before_the_last_answer = read[:-1] if fresh else read
    for number, keys in enumerate(before_the_last_answer, start=1):
        if list(fetch(number).keys) != keys:
            raise Unproven("rows moved between two pages")
    # a total may count a row that stands on its page twice; the last answer had nothing new, so no row is behind
    if page.total not in (None, len(seen), len(seen) + copies):
        raise Unproven(f"{len(seen)} distinct rows came, {page.total} were promised")
    return Outcome(sum(map(len, read)), len(seen), page.total, proof, repeated=repeated)


def _counted(pager: AnchoredPager[C], total: int | None, proof: Proof) -> Outcome:
    _steady(pager)
    if total is not None and total != len(pager.seen) and not pager.counts_copies():
        raise Unproven(f"{len(pager.seen)} distinct rows came, {total} were promised")
    return Outcome(pager.received, len(pager.seen), total, proof, repeated=pager.repeated)


def _ledger_pass(fetch: Fetch[C], floor: int, full: int | None) -> Pass[C]:
    pager = AnchoredPager(fetch, full)
    ceiling: int | None = None
    promised: int | None = None
    taken = waiting = below = 0
    while True:
        step = pager.step()
        ids = _newest_first(step)
        page = step.page
        if ceiling is None:
            ceiling, promised = max((key for key in page.keys if isinstance(key, int)), default=floor), page.total
        fresh = step.fresh
        if ids and (ids[0] > ceiling or ids[-1] <= floor):
            # a row without a number lands, for loading sets it aside
            fresh = [at for at in fresh if not isinstance(key := page.keys[at], int) or floor < key <= ceiling]
            waiting += sum(key > ceiling for key in ids)
            below += sum(key <= floor for key in ids)
        taken += len(fresh)
        if step.fresh:
            yield Batch(page.content, fresh)
        if below:
            _steady(pager)
            outcome = Outcome(pager.received, taken, None, "floor passed", ceiling)
        elif step.at_end:
            outcome = _all_of_the_start(pager, taken, promised, ceiling)
        else:
            continue
        return replace(outcome, repeated=pager.repeated, waiting=waiting, passed=below)


def _steady(pager: AnchoredPager[C]) -> None:
    if pager.unanchored and pager.total_moved:
        raise Unproven("the list changed while it came one row a page")


def _newest_first(step: Step[C]) -> list[int]:
    """The numbers of the rows not seen before: one that came before may come again anywhere."""
    keys = step.page.keys
    ids = [key for at in step.fresh if isinstance(key := keys[at], int)]
    if ids != sorted(ids, reverse=True):
        raise Unproven("its rows did not come newest first")
    return ids


def _all_of_the_start(pager: AnchoredPager[C], taken: int, promised: int | None, ceiling: int) -> Outcome:
    """Rows booked meanwhile raise the total; of those the first page promised none may be missing."""
    _steady(pager)
    at_start = sum(not isinstance(key, int) or key <= ceiling for key in pager.seen)
    if promised is not None and at_start < promised and not pager.counts_copies():
        raise Unproven(f"{at_start} rows came, {promised} were promised")
    return Outcome(pager.received, taken, promised, "empty page" if promised is None else "totalCount", ceiling)
