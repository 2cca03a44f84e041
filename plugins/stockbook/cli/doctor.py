"""What is set up and what is missing, a line each: what ``stockbook doctor`` prints. Nothing is written."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from stockbook import airflow_config, airflow_database, connections, hash_key, places, project
from stockbook.clock import Clock
from stockbook.connections import Account
from stockbook.dag_names import FLEET_NIGHTLY, MAINTENANCE, NIGHTLY
from stockbook.errors import ConfigError, StockbookError
from stockbook.fleet import inspection
from stockbook.health.parts import LOW
from stockbook.night import configuration
from stockbook.settings import KEY_FILE, Settings

_OF_A_FLEET = "scratch and inbox of this machine; the books of each account are in the store"
Try = Callable[[Account], str]


class Line(NamedTuple):
    """Whether all is well with one thing, and what there is to say of it."""

    good: bool
    text: str


def lines(clock: Clock, ask: Try | None, environ: Mapping[str, str] = os.environ, deep: bool = False) -> Iterator[Line]:
    """
    Everything looked at. ``ask`` asks one account for one row and says what it has; None asks nobody. ``deep`` reads
    every file, however long it takes.
    """
    looked = list(configuration.inspections(environ))
    try:
        settings = Settings.load(environ)
    except ConfigError:
        # its sentences are among those of the look at the settings
        yield from _judged(looked)
        return
    yield _home(settings)
    yield _key(settings, environ)
    yield from _judged(looked)
    is_fleet = settings.lake is not None
    yield from _airflow(environ, is_fleet)
    where = places.of_this_machine(environ)
    yield from _connections(settings, where, ask)
    yield _events(settings)
    yield from (Line(*look) for look in inspection.looks(settings, where.conn_ids, ask is not None, environ))
    if not settings.alert_notifier:
        yield Line(True, "alerts: STOCKBOOK_ALERT_NOTIFIER is not set, nobody is told")
    if settings.backup_to and ask is not None:
        from stockbook.backup.integrity import of_store

        yield Line(*of_store(settings))
    yield from _policies(settings)
    yield from _books_of_a_fleet(settings) if is_fleet else _books(settings, clock, deep)


def _judged(looked: list[configuration.Inspection]) -> Iterator[Line]:
    for look in looked:
        yield from (Line(False, problem) for problem in look.problems)
    right = [look.what for look in looked if not look.problems and not look.absent]
    if right:
        yield Line(True, f"read and right: {', '.join(right)}")
    yield from (Line(True, look.absent) for look in looked if not look.problems and look.absent)


def _home(settings: Settings) -> Line:
    from stockbook.warehouse.room import require_disk

    home = settings.home
    nearest = next(folder for folder in (home, *home.parents) if folder.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        return Line(
            False, f"home {home}: a night writes into it, and {nearest} is no folder that this user may write to"
        )
    if not home.exists():
        return _low(home, nearest) or Line(
            True, f"home {home}: {_OF_A_FLEET if settings.lake else 'the first night makes it'}"
        )
    try:
        require_disk(settings)
    except StockbookError as error:
        return Line(False, f"home {home}: {error}")
    if low := _low(home, home):
        return low
    what = f": {_OF_A_FLEET}" if settings.lake else ", the books of the demo" if home == project.demo_home() else ""
    return Line(True, f"home {home}{what}")


def _low(home: Path, there: Path) -> Line | None:
    free = shutil.disk_usage(there).free
    if free >= LOW:
        return None
    text = f"home {home}: {free / 1e6:,.0f} MB are free, and below {LOW / 1e6:,.0f} nights and events are in danger"
    return Line(False, f"{text}: make room")


def _key(settings: Settings, environ: Mapping[str, str]) -> Line:
    try:
        hash_key.require_any(settings)
        hash_key.require_same(settings)
    except ConfigError as error:
        return Line(False, str(error))
    home = airflow_config.airflow_home(environ)
    if environ.get("STOCKBOOK_HASH_KEY") or home is None:
        return Line(True, "key of personal data: that of STOCKBOOK_HASH_KEY")
    return Line(True, f"key of personal data: {home / KEY_FILE}")


def _airflow(environ: Mapping[str, str], is_fleet: bool) -> Iterator[Line]:
    from stockbook.orchestration.home import POOL

    home = airflow_config.airflow_home(environ)
    try:
        there = airflow_database.pools(environ)
    except airflow_database.NotReadable as error:
        # a task may be kept from the database on purpose; without its driver nothing of Airflow runs
        yield Line(not isinstance(error, airflow_database.NoDriver), f"Airflow: home {home}; {error}")
        return
    # a database of Airflow has one pool at least
    if not there:
        command = "stockbook fleet run" if is_fleet else "stockbook run"
        yield Line(True, f"Airflow: there is none here (`stockbook setup` makes one); `{command}` does without")
        return
    name, slots, _ = POOL
    if name in there:
        yield Line(True, f"Airflow: home {home}, pool {name}")
    else:
        yield Line(
            False,
            f"Airflow: pool {name} is missing in {home}, so no task that writes would ever start: "
            f"run `stockbook setup`, or `airflow pools set {name} {slots} writer`",
        )
    yield from _dags(airflow_database.dags(environ), FLEET_NIGHTLY if is_fleet else NIGHTLY)


def _dags(is_on: Mapping[str, bool], nightly: str) -> Iterator[Line]:
    if not any(name.startswith("stockbook_") for name in is_on):
        yield Line(True, "Airflow: it has read no DAG of Stockbook yet, so no night begins by itself")
        return
    for name, without in (
        (nightly, "no night begins by itself"),
        (MAINTENANCE, "backups, old rows and requests to be forgotten are left to you"),
    ):
        if not is_on.get(name, False):
            trouble = "is switched off (paused)" if name in is_on else "is not there (`stockbook init` writes its file)"
            yield Line(name != nightly, f"Airflow: DAG {name} {trouble}: {without}")


def _connections(settings: Settings, where: places.Places, ask: Try | None) -> Iterator[Line]:
    try:
        places_by_id, unlisted = where.listing()
    except ConfigError as error:
        yield Line(False, str(error))
        return
    for conn_id, place in places_by_id.items():
        yield _connection(conn_id, place, where, ask)
    if unlisted:
        yield Line(False, unlisted)
    accounts = {connections.split_conn_id(conn_id) for conn_id in places_by_id}
    if not any(account and account[0] == "fulfillment_cz" for account in accounts):
        yield Line(
            False,
            "A night needs a fulfillment.cz account and there is none: add a connection fulfillment_cz in Airflow's "
            "page (Admin, Connections; type generic, password = API token), or set AIRFLOW_CONN_FULFILLMENT_CZ",
        )
    for source, account in _read_before(settings):
        conn_id = connections.conn_id_of(source, account)
        if (source, account) not in accounts and where.look_up(conn_id) is None:
            yield Line(False, f"connection {conn_id} is nowhere, and the books were read from it: bring it back")


def _connection(conn_id: str, place: str, where: places.Places, ask: Try | None) -> Line:
    try:
        raw = where.look_up(conn_id)
        if raw is None:
            return Line(False, f"Connection {conn_id} is named by {places.VARIABLE} and found nowhere")
        account = connections.account_from(conn_id, raw)
        if misspelt := connections.misspelt_extras(account):
            return Line(False, "; ".join(misspelt))
        if account.source not in connections.API_SOURCES:
            return Line(True, f"connection {conn_id} from {place}: its events are received")
        pace = f"{account.requests_per_second:g} requests/s" if account.requests_per_second else "requests not limited"
        sentence = f"connection {conn_id} from {place}: {account.base_url}, {pace}"
        return Line(
            True,
            f"{sentence} (not asked: doctor --try asks)" if ask is None else f"{sentence}, answers ({ask(account)})",
        )
    except StockbookError as error:
        return Line(False, f"{error} (It is from {place}.)" if isinstance(error, ConfigError) else str(error))


def _events(settings: Settings) -> Line:
    from stockbook.cli.subscriptions import last_received

    try:
        last = last_received(settings)
    except StockbookError as error:
        return Line(False, str(error))
    if not last:
        return Line(True, "events of webhooks: none came yet, and nights do without (docs/webhooks.md)")
    at = max(last.values()).astimezone(settings.zone)
    return Line(
        True, f"events of webhooks: the last came {at:%Y-%m-%d %H:%M} (`stockbook hooks status` has each account)"
    )


def _read_before(settings: Settings) -> list[tuple[str, str]]:
    from stockbook.warehouse.readers import reader

    if not settings.published.exists():
        return []
    with reader(settings.published, settings.limits) as con:
        rows: list[tuple[str, str]] = con.execute(
            "select distinct api, account from meta.cursor where list_contains($apis, api) order by api, account",
            {"apis": list(connections.API_SOURCES)},
        ).fetchall()
        return rows


def _policies(settings: Settings) -> Iterator[Line]:
    from stockbook import declaration_files
    from stockbook.models.order import steps
    from stockbook.night.landed_nights import reach
    from stockbook.night.retention import cannot_answer
    from stockbook.warehouse.room import memory_warning

    try:
        tables = declaration_files.load(settings.models_dir)
        yield Line(True, f"{len(tables)} declarations, {len(steps(settings.models_dir, tables))} models in order")
        # before the first published night there is nothing to make again
        if settings.published.exists() and settings.warehouse.exists() and settings.lake is None:
            yield Line(True, reach(settings.landing, tables))
        yield from (Line(True, text) for text in cannot_answer(settings))
    except StockbookError as error:
        yield Line(False, str(error))
    if warning := memory_warning(settings):
        yield Line(False, warning)


def _books_of_a_fleet(settings: Settings) -> Iterator[Line]:
    yield Line(True, "books: `stockbook fleet status` says of each account how its last night went")
    if settings.warehouse.exists():
        yield Line(True, f"{settings.warehouse}: books of this home alone, which no night of the fleet reads or renews")


def _books(settings: Settings, clock: Clock, deep: bool) -> Iterator[Line]:
    from stockbook.backup import integrity
    from stockbook.backup.take import leftover
    from stockbook.runs.lock import RunLock
    from stockbook.warehouse.publish import state_of_files

    lock = RunLock(settings.lock, clock, settings.lock_lease_seconds)
    holder = lock.holder() if settings.home.exists() else None
    yield Line(True, f"lock: {lock.state()}")
    if settings.restoring.exists():
        yield Line(False, "a restore into this home was begun and not finished: run `stockbook restore` again")
    elif settings.home.exists() and holder is None:
        # before the writer's file is opened, which may give it another time
        with suppress(ConfigError):  # a wrong retention.yml is among the policies
            yield from (Line(*look) for look in integrity.looks(settings, clock, deep))
        left = leftover(settings)
        if left is not None:
            yield Line(False, left)
    yield from (Line(*state) for state in state_of_files(settings, is_writing=holder is not None))
