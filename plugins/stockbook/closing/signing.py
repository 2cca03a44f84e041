"""
Signing: a draft becomes a landed close, in three moves of which the last makes it true.

Its lines are landed, a copy of the published file gets it and what is made of it, and then the close itself is landed
and the copy renamed into place. Whatever fails before leaves nothing that counts.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from stockbook.closing import chain, state
from stockbook.closing.digest import digest_of_close, digest_of_lines
from stockbook.closing.drafts import Draft
from stockbook.closing.landed import Close, discard, write_close, write_lines
from stockbook.closing.showing import show, show_writer
from stockbook.declarations import Table
from stockbook.errors import StockbookError
from stockbook.settings import Settings
from stockbook.warehouse.publish import amend


class Signed(NamedTuple):
    """What was signed, and what there is to say of it."""

    closes: list[Close]
    notes: list[str]

    @property
    def sentences(self) -> list[str]:
        """One for each close."""
        return [f"Signed by {each.closed_by}: close {each.close_id}, digest {each.digest}." for each in self.closes]


def sign(settings: Settings, tables: dict[str, Table], drafts: Sequence[Draft], closed_at: datetime) -> Signed:
    """Sign drafts; readers see them at once. ``closed_at`` is UTC. Raises what kept it from being signed."""
    folder = settings.closes
    signed = []
    for draft in drafts:
        close = msgspec.structs.replace(
            draft.close,
            closed_at=closed_at.replace(tzinfo=None, microsecond=0),
            lines_digest=digest_of_lines(draft.lines, draft.close.signed_columns),
        )
        signed.append(msgspec.structs.replace(close, digest=digest_of_close(close)))
    together = sorted(
        [*chain.require(settings), *signed], key=lambda close: (close.account, close.month, close.sequence)
    )
    is_signed = False

    def commit() -> None:
        nonlocal is_signed
        for close in signed:
            write_close(folder, close)
        is_signed = True
        state.write(settings.state, chain.newest(together))

    try:
        for close, draft in zip(signed, drafts, strict=True):
            write_lines(folder, close, draft.lines)
        notes = amend(settings, lambda con: show(con, settings, tables, together, signed), commit)
    except StockbookError as error:
        if not is_signed:
            raise
        notes = [f"It is signed, and readers see it with the next night: {error}"]
    finally:
        discard(folder, signed)
    return Signed(signed, notes + show_writer(settings, tables, together, signed[0].run_id, signed))
