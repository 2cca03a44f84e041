"""An Airflow with two Celery workers that share no folder: what `fleet.py` runs its nights on."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import requests

from stockbook.orchestration.home import PASSWORDS, environment, render
from stockbook.runs.context import run_id_of

DAG = "stockbook_fleet_nightly"
WORKERS = ("a", "b")


class Airflow:
    """A running one, by its REST API and its folders."""

    def __init__(self, url: str, folder: Path, password: str, environ: dict[str, str], processes: list[Any]) -> None:
        """Log in once the API answers."""
        self.url, self.folder, self.environ = url, folder, environ
        self.processes = [psutil.Process(process.pid) for process in processes]
        body = {"username": "admin", "password": password}
        token = self._until(lambda: requests.post(f"{url}/auth/token", json=body, timeout=30).json()["access_token"])
        self.headers = {"Authorization": f"Bearer {token}"}
        self._until(lambda: self._get(f"dags/{DAG}")["dag_id"])

    def run(self, as_of: datetime) -> tuple[str, str]:
        """Trigger a night and wait for its end; its id and state."""
        body = {"logical_date": None, "conf": {"as_of": as_of.isoformat()}}
        run_id = self._post(f"dags/{DAG}/dagRuns", body)["dag_run_id"]
        path = f"dags/{DAG}/dagRuns/{run_id}"
        state = self._until(lambda: {"success": "success", "failed": "failed"}[self._get(path)["state"]], 7200)
        return run_id_of(run_id), state

    def stockbook(self, *words: str) -> str:
        """What a command of ours prints on this machine."""
        done = subprocess.run(
            [sys.executable, "-m", "stockbook", *words], env=self.environ, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    def tasks_by_worker(self, run_id: str) -> dict[str, int]:
        """How many tasks of accounts each worker ran."""
        logs = {
            name: self.folder.glob(f"worker-{name}/logs/dag_id={DAG}/run_id=*/task_id=night.*/*/*.log")
            for name in WORKERS
        }
        return {
            name: sum(run_id_of(file.parents[2].name.removeprefix("run_id=")) == run_id for file in files)
            for name, files in logs.items()
        }

    def kill_worker_of(self, pid: int) -> str:
        """Kill the worker that runs a process, with all it started, at once; its name."""
        family = {pid, *(parent.pid for parent in psutil.Process(pid).parents())}
        name, worker = next(
            (name, process)
            for name, process in zip(WORKERS, self.processes[-len(WORKERS) :], strict=True)
            if process.pid in family
        )
        for each in [worker, *worker.children(recursive=True)]:
            each.kill()
        return name

    def cpu_seconds(self) -> float:
        """Processor seconds of everything that was started here, with children that ended."""
        total = 0.0
        for process in self.processes:
            try:
                family = [process, *process.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
            for each in family:
                try:
                    times = each.cpu_times()
                except psutil.NoSuchProcess:
                    continue
                total += times.user + times.system + times.children_user + times.children_system
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
                ended = [each for each in self.processes[: -len(WORKERS)] if not each.is_running()]
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
        # more than there are workers' slots: tasks of a worker that died keep theirs until that is noticed
        "AIRFLOW__CORE__PARALLELISM": str(16 * concurrency),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.replace("postgresql://", "postgresql+psycopg2://"),
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": database.replace("postgresql://", "db+postgresql+psycopg2://"),
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
        started = [
            stack.enter_context(_process(folder / f"{name}.log", [program, name], variables(head)))
            for name in ("api-server", "scheduler", "dag-processor")
        ]
        for name, home in homes.items():
            words = [program, "celery", "worker", "--concurrency", str(concurrency), "--skip-serve-logs"]
            words += ["--celery-hostname", f"worker-{name}@%h"]
            started.append(stack.enter_context(_process(folder / f"worker-{name}.log", words, variables(home))))
        password = json.loads((head / PASSWORDS).read_text())["admin"]
        yield Airflow(f"http://127.0.0.1:{port}", folder, password, os.environ | variables(head), started)


@contextmanager
def _process(log: Path, words: list[str], environ: dict[str, str]) -> "Iterator[subprocess.Popen[bytes]]":
    """A program of Airflow's with all its children, ended with them."""
    with log.open("wb") as out:
        process = subprocess.Popen(words, env=environ, stdout=out, stderr=out, start_new_session=True)
    try:
        yield process
    finally:
        for each, patience in ((signal.SIGTERM, 30), (signal.SIGKILL, 30)):
            try:
                os.killpg(process.pid, each)
                process.wait(timeout=patience)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
