"""A home remembers the key personal data is hashed with, and takes no other."""

import asyncio
import hashlib
import hmac
from pathlib import Path

import duckdb
import pytest
from hooks_rig import variables
from night_rig import KEY
from typer.testing import CliRunner

from conftest import a_run
from stockbook.cli.main import app
from stockbook.clock import ManualClock, SystemClock
from stockbook.connections import RawConnection
from stockbook.declarations import Table
from stockbook.errors import ConfigError
from stockbook.hash_key import fingerprint, remember, require_same
from stockbook.inbox import Inbox
from stockbook.settings import Settings
from stockbook.webhooks.app import Desk
from stockbook.webhooks.drain import take_inbox

OTHER = "another key for tests, as long"


def settings(home: Path, key: str = KEY) -> Settings:
    """A home with a key."""
    return Settings.load({"STOCKBOOK_HOME": str(home), "STOCKBOOK_HASH_KEY": key})


def no_connection(conn_id: str) -> RawConnection | None:
    """There is none."""
    return None


def test_the_first_key_is_remembered_and_no_other_taken(tmp_path: Path) -> None:
    """Before the first use any key will do; without one nothing is remembered and nothing refused."""
    remember(settings(tmp_path, ""))
    require_same(settings(tmp_path, OTHER))
    assert not (tmp_path / "state").exists()

    remember(settings(tmp_path))
    remember(settings(tmp_path))
    require_same(settings(tmp_path))
    require_same(settings(tmp_path, ""))
    with pytest.raises(ConfigError, match="Put the old key back"):
        remember(settings(tmp_path, OTHER))

    (tmp_path / "state" / "hash-key.fingerprint").unlink()  # as the message says
    remember(settings(tmp_path, OTHER))
    with pytest.raises(ConfigError, match="Put the old key back"):
        require_same(settings(tmp_path))


def test_what_is_remembered_does_not_tell_the_key(tmp_path: Path) -> None:
    """Half of a keyed digest, readable to the owner of the home only."""
    remember(settings(tmp_path))
    file = tmp_path / "state" / "hash-key.fingerprint"

    assert file.read_text() == hmac.new(KEY.encode(), b"stockbook landing", hashlib.sha256).hexdigest()[:16]
    assert fingerprint(KEY.encode()) != fingerprint(OTHER.encode())
    assert file.parent.stat().st_mode & 0o077 == 0


def test_a_receiver_takes_no_event_with_another_key(tmp_path: Path) -> None:
    """It begins the books where there are none; with another key it does not open, so the sender tries again."""

    def desk(key: str) -> Desk:
        return Desk(
            lambda: Settings.load(variables(tmp_path, STOCKBOOK_HASH_KEY=key)),
            SystemClock(),
            lambda: ["shopline"],
            no_connection,
        )

    first = desk(KEY)
    asyncio.run(first.open())
    first.close()
    with pytest.raises(ConfigError, match="begun with"):
        asyncio.run(desk(OTHER).open())


def test_a_receiver_with_its_inbox_elsewhere_needs_no_home(tmp_path: Path) -> None:
    """It writes nothing there; where there is one, its key counts."""
    elsewhere = f"sqlite:///{tmp_path / 'inbox.db'}"

    def opened(home: Path, key: str) -> None:
        environ = variables(home, STOCKBOOK_HASH_KEY=key, STOCKBOOK_INBOX_URL=elsewhere)
        desk = Desk(lambda: Settings.load(environ), SystemClock(), lambda: ["shopline"], no_connection)
        desk.open_now()
        desk.close()

    opened(tmp_path / "none", OTHER)
    assert not (tmp_path / "none").exists()
    remember(settings(tmp_path / "home"))
    opened(tmp_path / "home", KEY)
    with pytest.raises(ConfigError, match="begun with"):
        opened(tmp_path / "home", OTHER)


def test_a_home_that_cannot_hold_it_is_named(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "home").write_text("")

    with pytest.raises(ConfigError, match="STOCKBOOK_HOME must be a folder that can be written"):
        remember(settings(tmp_path / "home"))


def test_the_drain_takes_no_event_with_another_key(
    tmp_path: Path, con: duckdb.DuckDBPyConnection, tables: dict[str, Table], clock: ManualClock
) -> None:
    """What waits in the inbox stays there."""
    remember(settings(tmp_path))
    Inbox.open(settings(tmp_path).inbox_url).close()
    run = a_run()

    assert take_inbox(con, settings(tmp_path), tables, run.run_id, run.as_of, clock).events == 0
    with pytest.raises(ConfigError, match="begun with"):
        take_inbox(con, settings(tmp_path, OTHER), tables, run.run_id, run.as_of, clock)


def test_the_doctor_says_where_the_key_is(tmp_path: Path) -> None:
    """The file that set-up made in the Airflow home, while no variable is set."""
    (tmp_path / "hash-key").write_text(KEY)
    environ = variables(tmp_path / "home", STOCKBOOK_HASH_KEY="", AIRFLOW_HOME=str(tmp_path))

    assert (
        f"ok  key of personal data: {tmp_path / 'hash-key'}" in CliRunner().invoke(app, ["doctor"], env=environ).output
    )


def test_the_doctor_tells_of_another_key(tmp_path: Path) -> None:
    """One line that says what to do, and exit code 1."""
    remember(settings(tmp_path))

    def asked(key: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["doctor"], env=variables(tmp_path, STOCKBOOK_HASH_KEY=key))
        return result.exit_code, result.output

    _, same = asked(KEY)
    code, other = asked(OTHER)
    assert "ok  key of personal data: that of STOCKBOOK_HASH_KEY" in same
    assert code == 1
    assert (
        "NO  STOCKBOOK_HASH_KEY (or where it is not set, the file hash-key in the Airflow home) is not the key" in other
    )
    assert f"the books in {tmp_path} were begun with" in other
