"""
Eleven months of the real order history closed one after another, and then two hundred surprises, where the file is.

The first four months of one in fifty variants in every run of the tests; all of all in `make proof-close`.
"""

from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import proof_size
import pyarrow as pa
import pyarrow.compute as pc
from real_orders import FILE, NEEDED
from reference_valuation import POOLS
from test_close_difference import AMOUNTS, SETTINGS, Signed, with_policies

from stockbook.warehouse.arrow_view import ArrowView
from stockbook_sandbox import Shop, money
from stockbook_sandbox.localtime import wall_text

# one in so many variants
SHARE = proof_size.of(50, 1)
MONTHS = [date(2010 + (11 + number) // 12, 1 + (11 + number) % 12, 1) for number in range(proof_size.of(4, 11))]
LATE = [datetime(2011, 11, day, 2, 15) for day in (8, 9, 10)]
COUNTED = datetime(2010, 12, 10, 2, 15)
# of movements: seen late, another quantity, gone, another price; of lines of receivings another price
SURPRISES = {"late": 80, "changed": 50, "gone": 30, "price": 20, "receiving_line": 20}

pytestmark = NEEDED


class RealShop(Signed):
    """The real orders, goods and dispatch invented; ``moved`` has all rows with the night that first sees each."""

    def __init__(self, policy_dir: Path) -> None:
        super().__init__(policy_dir)
        history = Shop(history=FILE)
        moves = history.movements
        chosen = np.flatnonzero(moves.variant % SHARE == 0)
        names = ("id", "variant", "direction", "order", "receiving", "quantity", "damaged")
        columns: dict[str, Any] = {name: getattr(moves, name)[chosen] for name in names}
        for name in ("price", "extra_cost"):
            amounts = getattr(moves, name)[chosen]
            millionths = pa.array(amounts, mask=amounts == money.NULL).cast(pa.decimal128(19, 0))
            columns[name] = pc.multiply(millionths, pa.scalar(Decimal("0.000001")))
        columns["told_at"] = wall_text(moves.created[chosen])
        columns["visible"] = wall_text(moves.visible[chosen])
        with ArrowView(self.con, "real_rows", pa.table(columns)):
            self.con.execute("""
                create table main.moved as
                select
                    id as movement_id,
                    variant as variant_id,
                    case direction when 0 then 'in' else 'out' end as direction,
                    case when "order" >= 0 then 'order ' || "order" end as order_id,
                    case when receiving >= 0 then receiving + 1 end as receiving_id,
                    quantity,
                    damaged as damaged_quantity,
                    -- of goods that come with a receiving the line says the price
                    case when receiving < 0 or receiving % 3 > 0 then price end as unit_price,
                    price as line_price,
                    extra_cost as unit_extra_cost,
                    told_at as created_text,
                    cast(told_at as timestamp) as created_at,
                    date_trunc('day', greatest(cast(told_at as timestamp), cast(visible as timestamp)))
                        + interval '1 day 2 hours 15 minutes' as seen_at
                from real_rows
            """)
        self._write_lines()
        self.con.execute("""
            insert into staging.variants_history by name
            select distinct
                'main' as account, variant_id, 1 as product_id, 3 as price_purchase, 'DS' || variant_id as code,
                1 as _version, ? as _valid_from
            from main.moved where variant_id % 2 = 0
        """, [datetime(2010, 1, 1, 2, 15)])  # fmt: skip
        self.seen_until = datetime(2000, 1, 1)  # local wall clock

    def _write_lines(self) -> None:
        for table, more in (
            ("receiving_lines", ""),
            ("receiving_lines_history", ", 1 as _version, timestamp '2010-01-01' as _valid_from"),
        ):
            self.con.execute(f"""
                insert into staging.{table} by name
                select
                    'main' as account, receiving_id, variant_id as line_no, variant_id,
                    sum(quantity + damaged_quantity)::bigint as quantity, max(line_price) as price_per_unit {more}
                from main.moved where receiving_id is not null group by receiving_id, variant_id
            """)  # fmt: skip

    def count(self) -> None:
        """A count early in the first month, with two pieces more of every tenth variant than the ledger has."""
        self.con.execute("""
            insert into staging.stock_levels by name
            select
                'main' as account, variant_id, cast(? as date) as snapshot_date, ? as snapshot_at,
                2 + sum(case direction when 'in' then quantity else -quantity end)::bigint as quantity,
                sum(case direction when 'in' then damaged_quantity else -damaged_quantity end)::bigint
                    as damaged_quantity
            from main.moved where created_at <= ? and (variant_id // ?) % 10 = 0 group by variant_id
        """, [COUNTED, COUNTED, COUNTED, SHARE])  # fmt: skip

    def see(self, at: datetime, *_: str) -> None:
        """All rows up to a night, published."""
        bounds = [self.seen_until, at]
        self.con.execute("""
            insert into staging.movements by name
            select 'main' as account, * exclude (line_price, seen_at), seen_at as _first_seen_at
            from main.moved where seen_at > ? and seen_at <= ?
        """, bounds)  # fmt: skip
        self.con.execute("""
            insert into staging.movements_history by name
            select
                'main' as account, * exclude (line_price, seen_at, created_at), 1 as _version, seen_at as _valid_from,
                false as _in_first_load
            from main.moved where seen_at > ? and seen_at <= ?
        """, bounds)  # fmt: skip
        self.seen_until = at
        super().see(at)


def surprises(shop: RealShop, chance: Random) -> list[tuple[datetime, str, tuple[Any, ...]]]:
    """What the late nights see of rows of months that are closed by then: night, what, row."""
    rows = shop.ask("""
        select movement_id, quantity, unit_price, receiving_id, variant_id, line_price from main.moved
        where created_at < '2011-10-01' and quantity > 0 order by movement_id
    """)
    drawn = iter(chance.sample([row for row in rows if row[3] is None], 160) + chance.sample(
        [row for row in rows if row[3] is not None and row[2] is not None], 20
    ))  # fmt: skip
    lots = {(row[3], row[4]): row for row in rows if row[3] is not None and row[2] is None and row[5] is not None}
    plan = []
    for what, number in SURPRISES.items():
        some = chance.sample(sorted(lots), number) if what == "receiving_line" else range(number)
        plan += [(chance.choice(LATE), what, lots[each] if what == "receiving_line" else next(drawn)) for each in some]
    return plan


def happen(shop: RealShop, night: datetime, what: str, row: tuple[Any, ...]) -> None:
    movement, quantity, price, receiving, variant, line_price = row
    if what == "changed":
        shop.change(movement, night, quantity=quantity + 1)
    elif what == "gone":
        shop.change(movement, night, gone=True)
    elif what == "price":
        shop.change(movement, night, unit_price=price + 1)
    elif what == "receiving_line":
        pieces = shop.ask(
            f"select quantity from staging.receiving_lines where receiving_id = {receiving} and variant_id = {variant}"
        )[0][0]
        shop.line(receiving, variant, line_price + 2, night, line_no=variant, quantity=pieces)


def now(shop: Signed, month: date) -> dict[tuple[int, str], tuple[Any, ...]]:
    """Stock at the end of a month as known now, by variant and pool."""
    values = ", ".join(f"{name}_value" for name in AMOUNTS[1:])
    last_day = (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    rows = shop.ask(f"""
        select variant_id, pool, quantity, {values} from marts.fct_stock_balance
        where valid_from <= date '{last_day}' and (valid_to is null or valid_to > date '{last_day}')
    """)
    return {row[:2]: row[2:] for row in rows}


def test_closed_months_stay_and_every_surprise_is_told(tmp_path: Path) -> None:
    """
    Each close signs what its night knows; what later nights see moves nothing that was signed.

    For every close, variant, pool, method and basis: now less signed is the difference, and the causes add up to it.
    """
    text = SETTINGS.format(method="average", additive="true")
    shop = RealShop(with_policies(tmp_path, text))
    shop.count()
    plan = surprises(shop, Random(1))
    for night, what, row in plan:
        if what == "late":
            shop.con.execute("update main.moved set seen_at = ? where movement_id = ?", [night, row[0]])
    signed = {}
    for month in MONTHS:
        shop.see(_night_of_close(month))
        shop.sign(month)
        signed[f"main/{month:%Y-%m}/1"] = now(shop, month)
    shop.see(LATE[0] - timedelta(days=1))
    assert (shop.differences(), shop.causes()) == ({}, {})
    shown = shop.signed()

    for night in LATE:
        for at, what, row in plan:
            if at == night:
                happen(shop, night, what, row)
        if night == LATE[1]:
            with_policies(tmp_path, f"{text}opening_balance: {{main: 2010-12-01}}\n")
        shop.see(night)

    shop.assert_books_close(shown)
    nothing = (0,) * len(AMOUNTS)
    differences, added = shop.differences(), Counter[tuple[Any, ...]]()
    total = dict.fromkeys(differences, nothing)
    for why, change in shop.causes().items():
        total[why[:3]] = tuple(a + b for a, b in zip(total[why[:3]], change, strict=True))
        added[why[4]] += 1
    assert total == differences
    for month, (close, then) in zip(MONTHS, signed.items(), strict=True):
        present = now(shop, month)
        for key in present.keys() | then.keys():
            pairs = zip(present.get(key, nothing), then.get(key, nothing), strict=True)
            assert differences.get((close, *key), nothing) == tuple(new - old for new, old in pairs), (close, key)
    assert added.keys() == {*SURPRISES, "policy"}
    assert {pool for _, _, pool in differences} <= set(POOLS)
    shop.con.close()


def _night_of_close(month: date) -> datetime:
    """The fourth night of the month after."""
    over = (month + timedelta(days=31)).replace(day=1)
    return datetime(over.year, over.month, 4, 2, 15)  # local wall clock
