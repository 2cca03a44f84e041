"""Write-down: rules and stock in, cost and what it can still be sold for out."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import Ledger, movements
from test_stock_batch import Batches
from test_valuation_program import POLICY, PRAGUE, Shop, fill, with_settings
from typer.testing import CliRunner

from stockbook.cli.main import app
from stockbook.errors import ConfigError
from stockbook.models.build import run_step
from stockbook.models.programs import BuildContext
from stockbook.settings import Settings
from stockbook.valuation import policy, program
from stockbook.valuation.fact_tables import WRITE_DOWN
from stockbook.valuation.policy import ValuationPolicy
from stockbook.valuation.what_if import compare

NOW = datetime(2025, 12, 31, 2, 15)
TODAY = NOW.date()
AGE = "{applies_to: age, days: 30, factor: 0.5}"
OLD = "{applies_to: age, days: 365, factor: 0.1}"
IDLE = "{applies_to: no_issue, days: 90, factor: 0.8}"
DAMAGED = "{applies_to: damaged, factor: 0.3}"
EXPIRED = "{applies_to: expired, factor: 0}"


def version(*rules: str, name: str = "a", valid_from: str = "") -> str:
    return f"{{version: {name}, valid_from: {valid_from or 'null'}, rules: [{', '.join(rules)}]}}"


def read(folder: Path, *versions: str, **other: str) -> ValuationPolicy:
    """Settings with versions of rules."""
    text = [f"{name}: {value}" for name, value in other.items()]
    return policy.read(with_settings(folder, "\n".join([*text, f"write_down: [{', '.join(versions)}]"])))


class Written(Batches):
    """A shop with rules, which may change after it was built; today is 31 December 2025."""

    def __init__(self) -> None:
        Shop.__init__(self, also=("reports.stock_write_down", "intermediate.stock_balance"))

    def today(self) -> None:
        self.build(NOW)

    def under(self, rules: ValuationPolicy) -> None:
        """Make the report by other rules; the ledger is not replayed."""
        program.write_rules(self.con, self.tables[WRITE_DOWN], WRITE_DOWN, rules)
        context = BuildContext(NOW, "run-1", PRAGUE, self.policy_dir, self.tables)
        for step in self.steps:
            if step.name in ("intermediate.account_write_down_rule", "reports.stock_write_down"):
                run_step(self.con, step, context)

    def written(self, day: date | None = None) -> dict[tuple[int, str], tuple[Any, ...]]:
        """Pieces, cost, write-down, write-down at most and the rules of it, by variant and pool."""
        source = "reports.stock_write_down" if day is None else f"reports.stock_write_down_on(date '{day}')"
        rows = self.ask(f"select variant_id, pool, quantity, cost, write_down, write_down_most, rule from {source}")
        return {row[:2]: row[2:] for row in rows}

    def layers(self, day: date) -> list[tuple[Any, ...]]:
        """Pieces and FIFO values of the layers of a day, by variant and pool."""
        return self.ask(f"""
            select variant_id, pool, sum(quantity), sum(landed_value), sum(bare_value)
            from intermediate.stock_layer_at(date '{day}') where received_date <= date '{day}' group by all order by all
        """)

    def balances(self, day: date) -> list[tuple[Any, ...]]:
        """The same of the balances, where there are pieces."""
        return self.ask(f"""
            select variant_id, pool, quantity, fifo_landed_value, fifo_bare_value from marts.fct_stock_balance
            where valid_from <= date '{day}' and (valid_to is null or valid_to > date '{day}') and quantity > 0
            order by all
        """)


@pytest.fixture
def shop() -> Iterator[Written]:
    shop = Written()
    yield shop
    shop.con.close()


def test_without_rules_nothing_is_written_down(shop: Written) -> None:
    """Cost is the value that stock has elsewhere, in both pools, and nothing comes off."""
    shop.move(1, 7, "in", 3, "2020-01-01 10:00:00", price="4", damaged=2)
    shop.today()

    assert shop.written() == {
        (7, "sellable"): (3, Decimal(12), Decimal(0), Decimal(0), None),
        (7, "damaged"): (2, Decimal(8), Decimal(0), Decimal(0), None),
    }
    assert shop.broken() == {}


def test_the_age_of_layers_writes_them_down(shop: Written, tmp_path: Path) -> None:
    """Of ten for 4.00, ten for 6.00 and ten new ones, five old ones left: at an average of 160/30 so many are old."""
    shop.move(1, 7, "in", 10, "2024-01-01 10:00:00", price="4")
    shop.move(2, 7, "in", 10, "2025-11-01 10:00:00", price="6")
    shop.move(3, 7, "in", 10, "2025-12-29 10:00:00", price="6")
    shop.move(4, 7, "out", 6, "2025-12-30 10:00:00", order="a")
    shop.today()
    shop.under(read(tmp_path, version(AGE, OLD)))

    # four pieces lose nine tenths, ten a half, ten nothing; each costs 160/30
    ((pieces, cost, off, most, rule),) = shop.written().values()
    assert (pieces, rule) == (24, "older than 30 days, older than 365 days")
    assert abs(cost - 128) < Decimal("0.000000001")
    assert abs(off - (4 * Decimal("0.9") + 5) * 160 / 30) < Decimal("0.000000001")
    assert most == off
    assert shop.broken() == {}


def test_by_fifo_a_layer_is_written_down_from_its_own_cost(shop: Written, tmp_path: Path) -> None:
    """Four old pieces at 4.00 lose nine tenths, ten at 6.00 a half, ten new ones nothing."""
    shop.policy_dir = fifo(tmp_path)
    shop.move(1, 7, "in", 10, "2024-01-01 10:00:00", price="4")
    shop.move(2, 7, "in", 10, "2025-11-01 10:00:00", price="6")
    shop.move(3, 7, "in", 10, "2025-12-29 10:00:00", price="7")
    shop.move(4, 7, "out", 6, "2025-12-30 10:00:00", order="a")
    shop.today()
    shop.under(read(tmp_path, version(AGE, OLD), headline="{method: fifo}"))

    off = Decimal("14.4") + 30
    assert shop.written()[7, "sellable"] == (24, 146, off, off, "older than 30 days, older than 365 days")


def fifo(folder: Path) -> Path:
    """All policies, with FIFO as the headline."""
    policies = folder / "policies"
    policies.mkdir()
    for file in POLICY.iterdir():
        if file.is_file():
            (policies / file.name).write_text(file.read_text())
    return with_settings(policies, "headline: {method: fifo}")


def test_a_variant_that_nobody_orders_is_written_down(shop: Written, tmp_path: Path) -> None:
    """A correction is no order, and what came after the last order was not there to be ordered."""
    for variant in (1, 2, 3, 4):
        shop.move(10 * variant, variant, "in", 10, "2025-01-01 10:00:00", price="1")
    shop.move(11, 1, "out", 5, "2025-11-30 10:00:00", order="a")
    shop.move(21, 2, "out", 5, "2025-11-30 10:00:00")
    shop.move(31, 3, "out", 10, "2025-02-01 10:00:00", order="a")
    shop.move(32, 3, "in", 5, "2025-12-01 10:00:00", price="1")
    shop.move(41, 4, "out", 5, "2025-10-02 10:00:00", order="a")
    shop.today()
    shop.under(read(tmp_path, version(IDLE)))

    # of the fourth the last left 90 days ago
    assert {variant: row[2:] for (variant, _), row in shop.written().items()} == {
        1: (0, 0, None),
        2: (1, 1, "no issue for 90 days"),
        3: (0, 0, None),
        4: (0, 0, None),
    }


def test_of_several_rules_the_lowest_factor_applies(shop: Written, tmp_path: Path) -> None:
    """Damaged pieces that are old as well are worth three tenths, not three tenths of a half."""
    shop.move(1, 7, "in", 10, "2025-03-01 10:00:00", price="1", damaged=10)
    shop.today()
    shop.under(read(tmp_path, version(DAMAGED, AGE)))

    assert shop.written() == {
        (7, "sellable"): (10, 10, 5, 5, "older than 30 days"),
        (7, "damaged"): (10, 10, 7, 7, "damaged"),
    }


def test_nrv_factor_is_a_rule_of_damaged_pieces(shop: Written, tmp_path: Path) -> None:
    """With no other rule cost less write-down of damaged pieces is the damaged value at net realisable value."""
    policies = fifo(tmp_path)
    (policies / "valuation.yml").write_text("nrv_factor: 0.25")
    shop.policy_dir = policies
    shop.move(1, 7, "in", 10, "2025-12-30 10:00:00", price="1.31", damaged=3)
    shop.today()

    damaged = shop.ask("select damaged_value_nrv from reports.stock_value_on(current_date)")
    worth = shop.ask("select net_realisable_value, rule from reports.stock_write_down where pool = 'damaged'")
    assert worth == [(*damaged[0], "nrv_factor")]
    assert shop.written()[7, "sellable"][2:] == (0, 0, None)
    assert shop.broken() == {}


def test_expired_pieces_are_written_down_as_far_as_they_are_known(shop: Written, tmp_path: Path) -> None:
    """Of a batch that is named throughout four are left; of another a piece was found, so it is anything up to all."""
    for variant in (7, 8):
        shop.receive(variant, variant, ("A", "2025-12-01", 6), ("B", "2027-01-01", 4))
        shop.order(10 * variant, f"{variant}", variant, ("A", "2025-12-01", 2))
    shop.move(99, 8, "in", 1, "2025-12-05 10:00:00", price="2")
    shop.today()
    shop.under(read(tmp_path, version(EXPIRED)))

    assert shop.written() == {
        (7, "sellable"): (8, 16, 8, 8, "expired"),
        (8, "sellable"): (9, 18, 0, 14, None),
    }
    # the day before its last good day is past
    assert shop.written(date(2025, 12, 1))[7, "sellable"] == (8, 16, 0, 0, None)


def test_an_unknown_cost_is_no_zero(shop: Written, tmp_path: Path) -> None:
    """A pool of which some pieces have no cost has no write-down; of pieces owed there is none."""
    shop.move(1, 7, "in", 1, "2024-01-01 10:00:00")
    shop.move(2, 8, "in", 1, "2024-01-01 10:00:00", price="3")
    shop.move(3, 8, "out", 2, "2024-01-02 10:00:00")
    shop.today()
    shop.under(read(tmp_path, version(AGE)))

    assert shop.written() == {
        (7, "sellable"): (1, None, None, None, "older than 30 days"),
        (8, "sellable"): (-1, -3, 0, 0, None),
    }
    assert shop.ask("select variant_id from reports.stock_write_down where is_cost_missing") == [(7,)]
    assert shop.broken() == {}


def test_a_day_has_the_rules_and_the_pieces_of_that_day(shop: Written, tmp_path: Path) -> None:
    """What left since was there then, and a version of rules changes no day before it begins."""
    shop.move(1, 7, "in", 10, "2025-01-01 10:00:00", price="2")
    shop.move(2, 7, "in", 10, "2025-09-15 10:00:00", price="2")
    shop.move(3, 7, "out", 15, "2025-10-02 10:00:00", order="a")
    shop.today()
    shop.under(read(tmp_path, version(AGE, valid_from="2025-09-30"), version(name="none", valid_from="2025-12-01")))

    assert shop.written(date(2025, 9, 29))[7, "sellable"] == (20, 40, 0, 0, None)
    assert shop.written(date(2025, 9, 30))[7, "sellable"] == (20, 40, 10, 10, "older than 30 days")
    assert shop.written(date(2025, 11, 30))[7, "sellable"] == (5, 10, 5, 5, "older than 30 days")
    assert shop.written(date(2025, 12, 1)) == shop.written() == {(7, "sellable"): (5, 10, 0, 0, None)}


def published(shop: Written, home: Path) -> Settings:
    """A home whose published file has the tables of the shop."""
    (home / "published").mkdir()
    shop.con.execute(f"attach '{home / 'published' / 'warehouse.duckdb'}' as copy")
    for schema, name in shop.ask(
        "select schema_name, table_name from duckdb_tables() where database_name = current_database() "
        "and schema_name in ('intermediate', 'marts', 'reports', 'meta')"
    ):
        shop.con.execute(f"create schema if not exists copy.{schema}")
        shop.con.execute(f"create table copy.{schema}.{name} as from {schema}.{name}")
    shop.con.execute("detach copy")
    return Settings.load({"STOCKBOOK_HOME": str(home)})


def test_other_rules_are_tried_on_what_was_published(shop: Written, tmp_path: Path) -> None:
    """Beside each other: what was published, and what a file would write down, of today and of another day."""
    shop.move(1, 7, "in", 10, "2025-01-01 10:00:00", price="2", damaged=1)
    shop.move(2, 8, "in", 10, "2025-12-30 10:00:00", price="2")
    shop.today()
    shop.under(read(tmp_path, version(DAMAGED)))
    home = published(shop, tmp_path)
    before = home.published.read_bytes()
    policy.read(with_settings(tmp_path, f"write_down: [{version(AGE, DAMAGED, valid_from='2025-07-01')}]"))

    now = compare(home, tmp_path / "valuation.yml")
    assert (now.day, now.currency) == (TODAY, "CZK")
    assert now.published == {None: 0, "damaged": Decimal("1.4")}
    assert now.other == {None: 0, "damaged": Decimal("1.4"), "older than 30 days": 10}
    assert [(changed.pool, changed.cost, changed.published, changed.other) for changed in now.changed] == [
        ("sellable", 20, 0, 10)
    ]
    spring = compare(home, tmp_path / "valuation.yml", date(2025, 4, 1))
    assert spring.published == {None: 0, "damaged": Decimal("1.4")}
    assert spring.other == {None: 0}
    assert home.published.read_bytes() == before


def test_the_command_prints_both(shop: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each rule, their sums, and the pools that change; a wrong rule is a sentence."""
    shop.move(1, 7, "in", 1000, "2025-01-01 10:00:00", price="2.5")
    shop.today()
    published(shop, tmp_path)
    monkeypatch.setenv("STOCKBOOK_HOME", str(tmp_path))
    file = with_settings(tmp_path, f"write_down: [{version(AGE)}]") / "valuation.yml"

    shown = CliRunner().invoke(app, ["policy", "write-down", "--policy", str(file), "--day", "2025-12-31"])
    assert shown.exit_code == 0
    lines = [line.split() for line in shown.output.splitlines() if line]
    assert ["older", "than", "30", "days", "1,250.00"] in lines
    assert ["together", "0.00", "1,250.00"] in lines
    assert lines[-1][-5:] == ["sellable", "1,000", "2,500.00", "0.00", "1,250.00"]
    with_settings(tmp_path, "write_down: [{version: a, rules: [{applies_to: damaged, factor: 7}]}]")
    refused = CliRunner().invoke(app, ["policy", "write-down", "--policy", str(file)])
    assert isinstance(refused.exception, ConfigError)
    assert "expected a number from 0 to 1" in str(refused.exception)


RULE = st.sampled_from([AGE.replace("30", "3"), AGE.replace("30", "5"), IDLE.replace("90", "2"), DAMAGED, EXPIRED])


DAYS = [date(2025, 3, day) for day in (2, 5, 8, 12)]


@given(movements(most=12), st.lists(RULE, unique=True, max_size=4), RULE, st.booleans())
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_rules_take_off_something_between_nothing_and_all(
    tmp_path_factory: pytest.TempPathFactory, case: Ledger, rules: Sequence[str], more: str, by_fifo: bool
) -> None:
    """On any ledger and day: without rules none, never above the cost, and a rule more adds to it."""
    folder = tmp_path_factory.mktemp("rules")
    shop = Written()
    if by_fifo:
        shop.policy_dir = fifo(folder)
    fill(shop, *case)
    shop.build(datetime(2025, 3, 12, 2, 15))
    for day in DAYS:
        assert shop.layers(day) == shop.balances(day)
    offs = []
    for several in ((), rules, {*rules, more}):
        shop.under(read(folder, version(*several)))
        assert shop.broken() == {}
        day_by_day = {(day, *key): row for day in DAYS for key, row in shop.written(day).items()}
        assert shop.written() == {key[1:]: row for key, row in day_by_day.items() if key[0] == DAYS[-1]}
        offs.append({key: row[2:4] for key, row in day_by_day.items() if row[1] is not None})
        for _, cost, off, most, _ in day_by_day.values():
            assert cost is None or 0 <= off <= most <= max(cost, 0)
    without, some, many = offs
    assert all(pair == (0, 0) for pair in without.values())
    assert all(some[key][each] <= many[key][each] for key in some for each in (0, 1))
    shop.con.close()


@pytest.mark.parametrize(
    ("versions", "message"),
    [
        (
            ["{version: a, rules: [{applies_to: age, days: 9, factor: 1.2}]}"],
            r"rules\[0\].factor: expected a number fr",
        ),
        (["{version: a, rules: [{applies_to: age, days: 9, factor: -0.1}]}"], r"factor: expected a number from 0 to 1"),
        (["{version: a, rules: [{applies_to: damaged, factor: 0.12345678}]}"], r"factor: .* at most six decimals"),
        (["{version: a, rules: [{applies_to: damaged, factor: half}]}"], r"factor: expected a number, got 'half'"),
        (["{version: a, rules: [{applies_to: damaged}]}"], r"rules\[0\]: field factor is missing"),
        (["{version: a, rules: [{applies_to: age, factor: 0.5}]}"], r"days: age needs 0 to 36500 days, got none"),
        (["{version: a, rules: [{applies_to: age, days: -1, factor: 0.5}]}"], r"days: age needs .* got -1"),
        (["{version: a, rules: [{applies_to: expired, days: 3, factor: 0}]}"], r"days: expired has no days, got 3"),
        (["{version: a, rules: [{applies_to: colour, factor: 0}]}"], r"applies_to: expected one of age, no_issue"),
        (["{version: a, rules: [{applies_to: damaged, share: 0, factor: 0}]}"], r"share: unknown field"),
        (["{version: a, rule: []}"], r"\[0\].rule: unknown field"),
        (["{rules: []}"], r"\[0\]: field version is missing"),
        (["{version: a}", "{version: b}"], r"\[1\].valid_from: 'b' overlaps another version"),
        (["{version: a}", "{version: a, valid_from: 2026-01-01}"], r"version: the name 'a' is taken"),
        ([version(DAMAGED, DAMAGED.replace("0.3", "0.4"))], r"rules\[1\]: another rule .* same pieces"),
        (["{version: a, valid_from: soon}"], r"valid_from: expected a date YYYY-MM-DD, got 'soon'"),
    ],
)
def test_a_wrong_rule_says_where(tmp_path: Path, versions: list[str], message: str) -> None:
    """File, line, field, what was expected and what came."""
    with pytest.raises(
        ConfigError, match=rf"valuation.yml line 1, {message if 'write' in message else '.*' + message}"
    ):
        read(tmp_path, *versions)


def test_everything_wrong_with_rules_is_said_at_once(tmp_path: Path) -> None:
    """Two versions that overlap and a factor above 1 are two sentences."""
    with pytest.raises(ConfigError, match=r"overlaps another version.* from 0 to 1"):
        read(tmp_path, version(), version("{applies_to: damaged, factor: 2}", name="b"))
