"""
Closing months of a fleet's accounts: as in one home, around it what every step of a fleet has.

The account is held, its home brought to this disk, the month signed there. It is signed from the moment in which the
saved home is pointed to, and not before: what fails until then leaves nothing that counts. Then readers of the lake get
it; where they cannot, they see it with the account's next night.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from stockbook.errors import CloseRefused, StockbookError
from stockbook.fleet.night import require_between_nights
from stockbook.fleet.publishing import publish
from stockbook.fleet.work import Fleet, Work, bring_pages, restored, taken
from stockbook.night.closing import Answer, answer
from stockbook.runs.context import run_id_of
from stockbook.runs.lock import CLOSE

if TYPE_CHECKING:
    from stockbook.closing.verifying import Verdict


class Outcome(NamedTuple):
    """What came of an account: the answer, or why there is none."""

    account: str
    answer: Answer | None = None
    refusal: str = ""


def chosen(fleet: Fleet, account: str = "") -> list[str]:
    """The account that is named, or all of the fleet. Raises CloseRefused for one that is not there."""
    names = [each.name for each in fleet.accounts()]
    if account and account not in names:
        raise CloseRefused(f"There is no account {account} in this fleet: expected one of {', '.join(names)}.")
    return [account] if account else names


def close_accounts(
    fleet: Fleet, names: Iterable[str], parameters: Mapping[str, object], is_dry: bool
) -> Iterator[Outcome]:
    """
    Look at the month of each account or sign it, one after the other: one that is refused keeps no other from it.

    Raises CloseRefused, before anything is done, for parameters that no account could be closed with.
    """
    from stockbook.closing.refusals import require_words
    from stockbook.closing.request import request_of

    require_words(request_of(parameters, is_dry))
    for name in names:
        try:
            yield Outcome(name, close_account(fleet, name, parameters, is_dry))
        except StockbookError as error:
            yield Outcome(name, refusal=str(error))


def close_account(fleet: Fleet, name: str, parameters: Mapping[str, object], is_dry: bool) -> Answer:
    """
    Look at an account's month or sign it; readers see it at once.

    Raises as ``night.closing.answer``; RunLocked while the account's night is under way, HoldingLost, StoreUnavailable
    and ControlUnavailable: then nothing was signed.
    """
    run_id = run_id_of(f"close-{parameters.get('month')}-{fleet.clock.utc():%Y%m%dT%H%M%S}")
    with taken(fleet, fleet.account(name), run_id, CLOSE) as work:
        require_between_nights(fleet, name, "the month was not closed", "close")
        restored(fleet, work)
        book = work.holding.book()
        if book.published_run is None or book.published_as_of is None:
            raise CloseRefused(f"No night of account {name} was published yet: run one, then close.")
        said = answer(work.night, {**parameters, "account": name}, is_dry)
        if is_dry:
            work.home.trust()
            return said
        work.home.save(run_id, CLOSE, is_amended=True)
        notes = _published(fleet, work, book.published_run, book.published_as_of)
        return said._replace(sentences=said.sentences + notes)


def verify_accounts(fleet: Fleet, names: Iterable[str]) -> "list[Verdict]":
    """Verify the closes of accounts: what was landed, both files, the lake's copy; no home is a problem too."""
    from stockbook.closing.verifying import Verdict

    verdicts = []
    for name in names:
        try:
            verdicts.append(_verified(fleet, name))
        except StockbookError as error:
            verdicts.append(Verdict([], [f"{name} could not be verified: {error}"], []))
    return verdicts


def _verified(fleet: Fleet, name: str) -> "Verdict":
    from stockbook.closing.verifying import verify

    run_id = run_id_of(f"verify-{fleet.clock.utc():%Y%m%dT%H%M%S}")
    with taken(fleet, fleet.account(name), run_id, "verify") as work:
        restored(fleet, work)
        verdict = verify(work.night.settings, in_lake=name)
        work.home.trust()
        return verdict


def _published(fleet: Fleet, work: Work, run_id: str, as_of: datetime) -> list[str]:
    """Give readers the amended file in the place of the one of the same night; what there is to say of it."""
    home, file = work.home, work.night.settings.published
    try:
        publish(work.holding, fleet.lake, file, home.published_book, run_id, home.generation, as_of)
        home.trust()
        bring_pages(fleet, work)
    except StockbookError as error:
        return [f"It is signed, and not everybody sees it before the next night: {error}"]
    return []
