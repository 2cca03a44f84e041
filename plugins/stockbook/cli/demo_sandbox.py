"""
The demo's sandbox: a server in a process of its own, and what is asked of it.

Its control routes move the shop's clock, keep rows of the ledger back and tell the truth (docs/sandbox.md).
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from stockbook.bounded_http import Limits, ask
from stockbook.clock import SystemClock
from stockbook.errors import StockbookError

# those of the sandbox, which knows no others (stockbook_sandbox/state.py, signing.py)
SANDBOX_TOKEN, SANDBOX_SECRET = "sandbox-token", "sandbox-app-secret"  # of an invented shop
_OURS = Limits(megabytes=1_000, seconds=300)


class DemoFailed(StockbookError):
    """The demo did not show what it promises."""


class Server(NamedTuple):
    """A sandbox that accepts connections."""

    url: str
    token: str

    def get(self, path: str, **parameters: str) -> Any:
        """A control route's answer."""
        return self._asked("GET", f"{path}?{urlencode(parameters)}")

    def set_clock(self, now: datetime) -> None:
        """Move the shop's clock (local)."""
        self._asked("POST", "clock", json.dumps({"now": now.isoformat()}).encode())

    def movements(self, first: datetime, last: datetime) -> list[dict[str, Any]]:
        """The newest rows of the ledger between two days."""
        query = urlencode({"limit": 1000, "dateFrom": str(first.date()), "dateTo": str(last.date())})
        address = f"{self.url}/v2/fulfillment/warehouse-movements?{query}"
        answer = ask("GET", address, {"Authorization": self.token}, limits=_OURS, read=_OURS.seconds)
        rows: list[dict[str, Any]] = json.loads(answer.body)["data"]
        return rows

    def withhold(self, movement_id: int) -> None:
        """Serve a movement no more."""
        self._asked("POST", "movements", json.dumps({str(movement_id): None}).encode())

    def _asked(self, method: str, path: str, body: bytes | None = None) -> Any:
        headers = {"Content-Type": "application/json"}
        answer = ask(method, f"{self.url}/_sandbox/{path}", headers, body, limits=_OURS, read=_OURS.seconds)
        if answer.status != 200:
            raise DemoFailed(f"The sandbox was asked for {path.partition('?')[0]} and answered {answer.status}.")
        return json.loads(answer.body or b"null")


@contextlib.contextmanager
def sandbox(place: Path, orders: Path | None, date_format: str = "", hooks_to: str = "") -> Iterator[Server]:
    """A sandbox server in a process of its own, stopped at the end; events go to ``hooks_to``, if that is said."""
    ready, log_file = place / "sandbox.json", place / "sandbox.log"
    words = [sys.executable, "-m", "stockbook", "sandbox", "serve", "--ready-file", str(ready)]
    if hooks_to:
        words += ["--hooks-to", hooks_to]
    if orders is not None:
        words += ["--orders", str(orders), "--date-format", date_format]
    with log_file.open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603  # our own program
        try:
            clock = SystemClock()
            until = clock.monotonic() + 120
            while not ready.exists():
                if process.poll() is not None or clock.monotonic() > until:
                    lines = log_file.read_text(errors="replace").splitlines()
                    reasons = [line for line in lines if line.startswith("stockbook: ")]
                    raise DemoFailed(" ".join([f"The sandbox did not start; its log is {log_file}.", *reasons]))
                clock.sleep(0.1)
            address = json.loads(ready.read_text())
            yield Server(address["url"], address["token"])
        finally:
            process.terminate()
            process.wait(timeout=30)
