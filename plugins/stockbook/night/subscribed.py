"""Each night's question to FlickRocket and SHOPLINE: are the topics of every account still sent?"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from stockbook.connections import split_conn_id
from stockbook.errors import ConfigError, SourceError
from stockbook.night.tonight import Night
from stockbook.runs.context import RunContext
from stockbook.warehouse import meta

if TYPE_CHECKING:
    import duckdb

    from stockbook.webhooks.subscriptions import Subscription

MANAGED = ("flickrocket", "shopline")


def ask_subscriptions(
    night: Night, con: "duckdb.DuckDBPyConnection", run: RunContext, conn_ids: Iterable[str]
) -> list[str]:
    """
    Write down which topics are sent, of every account that receives events; notes for the run report.

    An account that has no secret for events, or whose connection cannot manage subscriptions, is not asked. One that
    does not answer stays as it was known: a night can do without.
    """
    notes = []
    for conn_id in conn_ids:
        source, account = split_conn_id(conn_id) or ("", "")
        if source not in MANAGED:
            continue
        try:
            subscriptions = _own(night, conn_id)
        except (ConfigError, SourceError) as error:
            notes.append(f"warning: whether events are still sent could not be asked: {error}")
            continue
        if subscriptions is None:
            continue
        topics: dict[str, meta.Subscribed] = {}
        # of a topic that is there twice an active one counts
        for each in sorted(subscriptions, key=lambda each: each.is_active):
            topics[each.topic] = meta.Subscribed(each.topic, each.spelling, each.is_active)
        meta.write_subscriptions(con, source, account, list(topics.values()), run.as_of)
    return notes


def _own(night: Night, conn_id: str) -> "list[Subscription] | None":
    """The subscriptions that go to a receiver of an account; None of one that is not to be asked."""
    from stockbook.webhooks.accounts import hook_account
    from stockbook.webhooks.subscriptions import Missing, Subscriptions

    raw = night.look_up(conn_id)
    if raw is None or not hook_account(conn_id, raw).secrets:
        return None
    try:
        of_account = Subscriptions(conn_id, raw, night.settings, night.clock)
    except Missing:
        return None
    return of_account.own(of_account.listed())
