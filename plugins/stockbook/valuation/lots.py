"""The lines of receivings that say a price, for receiving_lines.py to read: temporary tables."""

import duckdb


def prepare(con: duckdb.DuckDBPyConnection) -> None:
    """
    Make ``valuation_lot``, a number for each receiving and variant with a price on some line, and ``valuation_line``.

    ``forget`` drops them.
    """
    forget(con)
    con.execute("""
        create temp table valuation_line as
        select
            account,
            receiving_id,
            variant_id,
            line_no,
            greatest(coalesce(received_quantity + coalesce(damaged_quantity, 0), quantity, 0), 0) as pieces,
            case when price_per_unit >= 0 then price_per_unit end as price
        from staging.receiving_lines
        where _deleted_at is null
        qualify count(price) over (partition by account, receiving_id, variant_id) > 0
    """)
    con.execute("""
        create temp table valuation_lot as
        select *, row_number() over (order by account, receiving_id, variant_id) - 1 as lot
        from (select distinct account, receiving_id, variant_id from valuation_line)
    """)


def forget(con: duckdb.DuckDBPyConnection) -> None:
    """Drop what ``prepare`` made."""
    for name in ("line", "lot"):
        con.execute(f"drop table if exists temp.valuation_{name}")
