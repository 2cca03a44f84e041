"""Where connections come from inside Airflow: the environment first, then wherever Airflow keeps them."""

import os
from collections.abc import Iterable

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from stockbook import connections
from stockbook.connections import RawConnection


def look_up(conn_id: str) -> RawConnection | None:
    """A connection from the environment, or from wherever Airflow keeps them; None when there is none."""
    found = connections.from_environment(conn_id)
    if found is not None:
        return found
    try:
        kept = Connection.get(conn_id)
    except AirflowNotFoundException:
        return None
    return RawConnection(
        host=kept.host, port=kept.port, schema=kept.schema, password=kept.password, extra=kept.extra_dejson or {}
    )


def conn_ids(plain: Iterable[str] = connections.API_SOURCES) -> list[str]:
    """
    Ids of the connections there are.

    Those of the environment, and those named by ``STOCKBOOK_CONNECTIONS`` (comma separated) for
    connections kept elsewhere, which cannot be listed; without either, the plain names are tried.
    """
    named = [name.strip() for name in os.environ.get("STOCKBOOK_CONNECTIONS", "").split(",") if name.strip()]
    found = list(dict.fromkeys([*connections.conn_ids_in_environment(), *named]))
    return found or [conn_id for conn_id in plain if look_up(conn_id) is not None]
