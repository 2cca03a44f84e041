"""The accounts of the journal as an operator writes them: what is right is read, what is wrong is named."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import PROJECT

from stockbook.closing import accounts
from stockbook.errors import ConfigError

POLICY = PROJECT / "include" / "policy"
SHIPPED = (POLICY / accounts.FILE, *sorted((POLICY / "examples").glob("accounts_*.yml")))
WAY_A = yaml.safe_load(SHIPPED[0].read_text())
ONCE = "  find: {debit: stock, credit: '648'}\n"


def written(folder: Path, content: Any) -> Path:
    """A policy folder with this file of accounts."""
    text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    (folder / accounts.FILE).write_text(text)
    return folder


def with_entry(kind: str, **entry: str) -> dict[str, Any]:
    """The shipped file with another entry."""
    return WAY_A | {"entries": WAY_A["entries"] | {kind: entry}}


@pytest.mark.parametrize("file", SHIPPED, ids=[file.stem for file in SHIPPED])
def test_every_file_that_ships_can_be_the_file_of_accounts(tmp_path: Path, file: Path) -> None:
    """The shipped one and each example books every kind, or has the same account on both sides of it in way B."""
    chosen = accounts.read(written(tmp_path, file.read_text()))

    assert chosen is not None
    booked = {rule.kind for rule in accounts.rules(chosen)}
    if chosen.way == "A":
        assert booked == set(accounts.KINDS)
    else:
        assert set(accounts.KINDS) - booked == {
            kind
            for kind, entry in chosen.entries.items()
            if {entry.debit, entry.credit} == {accounts.STOCK, chosen.purchases}
        }
        assert accounts.CHANGE_OF_STOCK in booked


def test_a_name_is_one_however_it_is_typed(tmp_path: Path) -> None:
    """Between quotes too blanks are no part of an account's name, and an accent is part of its letter."""
    stock = {"sellable": "sklad zboží\u00a0", "damaged": " sklad zboz\u030ci\u0301"}
    spelled = WAY_A | {"stock": stock}
    chosen = accounts.read(written(tmp_path, yaml.safe_dump(spelled, allow_unicode=True)))

    assert chosen is not None
    assert chosen.stock.sellable == chosen.stock.damaged == "sklad zboží"


def test_without_a_file_nothing_is_booked(tmp_path: Path) -> None:
    """A folder of policies from before has none."""
    assert accounts.read(tmp_path) is None


def test_way_b_puts_purchases_in_the_place_of_stock(tmp_path: Path) -> None:
    """A receipt is an expense at once, a dispatch is not booked, and the month's end books the difference."""
    chosen = accounts.read(written(tmp_path, (POLICY / "examples" / "accounts_czech_b.yml").read_text()))

    assert chosen is not None
    sellable = {rule.kind: (rule.debit_account, rule.credit_account) for rule in accounts.rules(chosen)}
    assert sellable["receipt"] == ("504", "321")
    assert sellable["damage"] == ("549", "504")
    assert sellable["change_of_stock"] == ("132", "504")
    assert "cost_of_goods" not in sellable


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            WAY_A | {"entries": {kind: entry for kind, entry in WAY_A["entries"].items() if kind != "damage"}},
            "accounts.yml line 6, entries: kind damage is missing.",
        ),
        (with_entry("gift", debit="543", credit="stock"), "entries.gift: unknown kind, expected one of receipt, "),
        (
            yaml.safe_dump(WAY_A, sort_keys=False) + ONCE,
            "entries.find: it is written twice in one place; only one can be meant.",
        ),
        (with_entry("receipt", debit="132", credit="131"), "entries.receipt.debit: expected stock, got '132'."),
        (with_entry("damage", debit="549", credit="132"), "entries.damage.credit: expected stock, got '132'."),
        (
            with_entry("transformation", debit="stock", credit="132"),
            "entries.transformation.credit: expected an account that is none of stock, got '132'.",
        ),
        (
            with_entry("write_down", debit="559", credit="stock"),
            "entries.write_down.credit: expected an account that is none of stock, got 'stock'.",
        ),
        (with_entry("find", debit="stock"), "entries.find: field credit is missing."),
        (with_entry("find", debit="stock", credit=""), "entries.find: field credit is missing."),
        (WAY_A | {"way": "B"}, "top level: way B needs purchases, the account that bears"),
        (WAY_A | {"purchases": "504"}, "purchases: it is an account of way B only."),
        (
            WAY_A | {"way": "B", "purchases": "132"},
            "purchases: expected an account that is none of stock, got '132'.",
        ),
        (WAY_A | {"stock": {"sellable": "stock", "damaged": "132"}}, "stock.sellable: expected an account, got"),
        (WAY_A | {"way": "C"}, "way: expected one of A, B, got 'C'."),
    ],
)
def test_what_is_missing_doubled_unknown_or_on_the_wrong_side_is_named(tmp_path: Path, content: Any, said: str) -> None:
    """One sentence for each, with file, line and field."""
    with pytest.raises(ConfigError) as raised:
        accounts.read(written(tmp_path, content))

    assert len(raised.value.problems) == 1
    assert said in str(raised.value)
    assert str(raised.value).startswith("accounts.yml line ")
