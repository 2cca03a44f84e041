"""
Opening a lake: DuckDB's extensions loaded from their wheels, the catalog attached, its files within reach.

Readers get it as they get the published file (``readers.reader``): read-only, nothing else in reach, settings locked.
"""

import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb

from stockbook.errors import ConfigError, LakeUnavailable, StockbookError
from stockbook.lake_url import LakeUrl
from stockbook.limits import Limits
from stockbook.sql_text import quoted
from stockbook.warehouse.connect import LOCKED
from stockbook.warehouse.readers import limited, lock
from stockbook.warehouse.spared_pandas import spare_pandas

NAME = "lake"
# where the extensions of another Python lie, for one that has none (Superset's)
EXTENSIONS = "BI_EXTENSIONS"
_OF_CATALOG, _OF_STORE = ("postgres_scanner", "ducklake"), ("httpfs",)
# of libpq's words those that a secret of DuckDB has, by its names
_SECRET_WORDS = {"host": "host", "port": "port", "dbname": "database", "user": "user", "passfile": "passfile"}


def extension_files() -> str:
    """The files of the extensions, for ``BI_EXTENSIONS`` of another Python."""
    return os.pathsep.join(str(_file_of(name)) for name in (*_OF_CATALOG, *_OF_STORE))


def _load(con: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
    """From their wheels, nothing from the network: a sixth of a second each."""
    con.execute("set autoinstall_known_extensions = false; set autoload_known_extensions = false")
    for name in names:
        con.load_extension(str(_file_of(name)))


def _file_of(name: str) -> Path:
    listed = [Path(text) for text in os.environ.get(EXTENSIONS, "").split(os.pathsep) if text]
    for file in listed:
        if file.name == f"{name}.duckdb_extension":
            return file
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    folder = Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}" if spec and spec.origin else None
    if folder is None or not (folder / f"{name}.duckdb_extension").exists():
        raise ConfigError(
            f"A lake needs DuckDB's extension {name} of version {duckdb.__version__}: pip install 'stockbook[fleet]'."
        )
    return folder / f"{name}.duckdb_extension"


def attach_lake(con: duckdb.DuckDBPyConnection, url: LakeUrl, data_path: str = "") -> None:
    """
    Attach the lake as ``lake`` and use it: read-only, or to write where its ``data_path`` is said.

    Raises LakeUnavailable when its catalog does not answer, without a password in it; ConfigError where an extension is
    not installed.
    """
    # the store's too: which one the lake's files lie in, only its catalog knows
    _load(con, (*_OF_STORE, *_OF_CATALOG))
    reach_catalog(con, url)
    options = [f"data_path {quoted(data_path)}", "data_inlining_row_limit 0"] if data_path else ["read_only"]
    options += ["meta_secret 'lake_catalog'"]
    words = {"connect_timeout": "10"} | dict(url.words)
    address = " ".join(f"{name}={_libpq(value)}" for name, value in words.items() if name not in _SECRET_WORDS)
    try:
        con.execute(f"attach {quoted(f'ducklake:postgres:{address}')} as {NAME} ({', '.join(options)})")
        con.execute(f"use {NAME}")
    except duckdb.InvalidInputException:
        # a database that answers and holds none
        raise ConfigError("Nothing has been published into the lake yet: a night of an account makes it.") from None
    except duckdb.Error as error:
        raise unavailable(url, error) from None


def reach_catalog(con: duckdb.DuckDBPyConnection, url: LakeUrl) -> None:
    """Give DuckDB the catalog's address and password as a secret: in a statement its errors would print them."""
    fields = {_SECRET_WORDS[name]: value for name, value in url.words.items() if name in _SECRET_WORDS}
    fields |= {"password": url.password} if url.password else {}
    con.execute(f"create or replace secret lake_catalog (type postgres, {_listed(fields)})")


def reach_store(con: duckdb.DuckDBPyConnection, url: LakeUrl, data_path: str) -> None:
    """Give DuckDB the keys of the store that a data path names, from the variables S3's own programs read."""
    if not data_path.startswith("s3://"):
        return
    _load(con, _OF_STORE)
    env = url.store
    endpoint = urlsplit(env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or env.get("AWS_ENDPOINT") or "")
    fields = {
        "key_id": env.get("AWS_ACCESS_KEY_ID", ""),
        "secret": env.get("AWS_SECRET_ACCESS_KEY", ""),
        "session_token": env.get("AWS_SESSION_TOKEN", ""),
        "region": env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1",
        "endpoint": endpoint.netloc,
        "url_style": "path" if endpoint.netloc else "",
        "use_ssl": "false" if endpoint.scheme == "http" else "",
        "scope": data_path,
    }
    con.execute(f"create or replace secret lake_store (type s3, {_listed(fields)})")


def data_path_of(con: duckdb.DuckDBPyConnection) -> str:
    """Where the attached lake's files lie, as its catalog says."""
    row = con.execute(f"select data_path from ducklake_settings('{NAME}')").fetchone()
    return str(row[0]) if row else ""


def unavailable(url: LakeUrl, error: Exception) -> LakeUnavailable:
    """The error for what DuckDB or the driver said of the lake, without a secret in it."""
    text = url.without_secrets(" ".join(str(error).split()))
    return LakeUnavailable(f"The lake does not answer: {text[:300].rstrip('.')}.")


def _listed(fields: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {quoted(str(value))}" for name, value in fields.items() if value)


def _libpq(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


@contextmanager
def beside_lake(url: LakeUrl, data_path: str, scratch: Path, limits: Limits) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse in memory that can write into the store of a lake; what is spilled goes to ``scratch``."""
    scratch.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = {"memory_limit": limits.memory, "threads": limits.threads, "temp_directory": str(scratch)}
    with duckdb.connect(config=config) as con:
        spare_pandas(con)
        con.execute("set global TimeZone = 'UTC'")
        reach_store(con, url, data_path)
        yield con


def open_lake(url: LakeUrl, limits: Limits) -> duckdb.DuckDBPyConnection:
    """
    Open a lake for readers: read-only, its data path and nothing else within reach, settings locked.

    A cursor of it begins with ``use lake``. Raises LakeUnavailable, ConfigError where an extension is not installed.
    """
    con = duckdb.connect(config=limited(limits))
    try:
        attach_lake(con, url)
        data_path = data_path_of(con)
        reach_store(con, url, data_path)
        con.execute(f"set global allowed_directories = [{quoted(data_path)}]")
        con.execute(f"set global max_temp_directory_size = {quoted(limits.disk)}")
        for setting, value in LOCKED.items():
            con.execute(f"set global {setting} = {str(value).lower()}")
        spare_pandas(con)
        # nothing can be kept there for whoever asks next
        con.execute("detach memory")
        lock(con)
    except duckdb.Error as error:
        con.close()
        raise unavailable(url, error) from None
    except StockbookError:
        con.close()
        raise
    return con
