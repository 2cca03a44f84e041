"""Airflow's metadata database, asked without Airflow: its connections, pools and DAGs. Never what they hold."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stockbook import airflow_config
from stockbook.errors import StockbookError

_FILE = "sqlite:///"
# where the package is not called as its module
_PACKAGES = {"psycopg2": "psycopg2-binary", "psycopg": "psycopg[binary]"}


class NotReadable(StockbookError):
    """Airflow's database cannot be read from this process; the message names the kind of the error."""


class NoDriver(NotReadable):
    """Its driver is not installed: Airflow cannot even be imported, and half imported it fails otherwise each time."""


def connection_ids(environ: Mapping[str, str]) -> list[str]:
    """Ids of all connections, anybody's; none where there is no Airflow. Raises NotReadable."""
    return [str(name) for (name,) in _rows(environ, "select conn_id from connection")]


def pools(environ: Mapping[str, str]) -> list[str]:
    """Names of all pools; none where there is no Airflow. Raises NotReadable."""
    return [str(name) for (name,) in _rows(environ, "select pool from slot_pool")]


def dags(environ: Mapping[str, str]) -> dict[str, bool]:
    """Whether each DAG whose file is there is switched on; none where Airflow has read none. Raises NotReadable."""
    rows = _rows(environ, "select dag_id, is_paused from dag where not is_stale")
    return {str(name): not is_paused for name, is_paused in rows}


def _rows(environ: Mapping[str, str], query: str) -> list[tuple[Any, ...]]:
    url = _address(environ)
    file = url.removeprefix(_FILE).partition("?")[0]
    if not url or (url.startswith(_FILE) and not Path(file).is_file()):
        if airflow_config.is_hidden(environ, "database", "sql_alchemy_conn"):
            raise NotReadable("Airflow's database cannot be read from here (its address is not in airflow.cfg).")
        return []
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    try:
        engine = create_engine(url)
        try:
            with engine.connect() as con:
                return [tuple(row) for row in con.execute(text(query))]
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError, OSError) as error:
        raise not_readable(error) from None


def not_readable(error: Exception) -> NotReadable:
    """What is said of an error of the database: its text may quote the address, which holds a password."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return NoDriver(f"Airflow's database cannot be read from here: {without_driver(error.name)}")
    return NotReadable(
        f"Airflow's database cannot be read from here ({type(error).__name__}): does it run, and is [database] "
        "sql_alchemy_conn its address?"
    )


def without_driver(module: str) -> str:
    """What to do where the module of a database's driver is not installed."""
    return f"its driver {module} is not installed here (pip install '{_PACKAGES.get(module, module)}')."


def _address(environ: Mapping[str, str]) -> str:
    written = airflow_config.setting(environ, "database", "sql_alchemy_conn")
    home = airflow_config.airflow_home(environ)
    return written or (f"{_FILE}{home / 'airflow.db'}" if home else "")
