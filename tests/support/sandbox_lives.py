"""
Rows of staging from the lives of a sandbox shop's orders, and the truth about their promises.

What nights would have polled, what webhooks would have told and what the ledger shows is written
straight from the shop's own milestones; the truth is worked out from the same milestones, order
by order and day by day, and shares no code with the models.
"""

import json
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from stockbook.sla.calendar import public_holidays
from stockbook_sandbox import Shop, lives
from stockbook_sandbox.ledger import OUT
from stockbook_sandbox.localtime import ZONE, day_text, local_of, to_local, to_utc

EVENTS = {
    "created": "OrderCreated",
    "pushed_to_expedition": "OrderPushedToExpedition",
    "waiting_for_storage": "OrderStatusChangedToWaitingForStorage",
    "sent_back": "OrderStatusChangedToCreated",
    "packed": "OrderPacked",
    "sent": "OrderSent",
    "not_sent": "OrderNotSent",
    "delivered": "OrderDelivered",
    "returned": "OrderReturned",
    "cancelled": "OrderCanceled",
    "restored": "OrderRestored",
}


def times(seconds: Any) -> Any:
    """Seconds since 1970 as timestamps."""
    return np.asarray(seconds, dtype="datetime64[s]").astype("datetime64[us]")


@dataclass
class Life:
    """What happened to an order up to now: ``steps`` are (kind, instant in seconds UTC) in order."""

    order_id: str
    steps: list[tuple[str, int]]
    released: int
    dispatch_day: int

    @property
    def held_at_first(self) -> bool:
        """Created on hold."""
        return self.released > self.steps[0][1]


@dataclass
class Sandbox:
    """A shop as of a local time."""

    shop: Shop
    as_of: datetime
    now: int = field(init=False)
    lives: list[Life] = field(init=False)

    def __post_init__(self) -> None:
        self.now = self.shop.instant(self.as_of)
        milestones, starts = self.shop.lives, self.shop.lives.starts.tolist()
        at, kind = milestones.at.tolist(), milestones.kind.tolist()
        self.lives = [
            Life(
                self.shop.order_uuid[n],
                [(lives.KINDS[kind[row]], at[row]) for row in range(starts[n], starts[n + 1]) if at[row] <= self.now],
                int(self.shop.begun.released[n]),
                int(self.shop.begun.dispatch_day[n]),
            )
            for n in range(self.shop.visible_orders(self.now))
        ]

    def fill(self, con: duckdb.DuckDBPyConnection) -> None:
        """Orders, lines, variants and the ledger as the listings show them now."""
        d, count = self.shop.demand, len(self.lives)
        codes = np.array(self.shop.catalogue.code, dtype=object)
        ids = np.array(self.shop.order_uuid, dtype=object)
        days = [day_text(life.dispatch_day) if life.dispatch_day >= 0 else None for life in self.lives]
        seen = d.line_order < count
        moved = self.shop.visible_movements(self.now)
        m = self.shop.movements
        moved = moved[m.order[moved] >= 0]
        tables = {
            "orders": {
                "account": "main", "order_id": ids[:count], "created_text": "as sent", "source_status": "any",
                "created_at": times(to_local(d.created[:count])), "created_at_utc": times(d.created[:count]),
                "delivery_id": self.shop.order_delivery[:count] + 1, "dispatch_date": days,
            },
            "order_lines": {
                "account": "main", "order_id": ids[d.line_order[seen]], "line_no": np.flatnonzero(seen),
                "code": codes[d.line_variant[seen]], "quantity": d.line_quantity[seen],
            },
            "variants": {
                "account": "main", "variant_id": self.shop.catalogue.variant_id, "product_id": 1, "code": codes,
            },
            "movements": {
                "account": "main", "movement_id": m.id[moved],
                "variant_id": self.shop.catalogue.variant_id[m.variant[moved]],
                "direction": np.where(m.direction[moved] == OUT, "out", "in"), "order_id": ids[m.order[moved]],
                "quantity": m.quantity[moved], "damaged_quantity": m.damaged[moved], "created_text": "as sent",
                "created_at": times(to_local(m.created[moved])),
            },
        }  # fmt: skip
        for name, columns in tables.items():
            write(con, name, pd.DataFrame(columns))

    def poll(self, con: duckdb.DuckDBPyConnection, nights: list[datetime]) -> None:
        """What a poll at each of these local times saw of every order."""
        instants = [self.shop.instant(night) for night in nights]
        rows: list[tuple[Any, ...]] = []
        for life in self.lives:
            changes = sorted({at for _, at in life.steps} | ({life.released} if life.held_at_first else set()))
            before: tuple[Any, ...] | None = None
            version = 0
            for night in sorted({bisect_left(instants, at) for at in changes}):
                if night == len(instants):
                    continue
                kind = [kind for kind, at in life.steps if at <= instants[night]][-1]
                status = lives.STATUS_AFTER[kind]
                on_hold = life.held_at_first and life.released > instants[night]
                if (status, on_hold) == before:
                    continue
                if before is not None:
                    rows[-1] = (*rows[-1][:-1], nights[night - 1])
                before = (status, on_hold)
                version += 1
                problem = "packing" if status == "problem_in_expedition" else None
                rows.append((life.order_id, status, on_hold, problem, version, nights[night], nights[-1]))
        names = [
            "order_id",
            "source_status",
            "is_on_hold",
            "problem_source",
            "_version",
            "_valid_from",
            "_last_seen_at",
        ]
        write(con, "orders_history", pd.DataFrame(rows, columns=names).assign(account="main"))

    def tell(self, con: duckdb.DuckDBPyConnection) -> None:
        """Every event webhooks would have told by now."""
        events = [(life, kind, at) for life in self.lives for kind, at in life.steps if kind in EVENTS]
        events.sort(key=lambda event: event[2])
        instants = np.array([at for _, _, at in events])
        frame = {
            "account": "main", "source": "fulfillment_cz", "subject_kind": "order",
            "event_id": [f"e{number}" for number in range(len(events))],
            "event_type": [EVENTS[kind] for _, kind, _ in events],
            "subject_id": [life.order_id for life, _, _ in events],
            "payload": [
                json.dumps({"on_hold": life.held_at_first}) if kind == "created" else None for life, kind, _ in events
            ],
            "occurred_text": "as sent", "occurred_at": times(to_local(instants)),
            # the drain reads a time of the repeated hour as its first pass
            "occurred_at_utc": times(to_utc(to_local(instants))), "received_at_utc": times(instants + 2),
            "received_no": np.arange(1, len(events) + 1),
        }  # fmt: skip
        write(con, "webhook_events", pd.DataFrame(frame))

    def unwritten(self) -> set[str]:
        """Orders that have left by a movement the ledger does not show yet."""
        m = self.shop.movements
        late = (m.direction == OUT) & (m.order >= 0) & (m.created <= self.now) & (m.visible > self.now)
        return {self.shop.order_uuid[n] for n in np.unique(m.order[late]).tolist()}

    def truth(self, stop_event: str = "stock_out", unseen_waits: str = "assume_none") -> dict[str, "Truth"]:
        """State, due day and kind of each order's latest cycle, all being known."""
        return {life.order_id: self._judge(life, stop_event, unseen_waits) for life in self.lives}

    def _judge(self, life: Life, stop_event: str, unseen_waits: str) -> "Truth":
        restores = [at for kind, at in life.steps if kind == "restored"]
        begun = restores[-1] if restores else life.steps[0][1]
        cycle = [(kind, at) for kind, at in life.steps if at >= begun]
        stops = [at for kind, at in cycle if kind in ("waiting_for_storage", "sent_back")]
        if life.held_at_first and life.released > begun:
            stops.append(begun)
        pushes = [at for kind, at in cycle if kind == "pushed_to_expedition"]
        eligible: int | None = begun
        if stops or unseen_waits == "widen":
            eligible = next((at for at in pushes if at > max(stops, default=begun)), None)
        if life.dispatch_day >= 0 and eligible is not None:
            eligible = max(eligible, int(to_utc(np.array([life.dispatch_day * 86_400]))[0]))
        failed = [at for kind, at in cycle if kind == "not_sent"]
        stop = "packed" if stop_event == "stock_out" else stop_event
        left = next((at for kind, at in cycle if kind == stop and at > max(failed, default=0)), None)
        if failed and left is None and stop == "packed":
            left = next((at for kind, at in cycle if kind == "sent" and at > failed[-1]), None)
        cancelled = next((at for kind, at in cycle if kind == "cancelled"), None)
        waited = bool(stops or restores)
        due, day = due_of(eligible) if eligible is not None else (None, None)
        if left is not None and (cancelled is None or left <= cancelled):
            return Truth("on_time" if due is not None and left <= due else "late", day, waited)
        if cancelled is not None:
            return Truth("late" if due is not None and cancelled > due else "excluded", day, waited)
        if due is None or eligible is None or eligible > self.now or self.now <= due:
            return Truth("pending", day, waited)
        return Truth("overdue", day, waited)


@dataclass(frozen=True)
class Truth:
    """The truth about an order's promise; ``waited``: it was once on hold, waiting, sent back or restored."""

    state: str
    due_day: date | None
    waited: bool


@cache
def _holidays(year: int) -> set[date]:
    return set(public_holidays("CZ", date(year, 1, 1), date(year, 12, 31)))


def due_of(eligible: int) -> tuple[int, date]:
    """By when an order has to leave (cut-off 12:00, no handling days, until 18:00), found day by day."""
    local = local_of(eligible)
    day = local.date()

    def works() -> bool:
        return day.weekday() < 5 and day not in _holidays(day.year)

    if not works() or local.hour >= 12:
        day += timedelta(days=1)
        while not works():
            day += timedelta(days=1)
    due = datetime.combine(day, time(18), tzinfo=ZONE).astimezone(UTC)
    return int(due.timestamp()), day


def nights(shop: Shop, as_of: datetime) -> list[datetime]:
    """Every night up to ``as_of``, at its hour, from the first order on."""
    first = local_of(int(shop.demand.created[0])).date()
    count = (as_of.date() - first).days
    return [as_of - timedelta(days=back) for back in range(count, -1, -1)]


def write(con: duckdb.DuckDBPyConnection, table: str, frame: pd.DataFrame) -> None:
    """Rows into a table of staging, by name."""
    con.register("given_rows", frame)
    con.execute(f"insert into staging.{table} by name select * from given_rows")
    con.unregister("given_rows")
