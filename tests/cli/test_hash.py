"""`stockbook hash`: the hashes of the books, of a column from outside."""

import hmac
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stockbook.cli.main import app
from stockbook.errors import ConfigError

KEY = "a key of at least sixteen"


def hashed(text: str) -> str:
    return hmac.digest(KEY.encode(), text.encode(), "sha256").hex()


def asked(home: Path, kind: str, column: str, key: str = KEY) -> list[str]:
    """The lines that come out for those that go in."""
    environ = {"STOCKBOOK_HOME": str(home), "STOCKBOOK_HASH_KEY": key, "AIRFLOW_HOME": str(home / "none")}
    result = CliRunner().invoke(app, ["hash", kind], input=column, env=environ)
    if isinstance(result.exception, ConfigError):
        raise result.exception
    return result.output.splitlines()


def test_a_column_of_a_bank_statement_gives_the_keys_of_orders(tmp_path: Path) -> None:
    """Symbols are hashed by their digits, line by line; what has none stays an empty line, so that rows still match."""
    assert asked(tmp_path, "payment_key", "0000123\n\nVS 12 3\nfee\n") == [hashed("123"), "", hashed("123"), ""]


def test_other_texts_are_hashed_as_the_listings_hash_them(tmp_path: Path) -> None:
    """An address or a tracking number is trimmed and in small letters before it is hashed."""
    assert asked(tmp_path, "text", " Jan@Example.com \r\nDR07\n") == [hashed("jan@example.com"), hashed("dr07")]


def test_without_the_key_nothing_is_hashed(tmp_path: Path) -> None:
    """Hashes of another key would match nobody: the command says which setting is missing."""
    with pytest.raises(ConfigError, match="STOCKBOOK_HASH_KEY"):
        asked(tmp_path, "text", "a\n", key="")
