"""
The schema of the inbox, by Alembic.

Every opener looks whether it is current, one after the other; the first one makes it so.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from stockbook.errors import ConfigError
from stockbook.inbox.engine import writing

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0003"
"""The newest revision; a test compares it with the folder, so that opening needs not import Alembic."""

VERSION_TABLE = "inbox_version"
_ADVISORY_LOCK = 0x53746F636B  # any number that is ours


def current(engine: Engine) -> str | None:
    """The revision a database has, None for none."""
    with engine.connect() as con:
        try:
            revision: str | None = con.scalar(text(f"select version_num from {VERSION_TABLE}"))
        except DatabaseError:
            # there is no such table yet; a database that cannot be reached was noticed by connect()
            return None
        return revision


def migrate(engine: Engine) -> None:
    """
    Bring the schema to the newest revision, in one transaction; does nothing when it is.

    Raises ConfigError for a schema newer than this program.
    """
    with _alone(engine):
        if current(engine) != HEAD:
            _upgrade(engine)


def _upgrade(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with writing(engine) as con:
        config.attributes["connection"] = con
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise ConfigError(
                f"The inbox was made by a newer Stockbook, this one knows revisions up to {HEAD}: "
                f"install that one, or set another STOCKBOOK_INBOX_URL ({error})."
            ) from None


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    if engine.dialect.name == "sqlite":
        # a kernel lock and not the database's: changing to WAL mode does not wait for others, it fails
        lock = Path(f"{engine.url.database}.lock")
        lock.touch(mode=0o600)
        with lock.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        return
    with engine.connect() as con:
        con.execute(text("select pg_advisory_lock(:lock)"), {"lock": _ADVISORY_LOCK})
        try:
            yield
        finally:
            con.execute(text("select pg_advisory_unlock(:lock)"), {"lock": _ADVISORY_LOCK})
