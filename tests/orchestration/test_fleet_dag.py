"""The fleet's DAG under real Airflow: dag.test() over three accounts, with PostgreSQL and a store in a folder."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleet_rig import connections, databases
from fleet_rig import variables as fleet_variables
from night_rig import hashes
from shared_home import FIRST, small_shop

from stockbook.clock import SystemClock
from stockbook.fleet.work import Fleet
from stockbook.orchestration.home import environment, prepare
from stockbook.places import of_this_machine
from stockbook.progress import Silent
from stockbook_sandbox import running

pytestmark = [pytest.mark.slow, pytest.mark.airflow]

NIGHT = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
run = DagBag().dags["stockbook_fleet_nightly"].test(run_conf={"as_of": sys.argv[1]})
tasks = {f"{t.task_id} {t.rendered_map_index or ''}".strip(): str(t.state) for t in run.get_task_instances()}
print(json.dumps({"run": run.run_id, "state": str(run.state), "tasks": tasks}))
"""


@pytest.fixture(scope="module")
def variables(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A worker of a fleet with two accounts of the small shop, and one whose token is refused."""
    folder = tmp_path_factory.mktemp("fleet")
    prepare(folder / "airflow")
    with running(small_shop(), FIRST) as sandbox:
        yield (
            environment(folder / "airflow")
            | connections(sandbox, "other", "red")
            | fleet_variables(folder, f"file://{folder}/store", *databases(server, "dag", "dag_lake"))
            | {"STOCKBOOK_SCHEDULE": "none"}
        )


def test_a_red_account_makes_the_run_red_and_no_other_account(
    variables: dict[str, str], home_after_a_night: Path
) -> None:
    """
    Two accounts are published, the one with a refused token is named, and the run is red.

    What is published is what one machine makes of the same night, and the lake has both.
    """
    command = [sys.executable, "-c", NIGHT, FIRST.isoformat()]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    ended = json.loads(done.stdout.splitlines()[-1])

    assert ended["state"] == "failed"
    assert ended["tasks"] == {
        "accounts": "success",
        **{f"night.{step} main": "success" for step in ("open_night", "extract", "books")},
        **{f"night.{step} other": "success" for step in ("open_night", "extract", "books")},
        "night.open_night red": "success",
        "night.extract red": "failed",
        # not named by its account, as it never began
        "night.books 2": "upstream_failed",
        "summary": "failed",
    }
    output = done.stdout + done.stderr
    assert "RED, 2 of 3 accounts published; red: red" in output
    assert "RED red  extract: " in output

    places = of_this_machine(variables)
    fleet = Fleet.load(SystemClock(), Silent(), places.look_up, places.conn_ids, variables)
    assert {name: run.as_of for name, run in fleet.lake.all_published().items()} == {"main": FIRST, "other": FIRST}
    assert fleet.control.run().status == "red"
    file = Path(variables["STOCKBOOK_SCRATCH"], "main", "published", "warehouse.duckdb")
    for schema in ("staging", "marts"):
        without = ("_loaded_at", "_run_id")
        assert hashes(file, schema, without) == hashes(
            home_after_a_night / "published" / "warehouse.duckdb", schema, without
        )
