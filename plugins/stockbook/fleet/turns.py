"""
Turns at a token: accounts whose connections share one are read one after the other, on whatever workers they are.

A vendor counts requests by token, and the budget of a night is of one connection: side by side two accounts would ask
twice as often as either may. Connections without a limit wait for nobody.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from stockbook.fleet.accounts import FleetAccount
from stockbook.fleet.control import named_errors
from stockbook.fleet.work import Fleet


@contextmanager
def turn(fleet: Fleet, account: FleetAccount) -> Iterator[None]:
    """Wait until nobody reads with a token of the account, and keep others waiting. Raises ControlUnavailable."""
    tokens = _tokens(fleet, account)
    if not tokens:
        yield
        return
    con = fleet.control.connect(f"stockbook turn of {account.name}"[:63])
    try:
        with named_errors("asked"):
            # as long as the others' listings are
            con.execute("set statement_timeout = 0")
            for token in tokens:
                row = con.execute("select pg_try_advisory_lock(%s)", [token]).fetchone()
                if row is None or not row[0]:
                    fleet.progress.note(f"{account.name}: another account is read with the same token; it waits.")
                    con.execute("select pg_advisory_lock(%s)", [token])
        yield
    finally:
        con.close()


def _tokens(fleet: Fleet, account: FleetAccount) -> list[int]:
    """A number for each token of an account, in one order for all: nobody waits for somebody who waits for him."""
    numbers = set()
    for conn_id in fleet.conn_ids_of(account):
        raw = fleet.look_up(conn_id)
        if raw is not None and raw.password and str(raw.extra.get("requests_per_second")) not in ("0", "0.0"):
            digest = hashlib.sha256(f"stockbook token\n{raw.host}\n{raw.password}".encode()).digest()
            numbers.add(int.from_bytes(digest[:8], signed=True))
    return sorted(numbers)
