"""
The program ``close_causes``: why what is known now of a closed month is not what was signed.

Nothing is replayed unless ``reports.close_difference`` has rows, and then only their variants with those that
transformations tie to them.
"""

import duckdb

from stockbook.valuation import policy
from stockbook.valuation.as_known import line_forms
from stockbook.valuation.as_known.forms import BY_NIGHT
from stockbook.valuation.as_known.program import Context
from stockbook.valuation.as_known.selection import number_variants, write_counts
from stockbook.valuation.policy import ValuationPolicy
from stockbook.valuation.since_close import closes
from stockbook.valuation.since_close.closes import SEEN
from stockbook.version import VERSION
from stockbook.warehouse.schema import declared_ddl

CAUSE = "reports.close_difference_cause"
SCRATCH = ("known_variant", "known_count", "known_row", *line_forms.SCRATCH, "close_step", "close_event", "close_told")


def write_causes(con: duckdb.DuckDBPyConnection, context: Context) -> None:
    """Write ``CAUSE`` and keep the settings in ``SEEN``. Raises ConfigError for settings that are wrong."""
    con.execute(declared_ddl(context.tables[SEEN]))
    con.execute(f"drop table if exists {CAUSE}")
    con.execute(declared_ddl(context.tables[CAUSE]))
    if not con.execute("select 1 from marts.fct_period_close limit 1").fetchall():
        return
    settings = policy.read_for(context.policy_dir, context.zone)
    closes.note_setting(con, settings, context.as_of)
    if con.execute("select 1 from reports.close_difference limit 1").fetchall():
        try:
            _write(con, settings, context)
        finally:
            _forget(con)


def _write(con: duckdb.DuckDBPyConnection, settings: ValuationPolicy, context: Context) -> None:
    # compiled code takes half a second to import, and most nights need none of it
    from stockbook.valuation.as_known.inputs import read_prices, read_versions
    from stockbook.valuation.since_close import output
    from stockbook.valuation.since_close.chain import Families
    from stockbook.valuation.since_close.replay import Books, stocks

    _forget(con)
    differing = closes.differing(con)
    since = closes.settings_since(con, settings, context.as_of, differing)
    changed = con.execute("select distinct account, variant_id from reports.close_difference").fetchall()
    number_variants(con, set(changed))
    line_forms.prepare(con, BY_NIGHT)
    readings = []
    for each in closes.read_differently(since):
        for name in ("known_count", "known_row"):
            con.execute(f"drop table if exists temp.{name}")
        write_counts(con, each)
        readings.append((each, read_versions(con, each, context.zone, context.as_of, BY_NIGHT)))
    prices, forms = read_prices(con, BY_NIGHT), line_forms.LineForms.read(con)
    books = Books.of(readings, prices, forms, Families.read(con), differing, since)
    output.create(con, differing, books.chain)
    for stock in stocks(books, differing):
        output.add(con, stock)
    con.execute(f"insert into {CAUSE} by name {output.CAUSES_OF}", [VERSION])


def _forget(con: duckdb.DuckDBPyConnection) -> None:
    for name in SCRATCH:
        con.execute(f"drop table if exists temp.{name}")
