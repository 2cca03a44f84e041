"""The program ``closes``: the tables of signed months."""

import duckdb

from stockbook.models.programs import BuildContext
from stockbook.warehouse.schema import declared_ddl

CLOSES = "marts.fct_period_close"
LINES = "marts.fct_period_close_line"


def write_closes(con: duckdb.DuckDBPyConnection, context: BuildContext) -> None:
    """Write both tables."""
    for name in (CLOSES, LINES):
        con.execute(declared_ddl(context.tables[name]))
