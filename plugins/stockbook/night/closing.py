"""Closing a month, as the command line and Airflow do: looked at first, then signed between two nights."""

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from stockbook.clock import local
from stockbook.night.tonight import Night
from stockbook.runs import context as runs
from stockbook.runs.lock import CLOSE

if TYPE_CHECKING:
    import duckdb

    from stockbook.closing.drafts import Draft
    from stockbook.closing.request import Request
    from stockbook.closing.signing import Signed


class Looked(NamedTuple):
    """A draft, and what speaks against signing it."""

    draft: "Draft"
    objections: list[str]


class Answer(NamedTuple):
    """What there is to say: the statement of each account with what speaks against it, and then what was done."""

    statements: list[str]
    sentences: list[str]


def answer(night: Night, parameters: Mapping[str, object], is_dry: bool) -> Answer:
    """Look at a month or sign it, as parameters of a person say. Raises as ``look`` and ``close``."""
    from stockbook.closing.request import request_of
    from stockbook.closing.summary import summary

    request = request_of(parameters, is_dry)
    if is_dry:
        looks, sentences = look(night, request), ["Nothing was signed: this was a dry run."]
    else:
        signed, looks = close(night, request)
        sentences = [*signed.sentences, *signed.notes]
    statements = [
        line for looked in looks for line in summary(looked.draft.close, looked.draft.lines, looked.objections)
    ]
    return Answer(statements, sentences)


def look(night: Night, request: "Request") -> list[Looked]:
    """What would be signed and what speaks against it; a dry run. Raises CloseRefused where it cannot be signed."""
    from stockbook.closing.objections import objections

    with _published(night) as con:
        return [Looked(draft, objections(con, draft)) for draft in _drafts(night, con, request)]


def close(night: Night, request: "Request") -> "tuple[Signed, list[Looked]]":
    """
    Sign the month; readers see it at once.

    Raises CloseRefused where it cannot be signed, RunLocked while a night is under way.
    """
    from stockbook.closing.signing import sign
    from stockbook.morning.publish_files import write_report_files

    settings = night.settings
    with _alone(night, f"close-{request.month:%Y-%m}"):
        looked = look(night, request)
        signed = sign(settings, night.tables, [each.draft for each in looked], night.clock.utc())
        return signed._replace(notes=signed.notes + write_report_files(settings, is_close=True)), looked


def repair(night: Night) -> list[str]:
    """
    Make the tables of signed months again of what was landed, as readers see them; returns what there is to say.

    Raises LandingDamaged where what was landed is not what was signed, RunLocked while a night is under way.
    """
    from stockbook.closing.repairing import repair as repair_files
    from stockbook.morning.publish_files import write_report_files

    with _alone(night, "close-repair"):
        return repair_files(night.settings, night.tables) + write_report_files(night.settings)


@contextmanager
def _alone(night: Night, name: str) -> Iterator[None]:
    """No night, and no other close, at the same time."""
    run_id = runs.run_id_of(f"{name}-{night.clock.utc():%Y%m%dT%H%M%S}")
    night.lock.take(run_id, wait=False, whole_run_here=True, take_over=False)
    try:
        with night.lock.step(run_id, CLOSE):
            yield
    finally:
        night.lock.release(run_id)


@contextmanager
def _published(night: Night) -> "Iterator[duckdb.DuckDBPyConnection]":
    from stockbook.warehouse.readers import reader

    settings = night.settings
    with reader(settings.published, dataclasses.replace(settings.limits, seconds=0)) as con:
        yield con


def _drafts(night: Night, con: "duckdb.DuckDBPyConnection", request: "Request") -> "list[Draft]":
    from stockbook.closing import chain
    from stockbook.closing.drafts import drafts

    now = local(night.clock, night.settings.zone)
    return drafts(con, night.settings, night.tables, request, chain.require(night.settings), now)
