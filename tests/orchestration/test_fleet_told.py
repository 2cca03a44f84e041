"""What a fleet's DAG tells other tools: which accounts of a night the lake has, and where the columns came from."""

import re
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import quick_night
from checkout import PROJECT
from fleet_rig import databases, variables
from test_published_assets import Outlets

from stockbook.errors import CheckFailed
from stockbook.fleet.in_lake import RunInLake
from stockbook.night import steps
from stockbook.night.tonight import Night
from stockbook.orchestration.published_assets import WHOLE, tell_of_fleet
from stockbook.runs import context as runs
from stockbook.runs.step_log import ListingDone, recorded

pytest.importorskip("duckdb_extension_ducklake", reason="DuckDB's extensions are not installed: stockbook[fleet]")
STOCK = "stockbook://published/stock"


class RedRun(NamedTuple):
    """A run of which the account main is published and red is not, and what the provider of OpenLineage was told."""

    outlets: Outlets
    lineage: list[dict[str, Any]]


@pytest.fixture(scope="module")
def red_run(server: str, tmp_path_factory: pytest.TempPathFactory) -> RedRun:
    """The DAG's tasks in their order, over nights that take no time; what is loaded of red is refused."""
    from airflow.sdk.exceptions import AirflowFailException

    from stockbook.orchestration import fleet_steps

    folder = tmp_path_factory.mktemp("told")
    (folder / "accounts.yml").write_text("accounts: {main: {}, red: {}}\n")
    outlets, lineage = Outlets(WHOLE, STOCK), list[dict[str, Any]]()
    context = {
        "dag_run": SimpleNamespace(run_id="the night"),
        "params": {"as_of": "2026-03-01T02:15:00"},
        "task": SimpleNamespace(outlets=outlets.assets),
        "outlet_events": outlets,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, text in variables(folder, f"file://{folder}/store", *databases(server, "told", "told_lake")).items():
            patch.setenv(name, text)
        patch.setenv("STOCKBOOK_ACCOUNTS", f"file:{folder / 'accounts.yml'}")
        patch.setenv("STOCKBOOK_MODELS_DIR", str(quick_night.models(folder / "models")))
        quick_night.use(patch.setattr)
        patch.setattr(steps, "load", _load)
        if find_spec("airflow.providers.openlineage") is not None:
            from airflow.providers.openlineage import api

            patch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", '{"type": "console"}')
            patch.setattr(api, "is_openlineage_active", lambda: True)
            patch.setattr(api, "emit_dataset_lineage", lambda **datasets: lineage.append(datasets))
        for account in fleet_steps.accounts(context):
            fleet_steps.open_night(context, account)
            fleet_steps.extract(context, account)
            if account == "main":
                fleet_steps.books(context, account)
            else:
                with pytest.raises(AirflowFailException, match="It does not hold"):
                    fleet_steps.books(context, account)
        with pytest.raises(AirflowFailException, match="1 of 2 accounts published; red: red"):
            fleet_steps.summary(context)
        fleet_steps.published(context)
    return RedRun(outlets, lineage)


def _load(night: Night, run_id: str) -> None:
    if night.events_of == "red":
        raise CheckFailed("It does not hold.")
    quick_night.load(night, run_id)
    with recorded(runs.folder(night.settings, run_id), "load", night.clock) as done:
        done.listings = [ListingDone("main", "fulfillment_cz", "orders", 9, 9, "", 1, 1, 1, 1.0, 2, 1, 6, 1)]


@pytest.mark.airflow
def test_who_waits_is_told_of_all_accounts_at_once(red_run: RedRun) -> None:
    """One event of the run when its nights have ended: who is published, by their day, and who is red."""
    assert red_run.outlets.events[STOCK].keys == ["2026-03-01"]
    assert red_run.outlets.events[WHOLE].keys == []
    assert red_run.outlets.events[WHOLE].extra == red_run.outlets.events[STOCK].extra == {
        "day": "2026-03-01",
        "as_of": "2026-03-01T02:15:00",
        "run_id": "the-night",
        "rows_changed": 2 + 1 + 1,
        "accounts": {"2026-03-01": ["main"]},
        "red": ["red"],
    }  # fmt: skip


@pytest.mark.airflow
# what Airflow's provider needs: to look for the provider imports Airflow, for whoever collects tests
@pytest.mark.skipif(find_spec("openlineage") is None, reason="the extra openlineage is not installed")
def test_books_tell_what_they_read_and_what_the_lake_gets(red_run: RedRun) -> None:
    """An account's books tell of its file, and of the lake that is made of that file; a red one's tell nothing."""
    outputs = [output for each in red_run.lineage for output in each["outputs"]]
    facets = {output.name: output.facets for output in outputs}
    table = quick_night.TABLE
    assert sorted(output.name for output in outputs) == sorted(
        ["warehouse.staging.quarantine", "lake.staging.quarantine", f"lake.{table}"]
    )
    fields = facets[f"lake.{table}"]["columnLineage"].fields
    assert {name: [(of.name, of.field) for of in each.inputFields] for name, each in fields.items()} == {
        name: [(f"warehouse.{table}", name)] for name in ("account", "night")
    }
    # a table without accounts has them in a lake
    assert [field.name for field in facets["lake.staging.quarantine"]["schema"].fields].count("account") == 1


def test_a_run_over_midnight_has_a_partition_for_each_day() -> None:
    """The nights of a run may be of several days: who waits for one finds its accounts; all green names nobody red."""
    outlets = Outlets(WHOLE, STOCK)
    published = {"tokyo": datetime(2026, 3, 2, 0, 15), "main": datetime(2026, 3, 1, 23, 50)}

    context = {"task": SimpleNamespace(outlets=outlets.assets), "outlet_events": outlets}
    tell_of_fleet(context, RunInLake("r", published, [], 0))

    assert outlets.events[STOCK].keys == ["2026-03-01", "2026-03-02"]
    assert outlets.events[WHOLE].keys == []
    assert outlets.events[STOCK].extra == {
        "day": "2026-03-02",
        "as_of": "2026-03-02T00:15:00",
        "run_id": "r",
        "rows_changed": 0,
        "accounts": {"2026-03-01": ["main"], "2026-03-02": ["tokyo"]},
        "red": [],
    }


def test_both_dags_tell_by_the_same_names() -> None:
    """Who waits for a night need not know whether it is of a fleet: both DAGs declare the assets alike, at one task."""
    of_asset = re.compile(r"^PUBLISHED = Asset\(.*?^\]$", re.MULTILINE | re.DOTALL)
    of_task = re.compile(r"outlets=\[PUBLISHED, \*SUBJECTS\].*?\n    def (\w+)")
    dags = [Path(PROJECT, "dags", name).read_text() for name in ("nightly.py", "fleet_nightly.py")]
    of_one, of_fleet = (re.sub(r"\n#.*", "", "".join(of_asset.findall(dag))) for dag in dags)
    assert "stockbook://published/{subject}" in of_one
    assert of_one == of_fleet
    assert [of_task.findall(dag) for dag in dags] == [["publish"], ["published"]]
