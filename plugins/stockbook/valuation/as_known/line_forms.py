"""
The lines of receivings as they were known, for movements without a price of their own.

A *lot* is a receiving and variant (receiving_lines.py); a *form* is what its lines said from one night until another.
What the first reading of lines said, and a line without a history, has always been known.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from stockbook.valuation.as_known.forms import ALWAYS, BY_DAY, NEVER, Ints, Knowing

if TYPE_CHECKING:
    from stockbook.valuation.receiving_lines import Lines

SCRATCH = ("known_lot", "known_line", "known_lot_form")


@dataclass(frozen=True)
class LineForms:
    """The forms by lot, then night: each one's lot, the night it was known from, its receiving and its lines."""

    lot: Ints
    known_from: Ints
    receiving_id: Ints
    lines: "Lines"

    @classmethod
    def read(cls, con: duckdb.DuckDBPyConnection) -> "LineForms":
        """All forms that ``prepare`` found."""
        # compiled code takes half a second to import, and most nights need none of it
        from stockbook.valuation.receiving_lines import Lines

        forms = con.execute("""
            select f.lot, f.known_from, o.receiving_id
            from known_lot_form as f
            inner join known_lot as o on f.lot = o.lot
            order by f.form
        """).fetchnumpy()
        lines = con.sql("""
            select form as lot, line.pieces as pieces, line.price as price
            from (select form, unnest(lines) as line from known_lot_form)
            order by form, line.line_no
        """).to_arrow_table()
        return cls(
            lot=forms["lot"],
            known_from=forms["known_from"],
            receiving_id=forms["receiving_id"],
            lines=Lines.of(lines, len(forms["lot"])),
        )

    def in_force(self, is_known: Ints, lot: Ints) -> Ints:
        """Of each lot (-1 for none) the last form that is known; -1 where there is none."""
        latest = np.full(int(self.lot.max(initial=-1)) + 2, -1)
        # the last of a lot's forms stays
        latest[self.lot[is_known]] = is_known
        # the place behind all lots is that of none
        return latest[np.where(lot < len(latest), lot, -1)]


def prepare(con: duckdb.DuckDBPyConnection, knowing: Knowing = BY_DAY) -> None:
    """Make the tables of ``SCRATCH``: the lots of movements without a price, their lines and their forms."""
    is_always_known = "h._in_first_load or h._valid_from = f.first_at" if knowing.is_of_first_load else "false"
    con.execute("""
        create temp table known_lot as
        select *, row_number() over (order by account, receiving_id, variant_id) - 1 as lot
        from (
            select account, receiving_id, variant_id
            from marts.fct_stock_movement
            where direction = 'in' and receiving_id is not null and coalesce(source_unit_price < 0, true)
            union
            select account, nullif(receiving_id, 0) as receiving_id, variant_id
            from marts.fct_stock_movement_version
            where direction = 'in' and receiving_id <> 0 and coalesce(source_unit_price < 0, true)
        )
    """)
    con.execute(f"""
        create temp table known_line as
        with

        first_reading as (
            select account, min(_valid_from) as first_at
            from staging.receiving_lines_history
            group by account
        ),

        line as (
            select
                h.account,
                h.receiving_id,
                h.variant_id,
                h.line_no,
                h.price_per_unit,
                h.quantity,
                h.received_quantity,
                h.damaged_quantity,
                case when {is_always_known} then {int(ALWAYS)} else {knowing.number("h._valid_from")} end as known_from,
                coalesce({knowing.number("h._valid_to")}, {int(NEVER)}) as known_to
            from staging.receiving_lines_history as h
            inner join first_reading as f on h.account = f.account
            union all by name
            select
                l.account,
                l.receiving_id,
                l.variant_id,
                l.line_no,
                l.price_per_unit,
                l.quantity,
                l.received_quantity,
                l.damaged_quantity,
                {int(ALWAYS)} as known_from,
                {int(NEVER)} as known_to
            from staging.receiving_lines as l
            anti join staging.receiving_lines_history as h
                on l.account = h.account and l.receiving_id = h.receiving_id and l.line_no = h.line_no
            where l._deleted_at is null
        )

        select
            o.lot,
            l.line_no,
            -- a lot of a single line costs the same however many pieces were counted
            case when min(l.line_no) over (partition by o.lot) < max(l.line_no) over (partition by o.lot)
                then greatest(coalesce(l.received_quantity + coalesce(l.damaged_quantity, 0), l.quantity, 0), 0)
                else 0 end as pieces,
            case when l.price_per_unit >= 0 then l.price_per_unit end as price,
            l.known_from,
            l.known_to
        from line as l
        inner join known_lot as o
            on l.account = o.account and l.receiving_id = o.receiving_id and l.variant_id = o.variant_id
        where l.known_from < l.known_to
    """)
    con.execute(f"""
        create temp table known_lot_form as
        with

        night as (
            select lot, known_from as night from known_line
            union
            select lot, known_to as night from known_line where known_to < {int(NEVER)}
        ),

        content as (
            select
                n.lot,
                n.night as known_from,
                list({{'line_no': l.line_no, 'pieces': l.pieces, 'price': l.price}} order by l.line_no)
                    filter (where l.line_no is not null) as lines
            from night as n
            left join known_line as l on n.lot = l.lot and n.night >= l.known_from and n.night < l.known_to
            group by n.lot, n.night
        )

        select *, row_number() over (order by lot, known_from) - 1 as form
        from (
            select *
            from content
            qualify lines is distinct from lag(lines) over (partition by lot order by known_from)
        )
    """)
