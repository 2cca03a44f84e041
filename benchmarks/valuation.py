"""
How fast stock is valued: from the staging table to every fact of cost and stock, in a writer's file.

Invents a ledger as skewed as real ones (a few variants with a hundred thousand movements, many
with ten; receipts, dispatches, returns, transformations, prices that are NULL, shortages, both
pools) and measures, each in a process of its own: the first night; a night after which 1 % of the
variants moved; a night after which nothing moved; beside them DuckDB reading the same rows once,
and a plain Decimal replay (the tests' reference) of some of the variants, whose figures must be
the same.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "tests" / "support")]

import duckdb  # noqa: E402  # the paths above come first

from stockbook import declaration_files  # noqa: E402
from stockbook.models.order import steps  # noqa: E402
from stockbook.models.programs import BuildContext  # noqa: E402
from stockbook.warehouse.connect import BUILDS_FAST, WRITES_FAST  # noqa: E402
from stockbook.warehouse.schema import create_all  # noqa: E402

SQL = ROOT / "include" / "sql"
POLICY = ROOT / "include" / "policy"
PRAGUE = ZoneInfo("Europe/Prague")

# share of the rows, rows of one variant
TIERS = ((0.2, 100_000), (0.2, 1_000), (0.2, 100), (0.4, 10))


@dataclass(frozen=True)
class Machine:
    """What the writer's connection may use."""

    file: Path
    memory: str
    threads: int

    def open(self) -> duckdb.DuckDBPyConnection:
        """The writer's file, as a night opens it."""
        con = duckdb.connect(str(self.file), config={"memory_limit": self.memory, "threads": self.threads})
        con.execute("set TimeZone = 'UTC'")
        con.execute("set enable_progress_bar = false")
        con.execute(WRITES_FAST)
        con.execute(BUILDS_FAST)
        con.execute(f"set temp_directory = '{self.file.with_suffix('.tmp')}'")
        return con


def make_ledger(machine: Machine, rows: int) -> dict[str, Any]:
    """Fill staging with about ``rows`` movements of one year, and the catalogue with their variants."""
    with machine.open() as con:
        create_all(con, declaration_files.load(SQL))
        con.execute("create temp table tier (first_variant bigint, variants bigint, movements bigint)")
        first = 1
        for share, movements in TIERS:
            movements = min(movements, rows // 10)  # noqa: PLW2901  # a small ledger has smaller giants
            variants = max(2, round(rows * share / movements))
            con.execute("insert into tier values (?, ?, ?)", [first, variants, movements])
            first += variants
        con.execute("""
            create temp table drawn as
            with each as (
                select variant_id, movements
                from tier, range(tier.first_variant, tier.first_variant + tier.variants) as v(variant_id)
            ),
            numbered as (
                select
                    variant_id,
                    n,
                    movements,
                    hash(variant_id, n) as a,
                    hash(n, variant_id, 1) as b
                from each, range(movements) as r(n)
            )
            select
                variant_id,
                n,
                a,
                b,
                case
                    when n = 0 then 'receipt'
                    when a % 1000 < 150 then 'receipt'
                    when a % 1000 < 175 then 'return'
                    when a % 1000 < 180 and variant_id % 2 = 0 then 'transformation'
                    else 'issue'
                end as kind,
                cast(31000000.0 * (n + (b % 1000) / 1000.0) / movements as bigint) as second,
                -- the hour that the clock skips on 31 March 2024 has no movements
                case when second between 7761600 and 7765199 then second + 3600 else second end as moment
            from numbered
        """)
        con.execute("""
            insert into staging.movements by name
            with told as (
                select
                    variant_id,
                    case when kind in ('receipt', 'return') then 'in' else 'out' end as direction,
                    case
                        when kind = 'issue' then hash(variant_id, n, 2)
                        -- of one of the latest issues, sometimes of an order that took nothing
                        when kind = 'return' then hash(variant_id, n - 1 - b % 4, 2)
                    end as order_no,
                    case when kind = 'receipt' then moment // 3600 end as receiving_id,
                    case when kind = 'transformation' then variant_id * 1000000 + n end as transformation_id,
                    case when kind = 'receipt' and b % 20 > 0 then cast((b % 100000) / 100.0 as decimal(24, 12)) end
                        as unit_price,
                    case when kind = 'receipt' and b % 3 = 0 then cast((b % 777) / 100.0 as decimal(24, 12)) end
                        as unit_extra_cost,
                    case kind when 'receipt' then 6 + b % 12 when 'issue' then 1 + b % 3 else 1 end as quantity,
                    case when kind in ('receipt', 'issue') and b % 53 = 0 then 1 else 0 end as damaged_quantity,
                    moment
                from drawn
                union all
                -- an unboxed carton comes in as pieces of the variant before it
                select
                    variant_id - 1,
                    'in',
                    null,
                    null,
                    variant_id * 1000000 + n,
                    null,
                    null,
                    6,
                    0,
                    moment + 1
                from drawn
                where kind = 'transformation'
            )
            select
                'main' as account,
                row_number() over (order by moment, variant_id, transformation_id nulls first) as movement_id,
                variant_id,
                direction,
                substr(md5(cast(order_no as varchar)), 1, 8) || '-0000-4000-8000-'
                    || lpad(cast(order_no % 1000000000000 as varchar), 12, '0') as order_id,
                receiving_id,
                transformation_id,
                unit_price,
                unit_extra_cost,
                quantity,
                damaged_quantity,
                strftime(timestamp '2024-01-01 06:00:00' + to_seconds(moment), '%Y-%m-%d %H:%M:%S') as created_text,
                timestamp '2024-01-01 06:00:00' + to_seconds(moment) as created_at,
                timestamp '2025-01-02 02:15:00' as _first_seen_at,
                hash(movement_id, unit_price, quantity) as _row_hash
            from told
            order by movement_id
        """)
        con.execute("drop table drawn")
        con.execute("""
            insert into staging.movements_history by name
            select
                account, movement_id, variant_id, direction, order_id, receiving_id, transformation_id, unit_price,
                unit_extra_cost, quantity, damaged_quantity, created_text, 1 as _version,
                timestamp '2025-01-02 02:15:00' as _valid_from, true as _in_first_load
            from staging.movements
        """)
        con.execute("""
            insert into staging.variants_history by name
            select
                'main' as account, variant_id, 1 as product_id, 'DS' || variant_id as code,
                cast(variant_id % 500 as decimal(24, 12)) as price_purchase, 1 as _version,
                timestamp '2025-01-02 02:15:00' as _valid_from, true as _in_first_load
            from tier, range(first_variant, first_variant + variants) as v(variant_id)
        """)
        con.execute("checkpoint")
        counted = con.execute("""
            select count(*), count(distinct variant_id), count(*) filter (where transformation_id is not null)
            from staging.movements
        """).fetchall()[0]
    return dict(zip(("movements", "variants", "transformation legs"), counted, strict=True))


def touch(machine: Machine, share: float) -> dict[str, Any]:
    """A late dispatch, back-dated by 90 days, for every ``1 / share``-th variant."""
    with machine.open() as con:
        con.execute(
            """
            create temp table late as
            select
                'main' as account,
                (select max(movement_id) from staging.movements) + row_number() over (order by variant_id)
                    as movement_id,
                variant_id,
                'out' as direction,
                1 as quantity,
                0 as damaged_quantity,
                timestamp '2024-10-05 12:00:00' as created_at,
                '2024-10-05 12:00:00' as created_text,
                timestamp '2025-01-06 02:15:00' as _first_seen_at
            from (select distinct variant_id from staging.movements)
            where hash(variant_id) % cast(? as bigint) = 0
            """,
            [round(1 / share)],
        )
        con.execute("insert into staging.movements by name select * from late")
        con.execute("""
            insert into staging.movements_history by name
            select
                * exclude (created_at, _first_seen_at), 1 as _version, _first_seen_at as _valid_from,
                false as _in_first_load
            from late
        """)
        con.execute("checkpoint")
        return {"variants": con.execute("select count(*) from late").fetchall()[0][0]}


def night(machine: Machine, run_id: str) -> dict[str, Any]:
    """The valuation of one night, committed; then its checks."""
    tables = declaration_files.load(SQL)
    named = {step.name: step for step in steps(SQL, tables)}
    as_of = datetime.fromisoformat("2025-01-05T02:15:00")
    with machine.open() as con:
        con.execute("delete from meta.current_run")
        con.execute("insert into meta.current_run values (?, ?, 'Europe/Prague')", [run_id, as_of])
        con.execute("insert into meta.run by name select ? as run_id, ? as as_of, 'running' as status", [run_id, as_of])
        context = BuildContext(as_of, run_id, PRAGUE, POLICY, tables)
        _sql_model(con, tables, named, "intermediate.run_now")
        _sql_model(con, tables, named, "marts.dim_variant")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall, cpu = time.perf_counter(), time.process_time()
        con.execute("begin transaction")
        from stockbook.models.programs import PROGRAMS

        PROGRAMS["valuation"].load()(con, context)
        con.execute("commit")
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        checks = {}
        for table in named["program valuation"].tables:
            for check in table.checks:
                if check.rows and check.severity == "fail":
                    began = time.perf_counter()
                    if con.execute(f"select count(*) from ({check.rows})").fetchall()[0][0]:
                        raise SystemExit(f"{table.name}: {check.name!r} does not hold")
                    checks[check.name] = time.perf_counter() - began
        con.execute("update meta.run set status = 'published' where run_id = ?", [run_id])
        rows = {
            table.name: con.execute(f"select count(*) from {table.name}").fetchall()[0][0]
            for table in named["program valuation"].tables
        }
    return {"wall": wall, "cpu": cpu, "peak": peak, "before": before, "checks": checks, "rows": rows}


def _sql_model(con: duckdb.DuckDBPyConnection, tables: dict[str, Any], named: dict[str, Any], name: str) -> None:
    from stockbook.models.build import replace_table

    replace_table(con, tables[name], named[name].sql.strip().rstrip(";"))


def read_once(machine: Machine) -> dict[str, Any]:
    """DuckDB reading every column the valuation reads, once."""
    columns = (
        "account", "movement_id", "variant_id", "direction", "order_id", "receiving_id", "transformation_id",
        "unit_price", "unit_extra_cost", "quantity", "damaged_quantity", "created_at", "_first_seen_at",
        "_deleted_at",
    )  # fmt: skip
    with machine.open() as con:
        wall, cpu = time.perf_counter(), time.process_time()
        con.execute(f"select {', '.join(f'max({column})' for column in columns)} from staging.movements").fetchall()
        return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def plain_decimal(machine: Machine, most: int) -> dict[str, Any]:
    """The tests' Decimal reference over whole small variants, ``most`` movements or a few more; figures compared."""
    from reference_valuation import FIGURES, Move, books

    with machine.open() as con:
        con.execute(
            """
            create temp table sample as
            select variant_id
            from staging.movements
            where variant_id not in (
                select t.variant_id from staging.movements as t where t.transformation_id is not null
            )
            group by variant_id
            having count(*) <= 1000
            qualify sum(count(*)) over (order by hash(variant_id)) <= ?
            """,
            [most],
        )
        rows = con.execute("""
            select movement_id, variant_id, direction, quantity, damaged_quantity, unit_price, unit_extra_cost,
                date_diff('second', timestamp '2024-01-01', created_at), order_id
            from staging.movements semi join sample using (variant_id)
        """).fetchall()
        defaults = {
            variant: [(0, price)]
            for variant, price in con.execute("""
                select variant_id, price_purchase from staging.variants_history semi join sample using (variant_id)
            """).fetchall()
        }
        written = {}
        for method, basis in FIGURES:
            written[method, basis] = {
                (variant, pool): (pieces, value)
                for variant, pool, pieces, value in con.execute(f"""
                    select variant_id, pool, quantity, {method}_{basis}_value
                    from marts.fct_stock_balance semi join sample using (variant_id)
                    where valid_to is null
                """).fetchall()
            }
    moves = [
        Move(ident, variant, direction, pieces, damaged, price, extra, at, order)
        for ident, variant, direction, pieces, damaged, price, extra, at, order in rows
    ]
    wall, cpu = time.perf_counter(), time.process_time()
    replayed = {figure: books(moves, *figure, defaults) for figure in FIGURES}
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    for figure, run in replayed.items():
        last = {(variant, pool): state for (variant, pool, _), state in sorted(run.balance.items())}
        for key, (pieces, value, *_) in last.items():
            ours = written[figure][key]
            if ours[0] != pieces or abs(ours[1] - value) > Decimal("0.000001"):
                raise SystemExit(f"variant and pool {key}, {figure}: expected {pieces}, {value}; found {ours}")
    return {"wall": wall, "cpu": cpu, "movements": len(moves)}


def alone(function: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """The result of a function run in a process of its own, so that its memory is its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000, help="movements, about (default: ten million)")
    parser.add_argument("--memory", default="2GB", help="STOCKBOOK_MEMORY_LIMIT of the writer (default: 2GB)")
    parser.add_argument("--threads", type=int, default=2, help="STOCKBOOK_THREADS of the writer (default: 2)")
    parser.add_argument("--sample", type=int, default=20_000, help="movements for the plain replay (default: 20000)")
    parser.add_argument("--touched", type=float, default=0.01, help="share of variants that move (default: 0.01)")
    parser.add_argument("--keep", type=Path, help="folder for the ledger; used again when it is there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        measure(folder, options)


def measure(folder: Path, options: argparse.Namespace) -> None:
    """All phases, one after another, and the table."""
    ledger = Machine(folder / f"ledger-{options.rows}.duckdb", options.memory, options.threads)
    if not ledger.file.exists():
        print(f"inventing a ledger of about {options.rows:,} movements ...", alone(make_ledger, ledger, options.rows))
    machine = Machine(folder / f"writer-{options.rows}.duckdb", options.memory, options.threads)
    machine.file.unlink(missing_ok=True)
    _copy(ledger.file, machine.file)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {options.threads} threads, DuckDB {options.memory}")
    once = alone(read_once, machine)
    first = alone(night, machine, "first")
    plain = alone(plain_decimal, machine, options.sample)
    idle = alone(night, machine, "idle")
    touched = alone(touch, machine, options.touched)
    late = alone(night, machine, "late")
    rows = first["rows"]["marts.fct_stock_movement"]
    print(f"\n{'':44}{'rows':>12}{'wall s':>9}{'CPU s':>9}{'rows/s':>12}{'peak GB':>9}")
    for name, measured, count in (
        ("DuckDB reads the rows once", once, rows),
        ("first night: every variant", first, rows),
        (f"night that touches {touched['variants']:,} variants", late, rows),
        ("night that touches none", idle, rows),
        ("plain Decimal replay, of a sample", plain, plain["movements"]),
    ):
        peak = f"{measured['peak'] / 1e6:9.2f}" if "peak" in measured else ""
        print(
            f"{name:44}{count:12,}{measured['wall']:9.2f}{measured['cpu']:9.2f}{count / measured['wall']:12,.0f}{peak}"
        )
    print(f"\nwritten: {', '.join(f'{name} {count:,}' for name, count in first['rows'].items())}")
    print(
        f"the checks: {sum(first['checks'].values()):.1f} s; after the late rows {sum(late['checks'].values()):.1f} s"
    )
    for name, seconds in first["checks"].items():
        print(f"  {seconds:6.2f} s  {name}")


def _copy(source: Path, target: Path) -> None:
    import shutil

    shutil.copyfile(source, target)


if __name__ == "__main__":
    main()
