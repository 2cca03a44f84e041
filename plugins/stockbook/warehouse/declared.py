"""The declarations of what a published file has: ours and, of a user's own folder, what the last night made of it."""

from pathlib import Path

from stockbook.declarations import EXTRA, Table
from stockbook.extra_folder import with_extra
from stockbook.lake_url import LakeUrl
from stockbook.warehouse.readers import reader

_OF_EXTRA = f"""
select table_name
from duckdb_tables()
where schema_name = '{EXTRA}'
union
select view_name
from duckdb_views()
where schema_name = '{EXTRA}'
union
select function_name
from duckdb_functions()
where schema_name = '{EXTRA}'
"""


def declared_in(published: Path | LakeUrl, models_dir: Path, extra_dir: Path | None) -> dict[str, Table]:
    """
    The declarations of what readers have: ours and, of a user's own folder, what the last night made of it.

    Before there is a file they are all that can be read in the folder.
    """
    tables = with_extra(models_dir, extra_dir)
    if extra_dir is None or (isinstance(published, Path) and not published.exists()):
        return tables
    with reader(published) as con:
        there = {f"{EXTRA}.{name}" for (name,) in con.execute(_OF_EXTRA).fetchall()}
    return {name: table for name, table in tables.items() if table.layer != EXTRA or name in there}
