"""Every command's ``--help`` has an example that it understands, and names a page that is there."""

import inspect
import re
import shlex
from datetime import timedelta

import pytest
import typer
from checkout import PROJECT
from typer.testing import CliRunner

from stockbook.cli.demo import NIGHTS_BEFORE_LAST
from stockbook.cli.help_pages import PAGES, listed
from stockbook.cli.main import app
from stockbook_sandbox import Shop

EXAMPLES = [(words, example) for words, page in PAGES.items() for example in page.examples]


def test_every_command_has_a_page_and_every_page_a_command() -> None:
    """Who adds a command writes its page; a group needs no example, since its commands have theirs."""
    commands = dict(listed(app))

    assert commands.keys() == PAGES.keys()
    groups = {words.rpartition(" ")[0] for words in commands}
    assert [words for words, page in PAGES.items() if not page.examples and words not in groups] == []


@pytest.mark.parametrize(("words", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_an_example_is_understood(words: str, example: str) -> None:
    """Its command is the one whose page it stands on, and takes its options and arguments."""
    typed = shlex.split(example.partition(" > ")[0])
    typed = typed[typed.index("stockbook") + 1 :]
    assert typed[: len(words.split())] == words.split()

    command = typer.main.get_command(app)
    for word in words.split():
        command = command.commands[word]  # type: ignore[attr-defined]
    with command.make_context(words, typed[len(words.split()) :]):
        pass


def test_what_is_to_be_read_is_there() -> None:
    """A page, and its heading where one is named."""
    for page in PAGES.values():
        path, _, heading = page.read.removesuffix(")").partition(" (")
        text = (PROJECT / path).read_text()
        assert not heading or re.search(rf"^#+ {re.escape(heading)}$", text, re.MULTILINE), page.read


def test_the_months_of_examples_are_months_of_the_demo() -> None:
    """Who copies a line tries it on the demo: its month has begun there and is over, so that it can be signed too."""
    days = inspect.signature(Shop).parameters
    last_night = days["last"].default + timedelta(days=1) - timedelta(days=min(NIGHTS_BEFORE_LAST))
    pages = "\n".join(file.read_text() for file in [*(PROJECT / "docs").glob("*.md"), PROJECT / "README.md"])
    shown = "\n".join([pages, *(example for _, example in EXAMPLES)])
    months = re.findall(r"stockbook (?:export month|export journal|close) (\d{4}-\d{2})\b", shown)

    assert len(months) > 8
    assert [m for m in months if not f"{days['first'].default:%Y-%m}" <= m < f"{last_night:%Y-%m}"] == []


def test_what_takes_no_value_shows_none() -> None:
    """Behind a flag stands nothing that somebody could try to type, and behind what takes a value its kind."""
    for words, _ in [("", None), *listed(app)]:
        assert "bool" not in CliRunner().invoke(app, [*words.split(), "--help"]).output, words
    assert "<int>" in CliRunner().invoke(app, ["hooks", "serve", "--help"]).output


def test_help_shows_its_examples() -> None:
    """As they are typed, and the groups in the order of a first day."""
    assert "stockbook doctor --try" in CliRunner().invoke(app, ["doctor", "--help"]).output
    whole = CliRunner().invoke(app, ["--help"]).output
    groups = list(dict.fromkeys(page.group for page in PAGES.values()))
    places = [whole.index(group) for group in groups]
    assert places == sorted(places)
