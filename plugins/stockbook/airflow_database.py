"""Airflow's metadata database, asked without Airflow: which connections and pools there are. Never what they hold."""

from collections.abc import Mapping
from pathlib import Path

from stockbook import airflow_config
from stockbook.errors import StockbookError

_FILE = "sqlite:///"


class NotReadable(StockbookError):
    """Airflow's database cannot be read from this process; the message names the kind of the error."""


def connection_ids(environ: Mapping[str, str]) -> list[str]:
    """Ids of all connections, anybody's; none where there is no Airflow. Raises NotReadable."""
    return _names(environ, "select conn_id from connection")


def pools(environ: Mapping[str, str]) -> list[str]:
    """Names of all pools; none where there is no Airflow. Raises NotReadable."""
    return _names(environ, "select pool from slot_pool")


def _names(environ: Mapping[str, str], query: str) -> list[str]:
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
                return [str(name) for (name,) in con.execute(text(query))]
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError, OSError) as error:
        # its text may quote the address, which holds a password; neither is chained
        raise NotReadable(f"Airflow's database cannot be read from here ({type(error).__name__}).") from None


def _address(environ: Mapping[str, str]) -> str:
    written = airflow_config.setting(environ, "database", "sql_alchemy_conn")
    home = airflow_config.airflow_home(environ)
    return written or (f"{_FILE}{home / 'airflow.db'}" if home else "")
