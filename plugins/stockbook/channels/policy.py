"""How orders of the channels are found among the warehouse's, read from ``channels.yml`` of the policy folder."""

import re
from pathlib import Path
from typing import Literal

import msgspec

from stockbook.errors import Problems
from stockbook.policy_file import PolicyFile

FILE = "channels.yml"

System = Literal["flickrocket", "shopline"]
State = Literal["open", "held", "shipped", "cancelled"]


class Join(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which number of a channel's order is which number of the warehouse's."""

    channel: Literal["order_id", "order_number"]
    warehouse: Literal["remote_number", "number", "order_id"]


class Channel(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """
    One channel. Rules of ``join`` are asked in order, the first that names any order decides.

    ``recognised_by`` is a pattern of whole remote numbers that only orders of the channel have: an order of the
    warehouse with such a number has to be known there. ``is_forwarded`` false: nobody expects its orders in the
    warehouse.
    """

    system: System
    join: list[Join] = []
    states: dict[str, State] = {}
    recognised_by: str | None = None
    is_forwarded: bool = True


class Account(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An account of a channel whose orders go to an account of the warehouse that has another name."""

    system: System
    account: str
    warehouse_account: str


class Channels(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the operator chose; ``grace_hours`` is how long the two sides may differ before it is a difference."""

    grace_hours: int = 24
    channels: list[Channel] = []
    accounts: list[Account] = []


def read(policy_dir: Path) -> Channels:
    """
    The rules of the folder; no channel is joined when it has no ``channels.yml``.

    Raises ConfigError naming file, line and field: an unknown field or key, a channel or account written twice, a
    pattern that is none, hours below zero.
    """
    if not (policy_dir / FILE).exists():
        return Channels()
    file = PolicyFile(policy_dir / FILE)
    written = file.read(Channels)
    problems = Problems()
    with problems.gathered():
        if not 0 <= written.grace_hours <= 31 * 24:
            raise file.refusal(("grace_hours",), f"expected 0 to 744 hours (31 days), got {written.grace_hours}")
    systems: set[str] = set()
    for number, channel in enumerate(written.channels):
        with problems.gathered():
            if channel.system in systems:
                raise file.refusal(("channels", number, "system"), f"{channel.system} is written a second time")
        systems.add(channel.system)
        with problems.gathered():
            try:
                re.compile(channel.recognised_by or "")
            except re.error as error:
                raise file.refusal(
                    ("channels", number, "recognised_by"), f"expected a regular expression, got one with {error}"
                ) from None
    accounts: set[tuple[str, str]] = set()
    for number, account in enumerate(written.accounts):
        with problems.gathered():
            if (account.system, account.account) in accounts:
                raise file.refusal(
                    ("accounts", number, "account"), f"{account.account!r} of {account.system} is written a second time"
                )
        accounts.add((account.system, account.account))
    problems.settle()
    return written
