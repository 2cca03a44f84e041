"""Reading one part of a listing: its pages fetched, landed and recorded in the journal, or recalled from it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from stockbook.errors import LandingDamaged, ListingIncomplete
from stockbook.landing.answer_journal import Answer
from stockbook.landing.folder import Part, refused_in, undeclared_in
from stockbook.landing.manifest import PageFile
from stockbook.projection import envelope
from stockbook.projection.page import texts_in
from stockbook.sources import walks
from stockbook.sources.http import Tally
from stockbook.sources.page_reuse import PageAnswer
from stockbook.sources.prefetch import Prefetcher
from stockbook.sources.resumed_fetch import ResumedFetch

if TYPE_CHECKING:
    from stockbook.sources.reader import Reader

PageWalk = Callable[[walks.Fetch[PageAnswer | Answer]], walks.Walk[PageAnswer | Answer]]
"""A walk over pages that are fetched now or were landed by an earlier attempt."""


class Question(NamedTuple):
    """What a part asks the source for; the fields are those of ``Reader.part``."""

    filters: Mapping[str, object] | None
    constants: Mapping[str, int] | None
    paths: Sequence[str] | None
    counted_before: int


class PartReading:
    """
    One part while its pages come; ``spent`` is what it has cost so far.

    ``copies`` are rows that landed though their key had come before on their page: they say something else.
    """

    def __init__(self, reader: "Reader", part: Part, question: Question, is_whole: bool) -> None:
        """Read ``part`` for ``reader``; ``is_whole`` says that it is the whole listing."""
        self.part = part
        self.spent = Tally()
        self.copies = 0
        self._reader = reader
        self._session = reader.session
        self._question = question
        self._is_whole = is_whole
        self._prefetcher = Prefetcher(self._fetch, self._session.prefetching, reader.prefetch_depth)
        self._resumed = ResumedFetch(self._prefetcher, part.earlier)

    def follow(self, walk: PageWalk) -> walks.Outcome:
        """Walk to the proof and land every page; a part that is not proved leaves nothing. Raises ListingIncomplete."""
        steps = walk(self._resumed)
        try:
            while True:
                step = next(steps)
                if isinstance(step, walks.Again):
                    self._begin_anew(step.reason)
                elif isinstance(step.content, Answer):
                    self._recall(step.content, step.fresh)
                else:
                    file = self._land(step.content, step.fresh)
                    self._record(step.content, step.fresh, file)
        except StopIteration as end:
            outcome: walks.Outcome = end.value
            return outcome
        except ListingIncomplete:
            # what does not add up is read anew; what merely ended early goes on where it was
            self.part.discard()
            raise
        finally:
            self._prefetcher.forget()

    def _begin_anew(self, reason: str) -> None:
        self._session.progress.note(f"{self._reader.title}: {reason}; it is read once more from the start.")
        self._prefetcher.forget()
        self._resumed.forget()
        self.part.discard()
        self.copies = 0

    def _fetch(self, offset: int) -> walks.Page[PageAnswer]:
        session, reader, question = self._session, self._reader, self._question
        listing, spent = reader.listing, Tally()
        session.client.go_on()
        read = partial(reader.answers.read, constants=question.constants)
        if question.paths is not None:
            page = session.client.get(question.paths[offset], [], read, spent)
        else:
            page = session.client.get(listing.path, reader.query(offset, question.filters), read, spent)
            if listing.count_path is not None:
                total = session.client.get(listing.count_path, [], envelope.count, spent)
                page = page._replace(total=total - question.counted_before)
        self.spent.add(spent.requests, spent.bytes_received)
        self._advance(page.keys, page.total, spent.bytes_received)
        return walks.Page(page.keys, page.total, page)

    def _advance(self, keys: Sequence[object], total: int | None, size: int = 0) -> None:
        self._session.progress.advance(self._reader.title, len(keys), total if self._is_whole else None, size)

    def _land(self, answer: PageAnswer, fresh: list[int]) -> PageFile | None:
        reader, part, field = self._reader, self.part, self._reader.listing.names_orders
        self._remember(answer.keys, fresh)
        if (earlier := answer.reusable(fresh)) is not None:
            try:
                file = part.take(earlier)
            except LandingDamaged as damage:
                self._session.progress.note(f"{damage} Its rows are read again now.")
            else:
                if field is not None and file is not None:
                    reader.orders_named |= reader.recalled([file], field)
                self._count_copies(file, fresh)
                return file
        page = reader.answers.projected(answer)
        answer = answer._replace(page=page)
        part.note(answer.undeclared, answer.set_aside(fresh), answer.mended)
        landing = answer.landing(fresh)
        lines = page.lines_at(landing)
        file = part.write(lines, len(landing))
        if field is not None:
            reader.orders_named |= texts_in(lines, field)
        self._count_copies(file, fresh)
        return file

    def _count_copies(self, file: PageFile | None, fresh: list[int]) -> None:
        if file is not None:
            self.copies += file.rows - len(fresh)

    def _remember(self, keys: Sequence[object], fresh: list[int]) -> None:
        if self._reader.remembers_keys:
            self._reader.keys.update(str(keys[at]) for at in fresh)

    def _record(self, landed_answer: PageAnswer, fresh: list[int], file: PageFile | None) -> None:
        """Put the answers up to this page, which has landed, into the journal."""
        answers = []
        for offset, page in self._resumed.new_pages():
            answer = Answer(
                part=self.part.name,
                offset=offset,
                keys=page.content.keys,
                total=page.total,
                requests=self.spent.requests,
                bytes_received=self.spent.bytes_received,
            )
            if page.content is landed_answer:
                answer = structs.replace(
                    answer,
                    page=file,
                    left_out=landed_answer.left_out(fresh),
                    body=landed_answer.digest,
                    undeclared=undeclared_in(landed_answer.undeclared),
                    refused=refused_in(landed_answer.set_aside(fresh)),
                    mended=landed_answer.mended,
                )
            answers.append(answer)
        self.part.folder.record(*answers)

    def _recall(self, answer: Answer, fresh: list[int]) -> None:
        """Take over a page that an earlier attempt landed."""
        reader, field = self._reader, self._reader.listing.names_orders
        self.part.recall(answer)
        self.spent.requests, self.spent.bytes_received = answer.requests, answer.bytes_received
        self._advance(answer.keys, answer.total)
        self._remember(answer.keys, fresh)
        self._count_copies(answer.page, fresh)
        if field is not None and answer.page is not None:
            reader.orders_named |= reader.recalled([answer.page], field)
