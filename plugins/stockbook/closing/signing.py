"""
Signing: a draft becomes a landed close, in three moves of which the last makes it true.

Its lines are landed, a copy of the published file gets it and what is made of it, and then the close itself is landed
and the copy renamed into place. Whatever fails before leaves nothing that counts.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import duckdb
import msgspec

from stockbook.closing import chain, state
from stockbook.closing.digest import digest_of_close, digest_of_lines
from stockbook.closing.drafts import Draft
from stockbook.closing.landed import Close, discard, write_close, write_lines
from stockbook.closing.program import CLOSES, LINES, replace
from stockbook.declarations import BUILT_LAYERS, Table
from stockbook.errors import CheckFailed, ModelFailed, StockbookError
from stockbook.models.build import run_step
from stockbook.models.macros import create_macros
from stockbook.models.order import steps
from stockbook.models.programs import BuildContext
from stockbook.settings import Settings
from stockbook.warehouse import meta
from stockbook.warehouse.connect import BUILDS_FAST, writer
from stockbook.warehouse.publish import amend
from stockbook.warehouse.transaction import transaction


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
        notes = amend(settings, lambda con: _show(con, settings, tables, together), commit)
    except StockbookError as error:
        if not is_signed:
            raise
        notes = [f"It is signed, and readers see it with the next night: {error}"]
    finally:
        discard(folder, signed)
    return Signed(signed, notes + _show_writer(settings, tables, together, signed[0].run_id))


def _show_writer(settings: Settings, tables: dict[str, Table], closes: Sequence[Close], run_id: str) -> list[str]:
    """The same in the writer's file, where it is of the night that is published; another one takes it as it builds."""
    if not settings.warehouse.exists():
        return []
    try:
        with writer(settings) as con, transaction(con):
            # what was built and what was asked of it stands for nothing any more
            meta.forget_content_marks(con, BUILT_LAYERS)
            if con.execute("select 1 from meta.current_run where run_id = ?", [run_id]).fetchall():
                _show(con, settings, tables, closes)
    except StockbookError as error:
        return [f"The writer's file takes the close with the next night: {error}"]
    return []


def _show(
    con: duckdb.DuckDBPyConnection, settings: Settings, tables: dict[str, Table], closes: Sequence[Close]
) -> None:
    """Write the tables of signed months into a file and build what reads them; its other figures stay."""
    con.execute(BUILDS_FAST)
    create_macros(con, settings.models_dir)
    replace(con, tables, closes, settings.closes)
    context = _context(con, settings, tables)
    changed = {CLOSES, LINES}
    for step in steps(settings.models_dir, tables):
        if step.reads & changed:
            changed |= {table.name for table in step.tables}
            try:
                run_step(con, step, context)
            except duckdb.Error as error:
                raise ModelFailed(f"{step.name} could not be built: {str(error).splitlines()[0]}") from error
    for name in sorted(changed):
        for check in tables[name].checks:
            if check.severity == "fail" and check.rows:
                rows = con.execute(f"select * from ({check.rows}) limit 1").fetchall()
                if rows:
                    raise CheckFailed(
                        f"{name} would not hold '{check.name}' (e.g. {rows[0]}), so nothing was signed: report it."
                    )


def _context(con: duckdb.DuckDBPyConnection, settings: Settings, tables: dict[str, Table]) -> BuildContext:
    run_id, as_of, as_of_utc = con.execute(
        "select c.run_id, c.as_of, r.as_of_utc from meta.current_run as c left join meta.run as r using (run_id)"
    ).fetchall()[0]
    return BuildContext(
        as_of,
        run_id,
        settings.zone,
        settings.policy_dir,
        tables,
        published=settings.published,
        as_of_utc=as_of_utc,
        closes=settings.closes,
    )
