"""What a load writes down of itself, in its transaction: how far it read, what came of each row, unknown fields."""

from collections.abc import Mapping
from typing import NamedTuple

import duckdb

from stockbook.landing.manifest import Manifest
from stockbook.projection.undeclared_names import MORE
from stockbook.runs.context import RunContext
from stockbook.staging.merge import Counts, Stamp
from stockbook.warehouse import meta_listings
from stockbook.warehouse.meta_listings import Cursor, ListingKey


class Loaded(NamedTuple):
    """What a listing did to one staging table."""

    manifest: Manifest
    table: str
    counts: Counts


class LoadLog:
    """
    What a load says of each listing, written at its end: in a statement for each table of ``meta``, not one a row.

    Every count is made where its rows are met, none of what the others leave over: that they add up is a check.
    """

    def __init__(self, run: RunContext) -> None:
        self._run = run
        self._cursors: list[Cursor] = []
        self._listings: list[dict[str, object]] = []
        self._rows: list[dict[str, object]] = []

    def add(self, loaded: list[Loaded], has_table: bool) -> None:
        """What became of a listing and of every table it feeds; ``has_table``: one is of its own rows."""
        manifest = loaded[0].manifest
        account, api, listing, until = manifest.account, manifest.api, manifest.listing, manifest.window_to
        self._cursors.append(Cursor(ListingKey(account, api, listing), manifest.ceiling, until))
        if (events_to := manifest.parameters.get("events_to")) is not None:
            # what these events named has been read again
            self._cursors.append(Cursor(ListingKey(account, "inbox", api), int(events_to), until))
        key = {"run_id": self._run.run_id, "account": account, "api": api, "listing": listing}
        self._listings.append(key | _listing_row(loaded, has_table))
        self._rows += [{**key, "table_name": table} | _counted(counts) for _, table, counts in loaded]

    def write(self, con: duckdb.DuckDBPyConnection) -> None:
        """Write all of it."""
        meta_listings.advance_cursors(con, self._cursors, as_of=self._run.as_of, run_id=self._run.run_id)
        meta_listings.write_listings(con, self._listings)
        meta_listings.write_loaded_rows(con, self._rows)


def _listing_row(loaded: list[Loaded], has_table: bool) -> dict[str, object]:
    manifest, _, counts = loaded[0]
    landed = sum(page.rows for page in manifest.pages)
    parts = loaded[1:] if has_table else loaded
    own = counts if has_table else Counts(0, 0, landed, 0, 0)
    # a landing of an earlier version lacks what it refused and counts nothing else
    left_out = 0 if is_counted(manifest) else sum(item.rows for item in manifest.refused)
    return {
        "endpoint": loaded[0].table,
        "window_from": manifest.window_from if manifest.window_from is not None else _text(manifest.floor),
        "window_to": manifest.window_to if manifest.window_to is not None else _text(manifest.ceiling),
        "proof": manifest.proof,
        "pages": len(manifest.pages),
        "requests": manifest.requests,
        "rows_received": manifest.rows,
        "distinct_keys": manifest.distinct_keys,
        "promised_total": manifest.promised_total,
        "rows_new": counts.new,
        "rows_changed": counts.changed,
        "rows_unchanged": counts.unchanged,
        "rows_gone": counts.gone,
        "rows_quarantined": own.quarantined + left_out,
        "seconds": manifest.seconds,
        "bytes": manifest.bytes_received,
        "rows_loaded": own.new + own.changed + own.unchanged,
        "rows_repeated": None if manifest.repeated is None else manifest.repeated + own.repeated,
        "rows_waiting": manifest.waiting,
        "rows_passed": manifest.passed,
        "parts_quarantined": sum(item.counts.quarantined for item in parts),
        "characters_mended": manifest.mended,
    }


def write_rows(con: duckdb.DuckDBPyConnection, key: Mapping[str, object], counts: Counts) -> None:
    """What became of the rows of one table."""
    meta_listings.write_loaded_rows(con, [{**key, **_counted(counts)}])


def _counted(counts: Counts) -> dict[str, object]:
    return {f"rows_{name}": count for name, count in counts._asdict().items() if name != "gone"}


def add_rows(con: duckdb.DuckDBPyConnection, key: Mapping[str, object], counts: Counts) -> None:
    """What became of more rows of one table in the same run."""
    names = [name for name in Counts._fields if name != "gone"]
    before = con.execute(
        f"select {', '.join(f'rows_{name}' for name in names)} from meta.loaded_rows "
        f"where {' and '.join(f'{name} = ?' for name in key)}",
        list(key.values()),
    ).fetchall()
    if before:
        sums = {name: getattr(counts, name) + count for name, count in zip(names, before[0], strict=True)}
        counts = counts._replace(**sums)
    write_rows(con, key, counts)


def drained(stamp: Stamp, account: str, table: str) -> dict[str, object]:
    """The key of what a drain did to one table."""
    return {
        "run_id": stamp.run_id,
        "account": account,
        "api": "inbox",
        "listing": "drained",
        "table_name": table,
    }


def is_counted(manifest: Manifest) -> bool:
    """Whether a landing counts every row and holds those that it set aside: those of version 0.1 do neither."""
    return manifest.repeated is not None


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)


def write_undeclared(con: duckdb.DuckDBPyConnection, run: RunContext, manifest: Manifest) -> None:
    """The fields nobody declared; a name that is told from now on takes the place of its hash."""
    for field in manifest.undeclared:
        # names in a landing of version 0.1 were told at once
        path = field.path if is_counted(manifest) else MORE
        meta_listings.write_undeclared_field(
            con,
            ListingKey(manifest.account, manifest.api, manifest.listing),
            path,
            field.json_type,
            hidden=field.hidden,
            rows=field.rows,
            as_of=run.as_of,
        )
