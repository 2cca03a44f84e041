"""
What ``--help`` shows below every command: an example to copy, and where to read on. The commands stand in groups.

A test parses every example, so that none names an option that is not there.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.models import CommandInfo, TyperInfo

BEGIN, NIGHTS, ASK, KEEP, ROOMS = (
    "To begin",
    "A night, and how it went",
    "To ask what is published",
    "To look after the books",
    "Groups of commands",
)


class Page(NamedTuple):
    """Of one command: the group it stands in, what to read, and lines to copy."""

    group: str
    read: str
    examples: tuple[str, ...]


PAGES = {
    "init": Page(BEGIN, "docs/deploying.md", ("stockbook init shop",)),
    "demo": Page(BEGIN, "README.md", ("stockbook demo", "stockbook demo --orders online_retail.parquet")),
    "setup": Page(BEGIN, "README.md (Your own shop)", ("stockbook setup", "stockbook setup --port 8081")),
    "doctor": Page(BEGIN, "docs/runbook.md", ("stockbook doctor", "stockbook doctor --try")),
    "start": Page(BEGIN, "README.md (Your own shop)", ("stockbook start",)),
    "run": Page(
        NIGHTS,
        "docs/running.md",
        ("stockbook run", "stockbook run --backfill-from 2026-01-01 --backfill-to 2026-01-31"),
    ),
    "report": Page(NIGHTS, "docs/running.md (A red night)", ("stockbook report", "stockbook report --json")),
    "health": Page(NIGHTS, "docs/watching.md", ("stockbook health", "stockbook health --json")),
    "alerts": Page(NIGHTS, "docs/running.md (Being told of alerts)", ("stockbook alerts", "stockbook alerts --test")),
    "check": Page(NIGHTS, "docs/runbook/check-failed.md", ("stockbook check",)),
    "publish": Page(NIGHTS, "docs/runbook/check-failed.md", ("stockbook publish",)),
    "load": Page(NIGHTS, "docs/backup.md", ("stockbook load --from-landing old-home/landing",)),
    "sql": Page(
        ASK,
        "docs/queries.md",
        (
            "stockbook sql",
            'stockbook sql "from reports.sla_daily order by due_date desc limit 7"',
            'stockbook sql "show tables"',
        ),
    ),
    "metric": Page(
        ASK,
        "docs/dashboards.md (Figures by name)",
        ("stockbook metric list", "stockbook metric stock_value --by month --from 2026-01-01"),
    ),
    "lineage": Page(
        ASK, "docs/lineage.md", ("stockbook lineage marts.fct_order.city", "stockbook lineage export > lineage.jsonl")
    ),
    "dictionary": Page(ASK, "docs/dashboards.md (The data dictionary)", ("stockbook dictionary --to pages",)),
    "hash": Page(ASK, "docs/queries.md", ("echo 2026000123 | stockbook hash payment_key",)),
    "mcp": Page(ASK, "docs/analyst.md", ("stockbook mcp", "stockbook mcp --http --port 8500")),
    "close": Page(
        KEEP,
        "docs/closing.md",
        ("stockbook close 2026-01 --dry-run", 'stockbook close 2026-01 --by "A. Novak"', "stockbook close verify"),
    ),
    "forget": Page(
        KEEP,
        "docs/erasure.md",
        ("stockbook forget --email --file addresses.txt", "stockbook forget --requests"),
    ),
    "retention": Page(KEEP, "docs/retention.md", ("stockbook retention --dry-run",)),
    "compact": Page(KEEP, "docs/running.md (A red night)", ("stockbook compact --dry-run",)),
    "upgrade": Page(KEEP, "docs/deploying.md (Upgrades)", ("stockbook upgrade",)),
    "repair": Page(KEEP, "docs/runbook/books-damaged.md", ("stockbook repair",)),
    "restore": Page(
        KEEP, "docs/backup.md", ("stockbook restore --from /backups", "stockbook restore --as-of 2026-11-27")
    ),
    "backup": Page(KEEP, "docs/backup.md", ("stockbook backup --to /backups",)),
    "backup verify": Page(KEEP, "docs/backup.md", ("stockbook backup verify --from /backups --all",)),
    "backup list": Page(KEEP, "docs/backup.md", ("stockbook backup list --from /backups",)),
    "policy": Page(ROOMS, "docs/running.md", ()),
    "policy check": Page(ROOMS, "docs/runbook/setting-wrong.md", ("stockbook policy check",)),
    "policy write-down": Page(
        ROOMS, "docs/valuation.md (Write-down)", ("stockbook policy write-down --policy mine/valuation.yml",)
    ),
    "sla": Page(ROOMS, "docs/sla.md", ()),
    "sla replay": Page(ROOMS, "docs/sla.md", ("stockbook sla replay --policy mine/sla.yml --limit 0",)),
    "export": Page(ROOMS, "docs/exports.md", ()),
    "export table": Page(
        ROOMS,
        "docs/exports.md",
        (
            "stockbook export table reports.stock_ageing --to ageing.xlsx",
            "stockbook export table reports.stock_value_on day=2026-02-28",
        ),
    ),
    "export query": Page(
        ROOMS, "docs/exports.md", ('stockbook export query "from reports.sla_daily" --to promises.parquet',)
    ),
    "export month": Page(ROOMS, "docs/exports.md", ("stockbook export month 2026-01",)),
    "export journal": Page(ROOMS, "docs/exports.md", ("stockbook export journal 2026-01 --format xlsx",)),
    "extra": Page(ROOMS, "docs/own_reports.md", ()),
    "extra new": Page(ROOMS, "docs/own_reports.md", ("stockbook extra new own",)),
    "extra check": Page(ROOMS, "docs/own_reports.md", ("STOCKBOOK_EXTRA_DIR=own stockbook extra check",)),
    "bi": Page(ROOMS, "docs/dashboards.md", ()),
    "bi serve": Page(ROOMS, "docs/dashboards.md", ("stockbook bi serve --browser",)),
    "bi bundle": Page(ROOMS, "docs/dashboards.md", ("stockbook bi bundle", "stockbook bi bundle --check")),
    "hooks": Page(ROOMS, "docs/webhooks.md", ()),
    "hooks status": Page(ROOMS, "docs/webhooks.md (Health)", ("stockbook hooks status",)),
    "hooks serve": Page(ROOMS, "docs/webhooks.md", ("stockbook hooks serve --port 8400",)),
    "hooks register": Page(
        ROOMS, "docs/webhooks.md", ("stockbook hooks register --address https://a.example.com/stockbook/hooks",)
    ),
    "hooks reactivate": Page(ROOMS, "docs/webhooks.md", ("stockbook hooks reactivate",)),
    "hooks move": Page(
        ROOMS, "docs/webhooks.md", ("stockbook hooks move --address https://a.example.com/stockbook/hooks",)
    ),
    "hooks remove": Page(ROOMS, "docs/webhooks.md", ("stockbook hooks remove",)),
    "hooks drain": Page(ROOMS, "docs/runbook/events-wait.md", ("stockbook hooks drain",)),
    "hooks reread": Page(ROOMS, "docs/webhooks.md", ("stockbook hooks reread --since 2026-11-17",)),
    "hooks authorize": Page(ROOMS, "docs/webhooks.md", ("stockbook hooks authorize",)),
    "contract": Page(ROOMS, "docs/doors.md (Contracts)", ()),
    "contract export": Page(ROOMS, "docs/doors.md (Contracts)", ("stockbook contract export --to contracts",)),
    "contract diff": Page(ROOMS, "docs/doors.md (Contracts)", ("stockbook contract diff docs/contracts/0.2.0.yml",)),
    "fleet": Page(ROOMS, "docs/fleet.md", ()),
    "fleet run": Page(ROOMS, "docs/fleet.md", ("stockbook fleet run --processes 2",)),
    "fleet status": Page(ROOMS, "docs/fleet.md", ("stockbook fleet status",)),
    "fleet report": Page(ROOMS, "docs/fleet.md", ("stockbook fleet report north",)),
    "fleet take-over": Page(ROOMS, "docs/fleet.md", ("stockbook fleet take-over north",)),
    "fleet remove": Page(ROOMS, "docs/fleet.md", ("stockbook fleet remove north",)),
    "fleet maintain": Page(ROOMS, "docs/fleet.md", ("stockbook fleet maintain",)),
    "sandbox": Page(ROOMS, "docs/sandbox.md", ()),
    "sandbox serve": Page(ROOMS, "docs/sandbox.md", ("stockbook sandbox serve --port 8600 --variants 150",)),
    "sandbox truth": Page(
        ROOMS, "docs/sandbox.md", ("stockbook sandbox truth --at 2026-03-01T02:15:00 --out truth.json",)
    ),
}
"""By the words of the command; in this order they are listed."""


class _Flags:
    """What takes no value shows none: typer writes `<bool>` behind a flag, which nobody can type."""

    def get_params(self, ctx: Any) -> list[Any]:
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]  # of the class it is mixed into
        for param in params:
            if isinstance(param, TyperOption) and param.is_flag:
                param.metavar = ""
        return params


class _Command(_Flags, TyperCommand):
    """A command."""


class _Group(_Flags, TyperGroup):
    """A group of commands."""


def listed(app: typer.Typer, above: str = "") -> Iterator[tuple[str, CommandInfo | TyperInfo]]:
    """Every command and group of a program by its words."""
    for command in app.registered_commands:
        yield f"{above} {_name(command)}".strip(), command
    for group in app.registered_groups:
        words = f"{above} {group.name}".strip()
        yield words, group
        if group.typer_instance is not None:
            yield from listed(group.typer_instance, words)


def add_to(app: typer.Typer) -> None:
    """Put each page below its command, and the commands of the program into their groups."""
    for words, command in listed(app):
        group, read, examples = PAGES[words]
        copied = ["For example\n" + "\n".join(f"  {example}" for example in examples)] if examples else []
        command.cls = _Command if isinstance(command, CommandInfo) else _Group
        command.epilog = "\n\n".join([*copied, f"Read on: {read}"])
        if " " not in words:
            command.rich_help_panel = group
    app.info.cls = _Group
    order = list(PAGES)
    app.registered_commands.sort(key=lambda command: order.index(_name(command)))
    app.registered_groups.sort(key=lambda group: order.index(str(group.name)))


def _name(command: CommandInfo) -> str:
    return command.name or getattr(command.callback, "__name__", "").replace("_", "-")
