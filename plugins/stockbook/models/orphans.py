"""What earlier versions built and this one does not: dropped, so that nobody reads figures that no night renews."""

from collections.abc import Mapping, Sequence

import duckdb

from stockbook.declarations import BUILT_LAYERS, Table

_OF_KIND = {"view": "view", "macro": "macro table"}


def drop_orphans(
    con: duckdb.DuckDBPyConnection, tables: Mapping[str, Table], layers: Sequence[str] = BUILT_LAYERS
) -> set[str]:
    """
    Drop tables, views and table macros of built layers that nothing declares; returns the names of those that stay.

    A view that is a table now, or the other way round, makes way too.
    """
    declared = {(name, _OF_KIND.get(table.kind, "table")) for name, table in tables.items()}
    there = built(con, layers)
    for name, kind in sorted(there - declared):
        con.execute(f"drop {kind} {name}")
    return {name for name, _ in there & declared}


def built(con: duckdb.DuckDBPyConnection, layers: Sequence[str]) -> set[tuple[str, str]]:
    """Name and kind of every table, view and table macro of built layers."""
    objects = con.execute(
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
    return {(name, kind) for kind, name, schema in objects if schema in layers}
