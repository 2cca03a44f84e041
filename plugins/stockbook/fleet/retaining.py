"""
Retention in a fleet: of each account what is older than it is kept, by the account's own policies.

An account is held as for a step of a night. Rows of its books, folders of its runs, landed nights and events go as on
one machine, its newest home is saved, and readers see it with the next night. Who ordered too many years ago stands in
older books, in the store and in the lake too, and goes as who asked to be forgotten does (``clearing``).
"""

from typing import NamedTuple

from stockbook import retention_policy
from stockbook.counted import counted
from stockbook.errors import StockbookError
from stockbook.fleet import forgetting
from stockbook.fleet.clearing import behind
from stockbook.fleet.control import Book
from stockbook.fleet.night import require_between_nights
from stockbook.fleet.upkeep import first_night, prune
from stockbook.fleet.work import Fleet, restored, taken
from stockbook.night import landings, retention
from stockbook.night.retaining import NOTHING, sentences_of
from stockbook.runs.context import run_id_of
from stockbook.runs.lock import RETENTION


class Retained(NamedTuple):
    """What there is to say, and accounts that were left, with why."""

    sentences: list[str]
    refused: dict[str, str]


def retain(fleet: Fleet, is_dry: bool = False) -> Retained:
    """
    Remove what is older than it is kept in every account, or only look. Safe to call again.

    An account that is at work keeps no other from it. Raises ConfigError for another key than the books' and
    ErasureUnproven.
    """
    forgetting.require_key(fleet)
    run_id = run_id_of(f"retention-{fleet.clock.utc():%Y%m%dT%H%M%S}")
    sentences: list[str] = []
    refused: dict[str, str] = {}
    for name, book in fleet.control.books().items():
        if book.home is None:
            continue
        try:
            sentences += [f"{name}: {said}" for said in _retain(fleet, book, run_id, is_dry)]
        except StockbookError as error:
            refused[name] = str(error)
    if is_dry:
        sentences += [
            f"{name}: what is older than its newest books would be cleared of people." for name in behind(fleet)
        ]
    else:
        done = forgetting.finish(fleet)
        sentences += done.sentences
        refused |= done.refused
    return Retained(sentences or ([] if refused else [NOTHING]), refused)


def _retain(fleet: Fleet, book: Book, run_id: str, is_dry: bool) -> list[str]:
    name = book.account
    with taken(fleet, fleet.listed_or_former(name), run_id, RETENTION) as work:
        require_between_nights(fleet, name, "nothing of it was removed", "run this again")
        restored(fleet, work)
        night, settings = work.night, work.night.settings
        policy, oldest = retention_policy.of(settings), first_night(settings, night.clock.utc())
        if landings.opened_before(settings, oldest):
            # how far books could be made again is told by what the others hold
            work.home.fetch_landing(every_night=True)
        classes = retention.look(night) if is_dry else retention.drop_but_people(night, run_id)
        if classes and not is_dry:
            work.home.save(run_id, RETENTION)
        work.home.trust()
        if policy.personal_years is None and book.personal_before is not None and not is_dry:
            # set again, everybody is to be looked for anew
            fleet.control.note_personal({name: None})
        objects = prune(fleet.store, work.holding.book(), oldest, is_dry=is_dry)
        sentences = sentences_of(classes, is_dry)
        if objects:
            gone = "would go" if is_dry else "are gone"
            sentences.append(f"{counted(objects, 'object')} of the store that no night needs any more {gone}.")
        return sentences
