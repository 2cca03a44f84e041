"""What the last release promised still holds, or the changelog says what does not."""

import re
from collections.abc import Iterable

import pytest
from checkout import PROJECT

from stockbook.contracts.difference import Change, changes
from stockbook.contracts.published import contract
from stockbook.contracts.read import read
from stockbook.declarations import Table
from stockbook.version import VERSION
from stockbook.warehouse.migrations import FORMAT

# of the writer's file, by release
FORMATS = {"0.2.0": 2}
FOLDER = PROJECT / "docs" / "contracts"
CHANGELOG = (PROJECT / "CHANGELOG.md").read_text()


def numbers(version: str) -> tuple[int, ...]:
    """A version as it is ordered."""
    return tuple(int(part) for part in version.split("."))


def major(version: str) -> tuple[int, ...]:
    """What has to rise when something breaks: the first number, of 0.x the second."""
    first, second, *_ = numbers(version)
    return (first,) if first else (first, second)


def untold(broken: Iterable[Change], notes: str, reworded: Iterable[str], release: str, version: str) -> list[str]:
    """What has to be done about changes that break, in sentences; ``notes`` are the changelog's since the release."""
    entries = [re.findall(r"\w+", entry) for entry in re.split(r"^- ", notes, flags=re.MULTILINE)]
    needed = []
    is_larger = version == release or major(version) > major(release)
    for change in broken:
        words = set(change.where.split(".")[1:])
        if change.kind == "meaning changed" and change.where in reworded:
            continue
        if not any(words <= set(entry) for entry in entries):
            also = ", or in docs/contracts/reworded.txt" if change.kind == "meaning changed" else ""
            needed.append(f"{change.kind}: name {' and '.join(sorted(words))} in one entry of CHANGELOG.md{also}")
        if not is_larger:
            needed.append(f"{change.kind}: {change.where} wants a new major version after {release}, not {version}")
    return needed


@pytest.mark.parametrize(
    ("notes", "reworded", "version", "needed"),
    [
        ("- `city` of `orders` is gone.", [], "0.2.0", 0),
        ("- `city` of `orders` is gone.", [], "0.3.0", 0),
        ("- `city` of `orders` is gone.", [], "0.2.1", 1),
        ("- `city` is gone.\n- `orders` are others.", [], "0.2.0", 1),
        ("- Nothing.", ["staging.orders.city"], "0.2.0", 1),
    ],
)
def test_what_breaks_wants_an_entry_and_a_version(notes: str, reworded: list[str], version: str, needed: int) -> None:
    """One entry that names table and column, and a larger first number; words alone excuse nothing that is gone."""
    gone = Change("column gone", "staging.orders.city", True, "")

    assert len(untold([gone], notes, reworded, "0.2.0", version)) == needed


def test_what_breaks_the_last_release_is_told(tables: dict[str, Table]) -> None:
    """The contract of the newest release against this version's; what was only reworded is listed as that."""
    release = max((file.stem for file in FOLDER.glob("*.yml")), key=numbers)
    notes = CHANGELOG.split("## Unreleased")[1].split(f"\n## {release}")[0]
    reworded = (FOLDER / "reworded.txt").read_text().split()
    broken = [change for change in changes(read(FOLDER / f"{release}.yml"), contract(tables)) if change.is_breaking]

    assert f"\n## {release} " in CHANGELOG
    assert untold(broken, notes, reworded, release, VERSION) == []
    # a line that excuses nothing would excuse the next
    assert sorted(set(reworded) - {change.where for change in broken if change.kind == "meaning changed"}) == []


def test_a_release_refuses_a_file_that_it_cannot_write(tables: dict[str, Table]) -> None:
    """Where staging or meta have another shape than its own, the format is a later one: a night of it would stop."""
    release = max((file.stem for file in FOLDER.glob("*.yml")), key=numbers)
    between = changes(read(FOLDER / f"{release}.yml"), contract(tables))
    shapes = [
        change.where
        for change in between
        if change.where.startswith(("staging.", "meta.")) and change.kind.startswith(("table ", "column "))
    ]

    assert FORMATS[release] < FORMAT if shapes else FORMATS[release] == FORMAT


def test_every_release_of_the_changelog_from_0_2_0_has_its_contract() -> None:
    """A release without one could not be compared with."""
    released = re.findall(r"^## (\d+\.\d+\.\d+) ", CHANGELOG, re.MULTILINE)

    assert "0.2.0" in released
    assert [
        version for version in released if numbers(version) >= (0, 2, 0) and not (FOLDER / f"{version}.yml").exists()
    ] == []
