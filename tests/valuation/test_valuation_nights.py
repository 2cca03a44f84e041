"""The valuation night after night: only what changed is replayed, and the result is that of a full replay."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import proof_size
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import movements
from reference_valuation import Defaults, Move
from test_valuation_program import PRAGUE, Shop, with_settings

from stockbook.models.build import run_step
from stockbook.models.programs import BuildContext
from stockbook.valuation import fact_tables
from stockbook.valuation.families import first_of_family
from stockbook.valuation.program import FACTS, INPUT

MARCH = datetime(2025, 3, 1)
SECOND_NIGHT = datetime(2025, 3, 20, 2, 15)
# behind all that moves
NOW = datetime(2025, 12, 31, 2, 15)
STEPS = (
    "intermediate.category_path",
    "intermediate.variant_activity",
    "intermediate.variant_version",
    "marts.dim_variant",
    "program valuation",
)


class Nights(Shop):
    """A warehouse over which several nights pass."""

    made = 0

    def night(self, *, published: bool = True, as_of: datetime = NOW, full_refresh: bool = False) -> None:
        """One night's catalogue and valuation; without ``published`` its checks were red."""
        self.made += 1
        run_id = f"night{self.made}"
        self.insert("meta.run", {"run_id": run_id, "as_of": as_of, "status": "running"})
        self.con.execute("begin transaction")
        self.value(run_id, as_of, full_refresh)
        self.con.execute("commit")
        self.con.execute(
            "update meta.run set status = ? where run_id = ?", ["published" if published else "failed", run_id]
        )

    def value(self, run_id: str, as_of: datetime, full_refresh: bool) -> None:
        context = BuildContext(as_of, run_id, PRAGUE, self.policy_dir, self.tables, full_refresh)
        for step in self.steps:
            if step.name in STEPS:
                run_step(self.con, step, context)

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every fact, and the fingerprints, whatever their order in the file."""
        return {name: self.ask(f"select * from {name} order by all") for name in (*FACTS, INPUT)}

    def rows_of_full_replay(self) -> dict[str, list[tuple[Any, ...]]]:
        """The same after a full replay, which is then undone."""
        self.con.execute("begin transaction")
        self.value("full", NOW, True)
        rows = self.rows()
        self.con.execute("rollback")
        return rows

    def change(self, movement_id: int, seen: datetime, **fields: Any) -> None:
        """Another form of a movement, seen on a later night; ``deleted`` True when it is gone."""
        keys = [movement_id]
        gone = fields.pop("deleted", False)
        self.con.execute(
            "update staging.movements_history set _valid_to = ? where movement_id = ? and _valid_to is null",
            [seen, *keys],
        )
        if gone:
            self.con.execute("update staging.movements set _deleted_at = ? where movement_id = ?", [seen, *keys])
            return
        self.con.execute(
            f"update staging.movements set {', '.join(f'{name} = ?' for name in fields)} where movement_id = ?",
            [*fields.values(), *keys],
        )
        self.con.execute(
            """
            insert into staging.movements_history by name
            select
                account, movement_id, variant_id, direction, order_id, receiving_id, transformation_id, unit_price,
                unit_extra_cost, quantity, damaged_quantity, created_text, ? as _valid_from, false as _in_first_load,
                (select max(_version) from staging.movements_history where movement_id = ?) + 1 as _version
            from staging.movements
            where movement_id = ?
            """,
            [seen, *keys, *keys],
        )


@pytest.fixture
def shop() -> Iterator[Nights]:
    nights = Nights()
    yield nights
    nights.con.close()


# -- equal to the full replay, whatever happened ---------------------------------------------------------------

Change = tuple[int, dict[str, Any]]

changes = st.one_of(
    st.fixed_dictionaries({"quantity": st.integers(0, 9)}),
    st.fixed_dictionaries({"unit_price": st.sampled_from([None, Decimal(0), Decimal("7.5")])}),
    st.fixed_dictionaries({"variant_id": st.integers(0, 2)}),
    st.fixed_dictionaries({"transformation_id": st.sampled_from([None, 7, 8])}),
    st.fixed_dictionaries({"order_id": st.sampled_from([None, "a", "b"])}),
    st.fixed_dictionaries({"direction": st.sampled_from(["in", "out"])}),
    st.just({"deleted": True}),
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Move], Defaults, list[dict[str, Any]]]:
    """A ledger whose rows are seen on several nights, not in their order, with changes, price edits and red nights."""
    moves, defaults, _ = draw(movements(most=12))
    nights = [
        {
            "seen": draw(st.lists(st.sampled_from(moves), unique=True, max_size=6)),
            "changed": draw(st.lists(st.tuples(st.sampled_from(moves), changes), max_size=2)),
            "price": draw(st.sampled_from([None, None, (0, "3"), (1, "8.25"), (2, None)])),
            "line": draw(st.sampled_from([None, None, "4.25", "6"])),
            "published": draw(st.sampled_from([True, True, False])),
        }
        for _ in range(3)
    ]
    nights.append({"seen": moves, "changed": [], "price": None, "line": None, "published": True})
    return moves, defaults, nights


def first_night(shop: Nights, defaults: Defaults) -> None:
    for variant, versions in defaults.items():
        for number, (day, price) in enumerate(versions, 1):
            shop.price(variant, None if price is None else str(price), MARCH + timedelta(days=day), number)


def tell(shop: Nights, news: dict[str, Any], seen: datetime, seen_ids: set[int]) -> None:
    for move in news["seen"]:
        if move.id not in seen_ids:
            seen_ids.add(move.id)
            shop.move(
                move.id,
                move.variant,
                move.direction,
                move.quantity,
                (MARCH + timedelta(days=move.at)).isoformat(sep=" "),
                damaged=move.damaged,
                price=move.price,
                extra=move.extra,
                order=move.order,
                receiving=move.receiving,
                transformation=move.transformation,
                account="other" if move.variant == 2 and move.id % 2 else "main",
                first_seen=seen,
            )
    for move, fields in news["changed"]:
        if move.id in seen_ids:
            shop.change(move.id, seen, **fields)
    if news["price"] is not None:
        variant, price = news["price"]
        version = shop.ask(f"select count(*) + 1 from staging.variants_history where variant_id = {variant}")[0][0]
        # back-dated as a catalogue read before the movements of its day would be
        shop.price(variant, price, seen - timedelta(days=14), version)
    if news["line"] is not None:
        shop.con.execute("delete from staging.receiving_lines")
        for variant in range(2):
            for number, price in enumerate((news["line"], None, "8"), 1):
                line = {"account": "main", "receiving_id": 1, "line_no": 10 * variant + number, "variant_id": variant}
                shop.insert("staging.receiving_lines", line | {"quantity": 3, "price_per_unit": price})


@pytest.mark.slow
@given(histories())
@settings(
    max_examples=proof_size.of(8, 150),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_every_night_equals_the_full_replay(case: tuple[list[Move], Defaults, list[dict[str, Any]]]) -> None:
    """Late, changed and deleted rows, price edits, ties that come and go, red nights: never a difference."""
    _, defaults, nights = case
    shop = Nights()
    seen_ids: set[int] = set()
    first_night(shop, defaults)
    # so many rows of another variant that those of the ledger are few: they are replayed alone
    for number in range(60):
        shop.move(1_000 + number, 9, "in", 1, "2025-03-01 08:00:00", price="1")
    for number, news in enumerate(nights):
        seen = SECOND_NIGHT + timedelta(days=number)
        tell(shop, news, seen, seen_ids)
        shop.night(published=news["published"], as_of=seen)
        assert shop.rows() == shop.rows_of_full_replay()
    shop.con.close()


# -- what is replayed, and what stays --------------------------------------------------------------------------


def two_variants(shop: Nights) -> None:
    """Variants 1 and 2 with a priced receipt and an issue each; 3 and 4 are many, so that a few are a few."""
    for variant in (1, 2):
        shop.price(variant, "2")
        shop.move(variant * 10, variant, "in", 5, "2025-03-01 08:00:00", price="4", receiving=variant)
        shop.move(variant * 10 + 1, variant, "out", 2, "2025-03-02 08:00:00", order="a")
        shop.move(variant * 10 + 2, variant, "in", 1, "2025-03-03 08:00:00", receiving=variant + 5)
    for number in range(20):
        shop.move(100 + number, 3, "in", 1, "2025-03-01 08:00:00", price="1")


def mark(shop: Nights) -> None:
    """Spoil the rows of variants 1 and 2, so that it shows which were made anew."""
    shop.con.execute("update marts.fct_stock_balance set missing_cost_quantity = 99 where variant_id in (1, 2)")


def stayed(shop: Nights) -> list[int]:
    marked = shop.ask("select distinct variant_id from marts.fct_stock_balance where missing_cost_quantity = 99")
    return sorted(variant for (variant,) in marked)


TOUCHES: dict[str, Any] = {
    "a late row": lambda s: s.move(50, 1, "out", 1, "2025-03-02 07:00:00", first_seen=SECOND_NIGHT),
    "a changed row": lambda s: s.change(10, SECOND_NIGHT, unit_price=Decimal(5)),
    "a row changed in nothing but its day of arrival": lambda s: s.con.execute(
        "update staging.movements set _first_seen_at = '2025-03-19 02:15:00' where movement_id = 10"
    ),
    "a deleted row": lambda s: s.change(11, SECOND_NIGHT, deleted=True),
    "a price that reaches back": lambda s: s.price(1, "3", datetime(2025, 3, 2, 2, 15), 2),
    "a price of its first version corrected": lambda s: s.con.execute(
        "update staging.variants_history set price_purchase = 3 where variant_id = 1"
    ),
    "the price of a receiving line": lambda s: s.insert(
        "staging.receiving_lines",
        {"account": "main", "receiving_id": 6, "line_no": 1, "variant_id": 1, "price_per_unit": "9"},
    ),
}


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES.keys())
def test_only_what_changed_is_replayed(shop: Nights, touch: Any) -> None:
    """The rows of variant 1 are made anew, those of variant 2 are not touched."""
    two_variants(shop)
    shop.night()
    mark(shop)
    touch(shop)
    shop.night()
    assert stayed(shop) == [2]


QUIET: dict[str, Any] = {
    "nothing": lambda s: None,
    "a price of today, before anything moves at it": lambda s: s.price(1, "3", SECOND_NIGHT, 2),
    "rows of a snapshot": lambda s: s.stock(1, 4, SECOND_NIGHT),
}


@pytest.mark.parametrize("what", QUIET.values(), ids=QUIET.keys())
def test_what_changes_no_row_replays_nothing(shop: Nights, what: Any) -> None:
    """Nothing of both variants is made anew."""
    two_variants(shop)
    shop.night()
    mark(shop)
    what(shop)
    shop.night()
    assert stayed(shop) == [1, 2]


def test_variants_tied_by_a_transformation_are_replayed_together(shop: Nights) -> None:
    """A price of variant 1 changes what variant 2 was made from, and 2 is replayed too, also when the tie is cut."""
    two_variants(shop)
    shop.move(60, 1, "out", 1, "2025-03-05 08:00:00", transformation=7)
    shop.move(61, 2, "in", 1, "2025-03-05 08:00:01", transformation=7)
    shop.night()
    mark(shop)
    shop.change(10, SECOND_NIGHT, unit_price=Decimal(5))
    shop.night()
    assert stayed(shop) == []
    mark(shop)
    shop.change(61, SECOND_NIGHT + timedelta(days=1), transformation_id=None)
    shop.night()
    assert stayed(shop) == []
    assert shop.rows() == shop.rows_of_full_replay()
    mark(shop)
    shop.change(10, SECOND_NIGHT + timedelta(days=2), unit_price=Decimal(6))
    shop.night()
    assert stayed(shop) == [2]


def test_a_variant_that_left_the_ledger_leaves_no_rows(shop: Nights) -> None:
    """All its movements are gone from the source: so are its costs, balances, layers and its fingerprint."""
    two_variants(shop)
    shop.night()
    for movement in (10, 11, 12):
        shop.change(movement, SECOND_NIGHT, deleted=True)
    shop.night()
    for name in (*FACTS, INPUT):
        assert shop.ask(f"select count(*) from {name} where variant_id = 1") == [(0,)]
    assert shop.ask(f"select variant_id from {INPUT} order by 1") == [(2,), (3,)]


def test_after_a_red_night_all_is_made_anew(shop: Nights) -> None:
    """Rows that no reader was given prove nothing: the next night compares with none of them."""
    two_variants(shop)
    shop.night()
    shop.night(published=False)
    mark(shop)
    shop.night()
    assert stayed(shop) == []
    mark(shop)
    shop.night()
    assert stayed(shop) == [1, 2]


def test_a_full_refresh_makes_all_anew(shop: Nights) -> None:
    """Whatever stood there."""
    two_variants(shop)
    shop.night()
    mark(shop)
    shop.night(full_refresh=True)
    assert stayed(shop) == []


def test_other_settings_make_all_anew(shop: Nights, tmp_path: Path) -> None:
    """A setting figures depend on changes all of them; the headline changes none."""
    two_variants(shop)
    shop.night()
    mark(shop)
    shop.policy_dir = with_settings(tmp_path, "headline: {method: fifo}")
    shop.night()
    assert stayed(shop) == [1, 2]
    assert shop.ask("select headline_method from marts.dim_valuation_setting") == [("fifo",)]
    shop.policy_dir = with_settings(tmp_path, "damaged_quantity_is_additive: false")
    shop.night()
    assert stayed(shop) == []


def test_other_columns_make_all_anew(shop: Nights) -> None:
    """A table declared otherwise than it stands in the file is created again."""
    before = fact_tables.rules(shop.tables, "Europe/Prague")
    fact = shop.tables["marts.fct_stock_layer"]
    columns = {name: column for name, column in fact.columns.items() if name != "is_cost_missing"}
    fewer = shop.tables | {fact.name: type(fact)(table=fact.table, description="", columns=columns, layer=fact.layer)}
    assert fact_tables.rules(fewer, "Europe/Prague") != before
    assert fact_tables.rules(shop.tables, "Europe/Prague") == before


def test_rows_of_another_program_are_made_anew(shop: Nights) -> None:
    """Rows whose rules are not those of this program, or that stand without any, are not built upon."""
    two_variants(shop)
    shop.night()
    mark(shop)
    shop.con.execute("update intermediate.valuation_build set rules = 'of an earlier version'")
    shop.night()
    assert stayed(shop) == []
    mark(shop)
    shop.con.execute("drop table intermediate.valuation_input")
    shop.night()
    assert stayed(shop) == []


def test_the_pass_of_the_repeated_hour_is_that_of_the_whole_ledger(shop: Nights) -> None:
    """A late row of variant 1 turns the hour back: the row of variant 2 after it is replayed, as of the second pass."""
    two_variants(shop)
    shop.move(70, 1, "in", 1, "2025-10-26 02:10:00", price="1")
    shop.move(72, 2, "in", 1, "2025-10-26 02:30:00", price="1")
    shop.night()
    assert shop.ask("select moved_at_utc from marts.fct_stock_movement where movement_id = 72") == [
        (datetime(2025, 10, 26, 0, 30),)
    ]
    shop.move(71, 1, "in", 1, "2025-10-26 02:05:00", price="1")
    shop.night()
    assert shop.ask("select moved_at_utc from marts.fct_stock_movement where movement_id = 72") == [
        (datetime(2025, 10, 26, 1, 30),)
    ]
    assert shop.rows() == shop.rows_of_full_replay()


KILLED = """
import os, signal, sys
from datetime import datetime
import duckdb
from stockbook.valuation import program
from stockbook.warehouse import row_groups
from test_valuation_nights import Nights, SECOND_NIGHT

class Doomed(Nights):
    def __init__(self):
        super().__init__()
        self.con.close()
        self.con = duckdb.connect(sys.argv[1])

appended = row_groups.append
def append(con, name, rows):
    appended(con, name, rows)
    if name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
row_groups.append = program.append = append
shop = Doomed()
shop.made = 5
shop.night()
"""


@pytest.mark.parametrize("table", ["marts.fct_cost_allocation", INPUT])
def test_a_night_killed_while_it_writes_leaves_the_night_before(shop: Nights, tmp_path: Path, table: str) -> None:
    """SIGKILL between two tables: rows and fingerprints are those of the last night, and the next one is right."""
    two_variants(shop)
    shop.night()
    before = shop.rows()
    shop.move(50, 1, "out", 1, "2025-03-02 07:00:00", first_seen=SECOND_NIGHT)
    file = tmp_path / "writer.duckdb"
    shop.con.execute(f"attach '{file}' as written")
    shop.con.execute("copy from database memory to written")
    shop.con.execute("detach written")

    killed = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path += {sys.path!r}\n{KILLED}", str(file), table],
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    shop.con.close()
    shop.con = duckdb.connect(str(file))
    assert shop.rows() == before
    mark(shop)
    shop.night()
    assert stayed(shop) == [2]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), max_size=14))
def test_variants_of_a_family_share_the_first_of_them(pairs: list[tuple[int, int]]) -> None:
    """Variants that share a transformation, directly or through others, have the same leader: the first of them."""
    import numpy as np

    transformation, variant = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    expected = list(range(10))
    for _ in range(10):
        for number, member in pairs:
            lowest = min(expected[other] for same, other in pairs if same == number)
            expected[member] = min(expected[member], lowest)
    assert first_of_family(10, transformation, variant).tolist() == expected
