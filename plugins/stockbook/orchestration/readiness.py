"""
Whether a first night can be read at all: what is missing before set-up is complete, and the next step.

Before the first night something missing is no failure: nobody has promised anything yet. Once there are books, the same
thing missing is an error, and the night is red: a key or a connection that vanished must not go unnoticed.
"""

from collections.abc import Callable, Iterable

from stockbook.connections import SOURCES, split_conn_id
from stockbook.settings import Settings

_KEY = (
    "the key that personal data is hashed with: `stockbook setup` makes one beside airflow.cfg, or set "
    "STOCKBOOK_HASH_KEY to a secret of at least 16 characters"
)
_CONNECTION = (
    "a connection of fulfillment.cz: add one in Airflow's page (Admin, Connections) with the id fulfillment_cz, type "
    "generic, password = API token, or set AIRFLOW_CONN_FULFILLMENT_CZ"
)


def begun(settings: Settings) -> bool:
    """Whether a night was ever opened in this home."""
    return settings.landing.exists() or settings.published.exists()


def missing_for_a_night(settings: Settings, conn_ids: Callable[[], Iterable[str]]) -> str | None:
    """What a first night still waits for, and the next step; None when nothing is missing or there are books."""
    return _missing(settings, conn_ids, ("fulfillment_cz",))


def missing_for_a_drain(settings: Settings, conn_ids: Callable[[], Iterable[str]]) -> str | None:
    """What keeps events from coming in, and the next step; None when nothing does or there are books."""
    return _missing(settings, conn_ids, SOURCES)


def _missing(settings: Settings, conn_ids: Callable[[], Iterable[str]], any_of: Iterable[str]) -> str | None:
    if begun(settings):
        return None
    missing = [_KEY] if settings.hash_key is None else []
    sources = {account[0] for account in map(split_conn_id, conn_ids()) if account is not None}
    if sources.isdisjoint(any_of):
        missing.append(_CONNECTION)
    if not missing:
        return None
    return (
        f"Set-up is not complete, so nothing is read yet. Missing: {'; and '.join(missing)}. "
        "`stockbook doctor` says what else there is to set up."
    )
