"""Whether a source answers at all: one cheap request with the credentials of a night, and nothing kept of it."""

from stockbook.bounded_http import Limits
from stockbook.clock import APART, Clock
from stockbook.connections import Account
from stockbook.projection import envelope
from stockbook.sources import listings
from stockbook.sources.credentials import Credentials
from stockbook.sources.http import Client, RetryPolicy

# somebody waits for the answer: one try, and no longer than a person would
ONCE = RetryPolicy(tries=1, connect=5.0, read=20.0)
SOON = Limits(megabytes=16, seconds=30.0, apart=APART)


def try_account(
    account: Account, credentials: Credentials, clock: Clock, policy: RetryPolicy = ONCE, limits: Limits = SOON
) -> str:
    """
    What the account was asked for and how many rows it has: asked by a page of one row, or a count.

    Raises Unauthorized, BadAnswer, Unreachable or ClockWrong, each with a sentence that names the connection.
    """
    with Client(account, credentials, clock, policy=policy, limits=limits) as client:
        # the first that says how many rows it has
        listing = next(listing for listing in listings.of_api(account.source) if listing.proof != "empty page")
        if listing.count_path is not None:
            total = client.get(listing.count_path, [], envelope.count)
        else:
            total = client.get(listing.path, listing.parameters(limit=1), envelope.promised_total)
    return f"{listing.name}: {total:,}"
