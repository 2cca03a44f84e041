"""Everything published by its name: tables, views and macros, with their comments."""

LAYERS = ("staging", "marts", "reports", "extra", "meta")
_PUBLISHED = """
    with published as (
        select schema_name, table_name as name, 'table' as kind, comment
        from duckdb_tables()
        union all
        select schema_name, view_name, 'view', comment
        from duckdb_views()
        union all
        select schema_name, function_name, 'macro', comment
        from duckdb_functions()
        where function_type = 'table_macro'
    )
"""
_ORDER = f"order by list_position({list(LAYERS)}, schema_name), published.name"
# DuckDB's `show tables` knows the schema `main` only, where nothing is published
TABLES = f"""{_PUBLISHED}
    select schema_name || '.' || name as name, kind, split_part(comment, '. ', 1) as description
    from published
    where schema_name in {LAYERS}
    {_ORDER}
"""
COMMENTS = f"""{_PUBLISHED}
    select schema_name || '.' || name as name, kind, coalesce(comment, '') as comment
    from published
    where schema_name in {LAYERS}
    {_ORDER}
"""
