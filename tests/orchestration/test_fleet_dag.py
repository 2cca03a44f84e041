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
from stockbook.orchestration.home import COMMANDS, environment, render
from stockbook.places import of_this_machine
from stockbook.progress import Silent
from stockbook_sandbox import running

pytestmark = [pytest.mark.slow, pytest.mark.airflow]

# as `prepare` makes the database, in the process that uses it: Airflow is imported once
NIGHT = """
import json, sys
from airflow.__main__ import main
as_of, commands = sys.argv[1], json.loads(sys.argv[2])
for words in commands:
    sys.argv[1:] = words
    main()
from airflow.dag_processing.dagbag import DagBag
dags = DagBag().dags
ended = {}
said_to = {"stockbook_fleet_nightly": {"as_of": as_of}, "stockbook_close_month": {"month": "2025-10"}}
for name, said in said_to.items():
    run = dags[name].test(run_conf=said)
    tasks = {f"{t.task_id} {t.rendered_map_index or ''}".strip(): str(t.state) for t in run.get_task_instances()}
    ended[name] = {"state": str(run.state), "tasks": tasks}
print(json.dumps(ended))
"""


@pytest.fixture(scope="module")
def variables(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A worker of a fleet with two accounts of the small shop, and one whose token is refused."""
    folder = tmp_path_factory.mktemp("fleet")
    render(folder / "airflow")
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

    What is published is what one machine makes of the same night, and the lake has both. Their month can be closed,
    each for itself, which a dry run looks at.
    """
    command = [sys.executable, "-c", NIGHT, FIRST.isoformat(), json.dumps(COMMANDS)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    both = json.loads(done.stdout.splitlines()[-1])
    ended = both["stockbook_fleet_nightly"]

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
        "published": "success",
    }
    output = done.stdout + done.stderr
    assert "RED, 2 of 3 accounts published; red: red" in output
    assert "RED red  extract: " in output

    places = of_this_machine(variables)
    fleet = Fleet.load(SystemClock(), Silent(), places.look_up, places.conn_ids, variables)
    assert {name: run.as_of for name, run in fleet.lake.all_published().items()} == {"main": FIRST, "other": FIRST}
    assert fleet.run_log.run().status == "red"
    file = Path(variables["STOCKBOOK_SCRATCH"], "main", "published", "warehouse.duckdb")
    for schema in ("staging", "marts"):
        without = ("_loaded_at", "_run_id")
        assert hashes(file, schema, without) == hashes(
            home_after_a_night / "published" / "warehouse.duckdb", schema, without
        )

    assert both["stockbook_close_month"]["tasks"] == {
        "accounts": "success",
        "close main": "success",
        "close other": "success",
        "close red": "failed",
    }
    assert output.count("Nothing was signed: this was a dry run.") >= 2
    assert "No night of account red was published yet: run one, then close." in output
