"""
The accounts of a fleet: from a file, a table of the control database, or a list of connections.

An account is named as in its connections' ids (``main``, ``shop_0001``), and has books of its own.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from stockbook.connections import SOURCES, conn_id_of, split_conn_id
from stockbook.errors import ConfigError, Problems
from stockbook.fleet_settings import FILE, TABLE
from stockbook.policy_file import PolicyFile

_LISTED = tuple[str, list[str], str | None, str | None]


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    connections: list[str] = []
    zone: str | None = None
    policy_dir: str | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    accounts: dict[str, _Entry]


class FleetAccount(NamedTuple):
    """
    An account, its connections, and what differs from the worker's own settings.

    One that lists no connection has whatever connections bear its name.
    """

    name: str
    conn_ids: tuple[str, ...]
    zone: ZoneInfo | None = None
    policy_dir: Path | None = None


def read(
    chosen: str, listed: Callable[[], Iterable[str]], of_table: Callable[[], Iterable[_LISTED]]
) -> list[FleetAccount]:
    """
    The accounts that STOCKBOOK_ACCOUNTS chooses, sorted; ``listed`` are the ids that can be listed.

    Raises ConfigError with everything that is wrong: an account without a connection, a connection of another account,
    one that is there twice, an unknown zone.
    """
    if chosen.startswith(FILE):
        chosen_accounts = _of_file(Path(chosen.removeprefix(FILE)).expanduser().absolute())
    elif chosen == TABLE:
        chosen_accounts = [_account(*row) for row in of_table()]
    else:
        named = [name.strip() for name in chosen.split(",") if name.strip()]
        chosen_accounts = _of_connections(named or list(listed()), is_chosen=bool(named))
    if not chosen_accounts:
        raise ConfigError(
            "STOCKBOOK_ACCOUNTS must name at least one account, and names none: list connection ids, a file or a table."
        )
    return sorted(chosen_accounts)


def _of_connections(conn_ids: Iterable[str], is_chosen: bool) -> list[FleetAccount]:
    problems, by_account = Problems(), dict[str, list[str]]()
    for conn_id in conn_ids:
        split = split_conn_id(conn_id)
        if split is None:
            problems.found.append(_no_connection(conn_id))
        elif conn_id.lower() in by_account.get(split[1], []):
            problems.found.append(f"STOCKBOOK_ACCOUNTS names connection {conn_id} twice.")
        else:
            by_account.setdefault(split[1], []).append(conn_id.lower())
    if is_chosen:
        problems.settle()
    return [FleetAccount(name, tuple(sorted(ids))) for name, ids in by_account.items()]


def _of_file(file: Path) -> list[FleetAccount]:
    problems, accounts = Problems(), []
    for name, entry in PolicyFile(file).read(_File).accounts.items():
        folder = str(file.parent / entry.policy_dir) if entry.policy_dir else None
        with problems.gathered():
            accounts.append(_account(name, entry.connections, entry.zone, folder))
    problems.settle()
    return accounts


def _account(name: str, conn_ids: Iterable[str], zone: str | None, policy_dir: str | None) -> FleetAccount:
    problems, own = Problems(), []
    if (split_conn_id(conn_id_of(SOURCES[0], name)) or ("", ""))[1] != name:
        raise ConfigError(f"Account {name!r} must be named as in a connection id: a-z, 0-9 and _, such as shop_1.")
    for conn_id in conn_ids:
        split = split_conn_id(conn_id)
        if split is None:
            problems.found.append(_no_connection(conn_id))
        elif split[1] != name:
            problems.found.append(f"Connection {conn_id} belongs to account {split[1]}, not to {name}.")
        elif conn_id.lower() in own:
            problems.found.append(f"Account {name} has connection {conn_id} twice.")
        else:
            own.append(conn_id.lower())
    chosen: ZoneInfo | None = None
    if zone:
        try:
            chosen = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            problems.found.append(f"The zone of account {name} must be one such as Europe/Prague; got {zone!r}.")
    folder = Path(policy_dir).expanduser().absolute() if policy_dir else None
    if folder is not None and not folder.is_dir():
        problems.found.append(f"The policy_dir of account {name} must be a folder that exists; {folder} is none.")
    problems.settle()
    return FleetAccount(name, tuple(sorted(own)), chosen, folder)


def possible(name: str) -> list[str]:
    """The ids that connections of an account may have."""
    return [conn_id_of(source, name) for source in SOURCES]


def _no_connection(conn_id: str) -> str:
    return (
        f"STOCKBOOK_ACCOUNTS must name connections of ours ({', '.join(SOURCES)}, optionally followed by __<account>); "
        f"got {conn_id!r}."
    )
