"""A history of orders placed and sent, night after night: what rules say of it, and of what is planted in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from random import Random

import duckdb
from model_runner import POLICY, run, run_again, warehouse

from stockbook.alerts import rules
from stockbook.alerts.rules import VOLUMES, Figure

MEASURES = "intermediate.volume_measure"
TABLES = {"orders": "staging.orders", "dispatches": "staging.movements"}
# what becomes of the rows of a day, and what a rule measures of it
PLANTED: dict[str, tuple[str, str]] = {
    "silence": ("update {table} set _deleted_at = created_at where {day}", "missing"),
    "half": ("update {table} set _deleted_at = created_at where {day} and hash(order_id) % 2 = 0", "missing"),
    "double": (
        "insert into {table} by name select * replace ('again ' || order_id as order_id, 'planted' as _run_id) "
        "from {table} where {day}",
        "extra",
    ),
    # of orders alone: nothing leaves that nobody ordered
    "double, of others": (
        "insert into staging.orders by name select * replace ('again ' || order_id as order_id, "
        "'again ' || recipient_key as recipient_key, null as remote_number, 'planted' as _run_id) "
        "from staging.orders where {day}",
        "extra",
    ),
    # those of half a day in a row, from one in its first half on
    "half in a row": (
        """
        update {table} set _deleted_at = created_at where {day} and order_id in (
            select order_id
            from (
                select
                    order_id,
                    (row_number() over (day order by min(created_at), order_id) - 1) / count(*) over day as place,
                    hash(cast(created_at as date)) % 50 / 100 as begin
                from {table}
                where {day}
                group by order_id, cast(created_at as date)
                window day as (partition by cast(created_at as date))
            )
            where place >= begin and place < begin + 0.5
        )
        """,
        "missing",
    ),
}
UNDO = ("update {table} set _deleted_at = null where {day}", "delete from {table} where _run_id = 'planted'")


def night_after(day: date) -> datetime:
    """The night that sees a day whole."""
    return datetime(day.year, day.month, day.day, 2, 15) + timedelta(days=1)  # local wall clock


@dataclass
class History:
    """Rows of staging from a first to a last day, both whole."""

    first: date
    last: date
    policy_dir: Path = POLICY
    con: duckdb.DuckDBPyConnection = field(default_factory=warehouse)

    def write(self, kind: str, amounts: dict[date, int]) -> None:
        """So many rows of a kind on each day, from 8 to 18."""
        columns = {
            "orders": "'o' || i || '-' || ? as order_id",
            "dispatches": "'o' || i || '-' || ? as order_id, 'out' as direction",
        }
        for day, amount in amounts.items():
            self.con.execute(
                f"""
                insert into {TABLES[kind]} by name
                select 'main' as account, {columns[kind]},
                    cast(? as timestamp) + interval 8 hour + to_minutes(600 * i // ?) as created_at
                from range(?) as r (i)
                """,
                [day.isoformat(), day, amount, amount],
            )

    def send(self) -> None:
        """Send each order on the working day on which it was placed or on the next one."""
        self.con.execute(
            """
            insert into staging.movements by name
            select
                account,
                'out' as direction,
                order_id,
                created_at + to_days(case isodow(created_at)
                    when 6 then 2
                    when 7 then 1
                    else if(hash(order_id) % 10 < 6, 0, if(isodow(created_at) = 5, 3, 1))
                end) as created_at
            from staging.orders
            """
        )

    def settle(self) -> None:
        """Build the policies once, for all nights."""
        run(self.con, MEASURES, night_after(self.last), policy_dir=self.policy_dir)
        self._rules = [rule for rule in rules.read(self.policy_dir) if rule.measure in VOLUMES]

    def figures(self, day: date) -> list[Figure]:
        """What the night after a day measures."""
        run_again(self.con, MEASURES, night_after(day), stays=["marts.dim_date"])
        rows = self.con.execute(
            f"select account, measure, subject, detail, value, basis, age_hours, usual from {MEASURES} order by measure"
        )
        return [Figure(*row) for row in rows.fetchall()]

    def standing(self, day: date, as_it_is: bool = False) -> set[str]:
        """The rules that stand after the night after a day; of the rows as they are it is measured once."""
        figures = self.calm[day] if as_it_is else self.figures(day)
        return {rule.rule for rule in self._rules for figure in figures if rules.crosses(rule, figure)}

    @cached_property
    def calm(self) -> dict[date, list[Figure]]:
        """What each night measures of the rows as they are."""
        return {day: self.figures(day) for day in self.days()}

    def days(self) -> Iterator[date]:
        """All days but those of the first eight weeks, which nothing is compared with."""
        day = self.first + timedelta(weeks=8)
        while day < self.last:
            day += timedelta(days=1)
            yield day

    def raised(self) -> dict[date, set[str]]:
        """What each night raises anew of the rows as they are."""
        before: set[str] = set()
        raised = {}
        for day in self.days():
            standing = self.standing(day, as_it_is=True)
            if standing - before:
                raised[day] = standing - before
            before = standing
        return raised

    @contextmanager
    def planted(self, what: str, kind: str, days: list[date]) -> Iterator[None]:
        """The history with some days of a kind changed."""
        listed = ", ".join(f"date '{day}'" for day in days)
        words = {"table": TABLES[kind], "day": f"cast(created_at as date) in ({listed})"}
        self.con.execute(PLANTED[what][0].format(**words))
        yield
        for statement in UNDO:
            self.con.execute(statement.format(**words))

    def judged(self, kind: str) -> list[date]:
        """The days of a kind on which something is to be expected."""
        return [
            day
            for day, figures in self.calm.items()
            if any(f.measure == f"missing_{kind}" and f.detail.endswith(day.isoformat()) for f in figures)
        ]

    def found(self, count: int, chance: Random) -> dict[str, list[float]]:
        """
        The share of planted outages that is raised, of so many of each kind and fault that begin on random days and
        last for three: by the first night, by the second, by the third. Silence is of one day.
        """
        shares = {}
        for kind in TABLES:
            judged = self.judged(kind)
            for what, (_, side) in PLANTED.items():
                if kind != "orders" and what == "double, of others":
                    continue
                wanted = {rule.rule for rule in self._rules if rule.measure == f"{side}_{kind}"}
                length = 1 if what == "silence" else 3
                nights = [0] * length
                chosen = chance.sample(range(len(judged) - length + 1), min(count, len(judged) - length + 1))
                for at in chosen:
                    days = judged[at : at + length]
                    with self.planted(what, kind, days):
                        first = next((n for n, day in enumerate(days) if self.standing(day) & wanted), length)
                    for night in range(first, length):
                        nights[night] += 1
                shares[f"{what} {kind}"] = [hits / len(chosen) for hits in nights]
        return shares
