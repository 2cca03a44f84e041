"""Files that no person would write: each is refused by a sentence, and none ends the process."""

import re
from pathlib import Path

import pytest
from checkout import PROJECT

from stockbook import extra_folder, yaml_file
from stockbook.contracts.read import read as read_contract
from stockbook.errors import ConfigError
from stockbook.policy_file import PolicyFile
from stockbook.yaml_file import LARGEST

MODELS = PROJECT / "include" / "sql"
# the stack of a process ends behind some ten thousand levels of the loader in C
TOO_DEEP = ("[" * 30_000, "- " * 30_000, "{a: " * 30_000, "? " * 30_000, "a: &a [*a, " + "[" * 30_000)
ODD = {
    **dict.fromkeys(TOO_DEEP, "too deep to be read: at most 100 levels are"),
    "table: 2026-13-45": "month must be in 1..12",
    "table: caf\xe9": "must be text in UTF-8",
}


@pytest.mark.parametrize("text", ODD, ids=lambda text: text[:8])
def test_an_odd_file_is_a_sentence_wherever_files_are_read(text: str, tmp_path: Path) -> None:
    """Declarations and shared texts of an own folder, contracts; policies are read by a loader of their own."""
    sql = tmp_path / "sql"
    sql.mkdir()
    (sql / "columns.yml").write_bytes(text.encode("latin-1"))
    (sql / "odd.yml").write_bytes(text.encode("latin-1"))

    text_by_file = {problem.file: problem.text for problem in extra_folder.read(tmp_path, MODELS).problems}

    said = re.escape(ODD[text])
    assert re.search(said, text_by_file["sql/columns.yml"])
    assert "sql/odd.yml" in text_by_file
    with pytest.raises(ConfigError, match=said):
        read_contract(sql / "odd.yml")
    if text in TOO_DEEP:
        with pytest.raises(ConfigError, match=rf"odd.yml line 1 cannot be read as YAML: it is {said}"):
            PolicyFile(sql / "odd.yml")


def chained(written: str) -> str:
    """Nine anchors of which each names the one before ten times."""
    lines = [f"&a{at} " + written % ", ".join([f"*a{at - 1}"] * 10) for at in range(1, 9)]
    return "a0: &a0 {x: 1}\n" + "".join(f"a{at}: {line}\n" for at, line in enumerate(lines, start=1))


# an anchor on each level, its alias a level deeper than the text ever is
DEEP = "".join(f"a{at}: &a{at} [*a{at - 1}]\n" for at in range(1, 200)).replace("[*a0]", "[x]")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (chained("[%s]"), "with its aliases it holds more than 1,000,000 values"),
        (chained("{<<: [%s]}"), "more than 1,000,000 values"),
        (DEEP, "with its aliases it is too deep to be read: at most 100 levels are"),
        ("a: &a [1, *a]", "an alias names what it stands in, which has no end"),
        ("&a {a: {b: *a}}", "an alias names what it stands in, which has no end"),
    ],
    ids=["lists", "merged", "deep", "endless", "endless root"],
)
def test_an_alias_counts_as_what_it_stands_for(text: str, said: str, tmp_path: Path) -> None:
    """A file of some lines cannot fill the memory, whoever reads it."""
    file = tmp_path / "odd.yml"
    file.write_text(text)
    for read in (PolicyFile, read_contract):
        with pytest.raises(ConfigError, match=said):
            read(file)


def test_a_plain_alias_is_read(tmp_path: Path) -> None:
    """As people write them: named twice, and merged."""
    file = tmp_path / "plain.yml"
    file.write_text("a: &a {x: 1}\nb: [*a, *a]\nc: {<<: *a, y: 2}\n")
    assert yaml_file.read(file) == {"a": {"x": 1}, "b": [{"x": 1}, {"x": 1}], "c": {"x": 1, "y": 2}}


def test_an_odd_file_is_refused_by_its_size(tmp_path: Path) -> None:
    """Nothing of it is read."""
    file = tmp_path / "odd.yml"
    with file.open("wb") as written:
        written.truncate(LARGEST + 1)
    for read in (PolicyFile, read_contract):
        with pytest.raises(ConfigError, match="has 16,777,217 bytes; at most 16,777,216 are read"):
            read(file)


def test_every_file_is_read_by_the_one_loader() -> None:
    """A loader of PyYAML's own, or msgspec's over it, knows no bounds."""
    package = Path(extra_folder.__file__).parent
    loads = re.compile(r"yaml\.(safe_|full_|unsafe_)?load|yaml\.decode")

    assert {file.name for file in package.rglob("*.py") if loads.search(file.read_text())} == {"yaml_file.py"}
