"""
Which variants must be replayed: those whose inputs are not what they were.

A fingerprint covers all the replay and its rows are made of: movements, the days they were known
from, prices of receiving lines, and the purchase prices and catalogue versions that reach back to
the variant's last movement (later ones change nothing yet). Variants that a transformation ties
together pass cost to each other, so they share one fingerprint, the sum of their own.
"""

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

INPUT = "intermediate.valuation_input"

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Variants:
    """
    The variants of a ledger by account and number, as arrays of one entry each.

    ``leader`` is the place of the first variant each is tied to (its own when to none); ``is_touched`` says
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


def take(con: duckdb.DuckDBPyConnection, since: str | None) -> Variants:
    """The variants of ``valuation_ledger``, compared with the table ``since``; all are touched when it is None."""
    con.execute("""
        create temp table valuation_variant as
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

        changed as (
            select account, variant_id, bit_xor(hash(movement_id, known_from)) as content
            from valuation_changed
            group by account, variant_id
        ),

        lines as (
            select account, variant_id, bit_xor(hash(receiving_id, price)) as content
            from valuation_line_price
            group by account, variant_id
        ),

        costs as (
            select
                h.account,
                h.variant_id,
                bit_xor(hash(h._version, cast(h._valid_from as date), h.price_purchase)) as content
            from staging.variants_history as h
            inner join moved as m on h.account = m.account and h.variant_id = m.variant_id
            where h._version = 1 or cast(h._valid_from as date) <= cast(m.last_moved_at as date)
            group by h.account, h.variant_id
        ),

        versions as (
            select d.account, d.variant_id, bit_xor(hash(d.variant_key, d.valid_from)) as content
            from marts.dim_variant as d
            inner join moved as m on d.account = m.account and d.variant_id = m.variant_id
            where d.valid_from is null or d.valid_from <= m.last_moved_at
            group by d.account, d.variant_id
        )

        select
            m.account,
            m.variant_id,
            m.movements,
            hash(
                m.account, m.variant_id, m.movements, m.content, c.content, l.content, p.content, v.content
            ) as fingerprint,
            row_number() over (order by m.account, m.variant_id) - 1 as place
        from moved as m
        left join changed as c on m.account = c.account and m.variant_id = c.variant_id
        left join lines as l on m.account = l.account and m.variant_id = l.variant_id
        left join costs as p on m.account = p.account and m.variant_id = p.variant_id
        left join versions as v on m.account = v.account and m.variant_id = v.variant_id
    """)
    found = con.execute(
        "select account, variant_id, movements, fingerprint from valuation_variant order by place"
    ).to_arrow_table()
    leader = tied(found.num_rows, *_legs(con))
    fingerprint = np.zeros(found.num_rows, np.uint64)
    # whole numbers wrap around, on purpose
    np.add.at(fingerprint, leader, found.column("fingerprint").to_numpy())
    fingerprint = fingerprint[leader]
    variants = Variants(
        account=found.column("account"),
        variant_id=found.column("variant_id").to_numpy(),
        movements=found.column("movements").to_numpy(),
        leader=leader,
        fingerprint=fingerprint,
        is_touched=np.ones(found.num_rows, np.bool_),
    )
    if since is not None:
        touched = np.zeros(len(variants), np.bool_)
        touched[leader[_differing(con, fingerprint, since)]] = True
        variants.is_touched[:] = touched[leader]
    return variants


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
        inner join valuation_variant as v on l.account = v.account and l.variant_id = v.variant_id
    """).to_arrow_table()
    return legs.column("number").to_numpy(), legs.column("place").to_numpy()


def tied(things: int, group: Ints, member: Ints) -> Ints:
    """For each of ``things`` the first one it hangs together with, directly or through others, by shared groups."""
    leader = np.arange(things)
    lowest = np.empty(int(group.max(initial=-1)) + 1, np.int64)
    while True:
        lowest.fill(things)
        np.minimum.at(lowest, group, leader[member])
        following = leader.copy()
        np.minimum.at(following, member, lowest[group])
        # whom a leader follows now, its followers follow too
        np.minimum.at(following, leader[member], lowest[group])
        following = following[following]
        if np.array_equal(following, leader):
            return leader
        leader = following


def _differing(con: duckdb.DuckDBPyConnection, fingerprint: Any, since: str) -> Ints:
    """Places of the variants whose fingerprint is not the one stored."""
    now = pa.table({"place": np.arange(len(fingerprint)), "fingerprint": fingerprint})  # noqa: F841  # read below
    found: Ints = (
        con.execute(f"""
        select v.place
        from valuation_variant as v
        inner join now as n on v.place = n.place
        left join {since} as i on v.account = i.account and v.variant_id = i.variant_id
        where i.fingerprint is distinct from n.fingerprint
    """)
        .to_arrow_table()
        .column("place")
        .to_numpy()
    )
    return found
