"""What a reader of the published file and a request of a webhook may take."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

from stockbook.errors import ConfigError
from stockbook.setting_list import number_of, text_of
from stockbook.setting_values import number, size


@dataclass(frozen=True)
class Limits:
    """
    What one reader of the published file may take: memory, seconds (0 is no limit), threads, and disk for what memory
    cannot hold.

    ``spill`` is the folder for that, the system's own for temporary files when None.
    """

    memory: str = text_of("STOCKBOOK_READER_MEMORY")
    seconds: float = number_of("STOCKBOOK_READER_SECONDS")
    disk: str = text_of("STOCKBOOK_READER_DISK")
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    spill: Path | None = None

    @classmethod
    def load(cls, environ: Mapping[str, str], spill: Path | None = None) -> "Limits":
        """Read the environment. Raises ConfigError naming the variable, what it expects and what it got."""
        return cls(
            memory=size(environ, "STOCKBOOK_READER_MEMORY"),
            seconds=number(environ, "STOCKBOOK_READER_SECONDS"),
            disk=size(environ, "STOCKBOOK_READER_DISK"),
            threads=int(number(environ, "STOCKBOOK_THREADS")),
            spill=spill,
        )


@dataclass(frozen=True)
class AnalystLimits:
    """
    What a question of the analyst server and its answer may take; ``at_once`` are answered at a time, each by a
    process of its own.
    """

    of_one: Limits
    rows: int
    kilobytes: int
    at_once: int

    @classmethod
    def load(cls, environ: Mapping[str, str], spill: Path | None = None) -> "AnalystLimits":
        """Read the environment. Raises ConfigError."""
        of_one = Limits(
            memory=size(environ, "STOCKBOOK_MCP_MEMORY"),
            seconds=number(environ, "STOCKBOOK_MCP_SECONDS"),
            disk=size(environ, "STOCKBOOK_MCP_DISK"),
            threads=int(number(environ, "STOCKBOOK_THREADS")),
            spill=spill,
        )
        return cls(
            of_one,
            rows=int(number(environ, "STOCKBOOK_MCP_ROWS")),
            kilobytes=int(number(environ, "STOCKBOOK_MCP_KILOBYTES")),
            at_once=int(number(environ, "STOCKBOOK_MCP_AT_ONCE")),
        )

    @property
    def too_long(self) -> str:
        """What is said of a question that took too long."""
        return (
            f"The query took longer than STOCKBOOK_MCP_SECONDS ({self.of_one.seconds:g}) allows and was stopped: ask "
            "for fewer days, add up more, or ask a metric by name."
        )

    @property
    def too_large(self) -> str:
        """What is said of a question that took too much memory or disk."""
        return (
            f"The query needs more than STOCKBOOK_MCP_MEMORY ({self.of_one.memory}) and STOCKBOOK_MCP_DISK "
            f"({self.of_one.disk}) allow and was stopped: ask for fewer rows or columns, or add up more."
        )


@dataclass(frozen=True)
class HookLimits:
    """
    What a request of a webhook may take before its secret is checked.

    ``connections`` may wait unproven at a time, of one address ``connections_per_address`` unless it is one of
    ``trusted_proxies`` (addresses or networks).
    """

    header_bytes: int = int(number_of("STOCKBOOK_HOOKS_HEADER_BYTES"))
    header_seconds: float = number_of("STOCKBOOK_HOOKS_HEADER_SECONDS")
    body_seconds: float = number_of("STOCKBOOK_HOOKS_BODY_SECONDS")
    connections: int = int(number_of("STOCKBOOK_HOOKS_CONNECTIONS"))
    connections_per_address: int = int(number_of("STOCKBOOK_HOOKS_CONNECTIONS_PER_ADDRESS"))
    trusted_proxies: tuple[str, ...] = ()

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> "HookLimits":
        """Read the environment. Raises ConfigError."""
        proxies = [
            proxy.strip() for proxy in environ.get("STOCKBOOK_HOOKS_TRUSTED_PROXIES", "").split(",") if proxy.strip()
        ]
        for proxy in proxies:
            try:
                ip_network(proxy)
            except ValueError:
                raise ConfigError(
                    "STOCKBOOK_HOOKS_TRUSTED_PROXIES must be addresses or networks such as 10.0.0.0/8, separated by "
                    f"commas; got {proxy!r}."
                ) from None
        return cls(
            header_bytes=int(number(environ, "STOCKBOOK_HOOKS_HEADER_BYTES")),
            header_seconds=number(environ, "STOCKBOOK_HOOKS_HEADER_SECONDS"),
            body_seconds=number(environ, "STOCKBOOK_HOOKS_BODY_SECONDS"),
            connections=int(number(environ, "STOCKBOOK_HOOKS_CONNECTIONS")),
            connections_per_address=int(number(environ, "STOCKBOOK_HOOKS_CONNECTIONS_PER_ADDRESS")),
            trusted_proxies=tuple(proxies),
        )
