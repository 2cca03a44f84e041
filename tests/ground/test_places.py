"""Connections wherever they are kept: every place is looked at, for everyone, always."""

import json
import re
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import PROJECT
from night_rig import KEY
from typer.testing import CliRunner

from stockbook.airflow_database import NotReadable
from stockbook.cli.main import app
from stockbook.connections import RawConnection
from stockbook.dag_names import CLOSE_MONTH, FLEET_NIGHTLY, MAINTENANCE, NIGHTLY
from stockbook.errors import ConfigError
from stockbook.places import BACK_END, DATABASE, ENVIRONMENT, NOWHERE, SOMEWHERE, Places, of_this_machine

A_CONNECTION = json.dumps({"conn_type": "generic", "host": "http://127.0.0.1:9", "password": "token"})


@pytest.fixture
def airflow(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """An Airflow home whose database holds connections of these ids; its variables."""

    def home(
        *conn_ids: str,
        pools: tuple[str, ...] = ("stockbook_writer",),
        dags: tuple[tuple[str, bool, bool], ...] = (),
    ) -> dict[str, str]:
        with sqlite3.connect(tmp_path / "airflow.db") as con:
            con.execute("create table connection (conn_id text)")
            con.executemany("insert into connection values (?)", [(conn_id,) for conn_id in conn_ids])
            con.execute("create table slot_pool (pool text)")
            con.executemany("insert into slot_pool values (?)", [(pool,) for pool in pools])
            con.execute("create table dag (dag_id text, is_paused boolean, is_stale boolean)")
            con.executemany("insert into dag values (?, ?, ?)", dags)
        con.close()
        (tmp_path / "airflow.cfg").write_text(
            f"[database]\nsql_alchemy_conn = sqlite:///{tmp_path}/airflow.db?timeout=60\n"
        )
        return {"AIRFLOW_HOME": str(tmp_path)}

    return home


def asked(*conn_ids: str) -> Callable[[str], RawConnection | None]:
    """What Airflow has when it is asked for one id."""
    return lambda conn_id: RawConnection(None, None, None, "token", {}) if conn_id in conn_ids else None


def test_every_place_is_looked_at_whatever_the_others_hold(airflow: Callable[..., dict[str, str]]) -> None:
    """One in the environment hides none in Airflow: accounts of its database and of a secret back end are there too."""
    database = ("flickrocket", "fulfillment_cz__shop2", "postgres_default")
    environ = airflow(*database) | {"AIRFLOW_CONN_FULFILLMENT_CZ": A_CONNECTION}

    by_id = Places(asked(*database, "shopline"), environ).listing().places

    assert by_id == {
        "flickrocket": DATABASE,
        "fulfillment_cz": ENVIRONMENT,
        "fulfillment_cz__shop2": DATABASE,
        "shopline": BACK_END,
    }


@pytest.mark.parametrize(
    ("environ", "database", "expected"),
    [
        ({}, (), {}),
        ({}, ("fulfillment_cz", "flickrocket__b"), {"flickrocket__b": DATABASE, "fulfillment_cz": DATABASE}),
        ({"AIRFLOW_CONN_FULFILLMENT_CZ": ""}, ("fulfillment_cz",), {"fulfillment_cz": DATABASE}),
        ({"AIRFLOW_CONN_FULFILLMENT_CZ": A_CONNECTION}, ("fulfillment_cz",), {"fulfillment_cz": ENVIRONMENT}),
        ({"AIRFLOW_CONN_FULFILLMENT_CZ": A_CONNECTION}, ("Fulfillment_CZ",), {"fulfillment_cz": ENVIRONMENT}),
        (
            {"AIRFLOW_CONN_FLICKROCKET": A_CONNECTION, "STOCKBOOK_CONNECTIONS": "fulfillment_cz__x, flickrocket__y"},
            ("fulfillment_cz",),
            {
                "flickrocket": ENVIRONMENT,
                "flickrocket__y": NOWHERE,
                "fulfillment_cz": DATABASE,
                "fulfillment_cz__x": BACK_END,
            },
        ),
    ],
)
def test_one_account_has_one_place(
    airflow: Callable[..., dict[str, str]],
    environ: dict[str, str],
    database: tuple[str, ...],
    expected: dict[str, str],
) -> None:
    """The first that has it; an empty variable has nothing, and what is named and nowhere is told as that."""
    assert Places(asked(*database, "fulfillment_cz__x"), airflow(*database) | environ).listing().places == expected


def test_a_list_that_cannot_be_had_is_told_of(airflow: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    """The plain ids are still asked for; the sentence says what may be missing, and is gone once ids are named."""
    environ = airflow("fulfillment_cz__shop2")
    (tmp_path / "airflow.db").write_bytes(b"no database, whatever its name says")
    places = Places(asked("fulfillment_cz", "fulfillment_cz__shop2"), environ)

    assert places.listing().places == {"fulfillment_cz": SOMEWHERE}
    (note,) = places.listing().notes
    assert "name the others in STOCKBOOK_CONNECTIONS" in note
    named = Places(places.in_airflow, environ | {"STOCKBOOK_CONNECTIONS": "fulfillment_cz__shop2"})
    assert named.listing().conn_ids == ["fulfillment_cz", "fulfillment_cz__shop2"]
    assert named.listing().notes == []


def test_a_database_whose_driver_is_missing_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow, which cannot be imported without it, is asked by nobody; what the environment has is listed."""
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    (tmp_path / "airflow.cfg").write_text(
        "[database]\nsql_alchemy_conn = postgresql+psycopg2://u:Zqxvor@127.0.0.1:9/x\n"
    )
    environ = {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW_CONN_SHOPLINE": A_CONNECTION}
    for name, text in environ.items():
        monkeypatch.setenv(name, text)

    listing = of_this_machine(environ).listing()
    started = CliRunner().invoke(app, ["start"])

    assert listing.places == {"shopline": ENVIRONMENT}
    for said in (str(listing.unlisted), str(started.exception)):
        assert "its driver psycopg2 is not installed here (pip install 'psycopg2-binary')" in said
        assert "Zqxvor" not in said


def test_an_airflow_that_fails_when_asked_is_asked_once(tmp_path: Path) -> None:
    """Half imported it fails otherwise each time; what is listed without it stays."""
    ids: list[str] = []

    def fails(conn_id: str) -> RawConnection | None:
        ids.append(conn_id)
        raise NotReadable("Airflow's database cannot be read from here (OperationalError).")

    listing = Places(fails, {"AIRFLOW_CONN_FLICKROCKET": A_CONNECTION}).listing()

    assert len(ids) == 1
    assert listing.places == {"flickrocket": ENVIRONMENT}
    assert listing.notes == [
        "warning: Airflow's database cannot be read from here (OperationalError). Connections that Airflow keeps are "
        "not read."
    ]


def test_a_task_whose_airflow_hides_the_database_says_so(tmp_path: Path) -> None:
    """Where the address stands in a variable only, Airflow hides it from tasks: the list is incomplete, not empty."""
    environ = {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "airflow-db-not-allowed:///"}

    (note,) = Places(asked(), environ).listing().notes

    assert "Airflow's database cannot be read from here" in note


def test_a_strange_name_in_the_setting_is_refused(airflow: Callable[..., dict[str, str]]) -> None:
    """A misspelt id would be an account left out."""
    with pytest.raises(ConfigError, match=r"STOCKBOOK_CONNECTIONS must name .* got 'fulfilment_cz'"):
        Places(asked(), airflow() | {"STOCKBOOK_CONNECTIONS": "fulfilment_cz"}).listing()


def test_nobody_else_lists_connections() -> None:
    """Only `places` asks the environment for ids: a second list would be one that misses a place."""
    files = (file for folder in ("plugins", "dags") for file in (PROJECT / folder).rglob("*.py"))
    listing = [file.name for file in files if re.search(r"\bconn_ids_in_environment\b", file.read_text())]

    assert sorted(listing) == ["connections.py", "places.py"]


def test_doctor_names_the_place_of_each_and_what_is_wrong_with_each(
    airflow: Callable[..., dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two connections that cannot be read are two lines, and a missing pool is one with the next step."""
    environ = airflow(pools=("default_pool",)) | {
        "AIRFLOW_CONN_FULFILLMENT_CZ": '{"host": "ftp://files.example.com", "password": "token"}',
        "AIRFLOW_CONN_FLICKROCKET": '{"host": "https://h"}',
        "AIRFLOW_CONN_SHOPLINE": A_CONNECTION,
        "STOCKBOOK_HOME": str(tmp_path / "home"),
        "STOCKBOOK_HASH_KEY": KEY,
    }
    for name, text in environ.items():
        monkeypatch.setenv(name, text)

    result = CliRunner().invoke(app, ["doctor"])

    assert result.exit_code == 1
    lines = result.output.splitlines()
    wrong = [line for line in lines if line.startswith("NO")]
    named = [match[1] for line in wrong if (match := re.search(r"(?i)connection (\w+) .*from the environment", line))]
    assert named == ["flickrocket", "fulfillment_cz"]
    assert any("pool stockbook_writer is missing" in line and "stockbook setup" in line for line in wrong)
    assert "ok  connection shopline from the environment: its events are received" in lines


@pytest.mark.parametrize(
    ("dags", "says"),
    [
        ((("mine", False, False),), ["ok  Airflow: it has read no DAG of Stockbook yet, so no night begins by itself"]),
        (
            (("stockbook_nightly", True, False), ("stockbook_maintenance", False, False)),
            ["NO  Airflow: DAG stockbook_nightly is switched off (paused): no night begins by itself"],
        ),
        (
            (("stockbook_nightly", False, False), ("stockbook_maintenance", False, True)),
            [
                "ok  Airflow: DAG stockbook_maintenance is not there (`stockbook init` writes its file): "
                "backups, old rows and requests to be forgotten are left to you"
            ],
        ),
        ((("stockbook_nightly", False, False), ("stockbook_maintenance", False, False)), []),
    ],
)
def test_doctor_says_when_no_night_would_begin(
    dags: tuple[tuple[str, bool, bool], ...],
    says: list[str],
    airflow: Callable[..., dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An Airflow of one's own switches new DAGs off, and a file that nobody copied is a DAG that is not there."""
    for name, text in (
        airflow(dags=dags) | {"STOCKBOOK_HOME": str(tmp_path / "home"), "STOCKBOOK_HASH_KEY": KEY}
    ).items():
        monkeypatch.setenv(name, text)

    lines = CliRunner().invoke(app, ["doctor"]).output.splitlines()

    assert [line for line in lines if "DAG" in line] == says
    assert "ok  events of webhooks: none came yet, and nights do without (docs/webhooks.md)" in lines


def test_the_dags_that_are_pointed_to_are_among_the_files() -> None:
    """Their ids are written in two places."""
    ids = re.findall(r'dag_id="(\w+)"', "".join(file.read_text() for file in (PROJECT / "dags").glob("*.py")))

    assert {NIGHTLY, FLEET_NIGHTLY, CLOSE_MONTH, MAINTENANCE} <= set(ids)
    assert all(name.startswith("stockbook_") for name in ids), "none has the name of another team's"
    assert len(ids) == len(list((PROJECT / "dags").glob("*.py")))
