"""A task tells what it moved through Airflow's provider of OpenLineage, where that is installed and sends somewhere."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from stockbook.clock import SystemClock
from stockbook.orchestration import openlineage
from stockbook.progress import Silent
from stockbook.runs import context as runs
from stockbook.runs.step_log import recorded
from stockbook.settings import Settings


class Notes(Silent):
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home in which run ``r`` built two models and a program."""
    monkeypatch.setenv("STOCKBOOK_HOME", str(tmp_path))
    settings = Settings.load()
    with recorded(runs.folder(settings, "r"), "build", SystemClock()) as done:
        done.models = {"marts.fct_order": 0.1, "program posting": 0.1}
    return settings


def test_nothing_is_imported_without_the_provider(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the provider nor the lineage."""
    monkeypatch.setattr(openlineage, "find_spec", lambda name: None)
    for name in [name for name in sys.modules if name.startswith(("openlineage", "stockbook.lineage"))]:
        monkeypatch.delitem(sys.modules, name)
    notes = Notes()
    openlineage.tell("build", settings, notes, "r")
    assert [name for name in sys.modules if name.startswith(("openlineage", "stockbook.lineage"))] == []
    assert notes.texts == []


@pytest.mark.slow
@pytest.mark.airflow
@pytest.mark.skipif(find_spec("openlineage") is None, reason="the extra openlineage is not installed")
def test_a_build_tells_the_models_it_built(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the facets that an export has, and nothing where the provider sends nowhere; a failure is a warning."""
    from airflow.providers.openlineage import api
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
    from openlineage.client.serde import Serde

    from stockbook import declaration_files
    from stockbook.lineage import graph
    from stockbook.lineage import openlineage as lineage

    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(api, "emit_dataset_lineage", lambda **datasets: calls.append(datasets))
    monkeypatch.setattr(api, "is_openlineage_active", lambda: True)
    notes = Notes()
    openlineage.tell("build", settings, notes, "r")
    assert calls == []

    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", '{"type": "console"}')
    openlineage.tell("build", settings, notes, "r")
    run = Run("01a21e33-b12e-753e-85e4-c3d439eabea8")
    event = RunEvent(
        job=Job("n", "j"), run=run, eventTime="2026-03-01T02:15:00Z", eventType=RunState.RUNNING, **calls[0]
    )
    sent = json.loads(Serde.to_json(event))
    assert [output["name"] for output in sent["outputs"]] == [
        "warehouse.marts.dim_posting_rule",
        "warehouse.marts.fct_order",
    ]
    tables = declaration_files.load(settings.models_dir)
    namespace = sent["outputs"][0]["namespace"]
    job = lineage.job("build", graph.load(settings.models_dir, tables), tables, namespace, ["marts.fct_order"])
    sent_of, facets_of = sent["outputs"][1]["facets"], job.outputs["warehouse.marts.fct_order"]
    for part in ("fields", "dataset"):
        assert sent_of["columnLineage"][part] == facets_of["columnLineage"][part]
    names = [[field["name"] for field in facets["schema"]["fields"]] for facets in (sent_of, facets_of)]
    assert names[0] == names[1]
    assert notes.texts == []

    def refuses(**_: Any) -> None:
        raise ConnectionError("http://secret@host")

    monkeypatch.setattr(api, "emit_dataset_lineage", refuses)
    openlineage.tell("publish", settings, notes, "r")
    assert notes.texts == ["warning: OpenLineage could not be told of publish (ConnectionError)."]
