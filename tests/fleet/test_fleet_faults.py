"""
An account's night in which something is away, or that is killed, at every step: over nights that take no time.

Store, control database, lake and homes are real ones; what a night itself does is in ``quick_night``.
"""

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import proof_size
import pytest
import quick_night
from fleet_rig import HUSH, Site, databases, programs, variables
from forked import forks
from gate import Gate, gate
from points import arm
from seaweed import SECRET, Seaweed

from stockbook.errors import StockbookError
from stockbook.fleet.run import Done, account_night
from stockbook.lake_url import LakeUrl
from stockbook.limits import Limits
from stockbook.progress import Silent
from stockbook.runs.context import run_id_of
from stockbook.warehouse.readers import reader

pytestmark = pytest.mark.slow
pytest.importorskip("duckdb_extension_ducklake", reason="DuckDB's extensions are not installed: stockbook[fleet]")

AS_OF = datetime(2026, 3, 1, 2, 15).isoformat()
NIGHT, STEPS, HOLDING = "stockbook.fleet.night", "stockbook.night.steps", "stockbook.fleet.holding"
LAKE = "stockbook.fleet.lake.lake:Lake"
MOMENTS = {
    "before it begins": "",
    "open": f"before:{STEPS}:open_run",
    "extract": f"before:{NIGHT}:extract_all",
    "books": f"before:{STEPS}:load",
    "publish, book saved": f"before:{LAKE}.prepare",
    "publish, files written": f"before:{LAKE}.commit",
    "pointer": f"before:{HOLDING}:Holding.publish",
    "after the pointer": f"before:{NIGHT}:_after",
}
STORE, CONTROL, CATALOG = "StoreUnavailable", "ControlUnavailable", "LakeUnavailable"
# what a night says in which the store, the control database or the lake is away from a moment on; nothing where it
# needs that no more
SAID = {
    "before it begins": {"store": STORE, "control": CONTROL, "lake": CATALOG},
    "open": {"store": STORE, "control": "HoldingLost", "lake": CATALOG},
    "extract": {"store": STORE, "control": "HoldingLost", "lake": CATALOG},
    "books": {"store": STORE, "control": "HoldingLost", "lake": CATALOG},
    "publish, book saved": {"store": STORE, "control": "HoldingLost", "lake": CATALOG},
    "publish, files written": {"store": "", "control": "HoldingLost", "lake": CATALOG},
    "pointer": {"store": "", "control": "HoldingLost", "lake": ""},
    "after the pointer": {"store": "", "control": CONTROL, "lake": ""},
}
POINTS = {
    "opened, not saved": "before:stockbook.fleet.home:Home.save",
    "a listing landed": "after:stockbook.fleet.home:Home.landed",
    "loaded": f"before:{STEPS}:settle",
    "built, not saved": "before:stockbook.fleet.home:Home.save@'books'",
    "saved, not pointed to": f"before:{HOLDING}:Holding.save@books/main",
    "before the lake's commit": f"before:{HOLDING}:Holding.require",
    "between commit and pointer": f"after:{LAKE}.commit",
    "between pointer and events": f"before:{NIGHT}:_after",
    "before the end is saved": "before:stockbook.fleet.home:Home.save@'end'",
}
# after these readers have the night
COMMITTED = list(POINTS)[6:]


class Heard(Silent):
    """Everything that was noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class Quick(Site):
    """A fleet of quick nights, one of which is published."""

    gates: dict[str, Gate]
    reader: duckdb.DuckDBPyConnection

    def rows(self) -> list[str]:
        """The nights that a reader sees, who reaches the lake whatever is away."""
        rows = self.reader.execute(f"select night from {quick_night.TABLE} order by all").fetchall()
        return [night for (night,) in rows]


@pytest.fixture(scope="module")
def site(server: str, s3: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quick]:
    """Its store, control database and lake are behind gates."""
    folder = tmp_path_factory.mktemp("faults")
    control, lake = databases(server, "faults", "faults_lake")
    port = int(urlsplit(server).port or 0)
    store = s3.variables["AWS_ENDPOINT_URL"]
    with (
        gate(s3.ports[0]) as to_store,
        gate(port) as to_control,
        gate(port) as to_lake,
        pytest.MonkeyPatch.context() as p,
    ):
        environ = variables(
            folder,
            "s3://books/faults",
            control.replace(f":{port}/", f":{to_control.port}/"),
            lake.replace(f":{port}/", f":{to_lake.port}/"),
        )
        environ |= (
            s3.variables
            | programs()
            | {
                "AWS_ENDPOINT_URL": store.replace(str(s3.ports[0]), str(to_store.port)),
                "AIRFLOW_CONN_FULFILLMENT_CZ": '{"conn_type": "http", "host": "127.0.0.1", "password": "a-token"}',
                "STOCKBOOK_MODELS_DIR": str(quick_night.models(folder / "models")),
            }
        )
        for name, text in environ.items():
            p.setenv(name, text)
        quick_night.use(p.setattr)
        quick = Quick(environ, folder, Heard())
        quick.gates = {"store": to_store, "control": to_control, "lake": to_lake}
        assert account_night(quick.fleet(), "before", "main", {"as_of": AS_OF}) == Done("main")
        # it looks from the first of these tests to the last
        with reader(LakeUrl.parse(lake, s3.variables), Limits(seconds=0)) as quick.reader:
            yield quick


@pytest.fixture(scope="module")
def killed(site: Quick) -> Iterator[Callable[..., int]]:
    """Runs a night up to a point at which it is killed, on the disk of one of two workers."""
    with forks("killed_fleet.py", site.environ, "quick") as ask:
        yield lambda name, point, worker: ask(
            point=point,
            as_of=AS_OF,
            name=name,
            account="main",
            environ={**site.environ, "STOCKBOOK_SCRATCH": str(site.folder / f"worker-{worker}")},
        )


@pytest.mark.parametrize(("moment", "away"), proof_size.every(2, product(MOMENTS, ["store", "control", "lake"])))
def test_what_is_away_makes_a_night_red_and_the_next_heals_it(
    site: Quick,
    moment: str,
    away: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """
    Red within a minute, and worth another try; readers have the night before until the lake has committed.

    Nothing that anybody is told has a password in it, and the next night publishes, with what the red one had loaded.
    """
    caplog.set_level(logging.DEBUG)
    name, fleet = run_id_of(f"{moment} {away}"), site.fleet()
    pointer, before = site.published()[0], site.rows()
    shut = site.gates[away].shut
    with monkeypatch.context() as patch:
        if MOMENTS[moment]:
            arm(MOMENTS[moment], shut, patch.setattr)
        else:
            shut()
        began = time.monotonic()
        try:
            done = account_night(fleet, name, "main", {"as_of": AS_OF})
        except StockbookError as error:
            done = Done("main", f"{type(error).__name__}: {error}", is_worth_another_try=True)
        took = time.monotonic() - began
    seen = site.rows()
    site.gates[away].open()

    expected = SAID[moment][away]
    assert done.reason.partition(":")[0] == expected, done
    assert done.is_worth_another_try == bool(expected)
    assert took < 60
    is_committed = moment in ("pointer", "after the pointer") or not expected
    assert seen == (sorted([*before, name]) if is_committed else before)
    if expected and moment != "after the pointer":
        assert site.published()[0] == pointer
    said = [done.reason, caplog.text, *capfd.readouterr(), *site.progress.notes]  # type: ignore[attr-defined]  # Heard
    said += [str(night.reason) for night in site.fleet().run_log.nights(name).values()]
    assert [text for text in said if HUSH in text or SECRET in text] == []

    assert account_night(site.fleet(), f"{name}-next", "main", {"as_of": AS_OF}) == Done("main")
    now, in_lake = site.published()
    assert now == in_lake
    assert now[0] == f"{name}-next"
    after = site.rows()
    assert len(after) == len(set(after))
    assert set(after) >= {*seen, f"{name}-next"}


@pytest.mark.parametrize("what", proof_size.every(2, POINTS))
def test_a_night_killed_anywhere_goes_on_on_another_disk(site: Quick, killed: Callable[..., int], what: str) -> None:
    """Nobody holds the account, readers see nothing before the commit, and the next try publishes every row once."""
    name, (pointer, _), before = run_id_of(f"killed {what}"), site.published(), site.rows()

    assert killed(name, POINTS[what], 0) == -signal.SIGKILL
    assert site.let_go()
    assert site.rows() == (sorted([*before, name]) if what in COMMITTED else before)
    if what not in COMMITTED[1:]:
        assert site.published()[0] == pointer

    other = site.fleet(STOCKBOOK_SCRATCH=str(site.folder / "worker-1"))
    assert account_night(other, name, "main", {"as_of": AS_OF}) == Done("main")
    now, in_lake = site.published()
    assert now == in_lake
    assert now[0] == name
    assert site.rows() == sorted([*before, name])


def test_no_file_of_a_disk_has_a_password(site: Quick) -> None:
    """Reports, contexts and logs of all these nights."""
    texts: dict[Path, Any] = {file: file.read_bytes() for file in site.folder.rglob("*") if file.is_file()}
    assert len(texts) > len(MOMENTS) * 3
    assert [file for file, text in texts.items() if HUSH.encode() in text or SECRET.encode() in text] == []
    assert os.environ["STOCKBOOK_CONTROL_URL"].count(HUSH) == 1
