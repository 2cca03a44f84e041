"""docs/sla.md shows what the models really make of its orders, and examples that are really read."""

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from checkout import PROJECT

from stockbook.alerts import rules
from stockbook.declarations import Table
from stockbook.sla import program

DOCUMENT = (PROJECT / "docs" / "sla.md").read_text()
EXAMPLES = re.findall(r"```yaml\n# (\w+\.yml)\n(.*?)```", DOCUMENT, re.DOTALL)
POLICY = PROJECT / "include" / "policy"


def timelines() -> ModuleType:
    """The script that draws, as a module."""
    if "timelines" not in sys.modules:
        spec = importlib.util.spec_from_file_location("timelines", PROJECT / "docs" / "timelines.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["timelines"] = module
        spec.loader.exec_module(module)
    return sys.modules["timelines"]


@pytest.mark.parametrize("name", ["cancelled", "cutoff", "hold", "weekend"])
def test_a_picture_is_what_the_models_say_today(name: str) -> None:
    """Drawn again from the orders, it is the committed file; run docs/timelines.py when it is not."""
    drawn = timelines().draw(name)

    assert drawn == (PROJECT / "docs" / "pictures" / f"{name}.svg").read_text()
    assert f"pictures/{name}.svg" in DOCUMENT


def test_every_picture_is_tested() -> None:
    """None is drawn or committed that the test above does not compare."""
    assert sorted(timelines().DRAWN) == ["cancelled", "cutoff", "hold", "weekend"]
    assert sorted(file.stem for file in (PROJECT / "docs" / "pictures").glob("*.svg")) == sorted(timelines().DRAWN)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_is_a_valid_file(tmp_path: Path, number: int) -> None:
    """In place of the project's own file it is read without complaint."""
    name, text = EXAMPLES[number]
    for file in POLICY.glob("*.yml"):
        shutil.copy(file, tmp_path / file.name)
    (tmp_path / name).write_text(text)

    policies = program.read(tmp_path)
    alerts = rules.read(tmp_path)

    read: dict[str, Any] = {
        "sla.yml": policies.rules,
        "calendar.yml": policies.calendars,
        "statuses.yml": policies.statuses,
        "alerts.yml": alerts,
    }
    assert len(read[name]) == len(
        re.findall(r"- (?:\{(?:rule|source_status|delivery_id|account)|version:|calendar:)", text)
    )


def test_every_policy_file_has_an_example() -> None:
    """Each of the four is shown; no example is of a file that is not read."""
    assert {name for name, _ in EXAMPLES} == {"sla.yml", "calendar.yml", "statuses.yml", "alerts.yml"}
    assert len(EXAMPLES) == DOCUMENT.count("```yaml")


def test_every_measure_and_report_is_listed(tables: dict[str, Table]) -> None:
    """The document names all measures a rule can have; reports are named here or with the stock."""
    named = set(re.findall(r"`(\w+)`", DOCUMENT))
    elsewhere = set(re.findall(r"`(?:reports\.)?(\w+)`", (PROJECT / "docs" / "valuation.md").read_text()))
    reports = {table.table for table in tables.values() if table.layer == "reports" and table.owner == "operations"}

    assert set(rules.Measure.__args__) - named == set()  # type: ignore[attr-defined]  # the names of a Literal
    assert len(reports) > 15
    assert reports - named - elsewhere == set()
