"""
Which variants must be replayed: those whose inputs are not what they were.

A fingerprint covers all the replay and its rows are made of: movements, the days they were known
from, prices of receiving lines, and the purchase prices and catalogue versions that reach back to
the variant's last movement (later ones change nothing yet). Variants that a transformation ties
together pass cost to each other, so they share one fingerprint, the sum of their own.
"""

from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stockbook.valuation.families import first_of_family

INPUT = "intermediate.valuation_input"

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Variants:
    """
    The variants of a ledger by account and number, as arrays of one entry each.

    ``leader`` is the place of the first variant of each one's family (families.py); ``is_touched`` says
    whether its inputs differ from those its rows were made of.
    """

    account: pa.ChunkedArray
    variant_id: Ints
    movements: Ints
    leader: Ints
    fingerprint: npt.NDArray[np.uint64]
    is_touched: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.variant_id)


# of each variant in the ledger, beside the one its rows were made of
_FINGERPRINTS = """
with

moved as (
    select
        account,
        variant_id,
        count(*) as movements,
        max(moved_at) as last_moved_at,
        bit_xor(hash(
            movement_id,
            direction,
            order_id,
            receiving_id,
            transformation_id,
            unit_price,
            unit_extra_cost,
            quantity,
            damaged_quantity,
            moved_at,
            first_known,
            is_second_pass
        )) as content
    from valuation_ledger
    group by account, variant_id
),

-- every input of a variant: one row each, no two alike, so that none takes another back
input as (
    select account, variant_id, movements, content
    from moved
    union all
    select account, variant_id, 0, hash('known', movement_id, known_from)
    from valuation_changed
    union all
    select account, variant_id, 0, hash('line', receiving_id, line_no, pieces, price)
    from valuation_line
    union all
    select account, variant_id, 0, hash('cost', _version, cast(_valid_from as date), price_purchase)
    from staging.variants_history
    where _version = 1
    union all
    select
        h.account,
        h.variant_id,
        0,
        hash('cost', h._version, cast(h._valid_from as date), h.price_purchase)
    from staging.variants_history as h
    inner join moved as m on h.account = m.account and h.variant_id = m.variant_id
    where h._version <> 1 and cast(h._valid_from as date) <= cast(m.last_moved_at as date)
    union all
    select account, variant_id, 0, hash('version', variant_key, valid_from)
    from marts.dim_variant
    where valid_from is null
    union all
    select d.account, d.variant_id, 0, hash('version', d.variant_key, d.valid_from)
    from marts.dim_variant as d
    inner join moved as m on d.account = m.account and d.variant_id = m.variant_id
    where d.valid_from <= m.last_moved_at
),

fingerprinted as (
    select
        account,
        variant_id,
        cast(sum(movements) as bigint) as movements,
        hash(account, variant_id, sum(movements), bit_xor(content)) as fingerprint
    from input
    group by account, variant_id
    having sum(movements) > 0
)

select
    m.account,
    m.variant_id,
    row_number() over (order by m.account, m.variant_id) - 1 as place,
    m.movements,
    m.fingerprint,
    f.fingerprint as former
from fingerprinted as m
left join {former} as f(account, variant_id, fingerprint)
    on m.account = f.account and m.variant_id = f.variant_id
"""


def take(con: duckdb.DuckDBPyConnection, since: str | None) -> Variants:
    """The variants of ``valuation_ledger``, compared with the table ``since``; all are touched when it is None."""
    former_rows = f"(select account, variant_id, fingerprint from {since})" if since else "(select '', 0, 0 limit 0)"
    con.execute(f"create or replace temp table valuation_fingerprint as {_FINGERPRINTS.format(former=former_rows)}")
    # as numpy has them at once: Arrow imports pandas to convert its arrays
    columns = con.execute("""
        select variant_id, movements, fingerprint, coalesce(former, 0) as former, former is not null as was_there
        from valuation_fingerprint
        order by place
    """).fetchnumpy()
    accounts = con.sql("select account from valuation_fingerprint order by place").to_arrow_table()
    leader = first_of_family(accounts.num_rows, *_legs(con))
    fingerprint = np.zeros(accounts.num_rows, np.uint64)
    # whole numbers wrap around, on purpose
    np.add.at(fingerprint, leader, columns["fingerprint"])
    fingerprint = fingerprint[leader]
    touched = np.ones(accounts.num_rows, np.bool_)
    if since is not None:
        differs = ~columns["was_there"] | (columns["former"] != fingerprint)
        touched[:] = False
        touched[leader[differs]] = True
        touched = touched[leader]
    return Variants(
        account=accounts.column("account"),
        variant_id=columns["variant_id"],
        movements=columns["movements"],
        leader=leader,
        fingerprint=fingerprint,
        is_touched=touched,
    )


def _legs(con: duckdb.DuckDBPyConnection) -> tuple[Ints, Ints]:
    """Transformations (numbered from 0) and the places of the variants that take part in them."""
    legs = con.execute("""
        select
            dense_rank() over (order by l.account, l.transformation_id) - 1 as number,
            v.place
        from (
            select distinct account, transformation_id, variant_id
            from valuation_ledger
            where transformation_id is not null and order_id is null
        ) as l
        inner join valuation_fingerprint as v on l.account = v.account and l.variant_id = v.variant_id
    """).fetchnumpy()
    return legs["number"], legs["place"]
