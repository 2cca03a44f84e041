"""The night under real Airflow: the DAG as it is found, dag.test(), and a scheduler told over its REST API."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import hooks_rig as hooks
import psutil
import pytest
import requests
from browser import browser_page, needs_browser
from checkout import PROJECT
from forked import forks
from hooks_rig import Line
from night_rig import KEY, Rig, nights_before
from test_personal_data import HEADERS, PERSON, SECRET, STRAY, findings

from stockbook import airflow_database
from stockbook.cli.demo import differences
from stockbook.clock import SystemClock
from stockbook.export.pack_files import PACKS
from stockbook.inbox import Arrival, Inbox
from stockbook.orchestration.home import environment
from stockbook_sandbox import Running, Shop, running

pytestmark = [pytest.mark.slow, pytest.mark.airflow]

FIRST, SECOND = nights_before(datetime(2025, 11, 20, 2, 15), 2)
SANDBOX = json.dumps({"sandbox": True, "requests_per_second": 0})
# beside the DAGs of this project those of another team
BUNDLES = json.dumps([
    {"name": name, "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": kwargs}
    for name, kwargs in (("dags-folder", {}), ("another-team", {"path": str(PROJECT / "docs" / "examples")}))
])  # fmt: skip
TASKS = ["open_run", "extract", "load_and_check", "build_and_check", "publish", "finish"]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A small shop."""
    with running(Shop.small(seed=9), FIRST) as served:
        yield served


@pytest.fixture(scope="module")
def port() -> int:
    """A free port for the API server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stockbook(variables: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    """A command of ours, in a process of its own."""
    command = [sys.executable, "-m", "stockbook", *words]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def set_up(tmp_path_factory: pytest.TempPathFactory, port: int) -> tuple[Path, list[str]]:
    """An Airflow home as `make setup` makes it, and what it said."""
    home = tmp_path_factory.mktemp("airflow")
    variables = environment(home) | {"STOCKBOOK_HOME": str(home / "stockbook")}
    variables.pop("STOCKBOOK_HASH_KEY", None)
    done = stockbook(variables, "setup", "--port", str(port))
    assert done.returncode == 0, done.stderr[-3000:]
    return home, done.stdout.splitlines()


@pytest.fixture(scope="module")
def airflow_home(set_up: tuple[Path, list[str]]) -> Path:
    """The home."""
    return set_up[0]


@pytest.fixture(scope="module")
def variables(server: Running, airflow_home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of Airflow over the sandbox; nothing starts by itself."""
    rig = Rig(server, tmp_path_factory.mktemp("home") / "home")
    return environment(airflow_home) | rig.environ | {"STOCKBOOK_SCHEDULE": "none"}


@pytest.fixture(scope="module")
def rig(server: Running, variables: dict[str, str]) -> Rig:
    """The same home, to look into."""
    return Rig(server, Path(variables["STOCKBOOK_HOME"]))


def newest_run(rig: Rig) -> Any:
    """The context of the run that was opened last."""
    return json.loads(max((rig.home / "runs").glob("*/run.json"), key=lambda file: file.stat().st_mtime).read_text())


@pytest.fixture(scope="module")
def python(variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """``python(program, variables)``: what a program in an Airflow of its own writes on standard output."""
    folder = tmp_path_factory.mktemp("programs")
    with forks("forked_airflow.py", variables) as ask:

        def run(program: str, environ: dict[str, str] = variables) -> str:
            code = ask(program=program, environ=environ, folder=str(folder))
            output, errors = ((folder / name).read_text() for name in ("stdout", "stderr"))
            assert code == 0, output[-3000:] + errors[-3000:]
            return output

        yield run


def test_set_up_tells_its_stages_and_the_next_step(set_up: tuple[Path, list[str]], port: int) -> None:
    """Address, user, where the password and the key stand, what to do next; both are for their owner's eyes only."""
    home, output = set_up
    password, key = home / "simple_auth_manager_passwords.json.generated", home / "hash-key"

    assert sum(line.startswith(("Writing", "Making", "Compiling")) for line in output) >= 4
    everything = "\n".join(output)
    for expected in (
        f"http://127.0.0.1:{port}",
        "admin",
        str(password),
        str(key),
        "stockbook start",
        "stockbook doctor",
    ):
        assert expected in everything
    assert len(key.read_text()) == 64
    assert [file.stat().st_mode & 0o777 for file in (password, key)] == [0o600, 0o600]
    assert json.loads(password.read_text())["admin"] not in everything
    assert key.read_text() not in everything


def test_before_set_up_is_complete_runs_are_skipped_and_say_the_next_step(
    python: Callable[..., str], variables: dict[str, str], tmp_path: Path
) -> None:
    """A new home without a connection and no fleet: no DAG is red, every task is skipped, and nothing is written."""
    new = {name: text for name, text in variables.items() if not name.startswith("AIRFLOW_CONN_")}
    output = python(
        """
from airflow.dag_processing.dagbag import DagBag
bag = DagBag()
for name in ("stockbook_nightly", "stockbook_webhooks_drain", "stockbook_fleet_nightly"):
    run = bag.dags[name].test()
    print("ended", name, run.state, *sorted({str(task.state) for task in run.get_task_instances()}))
""",
        new | {"STOCKBOOK_HOME": str(tmp_path / "home")},
    )

    assert [line for line in output.splitlines() if line.startswith("ended")] == [
        "ended stockbook_nightly success skipped",
        "ended stockbook_webhooks_drain success skipped",
        "ended stockbook_fleet_nightly success skipped",
    ]
    assert "This is no fleet, so nothing is read: set STOCKBOOK_STORE" in output
    assert output.count("add one in Airflow's page (Admin, Connections) with the id fulfillment_cz, type generic") >= 2
    assert not (tmp_path / "home").exists()


def test_airflow_finds_the_night_and_nothing_else(python: Callable[..., str]) -> None:
    """Five DAGs without an import error, the night's tasks, the writer's in a pool of one slot, no heavy import."""
    listed = json.loads(
        python(
            """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1] if len(sys.argv) > 1 else None)
dag = bag.dags["stockbook_nightly"]
heavy = [name for name in ("duckdb", "great_expectations", "pandas", "stockbook") if name in sys.modules]
print(json.dumps({"errors": bag.import_errors, "dags": list(bag.dags), "heavy": heavy,
                  "drain": [task.pool for task in bag.dags["stockbook_webhooks_drain"].tasks],
                  "close": [task.pool for task in bag.dags["stockbook_close_month"].tasks],
                  "again": [(task.retries, task.retry_delay.total_seconds()) for task in
                            (dag.get_task("open_run"), *bag.dags["stockbook_webhooks_drain"].tasks)],
                  "tasks": {task.task_id: task.pool for task in dag.topological_sort()}}))
"""
        ).splitlines()[-1]
    )

    assert listed["errors"] == {}
    assert sorted(listed["dags"]) == [
        "stockbook_close_month", "stockbook_fleet_nightly", "stockbook_maintenance", "stockbook_nightly",
        "stockbook_webhooks_drain",
    ]  # fmt: skip
    assert listed["drain"] == listed["close"] == ["stockbook_writer"]
    # at a first start tasks begin before the API server answers
    assert listed["again"] == [[4, 30.0], [4, 30.0]]
    assert list(listed["tasks"]) == TASKS
    assert [name for name, pool in listed["tasks"].items() if pool != "stockbook_writer"] == ["extract"]
    assert listed["heavy"] == []


def test_nothing_in_an_airflow_home_is_open_to_others(airflow_home: Path, python: Callable[..., str]) -> None:
    """What set-up made, its database, and what a program of this Airflow writes later: 0700 and 0600 at most."""
    python("import os, pathlib, airflow; (pathlib.Path(os.environ['AIRFLOW_HOME']) / 'later').touch()")

    files = [airflow_home, *airflow_home.rglob("*")]
    assert {"airflow.cfg", "airflow.db", "later"} <= {file.name for file in files}
    assert [str(file) for file in files if stat.S_IMODE(file.stat().st_mode) & 0o077] == []


def test_the_dag_runs_a_night(python: Callable[..., str], rig: Rig, server: Running) -> None:
    """dag.test() is green and publishes what the sandbox says is true."""
    server.set_clock(FIRST)
    program = f"""
from airflow.dag_processing.dagbag import DagBag
run = DagBag().dags["stockbook_nightly"].test(run_conf={{"as_of": "{FIRST.isoformat()}"}})
print("state", run.state)
"""
    assert python(program).splitlines()[-1] == "state success"

    truth = json.loads(json.dumps(server.shop.truth(FIRST)))
    assert differences(rig.settings.published, truth) == []


def test_the_drain_takes_an_event_and_leaves_it_while_a_night_is_under_way(
    python: Callable[..., str], rig: Rig, server: Running
) -> None:
    """With the lock held the task's work is a note and no error; with the lock free dag.test() takes the event."""
    arrived = SystemClock().utc()
    order_id = server.shop.order_uuid[0]
    with Inbox.open(rig.settings.inbox_url) as inbox:
        event = ("fulfillment_cz", "main", "e1", "OrderSent", "order", order_id, "2025-11-18 10:00:00", arrived, "{}")
        inbox.append(Arrival(*event)).result(timeout=30)
    rig.tonight().lock.take("a-night", whole_run_here=True)
    output = python(
        """
from types import SimpleNamespace
from airflow.dag_processing.dagbag import DagBag
from stockbook.orchestration import steps
busy = steps.drain({"dag_run": SimpleNamespace(run_id="busy")})
steps._night().lock.release("a-night")
run = DagBag().dags["stockbook_webhooks_drain"].test()
print(f"{busy} | {run.state}: {run.get_task_instance('drain').xcom_pull('drain')}")
"""
    ).splitlines()[-1]
    busy, free = output.split(" | ")

    assert busy.startswith("Left to the next drain: ")
    assert free == "success: 1 events taken from the inbox, 0 were in staging before."
    with duckdb.connect(str(rig.settings.warehouse), read_only=True) as con:
        events = con.execute("select event_id, event_type, subject_id from staging.webhook_events").fetchall()
    assert events == [("e1", "OrderSent", order_id)]


class Airflow:
    """An `airflow standalone` and its REST API."""

    def __init__(self, url: str, home: Path, process: "subprocess.Popen[bytes]") -> None:
        """Log in once its API answers."""
        self.url, self.home, self.process = url, home, process
        self.clock = SystemClock()
        self.until(lambda: self._health() == {"healthy"}, 180)
        password = json.loads((home / "simple_auth_manager_passwords.json.generated").read_text())["admin"]
        answer = requests.post(f"{url}/auth/token", json={"username": "admin", "password": password}, timeout=30)
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def _health(self) -> set[str]:
        try:
            health = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
        except (requests.RequestException, ValueError):
            return set()
        return {health[part]["status"] for part in ("metadatabase", "scheduler", "dag_processor")}

    def until(self, condition: Callable[[], Any], seconds: float) -> None:
        """Look again and again until a condition holds."""
        end = self.clock.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, "airflow standalone ended"
            assert self.clock.monotonic() < end, f"not within {seconds} s"
            self.clock.sleep(0.5)

    def get(self, path: str) -> Any:
        """An answer of the REST API."""
        # a machine that does much else answers late
        return requests.get(f"{self.url}/api/v2/{path}", headers=self.headers, timeout=180).json()

    def keep(self, conn_id: str, **parts: Any) -> None:
        """Add a connection as Airflow's page does: to its database."""
        body = {"connection_id": conn_id, "conn_type": "generic", **parts}
        answer = requests.post(f"{self.url}/api/v2/connections", json=body, headers=self.headers, timeout=30)
        assert answer.status_code == 201, answer.text

    def trigger(self, as_of: datetime) -> str:
        """Start a night over the API and wait for its end; its state."""
        self.until(lambda: "dag_id" in self.get("dags/stockbook_nightly"), 120)
        body = {"logical_date": None, "conf": {"as_of": as_of.isoformat()}}
        url = f"{self.url}/api/v2/dags/stockbook_nightly/dagRuns"
        answer = requests.post(url, json=body, headers=self.headers, timeout=30)
        assert answer.status_code == 200, answer.text
        run_id = answer.json()["dag_run_id"]
        path = f"dags/stockbook_nightly/dagRuns/{run_id}"
        self.until(lambda: self.get(path)["state"] in ("success", "failed"), 600)
        return str(self.get(path)["state"])


@pytest.fixture(scope="module")
def airflow(variables: dict[str, str], airflow_home: Path, port: int) -> Iterator[Airflow]:
    """A running `stockbook start` whose environment knows one source, stopped at the end with everything it started."""
    one_source = {name: text for name, text in variables.items() if name != "AIRFLOW_CONN_FULFILLMENT_CZ"}
    one_source["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"] = BUNDLES
    with (airflow_home / "standalone.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "stockbook", "start"],
            env=one_source,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Airflow(f"http://127.0.0.1:{port}", airflow_home, process)
        finally:
            # as a service is stopped: each of its processes is told, and the first of them tells the others once more
            os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=60)
            left = [each for each in psutil.pids() if _group(each) == process.pid]
            for each in left:
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
            process.wait(timeout=30)
        assert left == [], "Airflow's parts end with it"


def _group(process: int) -> int | None:
    with suppress(ProcessLookupError):
        return os.getpgid(process)
    return None


def test_the_scheduler_runs_a_night_told_over_its_api(airflow: Airflow, rig: Rig, server: Running) -> None:
    """
    A night triggered over REST is green under the real scheduler, each task in a process of its own.

    One source is known by the environment, the other is kept in Airflow: both are read.
    """
    airflow.keep("fulfillment_cz", host=server.url, password=server.token, extra=SANDBOX)
    server.set_clock(SECOND)
    server.faults([STRAY[0], *HEADERS])
    try:
        assert airflow.trigger(SECOND) == "success"
    finally:
        server.faults([])

    assert rig.rows("select as_of from meta.current_run") == [(SECOND,)]
    assert newest_run(rig)["conn_ids"] == ["flickrocket", "fulfillment_cz"]
    truth = json.loads(json.dumps(server.shop.truth(SECOND)))
    assert differences(rig.settings.published, truth) == []


def test_a_published_night_starts_a_dag_that_waits_for_its_stock(airflow: Airflow, rig: Rig) -> None:
    """An event for each subject with the night's day, and one run of the example: it has read the stock of that day."""
    runs = "dags/stock_letter/dagRuns"
    airflow.until(lambda: [run["state"] for run in airflow.get(runs)["dag_runs"]] == ["success"], 180)
    (run,) = airflow.get(runs)["dag_runs"]
    letter = airflow.get(f"{runs}/{run['dag_run_id']}/taskInstances/value_by_category/xcomEntries/return_value")[
        "value"
    ]
    day, run_id = SECOND.date().isoformat(), newest_run(rig)["run_id"]
    events = [event for event in airflow.get("assets/events")["asset_events"] if event["extra"]["run_id"] == run_id]
    latest = "(select max(date) from reports.stock_value_daily_category)"
    query = f"select sum(stock_value) from reports.stock_value_daily_category where date = {latest}"

    assert sorted(event["uri"] for event in events) == [
        f"stockbook://published/{name}" for name in ("promise", "shop", "stock", "warehouse")
    ]
    assert {event["extra"]["day"] for event in events} == {day}
    assert all(event["extra"]["rows_changed"] > 0 for event in events)
    assert run["partition_key"] == day
    assert rig.rows(query) == [(sum(Decimal(value) for value in letter.values()),)]


def test_a_red_night_is_red_in_airflow_and_says_why(airflow: Airflow, rig: Rig, server: Running) -> None:
    """
    With the token refused the run fails at once, its report names the connection, readers keep their file.

    A second account that only Airflow's database knows is asked as well: no list in a variable names it.
    """
    before = rig.settings.published.read_bytes()
    events = airflow.get("assets/events")["total_entries"]
    airflow.keep("flickrocket__late", host=server.url, password="no token of this server", extra=SANDBOX)
    refused = {"path": "/v2/fulfillment/warehouse-movements", "kind": "status", "status": 401, "text": PERSON}
    server.faults([*STRAY, refused, *HEADERS])
    try:
        assert airflow.trigger(SECOND) == "failed"
    finally:
        server.faults([])

    assert rig.settings.published.read_bytes() == before
    # who waits for a night is not told of a red one
    assert airflow.get("assets/events")["total_entries"] == events > 0
    reports = sorted((rig.home / "runs").glob("*/report.txt"), key=lambda file: file.stat().st_mtime)
    report = reports[-1].read_text()
    assert "RED (failed)" in report
    assert "fulfillment_cz" in report
    assert "Connection flickrocket__late: GET" in report
    assert newest_run(rig)["conn_ids"] == ["flickrocket", "flickrocket__late", "fulfillment_cz"]


def test_airflows_page_offers_the_type_that_the_readme_names(airflow: Airflow) -> None:
    """A connection is added with the type generic, whatever providers are installed."""
    offered = requests.get(f"{airflow.url}/ui/connections/hook_meta", headers=airflow.headers, timeout=30).json()

    assert "generic" in {kind["connection_type"] for kind in offered}
    assert "type *generic*" in (PROJECT / "README.md").read_text()


def test_commands_see_the_connections_that_airflow_keeps(
    airflow: Airflow, variables: dict[str, str], python: Callable[..., str]
) -> None:
    """`doctor --try` on this machine: one from the environment, one from Airflow's database, each with its place."""
    here = {name: text for name, text in variables.items() if name != "AIRFLOW_CONN_FULFILLMENT_CZ"}

    doctor = """
from typer.testing import CliRunner
from stockbook.cli.main import app
print(CliRunner().invoke(app, ["doctor", "--try"]).stdout)
"""
    lines = python(doctor, here).splitlines()

    assert [line.split(":")[0] for line in lines if line.startswith("ok  connection")] == [
        "ok  connection flickrocket from the environment",
        "ok  connection fulfillment_cz from Airflow's database",
    ]
    (refused,) = [line for line in lines if line.startswith("NO")]
    assert "connection flickrocket__late is wrong" in refused
    assert any(line.endswith("pool stockbook_writer") for line in lines)
    # nothing is said of DAGs that are there and switched on
    assert [line for line in lines if " DAG " in line] == []
    assert airflow_database.dags(here)["stockbook_nightly"] is True


def test_a_pack_of_a_closed_month_is_given_to_who_is_logged_in(airflow: Airflow, rig: Rig) -> None:
    """As a file of its own name; no other file of the machine, and no half of one."""
    packs = rig.settings.published.parent / PACKS
    packs.mkdir(exist_ok=True)
    (packs / "month-2025-10-main-1.xlsx").write_bytes(b"a workbook")
    (packs / ".journal.tmp").write_bytes(b"half")

    def asked(name: str) -> requests.Response:
        url = f"{airflow.url}/stockbook/morning/packs/{name}"
        return requests.get(url, headers=airflow.headers, timeout=30)

    answer = asked("month-2025-10-main-1.xlsx")
    assert (answer.status_code, answer.content) == (200, b"a workbook")
    assert answer.headers["content-disposition"] == 'attachment; filename="month-2025-10-main-1.xlsx"'
    assert [asked(name).status_code for name in ("journal-2025-10-main-1.csv", ".journal.tmp", "..%2Freport.html")] == [
        404
    ] * 3


@needs_browser
def test_the_page_shows_a_red_night_and_what_is_published(airflow: Airflow, rig: Rig) -> None:
    """Logged out it is refused; logged in, in a real browser, it says why the last run is red and shows the figures."""
    url = f"{airflow.url}/stockbook/morning/"
    assert [
        requests.get(url + page, timeout=30).status_code for page in ("", "report", "dictionary/index.html", "packs/x")
    ] == [401] * 4
    forged = requests.get(url, cookies={"_token": "forged"}, timeout=30)
    assert forged.status_code in (401, 403)
    assert "Stock value" not in forged.text

    password = json.loads((airflow.home / "simple_auth_manager_passwords.json.generated").read_text())["admin"]
    with browser_page(390, 844) as (page, wrong):
        page.goto(f"{airflow.url}/auth/login/")
        page.locator("input[name=username]").fill("admin")
        page.locator("input[name=password]").fill(password)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{airflow.url}/", timeout=60_000)
        wrong.clear()
        page.goto(url)
        text = page.locator("#last-run").inner_text()
        assert "red" in text
        assert "fulfillment_cz" in text
        pieces = rig.rows(
            "select format('{:,}', sum(quantity)::bigint) from reports.stock_value_daily "
            "group by date order by date desc limit 1"
        )[0][0]
        assert page.locator("[data-figure=pieces]").inner_text() == pieces
        assert page.locator("svg.chart").count() == 2
        # good on a phone: nothing hangs over the side
        assert page.locator("html").evaluate("page => page.scrollWidth") <= 390
        page.click("text=Data dictionary")
        assert page.locator("h1").inner_text() == "Data dictionary"
        assert wrong == []

        # the second look, everything imported
        times = []
        for _ in range(5):
            began = airflow.clock.monotonic()
            assert page.request.get(url).ok
            times.append(airflow.clock.monotonic() - began)
        assert min(times) < 0.3


def test_the_api_server_receives_webhooks(airflow: Airflow, rig: Rig, server: Running) -> None:
    """Posted to Airflow itself, without its login; connections of the environment and of its database serve."""
    airflow.keep("shopline", password=hooks.SHOP_SECRET)
    line = Line(f"{airflow.url}/stockbook")
    order = hooks.fulfillment_cz(1, "OrderCreated", hooks.an_order(1))
    order.headers["Authorization"] = server.token
    parcel = hooks.shopline("fulfillment_order/create", hooks.a_fulfillment_order(1), "b54557e48a5fbf7d70bcd043")

    assert line.send(order)[:2] == (200, b'{"status":"ok"}')
    assert line.send(parcel)[:2] == (200, b'{"status":"ok"}')
    assert line.status(order) == 200
    with Inbox.open(rig.settings.inbox_url) as inbox:
        assert [(event.source, event.event_type) for event in inbox.pending()] == [
            ("fulfillment_cz", "OrderCreated"),
            ("shopline", "fulfillment_order/create"),
        ]

    order.headers["Authorization"] = "Bearer " + server.token
    assert line.send(order)[:2] == (401, b'{"status":"refused"}')
    parcel.body += b" "
    assert line.status(parcel) == 401
    parcel.body *= 10_000
    assert line.status(parcel) == 413
    signature = {"UserID": "1", "CompanyID": "2", "hmac": "5" * 64}
    assert requests.get(f"{airflow.url}/stockbook/app/main", params=signature, timeout=30).status_code == 401
    health = requests.get(f"{airflow.url}/stockbook/health", timeout=30)
    assert (health.status_code, health.json()["status"], health.json()["receiver"]["status"]) == (200, "ok", "ok")
    assert health.json().keys() == {
        *("status", "attention", "receiver", "inbox", "disk", "last_night"),
        *("published", "subscriptions"),
    }
    assert requests.get(f"{airflow.url}/stockbook/metrics", timeout=30).status_code == 401
    assert requests.get(f"{airflow.url}/api/v2/dags", timeout=30).status_code == 401
    line.close()


def test_nothing_personal_reaches_airflow_or_the_home(airflow_home: Path, rig: Rig, server: Running) -> None:
    """
    After green and red nights over people in every field and secrets in every header: no log of Airflow, no table of
    its metadata database, no byte under the home holds a person's value, a token, a header or the key of the hash.
    """
    logs = list(airflow_home.rglob("*.log"))
    logged = b"".join(file.read_bytes() for file in logs)
    databases = list(airflow_home.glob("*.db"))
    secrets = [KEY.encode(), server.token.encode(), SECRET.encode(), hooks.SHOP_SECRET.encode(), b"5" * 64]

    assert len(logs) > 10
    assert b"fulfillment_cz.movements" in logged
    assert databases
    assert findings(airflow_home, secrets) == set()
    assert (rig.home / "warehouse.duckdb").exists()
    assert findings(rig.home, secrets) == set()


def test_the_plugin_is_loaded_and_the_package_is_not_one(python: Callable[..., str]) -> None:
    """Airflow's loader finds the plugin and leaves the package beside it alone."""
    said = python(
        """
import sys
from airflow.__main__ import main
sys.argv = ["airflow", "plugins", "--output", "json"]
main()
"""
    )
    names = [plugin["name"] for plugin in json.loads(said[said.index("[{") :])]
    assert names.count("stockbook") == 1
    assert (PROJECT / "plugins" / ".airflowignore").read_text().splitlines()[-1] == "stockbook/"
