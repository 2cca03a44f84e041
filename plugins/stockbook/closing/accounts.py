"""Which accounts of the general ledger bear what happens to stock, read from ``accounts.yml`` of the policy folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from stockbook.errors import ConfigError
from stockbook.policy_file import PolicyFile

FILE = "accounts.yml"
STOCK = "stock"
"""The word of an entry that stands for the account of the pieces' pool."""
POOLS = ("sellable", "damaged")
RAISING = ("receipt", "extra_cost", "return", "transformation", "find", "opening", "correction")
LOWERING = ("cost_of_goods", "settlement", "damage")
APART = ("write_down",)
"""What changes no value of stock: it stands at cost."""
KINDS = (*RAISING, *LOWERING, *APART)
CHANGE_OF_STOCK = "change_of_stock"


class Entry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The account of each side."""

    debit: str
    credit: str


class Stock(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The account of each pool."""

    sellable: str
    damaged: str

    def of(self, pool: str) -> str:
        """The account of a pool."""
        return self.sellable if pool == "sellable" else self.damaged


class Accounts(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """
    What the operator chose.

    Way A books every movement as it happens. In way B ``purchases`` takes the place of stock, and stock changes at the
    end of a month.
    """

    way: Literal["A", "B"]
    stock: Stock
    entries: dict[str, Entry]
    purchases: str | None = None


class Rule(msgspec.Struct, frozen=True):
    """How a kind is booked for pieces of a pool. Its entry is written for what raises stock, or for what lowers it."""

    kind: str
    pool: str
    debit_account: str
    credit_account: str
    raises_stock: bool
    stock_account: str


def read(policy_dir: Path) -> Accounts | None:
    """
    The accounts of the folder; None, and nothing is booked, when it has no ``accounts.yml``.

    Raises ConfigError naming file, line and field: a kind that is missing, unknown or written twice, an entry whose
    stock stands on the wrong side or not at all, an account of stock that another entry names too.
    """
    if not (policy_dir / FILE).exists():
        return None
    file = PolicyFile(policy_dir / FILE)
    accounts = file.read(Accounts)
    wrong = [str(refusal) for refusal in _refusals(file, accounts)]
    if wrong:
        raise ConfigError(*wrong)
    return accounts


def rules(accounts: Accounts) -> Iterator[Rule]:
    """Every entry that is booked, with its accounts; one with the same account on both sides is not."""
    for pool in POOLS:
        stock = accounts.stock.of(pool)
        bearing = accounts.purchases or stock
        for kind in KINDS:
            entry = accounts.entries[kind]
            debit, credit = (bearing if side == STOCK else side for side in (entry.debit, entry.credit))
            if debit != credit:
                yield Rule(kind, pool, debit, credit, kind in RAISING, stock)
        if accounts.purchases:
            yield Rule(CHANGE_OF_STOCK, pool, stock, accounts.purchases, True, stock)


def _refusals(file: PolicyFile, accounts: Accounts) -> Iterator[ConfigError]:
    stock = {accounts.stock.sellable, accounts.stock.damaged}
    for pool in POOLS:
        if accounts.stock.of(pool) == STOCK:
            yield file.refusal(("stock", pool), f"expected an account, got {STOCK!r}")
    if accounts.way == "B" and accounts.purchases is None:
        yield file.refusal((), "way B needs purchases, the account that bears what is bought until the end of a month")
    if accounts.way == "A" and accounts.purchases is not None:
        yield file.refusal(("purchases",), "it is an account of way B only")
    if accounts.purchases in (STOCK, *stock):
        yield file.refusal(("purchases",), f"expected an account that is none of stock, got {accounts.purchases!r}")
    for kind in KINDS:
        if kind not in accounts.entries:
            yield file.refusal(("entries",), f"kind {kind} is missing")
    for kind, entry in accounts.entries.items():
        if kind not in KINDS:
            yield file.refusal(("entries", kind), f"unknown kind, expected one of {', '.join(KINDS)}")
            continue
        for side, account, kinds in (("debit", entry.debit, RAISING), ("credit", entry.credit, LOWERING)):
            if kind in kinds and account != STOCK:
                yield file.refusal(("entries", kind, side), f"expected {STOCK}, got {account!r}")
            elif kind not in kinds and account in (STOCK, *stock):
                yield file.refusal(
                    ("entries", kind, side), f"expected an account that is none of stock, got {account!r}"
                )
