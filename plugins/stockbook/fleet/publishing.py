"""
The last steps towards readers: the lake's COMMIT, then the pointer to the published book.

The book is in the store before. A commit whose outcome nobody knows is looked up in the lake, never guessed; where the
pointer could not be moved after a commit, the next night moves it first (``catch_up``).
"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from stockbook.errors import CommitUnknown
from stockbook.extra_folder import Problem
from stockbook.fleet.holding import Holding
from stockbook.version import VERSION

if TYPE_CHECKING:
    from stockbook.fleet.lake.lake import Lake


def publish(
    holding: Holding, lake: "Lake", published: Path, book: str, run_id: str, generation: int, as_of: datetime
) -> list[Problem]:
    """
    Make an account's published file what readers of the lake see, as the saved ``book`` of ``generation``.

    Returns what is wrong with the user's own reports, which have no rows of the account then. Raises LakeUnavailable or
    HoldingLost; readers then keep the night before, except where the connection broke in the moment between the commit
    and the pointer.
    """
    from stockbook.fleet.lake.catalog import PublishedRun

    run = PublishedRun(holding.account, book, run_id, generation, as_of, VERSION)
    prepared = lake.prepare(published, run)
    with holding.fenced():
        try:
            lake.commit(prepared, lambda: holding.require(generation))
        except CommitUnknown:
            if lake.published(holding.account) != run:
                raise
        holding.publish(book, run_id, generation, as_of)
    return prepared.problems


def catch_up(holding: Holding, lake: "Lake") -> bool:
    """Move the pointer to what the lake has committed, after a crash between the two; whether it was behind."""
    there = lake.published(holding.account)
    behind = there is not None and there.generation > (holding.book().published_generation or 0)
    if there is not None and behind:
        holding.publish(there.book, there.run_id, there.generation, there.as_of)
    return behind
