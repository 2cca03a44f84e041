"""Keeping the store small: what no night of an account needs any more is removed, one account after the other."""

from collections.abc import Iterator
from datetime import timedelta

from stockbook.errors import RunLocked
from stockbook.fleet.holding import hold
from stockbook.fleet.home import prune
from stockbook.fleet.work import Fleet


def prune_accounts(fleet: Fleet) -> Iterator[str]:
    """Prune every account that nobody works on; a sentence for each that had something, or was left for later."""
    oldest = fleet.control.now() - timedelta(days=fleet.settings.landing_days)
    for account in fleet.control.books():
        try:
            with hold(fleet.control, account, "maintain", "maintain") as holding:
                count = prune(fleet.store, holding.book(), oldest)
        except RunLocked as busy:
            yield f"{account}: left to the next time. {busy}"
            continue
        if count:
            yield f"{account}: {count} objects of the store removed."
