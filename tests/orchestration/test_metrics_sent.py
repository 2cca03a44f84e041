"""A night's figures go through Airflow's own metrics, to wherever its configuration sends them."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from stockbook.health import metrics
from stockbook.runs.report import Report
from stockbook.runs.step_log import StepDone

pytestmark = [pytest.mark.slow, pytest.mark.airflow]

NOW = datetime(2026, 3, 5, 6, 0, tzinfo=UTC)
NIGHT = Report(
    "r", datetime(2026, 3, 5, 2, 15), "published", NOW, NOW, 61.5, 900, None, None,
    [StepDone("extract", "done", 4.5, 900, of="fulfillment_cz__second"), StepDone("publish", "done", 0.5, 100)],
)  # fmt: skip


class Gauges:
    """A backend of Airflow's metrics that keeps what it is sent."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.is_away = False

    def gauge(self, name: str, value: float, **_: Any) -> None:
        if self.is_away:
            raise ConnectionRefusedError
        self.values[name] = value


@pytest.fixture
def gauges() -> Iterator[Gauges]:
    from airflow.sdk.observability import stats

    backend = Gauges()
    stats.initialize(factory=lambda: backend, export_legacy_names=True)
    yield backend
    stats.initialize(factory=Gauges, export_legacy_names=True)


def test_every_figure_of_a_night_is_a_gauge(gauges: Gauges) -> None:
    """Named with its labels, and in a fleet with its account, since StatsD has no others."""
    from stockbook.orchestration.steps import tell

    tell(NIGHT)
    assert gauges.values == {sample.dotted(): sample.value for sample in metrics.of_night(NIGHT)}
    assert gauges.values["stockbook_night_step_seconds.extract.fulfillment_cz__second"] == 4.5

    tell(NIGHT, "second")
    assert gauges.values["stockbook_night_seconds.second"] == 61.5


def test_metrics_that_cannot_be_sent_leave_the_night_green(gauges: Gauges) -> None:
    """Nobody listens: nothing is raised."""
    from stockbook.orchestration.steps import tell

    gauges.is_away = True
    tell(NIGHT)
    assert gauges.values == {}


# as a task begins: with what [metrics] says
OF_A_TASK = """
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils

stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)
from test_metrics_sent import NIGHT
from stockbook.orchestration.steps import tell

tell(NIGHT)
"""


def test_a_collector_of_opentelemetry_gets_them(tmp_path: Path) -> None:
    """Airflow's own exporter, switched on by its own setting, sends them under its prefix before the process ends."""
    heard: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        variables = os.environ | {
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__METRICS__OTEL_ON": "True",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
        }
        subprocess.run([sys.executable, "-c", OF_A_TASK], env=variables, check=True, capture_output=True)
        server.shutdown()

    assert any(b"airflow.stockbook_night_step_seconds.extract.fulfillment_cz__second" in sent for sent in heard)
    assert any(b"airflow.stockbook_night_published" in sent for sent in heard)
