"""The chain of an account's closes: each names the digest before it, and others remember the newest."""

from collections.abc import Iterable, Mapping, Sequence

from stockbook.closing import state
from stockbook.closing.digest import digest_of_close
from stockbook.closing.landed import Close, read_all
from stockbook.errors import LandingDamaged
from stockbook.settings import Settings


def require(settings: Settings) -> list[Close]:
    """
    The landed closes, whose chain is whole and ends where the state folder says.

    Raises LandingDamaged: nothing is built or signed on what somebody altered. Lines are not looked at, as ``verify``
    does.
    """
    closes = read_all(settings.closes)
    problems = [*broken(closes), *forgotten(closes, state.read(settings.state), "the state folder")]
    if problems:
        raise LandingDamaged(f"{problems[0]} `stockbook close verify` says all that differs.")
    return closes


def newest(closes: Iterable[Close]) -> dict[str, str]:
    """The digest of the newest close of each account, by its name; closes are in the order of their signing."""
    of_account = {close.account: close for close in closes}
    return {close.close_id: close.digest for close in of_account.values()}


def broken(closes: Sequence[Close]) -> list[str]:
    """What is wrong with closes in the order of their signing, a sentence each."""
    problems = []
    before: dict[str, Close] = {}
    for close in closes:
        if digest_of_close(close) != close.digest:
            problems.append(f"{close.close_id} does not say what was signed: its digest is another.")
        previous = before.get(close.account)
        if close.previous_digest != (previous.digest if previous else None):
            after = f"{previous.close_id}, the one before it" if previous else "no close before it"
            problems.append(
                f"{close.close_id} was not signed after {after}: a close is missing, altered or out of its place there."
            )
        before[close.account] = close
    return problems


def forgotten(closes: Iterable[Close], witnessed: Mapping[str, str], witness: str) -> list[str]:
    """Closes that a witness names and that are not there, or are others."""
    there = {close.close_id: close.digest for close in closes}
    return [
        f"{close_id} is gone: {witness} names it with digest {digest}. Bring it back from a backup of the landing."
        if close_id not in there
        else f"{close_id} is another than was signed: {witness} names it with digest {digest}, and it has "
        f"{there[close_id]}."
        for close_id, digest in witnessed.items()
        if there.get(close_id) != digest
    ]
