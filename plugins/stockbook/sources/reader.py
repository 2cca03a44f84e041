"""Reading one listing, or one part of it: pages fetched, projected and landed."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from stockbook.clock import local
from stockbook.declarations import Table, of_listing
from stockbook.hash_key import fingerprint as hash_key_fingerprint
from stockbook.jsonscan import fast_path
from stockbook.landing.earlier_pages import earlier_answers, reported_names
from stockbook.landing.folder import ListingFolder, landed
from stockbook.landing.manifest import Manifest, PageFile, Unit
from stockbook.landing.pages import lines_of
from stockbook.projection import renames
from stockbook.projection.listing import Listing
from stockbook.projection.page import VERSION, Projection
from stockbook.sources.page_reuse import AnswerReader
from stockbook.sources.part_reading import PageWalk, PartReading, Question
from stockbook.sources.session import Session

Query = Callable[[int, Mapping[str, object] | None], list[tuple[str, str]]]

WHOLE = "whole"
BACKFILL = "backfill"


class Reader:
    """The reading of one listing of an account: its pages fetched, projected and landed."""

    def __init__(
        self,
        session: Session,
        listing: Listing,
        fingerprint: dict[str, str],
        *,
        query: Query | None = None,
        prefetches: bool = True,
        remembers_keys: bool = False,
    ) -> None:
        """
        Compile the listing's projection.

        ``fingerprint`` is what of the plan decides which rows are read. ``query`` makes the parameters of a page from
        its number or offset and its filters. ``prefetches`` says that pages are fetched before the walk wants them,
        ``remembers_keys`` that the keys of rows that landed are wanted later.
        """
        self.session = session
        self.listing = listing
        self.title = f"{session.account.conn_id}.{listing.name}"
        self.began = session.clock.monotonic()
        self.query = query or (lambda offset, filters: listing.parameters(offset, filters=filters))
        self.prefetch_depth = session.account.max_connections - 1 if prefetches else 0
        self.remembers_keys = remembers_keys
        fed = of_listing(session.tables, listing.api, listing.name)
        self.path = session.folder / listing.folder
        before = session.before / listing.folder if session.before is not None else None
        reported = reported_names(before) if before is not None else None
        self.projection = Projection(listing, fed, session.hash_key, reported, fast_path.Scanner, session.forgotten)
        self.parameters = self._parameters(fed) | fingerprint
        earlier = earlier_answers(before, self.parameters) if before is not None else {}
        self.answers = AnswerReader(self.projection, session.hash_key, earlier)
        self.keys: set[str] = set()
        self.orders_named: set[str] = set()

    def _parameters(self, fed: list[Table]) -> dict[str, str]:
        """What pages of an earlier attempt must have been read for, besides the fingerprint, to be taken over."""
        renamed = renames.of(self.listing.renamed) if self.listing.renamed else None
        shape = json.dumps([msgspec.to_builtins(part) for part in (*fed, renamed)], sort_keys=True).encode()
        return {
            "as_of": self.session.plan.as_of.isoformat(),
            "declarations": hashlib.sha256(shape).hexdigest()[:16],
            "hash_key": hash_key_fingerprint(self.session.hash_key),
            "projection": VERSION,
        }

    def landed(self) -> Manifest | None:
        """The manifest of an earlier attempt of this night, if it may be used."""
        manifest = landed(self.path, self.parameters, self.session.progress.note)
        if manifest is not None:
            text = f"{manifest.distinct_keys} rows were landed by an earlier attempt; not read again."
            self.session.progress.note(f"{self.title}: {text}")
        return manifest

    def folder(self) -> ListingFolder:
        """The listing's folder, with the complete parts of an earlier attempt."""
        session = self.session
        now = session.plan.as_of if session.account.sandbox else local(session.clock, ZoneInfo(session.plan.zone))
        return ListingFolder(self.path, self.parameters, now.isoformat(sep=" "))

    def part(
        self,
        folder: ListingFolder,
        name: str,
        walk: PageWalk,
        asked_ids: Sequence[str] = (),
        filters: Mapping[str, object] | None = None,
        constants: Mapping[str, int] | None = None,
        paths: Sequence[str] | None = None,
        counted_before: int = 0,
    ) -> Unit:
        """
        Read one part to its proof and commit it; nothing of it stays when it fails.

        ``constants`` are written into every row. ``paths`` are fetched one after another instead of offsets of the
        listing. ``counted_before`` are rows that the source counts and the part does not hold.
        """
        began = self.session.clock.monotonic()
        if name == WHOLE:
            self.session.progress.start(self.title, None)
        question = Question(filters, constants, paths, counted_before)
        reading = PartReading(self, folder.part(name), question, is_whole=name == WHOLE)
        outcome = reading.follow(walk)
        return reading.part.commit(
            rows=outcome.received,
            distinct_keys=outcome.distinct,
            promised_total=outcome.total,
            proof=outcome.proof,
            ceiling=outcome.ceiling,
            repeated=outcome.repeated - reading.copies,
            waiting=outcome.waiting,
            passed=outcome.passed,
            asked_ids=list(asked_ids),
            seconds=self.session.clock.monotonic() - began,
            bytes_received=reading.spent.bytes_received,
            requests=reading.spent.requests,
        )

    def finish(self, folder: ListingFolder, **facts: Any) -> Manifest:
        """Write the manifest and say so."""
        session = self.session
        seconds = session.clock.monotonic() - self.began
        manifest = folder.finish(
            self.projection.names.reported(),
            api=self.listing.api,
            listing=self.listing.name,
            seconds=round(seconds, 3),
            **facts,
        )
        if session.landed is not None:
            session.landed(folder.path)
        session.progress.finish(self.title, _summary(manifest))
        return manifest

    def recalled(self, pages: list[PageFile], field: str) -> set[str]:
        """The distinct texts a first-level field has in pages that an earlier attempt landed."""
        only: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            msgspec.defstruct("Only", [("value", msgspec.Raw, msgspec.UNSET)], rename={"value": field})
        )
        texts = set()
        for line in lines_of(self.path, pages):
            token = only.decode(line).value
            if token is not msgspec.UNSET and bytes(token) not in (b"null", b'""'):
                texts.add(str(msgspec.json.decode(token)))
        return texts


def _summary(manifest: Manifest) -> str:
    rate = manifest.rows / manifest.seconds if manifest.seconds else 0.0
    text = (
        f"{manifest.distinct_keys} rows in {manifest.requests} requests, {manifest.bytes_received / 1e6:.1f} MB, "
        f"{manifest.seconds:.1f} s ({rate:.0f} rows/s), proved by {manifest.proof}"
    )
    refused = sum(row.rows for row in manifest.refused)
    if refused:
        text += f", {refused} rows or parts set aside"
    if manifest.undeclared:
        text += f", {len(manifest.undeclared)} undeclared fields"
    return text
