"""Reading one listing, or one part of it: pages fetched, projected and landed."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from stockbook.clock import Clock, local
from stockbook.connections import Account
from stockbook.declarations import Table, of_listing
from stockbook.errors import LandingDamaged, ListingIncomplete
from stockbook.hash_key import fingerprint
from stockbook.jsonscan import fast_path
from stockbook.landing.answer_journal import Answer
from stockbook.landing.earlier_pages import known_answers, told_in
from stockbook.landing.folder import ListingFolder, Part, landed, refused_in, undeclared_in
from stockbook.landing.manifest import Manifest, PageFile, Unit
from stockbook.landing.pages import lines_of
from stockbook.progress import Progress
from stockbook.projection import envelope, renames
from stockbook.projection.listing import Listing
from stockbook.projection.page import VERSION, Projection
from stockbook.sources import walks
from stockbook.sources.http import Client, Tally
from stockbook.sources.page_reuse import Answered, Answers
from stockbook.sources.plan import AccountPlan
from stockbook.sources.prefetch import Ahead
from stockbook.sources.resumed_fetch import Trail

PageWalk = Callable[[walks.Fetch[Answered | Answer]], walks.Walk[Answered | Answer]]
"""A walk over pages that are fetched now or were landed by an earlier attempt."""

WHOLE = "whole"
BACKFILL = "backfill"


@dataclass(frozen=True, kw_only=True)
class Session:
    """
    What the listings of an account share while they are read.

    ``ahead`` are the threads that only fetch; ``named`` are the orders a listing named, by its name. ``before`` is
    the account's folder of the last night that was loaded.
    """

    account: Account
    plan: AccountPlan
    folder: Path
    tables: dict[str, Table]
    hash_key: bytes = field(repr=False)
    clock: Clock
    progress: Progress
    client: Client
    ahead: Executor
    before: Path | None = None
    named: dict[str, set[str]] = field(default_factory=dict)


class Reader:
    """The reading of one listing of an account: its pages fetched, projected and landed."""

    def __init__(self, run: Session, listing: Listing) -> None:
        """Compile the listing's projection."""
        self.run = run
        self.listing = listing
        self.title = f"{run.account.conn_id}.{listing.name}"
        fed = of_listing(run.tables, listing.api, listing.name)
        self.path = run.folder / listing.folder
        before = run.before / listing.folder if run.before is not None else None
        self.projection = Projection(
            listing, fed, run.hash_key, told_in(before) if before is not None else None, fast_path.Scanner
        )
        self.parameters = self._parameters(fed)
        known = known_answers(before, self.parameters) if before is not None else {}
        self.answers = Answers(self.projection, run.hash_key, known)
        self.keys: set[str] = set()
        self.named: set[str] = set()

    def _parameters(self, fed: list[Table]) -> dict[str, str]:
        """What pages of an earlier attempt must have been read for to be taken: plan, declarations and key."""
        plan = self.run.plan
        renamed = renames.of(self.listing.renamed) if self.listing.renamed else None
        shape = json.dumps([msgspec.to_builtins(one) for one in (*fed, renamed)], sort_keys=True).encode()
        known = {
            "as_of": plan.as_of.isoformat(),
            "declarations": hashlib.sha256(shape).hexdigest()[:16],
            "hash_key": fingerprint(self.run.hash_key),
            "projection": VERSION,
        }
        if self.listing.walk in ("ledger", "documents") and plan.backfill is not None:
            known["backfill"] = "/".join(day.isoformat() for day in plan.backfill)
        if self.listing.walk == "ledger":
            known["floor"] = str(plan.movements_floor)
        if self.listing.walk == "documents":
            known["orders_from"] = plan.orders_from.isoformat() if plan.orders_from else ""
            known["orders_to"] = plan.orders_to.isoformat()
            known["open_order_ids"] = hashlib.sha256("\n".join(sorted(plan.open_order_ids)).encode()).hexdigest()[:16]
            known["floor"] = str(plan.movements_floor)
        if self.listing.walk in ("documents", "followed") and plan.events_to:
            known["events_to"] = str(plan.events_to)
        if self.listing.walk == "followed":
            known["orders_from"] = plan.orders_from.isoformat() if plan.orders_from else ""
            known["orders_to"] = plan.orders_to.isoformat()
            asked = [str(plan.fulfillments_before), *sorted(plan.open_fulfillment_ids)]
            known["open_fulfillments"] = hashlib.sha256("\n".join(asked).encode()).hexdigest()[:16]
        return known

    def landed(self) -> Manifest | None:
        """The manifest of an earlier attempt of this night, if it may be used."""
        found = landed(self.path, self.parameters, self.run.progress.note)
        if found is not None:
            self.run.progress.note(f"{self.title}: {found.distinct_keys} rows were landed before; not read again.")
        return found

    def folder(self) -> ListingFolder:
        """The listing's folder, with the complete parts of an earlier attempt."""
        run = self.run
        now = run.plan.as_of if run.account.sandbox else local(run.clock, ZoneInfo(run.plan.zone))
        return ListingFolder(self.path, self.parameters, now.isoformat(sep=" "))

    def part(
        self,
        folder: ListingFolder,
        name: str,
        walk: PageWalk,
        asked_ids: Sequence[str] = (),
        filters: Mapping[str, object] | None = None,
        given: Mapping[str, int] | None = None,
        paths: Sequence[str] | None = None,
        known: int = 0,
    ) -> Unit:
        """
        Read one part to its proof and commit it; nothing of it stays when it fails.

        ``given`` is written into every row. ``paths`` are asked for one after another instead of offsets of the
        listing; ``known`` are rows that a count counts and the part does not hold.
        """
        run, tally, began = self.run, Tally(), self.run.clock.monotonic()
        part = folder.part(name)
        if name == WHOLE:
            run.progress.start(self.title, None)

        def fetch(offset: int) -> walks.Page[Answered]:
            run.client.go_on()
            spent = Tally()
            page = run.client.get(
                self.listing.path if paths is None else paths[offset],
                self.listing.parameters(offset, filters=filters) if paths is None else [],
                partial(self.answers.read, given=given),
                spent,
            )
            if self.listing.count_path is not None and paths is None:
                page = page._replace(total=run.client.get(self.listing.count_path, [], envelope.count, spent) - known)
            tally.add(spent.requests, spent.bytes_received)
            run.progress.advance(
                self.title, len(page.keys), page.total if name == WHOLE else None, spent.bytes_received
            )
            return walks.Page(page.keys, page.total, page)

        # numbered pages are few, and the next one is not at an offset that could be guessed
        depth = 0 if self.listing.walk == "pages" else run.account.max_connections - 1
        ahead = Ahead(fetch, run.ahead, depth)
        trail = Trail(ahead, part.earlier)
        steps = walk(trail)
        try:
            while True:
                step = next(steps)
                if isinstance(step, walks.Again):
                    run.progress.note(f"{self.title}: {step.reason}; it is read once more from the start.")
                    ahead.forget()
                    trail.forget()
                    part.discard()
                elif isinstance(step.content, Answer):
                    self._recall(part, step.content, step.fresh, tally)
                else:
                    page = self._land(part, step.content, step.fresh)
                    self._record(part, trail, step.content, step.fresh, page, tally)
        except StopIteration as end:
            outcome: walks.Outcome = end.value
        except ListingIncomplete:
            # what does not add up is read anew; what merely ended early goes on where it was
            part.discard()
            raise
        finally:
            ahead.forget()
        return part.commit(
            rows=outcome.received,
            distinct_keys=outcome.distinct,
            promised_total=outcome.total,
            proof=outcome.proof,
            ceiling=outcome.ceiling,
            repeated=outcome.repeated,
            waiting=outcome.waiting,
            passed=outcome.passed,
            asked_ids=list(asked_ids),
            seconds=run.clock.monotonic() - began,
            bytes_received=tally.bytes_received,
            requests=tally.requests,
        )

    def _land(self, part: Part, answered: Answered, fresh: list[int]) -> PageFile | None:
        if self.listing.walk in ("documents", "followed"):
            self.keys.update(str(answered.keys[at]) for at in fresh)
        if (known := answered.as_known(fresh)) is not None:
            try:
                file = part.take(known)
            except LandingDamaged as damage:
                self.run.progress.note(f"{damage} Its rows are read again now.")
            else:
                if self.listing.names_orders is not None and file is not None:
                    self.named |= self.recalled([file], self.listing.names_orders)
                return file
        page = self.answers.projected(answered)
        answered = answered._replace(page=page)
        part.note(answered.undeclared, answered.aside(fresh), answered.mended)
        rows = [page.rows[at] for at in fresh]
        file = part.write(page.lines if len(fresh) == len(page.rows) else self.projection.lines(rows), len(rows))
        if self.listing.names_orders is not None:
            self.named |= self.projection.texts(rows, self.listing.names_orders)
        return file

    def _record(
        self,
        part: Part,
        trail: Trail[Answered],
        answered: Answered,
        fresh: list[int],
        file: PageFile | None,
        spent: Tally,
    ) -> None:
        """Put into the journal what the walk was answered up to this page, which has landed."""
        new = trail.taken()
        answers = [
            Answer(
                part=part.name,
                offset=offset,
                keys=one.content.keys,
                total=one.total,
                page=file if one.content is answered else None,
                left_out=answered.left_out(fresh) if one.content is answered else [],
                body=one.content.digest if one.content is answered else "",
                requests=spent.requests,
                bytes_received=spent.bytes_received,
                undeclared=undeclared_in(answered.undeclared) if one.content is answered else [],
                refused=refused_in(answered.aside(fresh)) if one.content is answered else [],
                mended=answered.mended if one.content is answered else 0,
            )
            for offset, one in new
        ]
        part.folder.record(*answers)

    def _recall(self, part: Part, answer: Answer, fresh: list[int], spent: Tally) -> None:
        """Take over a page that an earlier attempt landed."""
        part.keep(answer)
        spent.requests, spent.bytes_received = answer.requests, answer.bytes_received
        self.run.progress.advance(self.title, len(answer.keys), answer.total if part.name == WHOLE else None)
        if self.listing.walk in ("documents", "followed"):
            self.keys.update(str(answer.keys[at]) for at in fresh)
        if self.listing.names_orders is not None and answer.page is not None:
            self.named |= self.recalled([answer.page], self.listing.names_orders)

    def finish(self, folder: ListingFolder, began: float, **facts: Any) -> Manifest:
        """Write the manifest and say so."""
        run = self.run
        seconds = run.clock.monotonic() - began
        manifest = folder.finish(
            self.projection.names.told(),
            api=self.listing.api,
            listing=self.listing.name,
            seconds=round(seconds, 3),
            **facts,
        )
        run.progress.finish(self.title, _summary(manifest))
        return manifest

    def recalled(self, pages: list[PageFile], field: str) -> set[str]:
        """The distinct texts a first-level field has in pages that an earlier attempt landed."""
        only: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            msgspec.defstruct("Only", [("value", msgspec.Raw, msgspec.UNSET)], rename={"value": field})
        )
        found = set()
        for line in lines_of(self.path, pages):
            token = only.decode(line).value
            if token is not msgspec.UNSET and bytes(token) not in (b"null", b'""'):
                found.add(str(msgspec.json.decode(token)))
        return found


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
