"""A sandbox of a test whose events are received as its clock moves on (stockbook.cli.demo_hooks)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stockbook_sandbox import Running


@dataclass
class Heard:
    """What of it the receiver asks for."""

    server: Running

    def set_clock(self, now: datetime) -> None:
        """Move its clock."""
        self.server.set_clock(now)

    def get(self, path: str, **parameters: str) -> Any:
        """What became of its events."""
        return self.server.hooks.numbers()
