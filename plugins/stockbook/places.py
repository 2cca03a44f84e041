"""
Where connections are, and which of ours are there: the one list that nights, receiver and commands go by.

All places are looked at each time: the variables ``AIRFLOW_CONN_*``; Airflow's metadata database, whose ids are listed
by one select; and Airflow's secret back ends, which can only be asked for an id they may have. Asked for are the plain
ids and those that ``STOCKBOOK_CONNECTIONS`` names. Airflow gives a task no list of connections; the database is asked
for their ids alone, and what they hold is looked up as Airflow looks it up.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from stockbook import airflow_config, airflow_database, connections
from stockbook.airflow_database import NoDriver, NotReadable
from stockbook.connections import SOURCES, RawConnection, split_conn_id
from stockbook.errors import ConfigError

if TYPE_CHECKING:
    from airflow.models.connection import Connection

VARIABLE = "STOCKBOOK_CONNECTIONS"
ENVIRONMENT = "the environment"
DATABASE = "Airflow's database"
BACK_END = "a secret back end of Airflow"
SOMEWHERE = "Airflow"
NOWHERE = "nowhere"

LookUp = Callable[[str], RawConnection | None]


class Listing(NamedTuple):
    """
    The place of each of our connections by its id, sorted; one account has one place, the first that has it.

    One that ``STOCKBOOK_CONNECTIONS`` names and no place has is ``nowhere``: whoever reads it says so. ``unlisted`` is
    a sentence on what may be missing, where Airflow's database could not be read; None when nothing can be.
    """

    places: dict[str, str]
    unlisted: str | None

    @property
    def conn_ids(self) -> list[str]:
        """The ids."""
        return list(self.places)

    @property
    def notes(self) -> list[str]:
        """What a run report says of the list."""
        return [f"warning: {self.unlisted}"] if self.unlisted else []


@dataclass(frozen=True)
class Places:
    """The places as they are seen from one process. ``in_airflow`` asks Airflow for one connection by its id."""

    in_airflow: LookUp
    environ: Mapping[str, str]

    def look_up(self, conn_id: str) -> RawConnection | None:
        """A connection from the first place that has it, the environment first; None when there is none."""
        return connections.from_environment(conn_id, self.environ) or self.in_airflow(conn_id)

    def conn_ids(self) -> list[str]:
        """Ids of all our connections, sorted."""
        return self.listing().conn_ids

    def listing(self) -> Listing:
        """All places looked at."""
        by_account: dict[tuple[str, str], tuple[str, str]] = {}

        def add(conn_ids: Iterable[str], place: str) -> None:
            for conn_id in conn_ids:
                account = split_conn_id(conn_id)
                if account is not None:
                    by_account.setdefault(account, (conn_id, place))

        add(connections.conn_ids_in_environment(self.environ), ENVIRONMENT)
        expected = named(self.environ)
        unlisted, by_its_id = None, BACK_END
        try:
            add(airflow_database.connection_ids(self.environ), DATABASE)
        except NotReadable as error:
            # what can be asked by its id is still asked below
            by_its_id = SOMEWHERE
            if not expected:
                unlisted = (
                    f"{error} Of accounts that Airflow keeps only the plain ids ({', '.join(SOURCES)}) are read; "
                    f"name the others in {VARIABLE}."
                )
        unread: NotReadable | None = None
        for conn_id in [*SOURCES, *expected]:
            account = split_conn_id(conn_id)
            if account is None or account in by_account:
                continue
            is_there = False
            # half imported, Airflow fails otherwise each time: it is asked no more
            if unread is None:
                try:
                    is_there = self.in_airflow(conn_id) is not None
                except NotReadable as error:
                    unread = error
                    unlisted = f"{error} Connections that Airflow keeps are not read."
            if is_there:
                add([conn_id], by_its_id)
            elif conn_id in expected:
                add([conn_id], NOWHERE)
        return Listing(dict(sorted(by_account.values())), unlisted)


def named(environ: Mapping[str, str]) -> list[str]:
    """The ids ``STOCKBOOK_CONNECTIONS`` names. Raises ConfigError for one that is not ours."""
    listed = [name.strip() for name in environ.get(VARIABLE, "").split(",") if name.strip()]
    strange = [name for name in listed if split_conn_id(name) is None]
    if strange:
        raise ConfigError(
            f"{VARIABLE} must name connections of ours, comma separated ({', '.join(SOURCES)}, optionally "
            f"followed by __<account>); got {', '.join(map(repr, strange))}."
        )
    return listed


def of_this_machine(environ: Mapping[str, str] = os.environ) -> Places:
    """The places for a command: the environment, and the Airflow home where there is one."""
    return Places(lambda conn_id: _in_airflow_home(conn_id, environ), environ)


def _in_airflow_home(conn_id: str, environ: Mapping[str, str]) -> RawConnection | None:
    home = airflow_config.airflow_home(environ)
    if home is None:
        return None
    try:
        listed = conn_id in airflow_database.connection_ids(environ)
    except NoDriver:
        raise
    except NotReadable:
        listed = True
    # Airflow takes seconds to import: only for what it may have
    if not listed and not airflow_config.setting(environ, "secrets", "backend"):
        return None
    os.environ.setdefault("AIRFLOW_HOME", str(home))
    from sqlalchemy.exc import SQLAlchemyError

    try:
        # Airflow connects to its database as it is imported, at the latest when it is asked
        from airflow.exceptions import AirflowNotFoundException
        from airflow.models.connection import Connection

        try:
            return raw_connection(Connection.get_connection_from_secrets(conn_id))
        except AirflowNotFoundException:
            return None
    except (ImportError, SQLAlchemyError) as error:
        raise airflow_database.not_readable(error) from None


def raw_connection(connection: "Connection") -> RawConnection:
    """The parts of Airflow's connection that Stockbook reads; of the Task SDK's one alike."""
    return RawConnection(
        host=connection.host,
        port=connection.port,
        schema=connection.schema,
        password=connection.password,
        extra=connection.extra_dejson or {},
    )
