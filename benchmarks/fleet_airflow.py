"""An Airflow with two Celery workers that share no folder: what `fleet.py` runs its nights on."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import requests

from stockbook.orchestration.home import PASSWORDS, environment, render

DAG = "stockbook_fleet_nightly"
WORKERS = ("a", "b")
# what would be mailed, a line each
NOTIFIER = """
from airflow.sdk.bases.notifier import BaseNotifier


class Kept(BaseNotifier):
    template_fields = ("subject",)

    def __init__(self, file, subject):
        super().__init__()
        self.file, self.subject = file, subject

    def notify(self, context):
        with open(self.file, "a") as kept:
            kept.write(self.subject + "\\n")
"""


class Airflow:
    """A running one, by its REST API and its folders."""

    def __init__(
        self,
        url: str,
        folder: Path,
        password: str,
        environ: dict[str, str],
        heads: list[psutil.Process],
        start_worker: Callable[[str], psutil.Process],
    ) -> None:
        """Start the workers, and log in once the API answers."""
        self.url, self.folder, self.environ, self.heads = url, folder, environ, heads
        self._start_worker = start_worker
        self._spent_by_killed = 0.0
        self.workers = {name: start_worker(name) for name in WORKERS}
        body = {"username": "admin", "password": password}
        token = self._until(lambda: requests.post(f"{url}/auth/token", json=body, timeout=30).json()["access_token"])
        self.headers = {"Authorization": f"Bearer {token}"}
        self._until(lambda: self._get(f"dags/{DAG}")["dag_id"])

    def run(self, as_of: datetime) -> tuple[str, str]:
        """Trigger a night and wait for its end; its id and state."""
        body = {"logical_date": None, "conf": {"as_of": as_of.isoformat()}}
        name = self._post(f"dags/{DAG}/dagRuns", body)["dag_run_id"]
        return name, self._end_of(name)

    def clear(self, name: str) -> str:
        """Clear what failed of a run, as a person does after mending, and wait for its end; its state."""
        body = {"dry_run": False, "dag_run_id": name, "only_failed": True, "reset_dag_runs": True}
        self._post(f"dags/{DAG}/clearTaskInstances", body)
        return self._end_of(name)

    def _end_of(self, name: str) -> str:
        path = f"dags/{DAG}/dagRuns/{name}"
        state: str = self._until(lambda: {"success": "success", "failed": "failed"}[self._get(path)["state"]], 7200)
        return state

    def stockbook(self, *words: str) -> str:
        """What a command of ours prints on this machine."""
        done = subprocess.run(
            [sys.executable, "-m", "stockbook", *words], env=self.environ, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    def tasks_by_worker(self, name: str) -> dict[str, int]:
        """How many tasks of accounts each worker ran."""
        logs = {
            worker: self.folder.glob(f"worker-{worker}/logs/dag_id={DAG}/run_id=*/task_id=night.*/*/*.log")
            for worker in WORKERS
        }
        return {
            worker: sum(file.parents[2].name == f"run_id={name}" for file in files) for worker, files in logs.items()
        }

    def worker_of(self, pid: int) -> str | None:
        """The worker that a process belongs to; None when it has ended."""
        try:
            family = {pid, *(parent.pid for parent in psutil.Process(pid).parents())}
        except psutil.NoSuchProcess:
            return None
        return next((name for name, worker in self.workers.items() if worker.pid in family), None)

    def kill_worker(self, name: str) -> None:
        """Kill a worker with all it started, at once."""
        worker = self.workers[name]
        family = [worker, *worker.children(recursive=True)]
        self._spent_by_killed += sum(map(_cpu_seconds, family))
        for each in family:
            each.kill()

    def start_worker(self, name: str) -> None:
        """Start a worker that was killed once more, as a machine that is up again does."""
        self.workers[name] = self._start_worker(name)

    def cpu_seconds(self) -> float:
        """Processor seconds of everything that was started here, with children that ended."""
        total = self._spent_by_killed
        for process in [*self.heads, *self.workers.values()]:
            try:
                total += sum(map(_cpu_seconds, [process, *process.children(recursive=True)]))
            except psutil.NoSuchProcess:
                continue
        return total

    def _get(self, path: str) -> Any:
        return requests.get(f"{self.url}/api/v2/{path}", headers=self.headers, timeout=60).json()

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = requests.post(f"{self.url}/api/v2/{path}", json=body, headers=self.headers, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def _until(self, ask: Any, seconds: float = 600) -> Any:
        """Ask until there is an answer; not longer than this, and not of processes that ended."""
        end = time.monotonic() + seconds
        while True:
            try:
                return ask()
            except (requests.RequestException, ValueError, KeyError, TypeError):
                ended = [each for each in self.heads if not each.is_running()]
                if ended or time.monotonic() > end:
                    raise
            time.sleep(1)


@contextmanager
def airflow(folder: Path, database: str, broker: str, environ: dict[str, str], concurrency: int) -> Iterator[Airflow]:
    """Scheduler, API server, DAG processor and two workers; each worker has a home and a scratch folder of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = environ | {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        # the workers' slots, and those of one that died: its tasks keep theirs until that is noticed. Not more, since
        # what waits in Redis is not put in another order when the next try of such a task comes
        "AIRFLOW__CORE__PARALLELISM": str((len(WORKERS) + 1) * concurrency),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.replace("postgresql://", "postgresql+psycopg2://"),
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": database.replace("postgresql://", "db+postgresql+psycopg2://"),
        # each worker imports once what its tasks need
        "AIRFLOW__CELERY__EXTRA_CELERY_CONFIG": '{"imports": ["stockbook.fleet.beforehand"]}',
        # a busy machine takes longer to hand a task over
        "AIRFLOW__CELERY__OPERATION_TIMEOUT": "30",
        # the next try of what a worker that died had begun
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    }
    head = folder / "head"
    render(head, port)
    homes = {name: folder / f"worker-{name}" for name in WORKERS}
    for home in homes.values():
        # the keys are the same on every machine of an Airflow
        home.mkdir()
        shutil.copy(head / "stockbook-secrets.json", home)
        render(home, port)
    for home in (head, *homes.values()):
        (home / "config" / "fleet_messages.py").write_text(NOTIFIER)

    def variables(home: Path) -> dict[str, str]:
        own = {
            name: text
            for name, text in environment(home).items()
            if not name.startswith(("AIRFLOW_CONN_", "AIRFLOW__"))
        }
        return own | shared | {"STOCKBOOK_HOME": str(home / "data"), "STOCKBOOK_SCRATCH": str(home / "scratch")}

    program = str(Path(sys.executable).parent / "airflow")
    with (folder / "migrate.log").open("wb") as log:
        subprocess.run([program, "db", "migrate"], env=variables(head), stdout=log, stderr=log, check=True)
    with ExitStack() as stack:
        heads = [
            stack.enter_context(_process(folder / f"{name}.log", [program, name], variables(head)))
            for name in ("api-server", "scheduler", "dag-processor")
        ]

        def start_worker(name: str) -> psutil.Process:
            words = [program, "celery", "worker", "--concurrency", str(concurrency), "--skip-serve-logs"]
            words += ["--celery-hostname", f"worker-{name}@%h"]
            return stack.enter_context(_process(folder / f"worker-{name}.log", words, variables(homes[name])))

        password = json.loads((head / PASSWORDS).read_text())["admin"]
        url, environ = f"http://127.0.0.1:{port}", os.environ | variables(head)
        yield Airflow(url, folder, password, environ, heads, start_worker)


@contextmanager
def _process(log: Path, words: list[str], environ: dict[str, str]) -> Iterator[psutil.Process]:
    """A program of Airflow's with all its children, ended with them."""
    with log.open("ab") as out:
        process = subprocess.Popen(words, env=environ, stdout=out, stderr=out, start_new_session=True)
    try:
        yield psutil.Process(process.pid)
    finally:
        for each, patience in ((signal.SIGTERM, 30), (signal.SIGKILL, 30)):
            try:
                os.killpg(process.pid, each)
                process.wait(timeout=patience)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
