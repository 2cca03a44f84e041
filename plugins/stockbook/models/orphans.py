"""What earlier versions built and this one does not: dropped, so that nobody reads figures that no night renews."""

import duckdb

from stockbook.declarations import Table

BUILT = ("intermediate", "marts", "reports")


def drop_orphans(con: duckdb.DuckDBPyConnection, tables: dict[str, Table]) -> list[str]:
    """Drop tables, views and table macros of the built layers that nothing declares; returns their names."""
    built = con.execute(
        """
        select 'table' as kind, schema_name || '.' || table_name as name, schema_name
        from duckdb_tables()
        where database_name = current_database() and not temporary
        union all
        select 'view', schema_name || '.' || view_name, schema_name
        from duckdb_views()
        where database_name = current_database() and not temporary
        union all
        select distinct 'macro table', schema_name || '.' || function_name, schema_name
        from duckdb_functions()
        where database_name = current_database() and function_type = 'table_macro'
        """
    ).fetchall()
    orphans = sorted((name, kind) for kind, name, schema in built if schema in BUILT and name not in tables)
    for name, kind in orphans:
        con.execute(f"drop {kind} {name}")
    return [name for name, _ in orphans]
