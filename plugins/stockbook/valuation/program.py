"""
The program ``valuation``: the ledger in staging -> the facts of cost and stock.

Replays the variants whose inputs are not what they were when their rows were made, in batches, and
replaces their rows; all others stay. The same ledger, catalogue and settings give the same rows,
whatever was there before.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

import duckdb

from stockbook.declarations import Table
from stockbook.valuation import fact_tables, fingerprints, ledger, policy, write_down
from stockbook.valuation.fact_tables import BUILD, FACTS, SETTING, WRITE_DOWN
from stockbook.valuation.fingerprints import INPUT, Variants
from stockbook.valuation.ledger import Now
from stockbook.valuation.policy import ValuationPolicy
from stockbook.valuation.repeated_hour import Hours
from stockbook.warehouse.row_groups import RowGroups, append
from stockbook.warehouse.schema import create_all

if TYPE_CHECKING:
    from stockbook.valuation.drawing import Drawn

__all__ = ["BUILD", "FACTS", "INPUT", "SETTING", "write_valuation"]


class Context(Protocol):
    """What the program needs of a build."""

    @property
    def run_id(self) -> str: ...
    @property
    def as_of(self) -> datetime: ...
    @property
    def as_of_utc(self) -> datetime | None: ...
    @property
    def zone(self) -> ZoneInfo: ...
    @property
    def policy_dir(self) -> Path: ...
    @property
    def tables(self) -> dict[str, Table]: ...
    @property
    def full_refresh(self) -> bool: ...


def write_valuation(con: duckdb.DuckDBPyConnection, context: Context) -> None:
    """
    Write ``FACTS`` and the settings in force, inside the transaction of the caller.

    Raises ConfigError for settings that are wrong, ModelFailed for a ledger that cannot be replayed.
    """
    settings = policy.read_for(context.policy_dir, context.zone)
    _write_setting(con, context.tables[SETTING], settings)
    write_rules(con, context.tables[WRITE_DOWN], WRITE_DOWN, settings)
    rules = fact_tables.rules(
        context.tables,
        context.zone.key,
        str(settings.damaged_quantity_is_additive),
        *(f"{account} {day}" for account, day in sorted(settings.opening_balance.items())),
    )
    hours = ledger.prepare(con, settings, context.zone, _now(context))
    try:
        variants = _to_replay(con, context, rules)
        if variants.is_touched.any():
            _replay(con, variants, hours)
        fact_tables.write_build(con, context.tables[BUILD], context.run_id, rules)
    finally:
        ledger.forget(con)


def _now(context: Context) -> Now:
    second = context.as_of.replace(tzinfo=context.zone, fold=1).astimezone(UTC).replace(tzinfo=None)
    return Now(context.as_of, context.as_of_utc or second)


def warm_up(context: Context) -> None:
    """
    Compile the replay and keep it compiled, so that the first night need not: some 15 s of one core, once.

    Values two movements in a warehouse in memory; whatever a night compiles is compiled.
    """
    with duckdb.connect() as con:
        create_all(con, context.tables)
        con.execute(f"create table marts.dim_variant ({fact_tables.columns_of(context.tables['marts.dim_variant'])})")
        con.execute(
            """
            insert into staging.movements by name
            select
                'warm-up' as account,
                unnest([1, 2]) as movement_id,
                1 as variant_id,
                unnest(['in', 'out']) as direction,
                1 as quantity,
                0 as damaged_quantity,
                ?::timestamp as created_at
            """,
            [context.as_of],
        )
        write_valuation(con, context)


def _to_replay(con: duckdb.DuckDBPyConnection, context: Context, rules: str) -> Variants:
    """The variants, those to be replayed marked; their former rows are gone."""
    since = INPUT if not context.full_refresh and fact_tables.can_be_continued(con, rules) else None
    variants = fingerprints.take(con, since)
    touched, all_rows = int(variants.movements[variants.is_touched].sum()), int(variants.movements.sum())
    # deleting most rows one by one costs more than writing all of them
    if since is None or 2 * touched > all_rows:
        variants.is_touched[:] = True
        fact_tables.begin_anew(con, context.tables)
    else:
        fact_tables.drop_rows(con, variants)
    return variants


def _replay(con: duckdb.DuckDBPyConnection, variants: Variants, hours: Hours) -> None:
    """Write the rows of the touched variants."""
    # compiled code takes half a second to import, and nights with nothing new need none
    from stockbook.valuation.drawing import draw

    row_groups = RowGroups(con)
    with ThreadPoolExecutor(1, "valuation") as replayer:
        replayer.submit(_load)
        for rows_of in _replayed(replayer, draw(con, variants), hours):
            while rows_of:
                row_groups.add(*rows_of.popitem())
    row_groups.finish()
    append(con, INPUT, fact_tables.of_variants(variants, variants.is_touched))


def _load() -> None:
    """Have all that is compiled ready: a second's work, done beside the reading of the ledger."""
    from stockbook.valuation import fact_rows, receiving_lines, replay, versions  # noqa: F401  # loaded for ``_facts_of``

    versions.load()
    receiving_lines.load()


def _replayed(replayer: ThreadPoolExecutor, ready: "Iterator[Drawn]", hours: Hours) -> Iterator[dict[str, Any]]:
    """The facts of each batch. One batch is prepared and replayed while the one before is written."""
    waiting = None
    for batch in ready:
        coming = replayer.submit(_facts_of, batch, hours)
        del batch  # what was drawn with it goes when the replayer is done
        if waiting is not None:
            yield waiting.result()
        waiting = coming
    if waiting is not None:
        yield waiting.result()


def _facts_of(drawn: "Drawn", hours: Hours) -> dict[str, Any]:
    from stockbook.valuation import fact_rows
    from stockbook.valuation.batches import batch_of
    from stockbook.valuation.replay import replay

    batch = batch_of(drawn, hours)
    return fact_rows.facts(batch, replay(batch.movements, batch.defaults))


def _write_setting(con: duckdb.DuckDBPyConnection, table: Table, settings: ValuationPolicy) -> None:
    con.execute(f"create or replace table {SETTING} ({fact_tables.columns_of(table)})")
    con.execute(
        f"insert into {SETTING} by name select ? as headline_method, ? as headline_basis, ? as valuation_currency, "
        "cast(? as decimal(7, 6)) as nrv_factor, ? as damaged_quantity_is_additive, ? as day_zone",
        [
            settings.headline.method,
            settings.headline.basis,
            settings.valuation_currency,
            str(settings.nrv_factor),
            settings.damaged_quantity_is_additive,
            settings.day_zone,
        ],
    )


def write_rules(con: duckdb.DuckDBPyConnection, table: Table, name: str, settings: ValuationPolicy) -> None:
    """Write the rules of writing down, of all versions, as the table ``name``."""
    con.execute(f"create or replace table {name} ({fact_tables.columns_of(table)})")
    for rule in write_down.in_order(settings.write_down, settings.nrv_factor):
        con.execute(f"insert into {name} values (?, ?, ?, ?, ?, ?, ?, ?)", list(rule))
