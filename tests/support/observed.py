"""What depends on the nights there were, as declared: comparisons with a rebuild leave it out, and compare the rest."""

import duckdb
from night_rig import Rig

from stockbook.declarations import BUILT_LAYERS, Table, of_layer

COMPARED = {
    "current variants": """
        select account, variant_id, product_id, code, ext_code, ean, product_name, variant_name, category_path,
               price_purchase, price_wholesale, price_retail
        from marts.dim_variant where is_current
    """,
    "current prices": """
        select account, price_id, market_type, market_code, amount, currency, is_valid
        from marts.fct_price where valid_to is null
    """,
    "latest rates": """
        select * from marts.fct_currency_rate where rate_date = (select max(rate_date) from marts.fct_currency_rate)
    """,
    "latest snapshot": """
        select * exclude (first_seen_date) from marts.fct_stock_reconciliation
        where snapshot_date = (select max(snapshot_date) from marts.fct_stock_reconciliation)
    """,
    "events from movements": "select * from marts.fct_order_event where evidence = 'movement'",
    "milestones from movements": """
        select account, order_id, created_at_utc, stock_out_at_utc, stock_out_evidence, is_in_full
        from marts.fct_fulfillment
    """,
}
"""Queries of what of observed tables is the same all the same."""


def observed_tables(tables: dict[str, Table]) -> set[str]:
    """Marts whose rows are what nights saw."""
    return {table.table for table in of_layer(tables, "marts") if table.observed}


def observed_columns(tables: dict[str, Table]) -> dict[str, list[str]]:
    """The columns of other marts that nights or their rates decide on."""
    by_table = {
        table.table: [name for name, column in table.columns.items() if column.observed]
        for table in of_layer(tables, "marts")
        if not table.observed
    }
    return {name: columns for name, columns in by_table.items() if columns}


def rate_columns(tables: dict[str, Table]) -> dict[str, list[str]]:
    """By qualified name, the columns that rates decide on, whichever account was told them."""
    built = (table for layer in BUILT_LAYERS for table in of_layer(tables, layer))
    return {
        table.name: [name for name, column in table.columns.items() if column.observed == "rates"] for table in built
    }


def same_marts(first: Rig, second: Rig) -> None:
    """Assert that the marts of the writers' files are equal, observed history aside."""
    tables = first.tonight().tables
    # open until all is asked: to open a file anew for each question takes longer than to answer it
    with (
        duckdb.connect(str(first.settings.warehouse), read_only=True) as con,
        duckdb.connect(str(second.settings.warehouse), read_only=True) as other,
    ):
        marts, other_marts = first.marts(), second.marts()
        whole = sorted(marts.keys() - observed_tables(tables) - observed_columns(tables).keys())
        assert len(whole) >= 10
        assert {name: marts[name] for name in whole} == {name: other_marts[name] for name in whole}
        for name, columns in observed_columns(tables).items():
            query = f"select * exclude ({', '.join(columns)}) from marts.{name} order by all"
            assert con.execute(query).fetchall() == other.execute(query).fetchall(), name
        for what, query in COMPARED.items():
            rows, other_rows = con.execute(query).fetchall(), other.execute(query).fetchall()
            assert sorted(map(repr, rows)) == sorted(map(repr, other_rows)), what
