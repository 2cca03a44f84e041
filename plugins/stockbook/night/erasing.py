"""What a night does about people who were forgotten: finishes what was cut off, and says when how many rows went."""

from typing import TYPE_CHECKING

from stockbook.night.tonight import Night

if TYPE_CHECKING:
    import duckdb


def finish_erasure(night: Night) -> list[str]:
    """Erase what is left of people on the list, where an erasure was killed or pages told more; says so."""
    from stockbook.erasure import heal

    rows = sum(heal(night.settings, night.clock).values())
    return [f"{rows:,} more rows of people who were forgotten were erased (meta.erasure)."] if rows else []


def erased_since(con: "duckdb.DuckDBPyConnection") -> list[str]:
    """What was erased since the last run began, when and how many rows; never who."""
    rows = con.execute(
        "select erased_at_utc, sum(rows_erased) from meta.erasure "
        "where erased_at_utc > coalesce((select max(started_at) from meta.run), timestamp '1970-01-01') "
        "group by erased_at_utc order by erased_at_utc"
    ).fetchall()
    return [
        f"People were forgotten at {at:%Y-%m-%d %H:%M:%S} UTC: {count:,} rows (meta.erasure)." for at, count in rows
    ]
