"""`stockbook forget` from a shell: what it takes, and what it refuses before it looks at a home."""

from pathlib import Path

import pytest
from night_rig import KEY
from typer.testing import CliRunner

from stockbook.cli.main import app
from stockbook.errors import ConfigError
from stockbook.projection.erasures import FILE

EMAIL = "anna@example.com"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home."""
    monkeypatch.setenv("STOCKBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STOCKBOOK_HASH_KEY", KEY)
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("words", "typed", "message"),
    [
        (["--email", EMAIL], "", "never given on the command line"),
        ([], EMAIL, "Expected one of --email"),
        (["--email", "--phone"], EMAIL, "Expected one of --email"),
        (["--email", "--file", "nowhere.txt"], "", "could not be read"),
        (["--email"], "", "Expected a value a line"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: list[str], typed: str, message: str, home: Path) -> None:
    """Nobody is put on the list, and no message tells who was named."""
    result = CliRunner().invoke(app, ["forget", *words], input=typed)

    assert isinstance(result.exception, ConfigError)
    assert message in str(result.exception)
    assert EMAIL not in str(result.exception) + result.output
    assert not (home / FILE).exists()


def test_values_come_from_standard_input_or_a_file(home: Path, tmp_path: Path) -> None:
    """The answer tells how many, and not who."""
    (tmp_path / "phones.txt").write_text("+420 707 912 345\n")
    mailed = CliRunner().invoke(app, ["forget", "--email"], input=f"{EMAIL}\nben@example.com\n")
    phoned = CliRunner().invoke(app, ["forget", "--phone", "--file", str(tmp_path / "phones.txt")])

    assert (mailed.exit_code, phoned.exit_code) == (0, 0)
    assert "2 named, 2 of them new on the list" in mailed.output
    assert "known only of orders without an e-mail address" in phoned.output
    assert "example" not in mailed.output
    assert "707" not in phoned.output
    assert (home / FILE).exists()
