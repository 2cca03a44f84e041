"""Which variants have a known history that differs from their balance of the day before: those are replayed."""

import duckdb
import numpy as np
import pyarrow as pa

from stockbook.references import reference
from stockbook.valuation.families import Ints, first_of_family
from stockbook.valuation.ledger import FIRST_COUNTS
from stockbook.valuation.policy import ValuationPolicy
from stockbook.warehouse.arrow_view import ArrowView

# account and id
Variant = tuple[str, int]


def write_counts(con: duckdb.DuckDBPyConnection, settings: ValuationPolicy) -> None:
    """What was counted first, where a setting says that an opening balance is made of it."""
    con.execute(
        f"""
        create temp table known_count as
        with {FIRST_COUNTS}
        select account, variant_id, snapshot_date, snapshot_at, quantity, damaged_quantity, opening_date
        from counted
        """,
        [list(settings.opening_balance), list(settings.opening_balance.values())],
    )


def write_variants(con: duckdb.DuckDBPyConnection) -> int:
    """Number the variants that must be replayed, with their families. Returns how many they are."""
    selected = set(
        con.execute("""
            select account, variant_id
            from marts.fct_stock_movement
            group by account, variant_id, cast(moved_at as date)
            having
                min(known_from) <> max(known_from)
                or min(known_from) - cast(any_value(moved_at) as date) not in (0, 1)
            union
            select account, variant_id
            from marts.fct_stock_movement_version
            union
            select m.account, m.variant_id
            from marts.fct_stock_movement as m
            inner join known_count as c
                on m.account = c.account and m.variant_id = c.variant_id
            where m.moved_at <= c.snapshot_at and m.known_from > c.snapshot_date
            union
            select m.account, m.variant_id
            from marts.fct_stock_movement as m
            inner join (
                select account, variant_id, min(_valid_from) as first_at
                from staging.variants_history
                group by account, variant_id
                having not bool_or(_in_first_load is true)
            ) as p
                on m.account = p.account and m.variant_id = p.variant_id
            where m.known_from < cast(p.first_at as date) and m.kind <> 'opening'
            union
            select m.account, m.variant_id
            from marts.fct_stock_movement as m
            inner join known_lot as o
                on m.account = o.account and m.receiving_id = o.receiving_id and m.variant_id = o.variant_id
            inner join known_lot_form as f on o.lot = f.lot
            where
                m.direction = 'in'
                and coalesce(m.source_unit_price < 0, true)
                and date_diff('day', date '1970-01-01', m.known_from) < f.known_from
            union
            select account, variant_id
            from marts.fct_stock_movement
            where order_id is null and (account, transformation_id) in (
                select (account, transformation_id)
                from marts.fct_stock_movement
                where transformation_id is not null and order_id is null
                group by account, transformation_id
                having min(known_from) <> max(known_from)
            )
        """).fetchall()
    )
    return number_variants(con, selected)


def number_variants(con: duckdb.DuckDBPyConnection, selected: set[Variant]) -> int:
    """Make ``known_variant`` of these and their families, unless there are none. Returns how many they are."""
    if not selected:
        return 0
    members, family = _families(con, selected)
    numbered = pa.table(
        {
            "account": pa.array([account for account, _ in members], pa.string()),
            "variant_id": pa.array([variant for _, variant in members], pa.int64()),
            "variant": pa.array(range(len(members)), pa.int64()),
            "family": family,
        }
    )
    with ArrowView(con, "numbered_variant", numbered):
        con.execute("create temp table known_variant as select * from numbered_variant")
    return len(members)


def _families(con: duckdb.DuckDBPyConnection, selected: set[Variant]) -> tuple[list[Variant], Ints]:
    """All variants that transformations, past ones too, tie to those selected; and the number of each one's family."""
    legs = con.execute(f"""
        select distinct account, transformation_id, variant_id
        from staging.movements_history
        where transformation_id <> 0 and {reference("order_id")} is null
        order by all
    """).fetchall()
    variants = sorted(selected | {(account, variant) for account, _, variant in legs})
    place = {variant: number for number, variant in enumerate(variants)}
    transformations = {key: number for number, key in enumerate(dict.fromkeys(leg[:2] for leg in legs))}
    leader = first_of_family(
        len(variants),
        np.array([transformations[account, transformation] for account, transformation, _ in legs], np.int64),
        np.array([place[account, variant] for account, _, variant in legs], np.int64),
    )
    is_member = np.isin(leader, leader[[place[variant] for variant in selected]])
    _, family = np.unique(leader[is_member], return_inverse=True)
    return [variants[number] for number in np.flatnonzero(is_member)], family
