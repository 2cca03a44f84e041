"""
The ledger as the replay wants it: read from staging in batches of variants, in replay order.

A batch holds whole variants, and variants that a transformation ties together stay in one, so
that each batch can be replayed by itself.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa

from stockbook.errors import ConfigError, ModelFailed
from stockbook.valuation import transformations, wall_clock
from stockbook.valuation.money import scaled
from stockbook.valuation.policy import ValuationPolicy
from stockbook.valuation.replay import DefaultCosts, Movements
from stockbook.valuation.transformations import Leg

# some 400 MB at a time, of which three are under way: read, replayed, written
BATCH_ROWS = 500_000
MIDNIGHT_EPOCH = "date '1970-01-01'"


@dataclass(frozen=True)
class Batch:
    """Some variants' movements: as the replay takes them, and beside it the columns to be written, row by row alike."""

    movements: Movements
    columns: pa.Table
    defaults: DefaultCosts
    accounts: list[str]
    account: np.ndarray[Any, np.dtype[np.int32]]
    # by the replay's number of the variant
    variant_id: np.ndarray[Any, np.dtype[np.int64]]
    variant_account: np.ndarray[Any, np.dtype[np.int32]]


def prepare(con: duckdb.DuckDBPyConnection, policy: ValuationPolicy) -> None:
    """
    Make the temporary tables that ``batches`` reads; ``forget`` drops them.

    Raises ModelFailed for a ledger that cannot be replayed: an unknown direction, a negative quantity.
    """
    forget(con)
    sellable = "quantity" if policy.damaged_quantity_is_additive else "quantity - damaged_quantity"
    con.execute(f"""
        create temp view valuation_movement as
        select
            account,
            movement_id,
            variant_id,
            direction,
            nullif(order_id, '') as order_id,
            receiving_id,
            transformation_id,
            unit_price,
            unit_extra_cost,
            {sellable} as quantity,
            damaged_quantity,
            created_at as moved_at,
            _first_seen_at as first_seen_at,
            false as is_opening
        from staging.movements
        where _deleted_at is null
    """)
    _refuse_what_cannot_be_replayed(con, policy)
    _prepare_openings(con, policy)
    con.execute("""
        create temp view valuation_ledger as
        select * from valuation_movement
        union all
        select * from valuation_opening
    """)
    con.execute("""
        create temp table valuation_return as
        select
            account,
            order_id,
            variant_id,
            row_number() over (order by account, order_id, variant_id) - 1 as order_no
        from (
            select distinct account, order_id, variant_id
            from valuation_ledger
            where direction = 'in' and order_id is not null
        )
    """)
    con.execute("""
        create temp table valuation_line_price as
        select account, receiving_id, variant_id, arg_min(price_per_unit, line_no) as price
        from staging.receiving_lines
        where _deleted_at is null and price_per_unit >= 0
        group by account, receiving_id, variant_id
    """)
    con.execute("""
        create temp table valuation_changed as
        select account, movement_id, max(cast(_valid_from as date)) as known_from
        from staging.movements_history
        where _version > 1 and _valid_to is null
        group by account, movement_id
    """)
    con.execute("""
        create temp table valuation_first_load as
        select account, min(_valid_from) as first_load_at
        from staging.movements_history
        where _in_first_load
        group by account
    """)
    _prepare_variants(con)


def forget(con: duckdb.DuckDBPyConnection) -> None:
    """Drop what ``prepare`` made."""
    con.execute("drop view if exists temp.valuation_ledger")
    con.execute("drop view if exists temp.valuation_movement")
    for name in ("opening", "return", "line_price", "changed", "first_load", "variant"):
        con.execute(f"drop table if exists temp.valuation_{name}")


def _refuse_what_cannot_be_replayed(con: duckdb.DuckDBPyConnection, policy: ValuationPolicy) -> None:
    found = con.execute("""
        select account, movement_id, direction not in ('in', 'out') as is_unknown
        from valuation_movement
        where
            direction is null
            or direction not in ('in', 'out')
            or quantity is null
            or damaged_quantity is null
            or quantity < 0
            or damaged_quantity < 0
            or moved_at is null
        order by account, movement_id
        limit 1
    """).fetchone()
    if found is None:
        return
    account, movement, is_unknown = found
    if is_unknown or policy.damaged_quantity_is_additive:
        raise ModelFailed(
            f"Movement {movement} of account {account} cannot be valued: expected a direction of in or out, a time "
            "and quantities of at least 0. Declare what the warehouse sends, so that staging quarantines the rest."
        )
    raise ConfigError(
        f"valuation.yml, damaged_quantity_is_additive: false says damaged pieces are part of quantity, but movement "
        f"{movement} of account {account} has more damaged pieces than pieces; set it to true."
    )


def _prepare_openings(con: duckdb.DuckDBPyConnection, policy: ValuationPolicy) -> None:
    cuts = policy.opening_balance
    con.execute(
        """
        create temp table valuation_opening as
        with cut as (
            select unnest(?::varchar[]) as account, unnest(?::date[]) as opening_date
        ),
        first_snapshot as (
            select account, min(snapshot_date) as snapshot_date
            from staging.stock_levels
            where _deleted_at is null
            group by account
        ),
        counted as (
            select s.account, s.variant_id, s.snapshot_at, s.quantity, s.damaged_quantity, c.opening_date
            from staging.stock_levels as s
            inner join first_snapshot as f on s.account = f.account and s.snapshot_date = f.snapshot_date
            inner join cut as c on s.account = c.account
            where s._deleted_at is null
        ),
        moved as (
            select
                c.account,
                c.variant_id,
                sum(case m.direction when 'in' then m.quantity else -m.quantity end) as quantity,
                sum(case m.direction when 'in' then m.damaged_quantity else -m.damaged_quantity end) as damaged_quantity
            from counted as c
            inner join valuation_movement as m
                on c.account = m.account and c.variant_id = m.variant_id and m.moved_at <= c.snapshot_at
            group by c.account, c.variant_id
        )
        select
            c.account,
            -c.variant_id as movement_id,
            c.variant_id,
            'in' as direction,
            cast(null as varchar) as order_id,
            cast(null as bigint) as receiving_id,
            cast(null as bigint) as transformation_id,
            cast(null as decimal(24, 12)) as unit_price,
            cast(null as decimal(24, 12)) as unit_extra_cost,
            cast(greatest(c.quantity - coalesce(m.quantity, 0), 0) as bigint) as quantity,
            cast(greatest(c.damaged_quantity - coalesce(m.damaged_quantity, 0), 0) as bigint) as damaged_quantity,
            cast(c.opening_date as timestamp) as moved_at,
            cast(c.opening_date as timestamp) as first_seen_at,
            true as is_opening
        from counted as c
        left join moved as m on c.account = m.account and c.variant_id = m.variant_id
        where c.quantity > coalesce(m.quantity, 0) or c.damaged_quantity > coalesce(m.damaged_quantity, 0)
    """,
        [list(cuts), list(cuts.values())],
    )


def _prepare_variants(con: duckdb.DuckDBPyConnection) -> None:
    """Number the variants and put them into batches."""
    variants = con.execute("""
        select account, variant_id, count(*) as movements
        from valuation_ledger
        group by account, variant_id
        order by account, variant_id
    """).to_arrow_table()
    movements = variants.column("movements").to_numpy()
    batch, number = _batches(movements, _tied(con, variants))
    numbered = (  # noqa: F841  # the statement below finds it by its name
        variants.drop(["movements"])
        .append_column("batch", pa.array(batch, pa.int32()))
        .append_column("variant", pa.array(number, pa.int64()))
    )
    con.execute("create temp table valuation_variant as select * from numbered")


def _tied(con: duckdb.DuckDBPyConnection, variants: pa.Table) -> list[list[int]]:
    """Places of variants that share a transformation."""
    rows = con.execute("""
        select distinct account, transformation_id, variant_id
        from valuation_ledger
        where transformation_id is not null and order_id is null
        order by account, transformation_id, variant_id
    """).fetchall()
    if not rows:
        return []
    place = {
        key: number
        for number, key in enumerate(
            zip(variants.column("account").to_pylist(), variants.column("variant_id").to_pylist(), strict=True)
        )
    }
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for account, transformation, variant in rows:
        groups[account, transformation].append(place[account, variant])
    return list(groups.values())


def _batches(movements: Any, tied: list[list[int]]) -> tuple[list[int], list[int]]:
    """Each variant's batch, and its number inside it."""
    leader = list(range(len(movements)))

    def find(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    for group in tied:
        for place in group[1:]:
            first, other = sorted((find(group[0]), find(place)))
            leader[other] = first
    rows: dict[int, int] = defaultdict(int)
    for place, count in enumerate(movements.tolist()):
        rows[find(place)] += count
    batch_of: dict[int, int] = {}
    current, filled = 0, 0
    for root, count in rows.items():
        if filled and filled + count > BATCH_ROWS:
            current, filled = current + 1, 0
        batch_of[root] = current
        filled += count
    batch = [batch_of[find(place)] for place in range(len(leader))]
    sizes: dict[int, int] = defaultdict(int)
    number = []
    for found in batch:
        number.append(sizes[found])
        sizes[found] += 1
    return batch, number


def batches(con: duckdb.DuckDBPyConnection, zone: ZoneInfo) -> Iterator[Batch]:
    """Every batch of the ledger that ``prepare`` made ready."""
    row = con.execute("select max(batch) from valuation_variant").fetchone()
    if row is None or row[0] is None:
        return
    span = con.execute("select min(moved_at), max(moved_at) from valuation_ledger").fetchone()
    twice = wall_clock.repeated(span[0], span[1], zone) if span else []
    for batch in range(row[0] + 1):
        yield _read(con, batch, twice, zone)


def _read(con: duckdb.DuckDBPyConnection, batch: int, twice: list[Any], zone: ZoneInfo) -> Batch:
    # inside an hour that occurs twice only ids tell what came first
    whens = " ".join("when l.moved_at >= ? and l.moved_at < ? then ?" for _ in twice)
    replay_at = f"case {whens} else l.moved_at end" if twice else "l.moved_at"
    bounds = [bound for start, stop in twice for bound in (start, stop, start)]
    table = con.execute(
        f"""
        with ledger as (
            select l.*, v.variant, {replay_at} as replay_at
            from valuation_ledger as l
            inner join valuation_variant as v on l.account = v.account and l.variant_id = v.variant_id
            where v.batch = ?
        ),
        -- bounds that are never NULL keep the join a hash join
        variant_version as (
            select
                account,
                variant_id,
                variant_key,
                coalesce(valid_from, timestamp '-infinity') as valid_from,
                coalesce(valid_to, timestamp 'infinity') as valid_to
            from marts.dim_variant
        )
        select
            l.account,
            l.movement_id,
            l.variant_id,
            d.variant_key,
            l.moved_at,
            l.direction,
            case
                when l.is_opening then 'opening'
                when l.order_id is not null then case l.direction when 'in' then 'return' else 'dispatch' end
                when l.transformation_id is not null then 'transformation'
                when l.receiving_id is not null and l.direction = 'in' then 'receiving'
                else 'correction'
            end as kind,
            l.order_id,
            l.receiving_id,
            l.transformation_id,
            l.quantity,
            l.damaged_quantity,
            l.unit_price as source_unit_price,
            l.unit_extra_cost as source_extra_cost,
            case
                when c.known_from is not null then c.known_from
                when l.first_seen_at is null or l.first_seen_at = f.first_load_at then cast(l.moved_at as date)
                else cast(l.first_seen_at as date)
            end as known_from,
            l.variant,
            l.direction = 'in' as is_in,
            case when l.unit_price >= 0 then l.unit_price else p.price end as price,
            case
                when l.direction <> 'in' then 0
                when l.unit_price >= 0 then 1
                when p.price is not null then 2
                else 0
            end as price_source,
            coalesce(r.order_no, -1) as order_no,
            date_diff('day', {MIDNIGHT_EPOCH}, cast(l.moved_at as date)) as day
        from ledger as l
        left join variant_version as d
            on
                l.account = d.account
                and l.variant_id = d.variant_id
                and l.moved_at >= d.valid_from
                and l.moved_at < d.valid_to
        left join valuation_return as r
            on l.account = r.account and l.order_id = r.order_id and l.variant_id = r.variant_id
        left join valuation_line_price as p
            on l.account = p.account and l.receiving_id = p.receiving_id and l.variant_id = p.variant_id
        left join valuation_changed as c on l.account = c.account and l.movement_id = c.movement_id
        left join valuation_first_load as f on l.account = f.account
        order by l.replay_at, l.account, l.movement_id
        """,
        [*bounds, batch],
    ).to_arrow_table()
    variants = con.execute(
        "select account, variant_id from valuation_variant where batch = ? order by variant", [batch]
    ).to_arrow_table()
    codes = table.column("account").combine_chunks().dictionary_encode()
    accounts: list[str] = codes.dictionary.to_pylist()
    code_of = {account: code for code, account in enumerate(accounts)}
    columns = table.drop(["variant", "is_in", "price", "price_source", "order_no", "day"])
    moved_at_utc = wall_clock.to_utc(
        _numpy(table, "moved_at").astype("datetime64[us]"),
        np.array(accounts, object)[codes.indices.to_numpy()],
        _numpy(table, "movement_id"),
        zone,
    )
    return Batch(
        movements=_movements(table),
        columns=columns.append_column("moved_at_utc", pa.array(moved_at_utc, pa.timestamp("us"))),
        defaults=_defaults(con, batch, variants.num_rows),
        accounts=accounts,
        account=codes.indices.to_numpy().astype(np.int32),
        variant_id=variants.column("variant_id").to_numpy(),
        variant_account=np.array([code_of[account] for account in variants.column("account").to_pylist()], np.int32),
    )


def _numpy(table: pa.Table, name: str) -> Any:
    return table.column(name).to_numpy()


def _movements(table: pa.Table) -> Movements:
    is_in = _numpy(table, "is_in").astype(np.bool_)
    quantity, damaged = (_numpy(table, name).astype(np.int64) for name in ("quantity", "damaged_quantity"))
    group, share = _linked(table, is_in, quantity + damaged)
    return Movements(
        variant=_numpy(table, "variant").astype(np.int64),
        is_in=is_in,
        quantity=quantity,
        damaged_quantity=damaged,
        price=scaled(table.column("price")),
        price_source=_numpy(table, "price_source").astype(np.int64),
        extra_cost=scaled(table.column("source_extra_cost")),
        day=_numpy(table, "day").astype(np.int64),
        order=_numpy(table, "order_no").astype(np.int64),
        group=group,
        share=share,
    )


def _linked(table: pa.Table, is_in: Any, pieces: Any) -> tuple[Any, Any]:
    """Group and share of each row. Rows of an order are dispatches and returns whatever else they name."""
    group = np.full(len(is_in), -1, np.int64)
    share = np.zeros(len(is_in), np.int64)
    rows = np.flatnonzero(
        table.column("transformation_id").is_valid().to_numpy() & table.column("order_id").is_null().to_numpy()
    )
    if not len(rows):
        return group, share
    some = table.select(["account", "transformation_id", "source_unit_price"]).take(rows)
    prices = [
        int(price.scaleb(12)) if price is not None and price >= 0 else None
        for price in some.column("source_unit_price").to_pylist()
    ]
    numbers: dict[tuple[str, int], int] = {}
    keys = zip(some.column("account").to_pylist(), some.column("transformation_id").to_pylist(), strict=True)
    legs = [
        Leg(int(row), numbers.setdefault(key, len(numbers)), bool(is_in[row]), int(pieces[row]), price)
        for row, key, price in zip(rows, keys, prices, strict=True)
    ]
    linked = transformations.link(legs)
    if any(part >= 2**63 for found in linked for part in found.shares):
        share = share.astype(object)
    for number, found in enumerate(linked):
        group[found.rows] = number
        share[found.rows] = found.shares
    return group, share


def _defaults(con: duckdb.DuckDBPyConnection, batch: int, variants: int) -> DefaultCosts:
    """Purchase prices by day: the last version of a day counts, and a variant no longer listed keeps its last price."""
    table = con.execute(
        f"""
        select
            v.variant,
            date_diff('day', {MIDNIGHT_EPOCH}, cast(h._valid_from as date)) as from_day,
            case when h.price_purchase >= 0 then h.price_purchase end as price
        from staging.variants_history as h
        inner join valuation_variant as v on h.account = v.account and h.variant_id = v.variant_id
        where v.batch = ?
        order by v.variant, h._valid_from, h._version
        """,
        [batch],
    ).to_arrow_table()
    counts = np.bincount(_numpy(table, "variant").astype(np.int64), minlength=variants)
    price = table.column("price")
    return DefaultCosts(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        from_day=_numpy(table, "from_day").astype(np.int64),
        price=scaled(price),
        is_known=price.is_valid().to_numpy().astype(np.bool_),
    )
