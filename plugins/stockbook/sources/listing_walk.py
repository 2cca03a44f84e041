"""
How one listing is read, from its first request to its manifest: what every way to do that has in common.

There is a class for each ``walk`` that a listing may declare. It knows what of a plan decides which rows are read (its
fingerprint), and reads them by the pure walks of ``walks``.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from stockbook.landing.manifest import Manifest
from stockbook.projection.listing import Listing, Proof
from stockbook.sources.plan import AccountPlan
from stockbook.sources.reader import Reader
from stockbook.sources.session import ReadingPool, Session


class ListingWalk(ABC):
    """The reading of one listing of an account; ``about`` says how in docs/sources.md."""

    about: ClassVar[str]
    turn: ClassVar[int] = 1
    """Listings of a lower turn begin first."""

    def __init__(self, session: Session, listing: Listing) -> None:
        """Nothing is read yet."""
        self.session = session
        self.listing = listing
        self.title = f"{session.account.conn_id}.{listing.name}"

    @classmethod
    def describe(cls, listing: Listing) -> str:
        """How a listing is read, for a person."""
        return cls.about if listing.page_limit is None else f"{cls.about}; asks for {listing.page_limit} rows"

    @classmethod
    def proof(cls, listing: Listing) -> Proof:
        """What proves a listing complete."""
        return listing.proof

    @staticmethod
    def fingerprint(plan: AccountPlan) -> dict[str, str]:
        """What of a plan decides which rows are read: pages that answer another fingerprint are not taken over."""
        return {}

    @abstractmethod
    def begin(self, pool: ReadingPool) -> None:
        """Set going what can be read beside other listings."""

    @abstractmethod
    def read(self, pool: ReadingPool) -> Manifest | None:
        """Wait for what was begun, read the rest, write the manifest. None for a listing that is not served."""


class OneThreadWalk(ListingWalk):
    """A walk that one thread leads from the first page to the manifest."""

    def begin(self, pool: ReadingPool) -> None:
        pool.begin(self.listing.name, lambda: self._read(pool), self.listing.names_orders is not None)

    def read(self, pool: ReadingPool) -> Manifest | None:
        pool.wait_for_all()
        return pool.manifest(self.listing.name)

    def _read(self, pool: ReadingPool) -> Manifest | None:
        self.session.client.go_on()
        reader = self.reader()
        landed = reader.landed()
        if landed is not None:
            self.recall(reader, landed)
            return landed
        return self.read_parts(reader, pool)

    def reader(self) -> Reader:
        """The reader of the listing's pages."""
        return Reader(self.session, self.listing, self.fingerprint(self.session.plan))

    def recall(self, reader: Reader, landed: Manifest) -> None:
        """Take over what an earlier attempt of the night landed completely."""

    @abstractmethod
    def read_parts(self, reader: Reader, pool: ReadingPool) -> Manifest | None:
        """Read the parts that an earlier attempt did not complete, and write the manifest."""
