"""The published tables in Python: exact types, one short look, never in the way of a night."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stockbook.errors import ConfigError

if TYPE_CHECKING:
    import pandas

    from stockbook.settings import Settings


def read(
    name: str,
    *,
    columns: Sequence[str] = (),
    where: str = "",
    values: Sequence[Any] = (),
    order_by: str = "",
    home: Path | str | None = None,
    **parameters: Any,
) -> "pandas.DataFrame":
    """
    A published table, view or table macro as a pandas frame, e.g. ``read("reports.sla_daily")``.

    ``where`` and ``order_by`` are SQL; ``?`` in ``where`` stands for ``values``. A macro takes
    its parameters by name: ``read("reports.stock_value_on", day=date(2026, 2, 28))``. ``home`` is the
    folder of STOCKBOOK_HOME, the environment's when left out. Where STOCKBOOK_LAKE is set, and no ``home`` named, it is
    the lake that is read, with the rows of all accounts.

    Columns are Arrow-typed: money stays DECIMAL to the last digit (``decimal128``), days are dates, NULL
    is ``<NA>``, never NaN. The file is opened read-only for this one query and closed again: it may be
    called during a night, and a night never waits for it. The next call sees what was published since.

    Nothing but the file can be reached, and a query over STOCKBOOK_READER_SECONDS is interrupted.

    Raises ConfigError when nothing is published, or naming the tables there are when ``name`` is none.
    """
    import pandas as pd

    from stockbook.warehouse.allowed_statements import readable
    from stockbook.warehouse.readers import asked, reader

    settings = settings_of(home)
    file = settings.published
    if settings.lake is None and not file.exists():
        raise ConfigError(f"Nothing is published in {file.parent} yet: expected {file.name} of a night.")
    with reader(settings.asked, settings.limits) as con:
        source = source_of(con, name, parameters)
        wanted = ", ".join(_name(column) for column in columns) or "*"
        query = f"select {wanted} from {source}"
        query += f" where {where}" if where else ""
        query += f" order by {order_by}" if order_by else ""
        with asked(f"{name} cannot be read so"):
            try:
                (question,) = readable(con, query)
            except ValueError as error:
                raise ConfigError(f"{name} cannot be read so: where and order_by are parts of one query.") from error
            bound = [*parameters.values(), *values]
            # a relation with parameters runs at once and keeps its rows as Python's
            rows = (con.execute(question, bound) if bound else con.sql(question)).to_arrow_table()
    frame: pd.DataFrame = rows.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def settings_of(home: Path | str | None) -> "Settings":
    """The environment's settings, with STOCKBOOK_HOME at ``home`` where one is named."""
    import os

    from stockbook.settings import Settings

    own = {"STOCKBOOK_HOME": str(home), "STOCKBOOK_LAKE": ""} if home is not None else {}
    return Settings.load(dict(os.environ) | own)


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def source_of(con: Any, name: str, parameters: Mapping[str, Any], written: Callable[[Any], str] = lambda _: "?") -> str:
    """
    What stands behind ``from`` for a published table, view or macro; each parameter's value as ``written``.

    Raises ConfigError naming the nearest names when there is none of this name.
    """
    schema, _, table = name.partition(".")
    macros = {
        f"{schema_name}.{function}": list(named)
        for schema_name, function, named in con.execute(
            "select schema_name, function_name, parameters from duckdb_functions() "
            "where function_type = 'table_macro' and schema_name in ('reports', 'extra') "
            "and database_name = current_database()"
        ).fetchall()
    }
    if name in macros:
        if set(parameters) != set(macros[name]):
            raise ConfigError(
                f"{name} takes the parameters {', '.join(macros[name])}; got {', '.join(parameters) or 'none'}."
            )
        values = ", ".join(f"{parameter} := {written(value)}" for parameter, value in parameters.items())
        return f"{_name(schema)}.{_name(table)}({values})"
    published = {
        f"{schema_name}.{table_name}"
        for schema_name, table_name in con.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = current_database() "
            "union all select schema_name, view_name from duckdb_views() where database_name = current_database()"
        ).fetchall()
        if schema_name in ("staging", "marts", "reports", "extra", "meta")
    }
    if name not in published:
        there = published | macros.keys()
        of_schema = sorted(other for other in there if not schema or other.startswith(f"{schema}."))
        near = get_close_matches(name, there, 5, 0.75) or [n for n in there if n.endswith(f".{name}")] or of_schema
        raise ConfigError(
            f"Nothing published is called {name!r}; there are {', '.join(near) or 'staging, marts, reports, meta'}."
        )
    if parameters:
        raise ConfigError(f"{name} is a table and takes no parameters; got {', '.join(parameters)}.")
    return f"{_name(schema)}.{_name(table)}"
