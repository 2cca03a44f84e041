"""A ledger: read newest first, down to the highest committed id less an overlap."""

from functools import partial

from stockbook.landing.manifest import Manifest
from stockbook.projection.listing import Listing, Proof
from stockbook.sources import walks
from stockbook.sources.listing_walk import OneThreadWalk
from stockbook.sources.plan import AccountPlan
from stockbook.sources.reader import BACKFILL, WHOLE, Reader
from stockbook.sources.session import ReadingPool


class Ledger(OneThreadWalk):
    """The rows above the floor, and of a backfill the older ones. It tells the orders that its rows name."""

    about = "newest first, down to the committed id less the overlap"
    # one long chain of pages: it begins first and the others fill the free threads
    turn = 0

    @classmethod
    def proof(cls, listing: Listing) -> Proof:
        return "floor passed"

    @staticmethod
    def fingerprint(plan: AccountPlan) -> dict[str, str]:
        return {**backfill_of(plan), "floor": str(plan.movements_floor)}

    def recall(self, reader: Reader, landed: Manifest) -> None:
        if self.listing.names_orders is not None:
            self.session.orders_named[self.listing.name] = reader.recalled(landed.pages, self.listing.names_orders)

    def read_parts(self, reader: Reader, pool: ReadingPool) -> Manifest:
        listing, plan, folder = self.listing, self.session.plan, reader.folder()
        floor = plan.movements_floor
        for part in folder.units.values():
            reader.orders_named |= reader.recalled(part.pages, listing.names_orders or "")
        above = partial(walks.ledger, name=reader.title, floor=floor, full=listing.page_limit)
        unit = folder.units.get(WHOLE) or reader.part(folder, WHOLE, above, filters={"idFrom": floor or None})
        days = plan.backfill if floor else None
        if days is not None and BACKFILL not in folder.units:
            below = partial(walks.older, name=f"{reader.title} backfill", floor=floor, full=listing.page_limit)
            reader.part(folder, BACKFILL, below, filters={"dateFrom": days[0], "dateTo": days[1]})
        self.session.orders_named[listing.name] = reader.orders_named
        return reader.finish(
            folder,
            proof=unit.proof,
            floor=floor,
            ceiling=unit.ceiling,
            backfill_from=days[0].isoformat() if days else None,
            backfill_to=days[1].isoformat() if days else None,
        )


def backfill_of(plan: AccountPlan) -> dict[str, str]:
    """The backfill of a plan, as a part of a fingerprint."""
    return {} if plan.backfill is None else {"backfill": "/".join(day.isoformat() for day in plan.backfill)}
