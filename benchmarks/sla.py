"""
How fast promises are judged: from staging to fct_fulfillment and every report that reads it.

Invents orders of a year with what is known of them (nightly polls, movements, webhook events; a few
held, waiting, sent back, cancelled, restored, not sent) in a writer's file, then builds what
fct_fulfillment needs, it, and the reports, as a night does: one model after the other, each
committed. Beside it DuckDB reads the same input once.
"""

import argparse
import resource
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "plugins")]

import duckdb  # noqa: E402  # the paths above come first

from stockbook import declaration_files  # noqa: E402
from stockbook.models.build import run_step  # noqa: E402
from stockbook.models.macros import create_macros  # noqa: E402
from stockbook.models.order import Step, steps  # noqa: E402
from stockbook.models.programs import BuildContext  # noqa: E402
from stockbook.warehouse.connect import BUILDS_FAST, WRITES_FAST  # noqa: E402
from stockbook.warehouse.schema import create_all  # noqa: E402

SQL = ROOT / "include" / "sql"
POLICY = ROOT / "include" / "policy"
PRAGUE = ZoneInfo("Europe/Prague")
AS_OF = datetime(2026, 3, 1, 2, 15)  # noqa: DTZ001  # as_of is a local wall clock
FACT = "marts.fct_fulfillment"
INPUTS = (
    "staging.orders",
    "staging.orders_history",
    "staging.order_lines",
    "staging.movements",
    "staging.webhook_events",
)

# when, minutes after the step before it, with what chance (of 1000), and what polls and webhooks say then
LIVES = """
with drawn as (
    select
        n,
        lpad(hex(hash(n)), 16, '0') || lpad(hex(hash(n, 1)), 16, '0') as digits,
        timestamp '2025-03-01 05:00'
        + to_seconds(cast(hash(n, 2) % 31000000 as bigint)) as created,
        cast(hash(n, 3) % 1000 as integer) as chance,
        cast(hash(n, 4) % 1000 as integer) as fate,
        cast(hash(n, 5) % 1000 as integer) as pace
    from range({orders}) as o(n)
),
paced as (
    select
        *,
        created + to_minutes(case when chance < 30 then 60 + pace * 3 else 0 end) as released,
        1 + pace // 100 as handing,
        to_minutes(60 + pace // 2 + case when pace > 900 then 1500 else 0 end) as work
    from drawn
),
pushed as (
    select
        *,
        released + to_minutes(handing) as pushed_first,
        case
            when chance between 30 and 54 then released + to_minutes(handing + 600 + pace * 4)
            when chance between 55 and 59 then released + to_minutes(handing + 60 + pace * 2)
            when fate < 25 and fate % 7 = 0 then released + to_minutes(handing + 600 + pace * 2)
            else released + to_minutes(handing)
        end as pushed_last
    from paced
),
packed as (
    select
        *,
        case when fate >= 25 or fate % 7 = 0 then pushed_last + work end as packed
    from pushed
),
sent as (
    select
        *,
        case when packed is not null then date_trunc('day', packed) + interval 17 hour + to_minutes(pace // 20) end
            as evening
    from packed
)
select
    n,
    lower(substr(digits, 1, 8) || '-' || substr(digits, 9, 4) || '-4' || substr(digits, 14, 3) || '-a'
        || substr(digits, 18, 3) || '-' || substr(digits, 21, 12)) as order_id,
    unnest([
        {{moment: created, kind: 'OrderCreated', status: 'created'}},
        {{moment: pushed_first, kind: 'OrderPushedToExpedition', status: 'in_expedition'}},
        {{
            moment: case when chance between 30 and 54 then pushed_first + interval 5 minute end,
            kind: 'OrderStatusChangedToWaitingForStorage', status: 'waiting_for_storage'
        }},
        {{
            moment: case when chance between 55 and 59 then pushed_first + interval 30 minute end,
            kind: 'OrderStatusChangedToCreated', status: 'created'
        }},
        {{
            moment: case when fate < 25 then pushed_first + interval 40 minute end,
            kind: 'OrderCanceled', status: 'cancelled'
        }},
        {{
            moment: case when fate < 25 and fate % 7 = 0 then pushed_last - interval 30 minute end,
            kind: 'OrderRestored', status: 'created'
        }},
        {{
            moment: case when pushed_last > pushed_first then pushed_last end,
            kind: 'OrderPushedToExpedition', status: 'in_expedition'
        }},
        {{
            moment: case when fate between 100 and 114 then packed - interval 30 minute end,
            kind: null, status: 'problem_in_expedition'
        }},
        {{moment: packed, kind: 'OrderPacked', status: 'packed'}},
        {{
            moment: case when fate between 200 and 204 then evening end,
            kind: 'OrderNotSent', status: 'not_sent'
        }},
        {{
            moment: evening + case when fate between 200 and 204 then interval 1 day else interval 0 day end,
            kind: 'OrderSent', status: 'sent'
        }},
        {{
            moment: evening + interval 1 day + to_minutes(pace),
            kind: 'OrderDelivered', status: 'delivered'
        }}
    ], recursive := true),
    chance < 30 as was_held,
    released,
    packed
from sent
"""

FILL = (
    """
    create temp table life as
    select
        * exclude (moment, released, packed),
        moment as at_utc,
        (moment at time zone 'UTC') at time zone 'Europe/Prague' as at_local,
        (released at time zone 'UTC') at time zone 'Europe/Prague' as released_local,
        (packed at time zone 'UTC') at time zone 'Europe/Prague' as packed_local
    from ({lives})
    where moment is not null and at_local <= timestamp '{as_of}'
    """,
    """
    insert into staging.orders by name
    select
        'main' as account,
        order_id,
        strftime(at_local, '%Y-%m-%d %H:%M:%S') as created_text,
        at_local as created_at,
        at_utc as created_at_utc,
        'FF' || n as number,
        'created' as source_status,
        false as is_on_hold,
        1 + n % 6 as delivery_id,
        case when n % 70 = 0 then cast(at_local as date) + 5 end as dispatch_date,
        timestamp '{as_of}' as _last_seen_at
    from life
    where kind = 'OrderCreated'
    """,
    """
    insert into staging.orders_history by name
    with polled as (
        select
            *,
            case
                when at_local <= date_trunc('day', at_local) + interval '2 hours 15 minutes'
                    then date_trunc('day', at_local)
                else date_trunc('day', at_local) + interval 1 day
            end + interval '2 hours 15 minutes' as night
        from life
    ),
    nights as (
        select
            order_id,
            night,
            arg_max(status, at_local) as status,
            bool_or(was_held and released_local > night) as is_on_hold
        from polled
        group by order_id, night
    ),
    changed as (
        select *
        from nights
        qualify status is distinct from lag(status) over (partition by order_id order by night)
    )
    select
        'main' as account,
        order_id,
        status as source_status,
        is_on_hold,
        case when status = 'problem_in_expedition' then 'packing' end as problem_source,
        row_number() over versions as _version,
        night as _valid_from,
        coalesce(lead(night) over versions - interval 1 day, timestamp '{as_of}') as _last_seen_at,
        lead(night) over versions as _valid_to
    from changed
    where night <= timestamp '{as_of}'
    window versions as (partition by order_id order by night)
    """,
    """
    create temp table line as
    select
        n,
        order_id,
        packed_local,
        line_no,
        1 + hash(n, line_no) % 20000 as variant_id,
        1 + (hash(n, line_no, 1) % 3) as quantity
    from life, range(1, 2 + cast(hash(n, 6) % 10 // 4 as bigint)) as l(line_no)
    where kind = 'OrderCreated'
    """,
    """
    insert into staging.order_lines by name
    select
        'main' as account,
        order_id,
        line_no,
        'DS' || variant_id as code,
        'Article ' || variant_id as product_name,
        quantity
    from line
    """,
    """
    insert into staging.variants by name
    select 'main' as account, v as variant_id, v // 2 as product_id, 'DS' || v as code
    from range(1, 20001) as g(v)
    """,
    """
    insert into staging.deliveries by name
    select 'main' as account, v as delivery_id, 'Method ' || v as name, false as needs_place
    from range(1, 7) as g(v)
    """,
    """
    insert into staging.movements by name
    select
        'main' as account,
        row_number() over (order by packed_local, n, line_no) as movement_id,
        variant_id,
        'out' as direction,
        order_id,
        quantity,
        0 as damaged_quantity,
        strftime(packed_local, '%Y-%m-%d %H:%M:%S') as created_text,
        packed_local as created_at
    from line
    where packed_local <= timestamp '{as_of}'
    """,
    """
    insert into staging.webhook_events by name
    select
        'main' as account,
        'fulfillment_cz' as source,
        md5(order_id || kind || at_utc) as event_id,
        kind as event_type,
        strftime(at_local, '%Y-%m-%d %H:%M:%S') as occurred_text,
        at_local as occurred_at,
        at_utc as occurred_at_utc,
        at_utc + interval 3 second as received_at_utc,
        row_number() over (order by at_utc, n) as received_no,
        'order' as subject_kind,
        order_id as subject_id,
        case when kind = 'OrderCreated' then json_object('id', order_id, 'on_hold', was_held) end as payload
    from life
    where kind is not null and n % 1000 >= {silent}
    """,
)


def fill(con: duckdb.DuckDBPyConnection, orders: int, with_events: bool) -> None:
    """Fill staging with ``orders`` orders of a year and what is known of them."""
    create_all(con, declaration_files.load(SQL))
    parameters = {
        "lives": LIVES.format(orders=orders),
        "as_of": AS_OF.isoformat(sep=" "),
        "silent": 0 if with_events else 1000,
    }
    for statement in FILL:
        con.execute(statement.format(**parameters))
    con.execute("drop table life")
    con.execute("drop table line")


def wanted(order: list[Step]) -> list[Step]:
    """fct_fulfillment, the reports that read it, and all that these need, in order."""
    maker = {table.name: step for step in order for table in step.tables}
    reaches = {FACT}
    for step in order:
        if step.reads & reaches:
            reaches |= {table.name for table in step.tables}
    needed: set[str] = set()
    # alerts compare stock and prices too: they are no report of the promise
    open_ = [maker[name] for name in reaches if name == FACT or (name.startswith("reports.") and "alert" not in name)]
    while open_:
        step = open_.pop()
        if step.name not in needed:
            needed.add(step.name)
            open_ += [maker[name] for name in step.reads if name in maker]
    return [step for step in order if step.name in needed]


def spent() -> float:
    """CPU seconds of this process so far, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Generate, read once, build, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=1_000_000, help="orders of a year (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="cores DuckDB may use (default: %(default)s)")
    parser.add_argument("--memory", default="2GB", help="STOCKBOOK_MEMORY_LIMIT of the writer (default: %(default)s)")
    parser.add_argument("--without-events", action="store_true", help="polls and movements only")
    parser.add_argument("--file", type=Path, help="keep the filled warehouse here, and use it when it is there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sla-") as folder:
        file = options.file or Path(folder) / "warehouse.duckdb"
        is_filled = file.exists()
        con = duckdb.connect(str(file), config={"threads": options.threads, "memory_limit": options.memory})
        con.execute("set TimeZone = 'UTC'")
        con.execute("set enable_progress_bar = false")
        con.execute(WRITES_FAST)
        con.execute(BUILDS_FAST)
        con.execute(f"set temp_directory = '{folder}/spill'")
        if not is_filled:
            fill(con, options.orders, not options.without_events)
            con.execute("checkpoint")
        measure(con)
        con.close()


def measure(con: duckdb.DuckDBPyConnection) -> None:
    """Read the input once, build every model, print what each took."""
    tables = declaration_files.load(SQL)
    rows = {name: con.execute(f"select count(*) from {name}").fetchall()[0][0] for name in INPUTS}
    for name, count in rows.items():
        print(f"{count:>12,}  {name}")
    began, cpu = time.perf_counter(), spent()
    for name in INPUTS:
        con.execute(f"select bit_xor(hash(t)) from {name} as t").fetchall()
    scan, scan_cpu = time.perf_counter() - began, spent() - cpu
    context = BuildContext(AS_OF, "benchmark", PRAGUE, POLICY, tables)
    con.execute("delete from meta.current_run")
    con.execute("insert into meta.current_run values (?, ?, ?)", ["benchmark", AS_OF, PRAGUE.key])
    create_macros(con, SQL)
    total, total_cpu = 0.0, 0.0
    print(f"\n{'seconds':>12} {'CPU':>8}  model")
    for step in wanted(steps(SQL, tables)):
        began, cpu = time.perf_counter(), spent()
        con.execute("begin")
        run_step(con, step, context)
        con.execute("commit")
        seconds, burnt = time.perf_counter() - began, spent() - cpu
        total, total_cpu = total + seconds, total_cpu + burnt
        print(f"{seconds:>12.2f} {burnt:>8.2f}  {step.name}")
    began, cpu = time.perf_counter(), spent()
    # what closing the file does at the end of a build
    con.execute("checkpoint")
    seconds, burnt = time.perf_counter() - began, spent() - cpu
    total, total_cpu = total + seconds, total_cpu + burnt
    print(f"{seconds:>12.2f} {burnt:>8.2f}  commit and checkpoint")
    print(f"{total:>12.2f} {total_cpu:>8.2f}  all")
    states = con.execute(
        f"select sla_state, count(*) from {FACT} where is_latest_cycle group by 1 order by 2 desc"
    ).fetchall()
    print("\n" + ", ".join(f"{state} {count:,}" for state, count in states))
    print(f"{rows['staging.orders'] / total:,.0f} orders/s, {sum(rows.values()) / total:,.0f} rows of input/s")
    print(
        f"DuckDB reads the same input once in {scan:.2f} s ({scan_cpu:.2f} CPU-s): "
        f"building takes {total / scan:.1f} times as long, {total_cpu / scan_cpu:.1f} times the CPU"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024
    print(f"peak memory {peak:.1f} GB (with the generation of the orders where it was made here)")


if __name__ == "__main__":
    main()
