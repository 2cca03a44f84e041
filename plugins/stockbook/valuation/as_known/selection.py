"""Which variants' known history is another than their balance of the day before tells: what is to be replayed."""

from collections import defaultdict

import duckdb
import pyarrow as pa

from stockbook.references import reference
from stockbook.valuation.ledger import FIRST_COUNTS
from stockbook.valuation.policy import ValuationPolicy


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
    found = set(
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
    if not found:
        return 0
    family = _families(con, found)
    ordered = sorted(family)
    numbers = {name: number for number, name in enumerate(sorted(set(family.values())))}
    numbered = pa.table(  # noqa: F841  # the statement below finds it by its name
        {
            "account": pa.array([account for account, _ in ordered], pa.string()),
            "variant_id": pa.array([variant for _, variant in ordered], pa.int64()),
            "variant": pa.array(range(len(ordered)), pa.int64()),
            "family": pa.array([numbers[family[key]] for key in ordered], pa.int64()),
        }
    )
    con.execute("create temp table known_variant as select * from numbered")
    return len(ordered)


def _families(con: duckdb.DuckDBPyConnection, found: set[tuple[str, int]]) -> dict[tuple[str, int], tuple[str, int]]:
    """The first member of each variant's family: all found and all that transformations, past ones too, tie to them."""
    tied: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
    of_variant: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
    for account, transformation, variant in con.execute(f"""
        select distinct account, transformation_id, variant_id
        from staging.movements_history
        where transformation_id <> 0 and {reference("order_id")} is null
        order by all
    """).fetchall():
        tied[account, transformation].append((account, variant))
        of_variant[account, variant].append((account, transformation))
    family: dict[tuple[str, int], tuple[str, int]] = {}
    for first in sorted(found):
        waiting = [first]
        while waiting:
            member = waiting.pop()
            if member in family:
                continue
            family[member] = first
            waiting += [other for group in of_variant[member] for other in tied[group]]
    return family
