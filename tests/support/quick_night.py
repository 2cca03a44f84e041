"""
A night that takes no time: what each step leaves for the next one, without an API, models or checks.

Its book has a row for each night that was loaded, so that one lost or doubled shows. All around it is a fleet's own.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from stockbook.fleet import night as fleet_night
from stockbook.landing.manifest import Manifest, write_manifest
from stockbook.landing.pages import write_page
from stockbook.night import landings, steps
from stockbook.night.tonight import Night
from stockbook.runs import context as runs
from stockbook.runs import report
from stockbook.runs.context import RunContext, parse_parameters
from stockbook.runs.report import Report

TABLE = "marts.fct_night"
_DECLARED = """
table: fct_night
description: Nights that were loaded.
grain: [account, night]
columns:
  account: {type: varchar, description: "Whose."}
  night: {type: varchar, description: "Which."}
"""


def models(folder: Path) -> Path:
    """The declarations of its book."""
    place = folder / "marts" / "night"
    place.mkdir(parents=True)
    (place / "fct_night.yml").write_text(_DECLARED)
    (place / "fct_night.sql").write_text("-- Nights.\nselect 'a' as account, 'n' as night\n")
    return folder


def use(put: Callable[[Any, str, Any], None] = setattr) -> None:
    """Put it in the place of a night's steps; ``put`` sets an attribute, a test's ``monkeypatch.setattr``."""
    put(fleet_night, "extract_all", extract_all)
    for step in (open_run, load, settle, finish):
        put(steps, step.__name__, step)


def open_run(night: Night, name: str, parameters: Mapping[str, object], conn_ids: Iterable[str]) -> RunContext:
    """Write the run's context, and make the folder its pages land in."""
    parsed, now = parse_parameters(dict(parameters)), night.clock.utc()
    as_of = datetime.fromisoformat(str(parsed.as_of))
    folder = landings.open_folder(night.settings, as_of, parsed, night.clock)
    zone, ids = night.settings.zone.key, tuple(conn_ids)
    run = RunContext(runs.run_id_of(name), as_of, zone, now, folder, True, False, None, None, ids)
    runs.save(night.settings, run)
    return run


def extract_all(night: Night, run: RunContext) -> None:
    """Land a listing of one row."""
    folder = night.settings.landing / run.night / "main" / "fulfillment_cz.movements"
    folder.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {"rows": 1, "distinct_keys": 1, "promised_total": 1, "proof": "total", "read_at": "now"}
    facts |= {"api": "fulfillment_cz", "listing": "movements", "account": "main", "night": run.night, "complete": True}
    pages = [write_page(folder, 1, f'{{"id": "{run.run_id}"}}\n'.encode(), 1)]
    write_manifest(folder, Manifest(pages=pages, **facts))
    assert night.landed is not None
    night.landed(folder)


def load(night: Night, run_id: str) -> None:
    """A row for the night, as often as it is loaded."""
    from stockbook.warehouse.connect import writer

    run = runs.read(night.settings, run_id)
    with night.at(run, "load"), writer(night.settings) as con:
        con.execute(f"create schema if not exists marts; create table if not exists {TABLE} (account text, night text)")
        con.execute(f"delete from {TABLE} where night = $1", [run_id])
        con.execute(f"insert into {TABLE} values ($1, $2)", [night.events_of, run_id])
        con.execute("checkpoint")
    landings.mark_loaded(night.settings, run.night)


def settle(night: Night, run_id: str) -> None:
    """Publish the writer's file."""
    run = runs.read(night.settings, run_id)
    with night.at(run, "publish"):
        night.settings.published.parent.mkdir(exist_ok=True)
        shutil.copyfile(night.settings.warehouse, night.settings.published)


def finish(night: Night, run_id: str) -> Report:
    """Write the report, and let the lock go."""
    run = runs.read(night.settings, run_id)
    folder = runs.folder(night.settings, run_id)
    done = report.make(folder, run, night.clock.utc())
    report.write(folder, done)
    night.lock.release(run_id)
    return done
