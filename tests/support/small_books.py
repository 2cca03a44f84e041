"""
Small books with all that a check can depend on, and nights of them without HTTP: what is carried over is compared with
asking, and what is left alone with building it.

Declarations of the project's own staging, loaded by the night's own load and drain; models and programs of their own
that read now, the run, when rows were seen, history, quarantine, what was published, and what they wrote before.
"""

import shutil
from collections.abc import Callable
from copy import copy, deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from checkout import PROJECT

from conftest import a_run
from stockbook import declaration_files
from stockbook.checks.results import Result, asked_of, carried, write_results
from stockbook.checks.rules import Rule, of_table
from stockbook.checks.run import outcomes, statement
from stockbook.clock import ManualClock
from stockbook.declarations import Table
from stockbook.inbox.event import InboxEvent
from stockbook.models.build import build, run_step
from stockbook.models.order import steps
from stockbook.models.programs import BuildContext
from stockbook.night import run_rows
from stockbook.progress import Silent
from stockbook.runs.check_outcome import Outcome
from stockbook.runs.context import RunContext
from stockbook.sql_text import quoted
from stockbook.staging.load import Landed, load
from stockbook.warehouse import meta
from stockbook.warehouse.content_marks import Marks
from stockbook.warehouse.schema import create_all
from stockbook.webhooks.drain import drain

SQL = PROJECT / "include" / "sql"
STAGING = ("categories", "deliveries", "orders", "order_lines", "stock_levels", "webhook_events")
FIRST = datetime(2026, 3, 1, 2, 15)

# name, kind, columns, select, checks (name, severity, rows)
MODELS: dict[str, tuple[str, str, str, list[tuple[str, str, str]]]] = {
    "category_count": (
        "table",
        "account: {type: varchar, required: true, description: a}, categories: {type: bigint, description: a}",
        "select account, count(*) as categories from staging.categories where _deleted_at is null group by account",
        [
            ("there are at most four", "fail", "select account from marts.category_count where categories > 4"),
            (
                "each has a name",
                "warn",
                "select category_id from staging.categories where category_name is null and _deleted_at is null",
            ),
        ],
    ),
    "now": (
        "view",
        "run_id: {type: varchar, description: a}, as_of: {type: timestamp, description: a}",
        "select run_id, as_of from meta.current_run",
        [],
    ),
    "past_order": (
        "table",
        "order_id: {type: varchar, description: a}, hours: {type: double, unit: hours, description: a}",
        "select o.order_id, date_diff('hour', o.created_at, n.as_of) as hours from staging.orders as o "
        "cross join marts.now as n where o._deleted_at is null",
        [("no order is old", "warn", "select order_id from marts.past_order where hours > 72")],
    ),
    "teller": (
        "table",
        "run_id: {type: varchar, description: a}",
        "select run_id from meta.current_run",
        [],
    ),
    "unseen": (
        "table",
        "category_id: {type: bigint, description: a}",
        "select category_id from staging.categories where _last_seen_at < (select max(_last_seen_at) "
        "from staging.stock_levels)",
        [("every category was seen with the stock", "warn", "select category_id from marts.unseen")],
    ),
    "fresh": (
        "view",
        "order_id: {type: varchar, description: a}",
        "select order_id from staging.orders as o inner join marts.now as n on o._run_id = n.run_id",
        [
            ("a run writes at most two orders", "fail", "select 1 from marts.fresh having count(*) > 2"),
            ("at most one order has a past", "warn", "select 1 from staging.orders_history having max(_version) > 2"),
        ],
    ),
    "refused": (
        "view",
        "row_key: {type: varchar, description: a}",
        "select row_key from staging.quarantine",
        [("nothing is set aside twice", "warn", "select 1 from marts.refused having count(*) > 1")],
    ),
    "counted": (
        "table",
        "variant_id: {type: bigint, description: a}, counted_at: {type: timestamp, description: a}",
        "select variant_id, max(snapshot_at) as counted_at from staging.stock_levels group by variant_id",
        [
            (
                "stock is new",
                "warn",
                "select 1 from marts.counted, marts.now where counted_at < as_of - interval 2 hour",
            )
        ],
    ),
    "clock": (
        "table",
        "n: {type: bigint, description: a}",
        "select 1 as n",
        [("some runs are known", "warn", "select 1 from meta.run having count(*) % 2 = 0")],
    ),
    "memory": (
        "program",
        "noted_as_of: {type: timestamp, description: a}, orders: {type: bigint, description: a}",
        "",
        [("little happened", "warn", "select 1 from marts.memory having count(*) > 2")],
    ),
    "change": (
        "program",
        "changed_as_of: {type: timestamp, description: a}, categories: {type: bigint, description: a}",
        "",
        [("one night changed something", "warn", "select 1 from marts.change having count(*) > 1")],
    ),
    "policy": (
        "program",
        "texts: {type: varchar, description: a}, categories: {type: bigint, description: a}",
        "",
        [("there are few categories", "warn", "select 1 from marts.policy where categories > 9")],
    ),
    "policy_share": (
        "table",
        "texts: {type: varchar, description: a}, orders: {type: bigint, description: a}",
        "select p.texts, count(o.order_id) as orders from marts.policy as p "
        "left join marts.past_order as o on o.hours > p.categories group by p.texts",
        [],
    ),
}
READS = {
    "memory": ("marts.past_order", "meta.current_run"),
    "change": ("marts.category_count", "meta.current_run", "meta.run"),
    "policy": ("marts.category_count",),
}
WITHOUT_MEMORY = {"policy"}


def memory(con: duckdb.DuckDBPyConnection, context: BuildContext) -> None:
    """Like alerts: it goes on from its own rows, and undoes those of this night and of later ones."""
    con.execute("create table if not exists marts.memory (noted_as_of timestamp, orders bigint)")
    con.execute("delete from marts.memory where noted_as_of >= ?", [context.as_of])
    con.execute(
        "insert into marts.memory select ?, count(*) from marts.past_order "
        "having count(*) is distinct from (select max_by(orders, noted_as_of) from marts.memory)",
        [context.as_of],
    )


def change(con: duckdb.DuckDBPyConnection, context: BuildContext) -> None:
    """Like what a night changed: the published rows, and one more of a later night."""
    con.execute("create or replace table marts.change as from main.published_change")
    con.execute(
        "insert into marts.change select ?, n from (select sum(categories) as n from marts.category_count) "
        "where (select max_by(as_of, finished_at) from meta.run where status = 'published') < ?",
        [context.as_of, context.as_of],
    )


def policy(con: duckdb.DuckDBPyConnection, context: BuildContext) -> None:
    """Like the promises: policy files and rows."""
    texts = " ".join(file.read_text() for file in sorted(context.policy_dir.iterdir()))
    con.execute(
        "create or replace table marts.policy as select ?::varchar as texts, sum(categories)::bigint as categories "
        "from marts.category_count",
        [texts],
    )


class Killed(BaseException):
    """The night ended here, and nothing that looks after errors heard of it."""


def connected() -> duckdb.DuckDBPyConnection:
    """An empty database in memory."""
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    con.execute("set threads = 1")
    return con


class Inbox:
    """Events that wait."""

    def __init__(self) -> None:
        self.waiting: list[InboxEvent] = []

    def pending(self, after: int, batch: int, _: str | None) -> list[InboxEvent]:
        return [event for event in self.waiting if event.id > after][:batch]

    def mark_drained(self, ids: list[int], *_: object) -> None:
        self.waiting = [event for event in self.waiting if event.id not in ids]

    def drop_drained_before(self, _: datetime) -> int:
        return 0


class SmallBooks:
    """
    Books in memory; the shop's rows lie in ``shop``, by listing.

    ``carried`` of all ``compared`` results were carried over, ``left_alone`` of all ``rebuilt`` models not built;
    ``built`` has the names of those that the latest night built.
    """

    def __init__(self, folder: Path, land: Callable[..., Landed]) -> None:
        self.folder, self.land = folder, land
        self.con = connected()
        self.clock = ManualClock(datetime(2026, 3, 1, 1, 15, tzinfo=UTC))
        self.as_of = FIRST
        self.published_as_of: datetime | None = None
        self.selects = {name: select for name, (_, _, select, _) in MODELS.items()}
        self.extra_checks: list[tuple[str, str, str]] = []
        self.policies = folder / "policy"
        self.policies.mkdir()
        self.shop: dict[str, list[dict[str, Any]]] = {
            "categories": [{"id": 1, "name": "Shoes"}],
            "deliveries": [{"id": 1, "name": "Post", "has_place": False}],
            "orders": [],
            "stock_levels": [{"variant_id": 1, "quantity": 3, "damaged_quantity": 0}],
        }
        self.inbox = Inbox()
        self.events = self.nights = self.editions = 0
        self.carried = self.compared = self.left_alone = self.rebuilt = 0
        self.built: set[str] = set()
        self.edit()
        create_all(self.con, self.tables)
        self.con.execute("create table main.published_change (changed_as_of timestamp, categories bigint)")

    def copied(self, folder: Path, land: Callable[..., Landed]) -> "SmallBooks":
        """The same books in another folder, with rows and all else of their own."""
        books = copy(self)
        books.folder, books.land = folder, land
        books.policies = Path(shutil.copytree(self.policies, folder / "policy"))
        for name in ("clock", "selects", "extra_checks", "shop", "inbox", "built"):
            setattr(books, name, deepcopy(getattr(self, name)))
        books.con = connected()
        file = quoted(str(folder / "copied.duckdb"))
        self.con.execute(f"attach {file} as copied; copy from database memory to copied; detach copied")
        books.con.execute(f"attach {file} as copied (read_only); copy from database copied to memory; detach copied")
        return books

    def edit(self) -> None:
        """Write the declarations anew, in a folder of their own: declarations are read once."""
        self.editions += 1
        self.models = self.folder / f"sql{self.editions}"
        shutil.copytree(SQL / "meta", self.models / "meta")
        (self.models / "staging").mkdir()
        (self.models / "marts").mkdir()
        shutil.copy(SQL / "columns.yml", self.models)
        for name in STAGING:
            shutil.copy(SQL / "staging" / f"{name}.yml", self.models / "staging")
        for name, (kind, columns, _, checks) in MODELS.items():
            own = checks + (self.extra_checks if name == "clock" else [])
            rules = "".join(f'  - {{name: {rule}, severity: {how}, rows: "{rows}"}}\n' for rule, how, rows in own)
            program = f"program: {name}\n" if kind == "program" else ""
            text = f"table: {name}\ndescription: a\nkind: {kind}\n{program}columns: {{{columns}}}\n"
            (self.models / "marts" / f"{name}.yml").write_text(text + (f"checks:\n{rules}" if rules else ""))
            if kind != "program":
                (self.models / "marts" / f"{name}.sql").write_text(f"-- a\n{self.selects[name]}\n")

    @property
    def tables(self) -> dict[str, Table]:
        return declaration_files.load(self.models)

    def event(self, subject: str) -> None:
        """An event arrives at the inbox."""
        self.events += 1
        self.inbox.waiting.append(
            InboxEvent(self.events, "fulfillment_cz", "main", f"e{self.events}", "OrderSent", "order", subject,
                       None, self.clock.utc(), "{}", None, None, None, None, None, None)
        )  # fmt: skip

    def drain(self, run_id: str) -> None:
        """Take the inbox."""
        drain(self.con, self.inbox, self.tables, run_id, self.as_of, a_run().tz, self.clock, 9.0)  # type: ignore[arg-type]  # only what a drain calls

    def night(
        self,
        stop: str = "",
        listings: tuple[str, ...] = ("categories", "deliveries", "orders", "stock_levels"),
        full_refresh: bool = False,
        walkers: int = 2,
    ) -> str:
        """A night as of ``as_of``, killed in the step ``stop``; returns how it ended."""
        self.nights += 1
        self.clock.sleep(60)
        observes = self.published_as_of is None or self.as_of >= self.published_as_of
        run = a_run(
            self.as_of.isoformat(), f"r{self.nights}", observes=observes, full_refresh=full_refresh,
            as_of_utc=self.as_of - timedelta(hours=1), started_at=self.clock.utc(),
        )  # fmt: skip
        try:
            create_all(self.con, self.tables)
            run_rows.insert(self.con, run, "running", run.started_at)
            if observes:
                self.drain(run.run_id)
                self._load(run, listings)
            self._killed(stop, "load")
            self.check(run, "staging", stop)
            self._build(run, stop, walkers)
            self._killed(stop, "build")
            self.check(run, "marts", stop)
        except Killed:
            return "killed"
        self.con.execute("create or replace table main.published_change as from marts.change")
        meta.write_published(self.con, run.run_id, self.clock.utc())
        self.published_as_of = self.as_of
        return "published"

    def _killed(self, stop: str, step: str) -> None:
        if stop == step:
            raise Killed

    def _load(self, run: RunContext, listings: tuple[str, ...]) -> None:
        window = {"window_from": "2026-01-01", "window_to": "2026-12-31"}
        landed = [
            self.land(
                listing, self.shop[listing], read_at=run.as_of.isoformat(), repeated=0,
                **(window if listing == "orders" else {}),
            )
            for listing in listings
        ]  # fmt: skip
        load(self.con, run, landed, self.tables, self.clock, Silent(), 1.0)

    def _build(self, run: RunContext, stop: str, walkers: int) -> None:
        context = BuildContext(
            run.as_of, run.run_id, run.tz, self.policies, self.tables, run.full_refresh, self.folder, run.as_of_utc
        )
        if stop == "building":
            with_mistake = dict(self.selects)
            self.selects["past_order"] = "select order_id, error('killed')::double as hours from staging.orders"
            self.edit()
            try:
                build(self.con, self.models, context._replace(tables=self.tables), self.clock, Silent(), walkers)
            except Exception as error:
                raise Killed from error
            finally:
                self.selects = with_mistake
                self.edit()
            raise Killed  # no order, no mistake
        self.built = set(build(self.con, self.models, context, self.clock, Silent(), walkers))
        self._rebuild(context)

    def _rebuild(self, context: BuildContext) -> None:
        """Every model without memory has the rows that building it over the same gives, left alone or not."""
        for step in steps(self.models, self.tables):
            if step.program is not None and step.program not in WITHOUT_MEMORY:
                assert step.name in self.built
                continue
            rows = [self._rows(table.name) for table in step.tables]
            run_step(self.con, step, context)
            assert [self._rows(table.name) for table in step.tables] == rows, (self.nights, step.name)
            self.rebuilt += 1
            self.left_alone += step.name not in self.built

    def _rows(self, name: str) -> list[tuple[Any, ...]]:
        return self.con.execute(f"select * from {name} order by all").fetchall()

    def check(self, run: RunContext, layer: str, stop: str = "") -> None:
        """A stage of checks as the night has it; every result is that of asking, and a broken rule ends the night."""
        rules = [rule for table in self.tables.values() if table.layer == layer for rule in of_table(table)]
        marks = Marks(self.con, self.tables, self.models)
        contents = {rule.key: asked_of(rule, marks) for rule in rules}
        now = self.clock.utc()
        results = {} if run.full_refresh else carried(self.con, run.run_id, contents, now)
        self.carried += len(results)
        self.compared += len(rules)
        for rule, outcome in zip(rules, one_by_one(self.con, rules), strict=True):
            if rule.key in results:
                carried_over = results[rule.key].outcome
                assert seen(carried_over) == seen(outcome), (self.nights, rule.key, carried_over, outcome)
                assert carried_over.success is not False or rule.severity == "warn"
            else:
                results[rule.key] = Result(outcome, now, contents[rule.key])
        self._killed(stop, f"check_{layer}")
        write_results(self.con, run.run_id, f"check_{layer}", [results[rule.key] for rule in rules])
        if any(result.outcome.success is False and result.outcome.severity == "fail" for result in results.values()):
            raise Killed


def seen(outcome: Outcome) -> tuple[Any, ...]:
    """All that an outcome says but for who asked."""
    return (
        outcome.suite, outcome.expectation, outcome.severity, outcome.success, outcome.observed, outcome.failing_rows
    )  # fmt: skip


def one_by_one(con: duckdb.DuckDBPyConnection, rules: list[Rule]) -> list[Outcome]:
    """What comes of each rule, asked by itself and by nobody but DuckDB."""
    counts = {rule.key: int(con.execute(statement([rule])).fetchall()[0][0][0]) for rule in rules}
    return outcomes(con, rules, counts)
