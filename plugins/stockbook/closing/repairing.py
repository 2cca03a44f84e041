"""
The way back where a file's tables of signed months are not what was signed: they are made of what was landed again.

Never the other way. Where the landing itself is not whole, or a file has a close that nobody landed, nothing is
written: it may be all that is left of what was signed.
"""

import dataclasses
from contextlib import suppress

import duckdb

from stockbook.closing.landed import Close
from stockbook.closing.showing import show, show_writer
from stockbook.closing.verifying import has_tables, never_landed, verify_landed
from stockbook.declarations import Table
from stockbook.errors import LandingDamaged
from stockbook.settings import Settings
from stockbook.warehouse.connect import for_questions
from stockbook.warehouse.publish import amend
from stockbook.warehouse.readers import reader


def repair(settings: Settings, tables: dict[str, Table]) -> list[str]:
    """
    Write the tables in the published and the writer's file, and all that is made of them; returns what there is to say.

    Raises LandingDamaged where what was landed is not what was signed, and as ``amend``; nothing is changed then.
    """
    closes, problems, _ = verify_landed(settings)
    with reader(settings.published, dataclasses.replace(settings.limits, seconds=0)) as con:
        (run_id,) = con.execute("select run_id from meta.current_run").fetchall()[0]
        problems += _strange(con, "the published file", closes)
    if settings.warehouse.exists():
        # one that cannot be opened is told by ``show_writer``
        with suppress(duckdb.IOException), for_questions(settings.warehouse) as con:
            problems += _strange(con, "the writer's file", closes)
    if problems:
        raise LandingDamaged(f"Nothing was repaired, for what was landed is not whole: {' '.join(problems)}")
    notes = amend(settings, lambda copy: show(copy, settings, tables, closes), lambda: None)
    return notes + show_writer(settings, tables, closes, run_id, is_repair=True)


def _strange(con: duckdb.DuckDBPyConnection, where: str, closes: list[Close]) -> list[str]:
    return list(never_landed(con, where, closes)) if has_tables(con) else []
