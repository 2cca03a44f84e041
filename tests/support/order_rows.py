"""Rows of staging for tests of orders: what polls saw, what was ordered, what moved."""

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
from model_runner import POLICY, PRAGUE, run, warehouse


def at(text: str) -> datetime:
    """A naive time from ``2025-03-04 11:59`` or a day (midnight)."""
    return datetime.fromisoformat(text)


def utc(text: str) -> datetime:
    """The instant of a local wall-clock time of Prague as naive UTC; the first pass of a repeated hour."""
    return at(text).replace(tzinfo=PRAGUE).astimezone(UTC).replace(tzinfo=None)


@dataclass
class Seen:
    """
    One version of an order: its status, the first and last poll that saw it (local), its problem and the answer.

    ``asked_for`` is its requested day, where the order has no other, ``delivery_id`` its method.
    """

    status: str
    first: str
    last: str | None = None
    on_hold: bool = False
    problem: str | None = None
    solved: bool | None = None
    asked_for: str | None = None
    delivery_id: int | None = None


@dataclass
class Orders:
    """A warehouse that fills up with orders; times are local wall clock of Prague."""

    con: duckdb.DuckDBPyConnection = field(default_factory=warehouse)
    movements: int = 0
    events: int = 0

    def order(
        self,
        order_id: str,
        created: str,
        *seen: Seen,
        out: str | None = None,
        pieces: int = 1,
        dispatch_date: str | None = None,
        delivery_id: int | None = None,
        account: str = "main",
    ) -> None:
        """An order of ``pieces`` of variant 1 (code DS1), seen so by polls, all of it leaving at ``out``."""
        versions = seen or (Seen("in_expedition", created),)
        last = versions[-1]
        days = [dispatch_date or version.asked_for for version in versions]
        requested = [date.fromisoformat(day) if day else None for day in days]
        self.con.execute(
            """
            insert into staging.orders (account, order_id, created_text, created_at, created_at_utc, source_status,
                is_on_hold, problem_source, dispatch_date, delivery_id, _last_seen_at)
            values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                account,
                order_id,
                created,
                at(created),
                utc(created),
                last.status,
                last.on_hold,
                last.problem,
                requested[-1],
                delivery_id or last.delivery_id,
                at(last.last or last.first),
            ],
        )
        for number, version in enumerate(versions, start=1):
            self.con.execute(
                """
                insert into staging.orders_history (account, order_id, source_status, is_on_hold, problem_source,
                    has_solution, dispatch_date, delivery_id, _version, _valid_from, _last_seen_at, _valid_to)
                values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    account,
                    order_id,
                    version.status,
                    version.on_hold,
                    version.problem,
                    version.solved,
                    requested[number - 1],
                    version.delivery_id,
                    number,
                    at(version.first),
                    at(version.last or version.first),
                    at(versions[number].first) if number < len(versions) else None,
                ],
            )
        self.line(order_id, 1, pieces, account=account)
        if out:
            self.move(order_id, out, pieces, account=account)

    def line(self, order_id: str, variant_id: int, pieces: int, account: str = "main") -> None:
        """One more line; code DS<variant_id>, a variant of the catalogue when it is below 100."""
        listed = self.con.execute(
            "select 1 from staging.variants where account = ? and variant_id = ?", [account, variant_id]
        )
        if variant_id < 100 and not listed.fetchall():
            self.con.execute(
                "insert into staging.variants (account, variant_id, product_id, code) values (?, ?, 1, ?)",
                [account, variant_id, f"DS{variant_id}"],
            )
        self.con.execute(
            """
            insert into staging.order_lines (account, order_id, line_no, code, quantity)
            select ?, ?, count(*) + 1, ?, ? from staging.order_lines where account = ? and order_id = ?
            """,
            [account, order_id, f"DS{variant_id}", pieces, account, order_id],
        )

    def move(
        self, order_id: str, moved: str, pieces: int, variant_id: int = 1, direction: str = "out",
        damaged: int = 0, account: str = "main",
    ) -> None:  # fmt: skip  # one line per argument says no more
        """A movement of the order; ids ascend in the order of calls."""
        self.movements += 1
        self.con.execute(
            """
            insert into staging.movements (account, movement_id, variant_id, direction, order_id, quantity,
                damaged_quantity, created_text, created_at)
            values (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [account, self.movements, variant_id, direction, order_id, pieces, damaged, moved, at(moved)],
        )

    def event(
        self, order_id: str, event_type: str, occurred: str, on_hold: bool | None = None, received: str | None = None,
        event_id: str | None = None, account: str = "main", shipment: str | None = None, has_note: bool | None = None,
    ) -> None:  # fmt: skip  # one line per argument says no more
        """A webhook event of the order (local), received at once or at ``received``; arrivals in order of calls."""
        self.events += 1
        instant: datetime | None = utc(occurred)
        if instant and instant.replace(tzinfo=UTC).astimezone(PRAGUE).replace(tzinfo=None) != at(occurred):
            instant = None  # the drain gives a time of the skipped hour no instant
        self.con.execute(
            """
            insert into staging.webhook_events (account, source, event_id, event_type, occurred_text, occurred_at,
                occurred_at_utc, received_at_utc, received_no, subject_kind, subject_id, payload, has_note)
            values (?, 'fulfillment_cz', ?, ?, ?, ?, ?, ?, ?, 'order', ?, ?, ?)
            """,
            [
                account,
                event_id or f"e{self.events}",
                event_type,
                occurred,
                at(occurred),
                instant,
                utc(received or occurred),
                self.events,
                order_id,
                json.dumps(
                    {"id": order_id}
                    | ({} if on_hold is None else {"on_hold": on_hold})
                    | ({} if shipment is None else {"data": {"delivery": {"status": shipment}}})
                ),
                has_note,
            ],
        )

    def own_label(self, order_id: str, account: str = "main") -> None:
        """A label of the shop's own carrier on the order."""
        self.con.execute(
            "insert into staging.order_labels (account, order_id, label_no, barcode) values (?, ?, 1, 'hash')",
            [account, order_id],
        )

    def webhooks(self, order_id: str, *events: tuple[str, str], account: str = "main") -> None:
        """Several events of the order: ``(event_type, local time)``."""
        for event_type, occurred in events:
            self.event(order_id, event_type, occurred, account=account)

    def build(self, as_of: str, model: str = "marts.fct_fulfillment", policy_dir: Path = POLICY) -> None:
        """Build a model and what it reads."""
        run(self.con, model, at(as_of), policy_dir=policy_dir)

    def fulfillment(self, as_of: str, policy_dir: Path = POLICY) -> dict[str, dict[str, Any]]:
        """The latest cycle of each order as of a local time: order id -> column -> value."""
        self.build(as_of, policy_dir=policy_dir)
        return {row["order_id"]: row for row in self.rows("marts.fct_fulfillment") if row["is_latest_cycle"]}

    def rows(self, table: str, order: str = "all") -> list[dict[str, Any]]:
        """All rows of a table as dictionaries."""
        result = self.con.execute(f"select * from {table} order by {order}")
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def policy_folder(folder: Path, **changes: str) -> Path:
    """A policy folder like the project's, with fields of its only version written otherwise (``field="value"``)."""
    for name in ("sla.yml", "calendar.yml", "statuses.yml"):
        text = (POLICY / name).read_text()
        for key, value in changes.items() if name == "sla.yml" else ():
            lines = [
                f"    {key}: {value}" if line.strip().startswith(f"{key}:") else line for line in text.splitlines()
            ]
            text = "\n".join(lines) + "\n"
        (folder / name).write_text(text)
    return folder
