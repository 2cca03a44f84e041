"""What a night tells a person of what it found: changed and vanished ledger rows, statuses, fields, refused rows."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requests
from night_rig import Rig, nights_before

from conftest import a_run
from stockbook.clock import ManualClock
from stockbook.declarations import Table
from stockbook.errors import StagingRefused
from stockbook.landing.manifest import Undeclared
from stockbook.night import findings, run_rows, steps
from stockbook.progress import Silent
from stockbook.runs.step_log import ListingDone
from stockbook.staging.load import Landed, load
from stockbook_sandbox import Running, Shop, running

pytestmark = pytest.mark.slow  # nights

FIRST, SECOND, THIRD = nights_before(datetime(2025, 11, 21, 2, 15), 3)
MOVEMENTS = "*/warehouse-movements"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A small shop."""
    with running(Shop.small(seed=19), FIRST) as served:
        yield served


@pytest.fixture(scope="module")
def first(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """A home after an undisturbed first night."""
    rig = Rig(server, tmp_path_factory.mktemp("first"))
    rig.books(FIRST, name="first", build=False)
    return rig


@pytest.fixture
def rig(first: Rig, tmp_path: Path) -> Iterator[Rig]:
    """A copy of that home; no fault outlives its test."""
    second = Rig(first.server, tmp_path / "home")
    shutil.copytree(first.home, second.home)
    yield second
    second.server.faults([])
    second.server.rewrite_movements({})


def movements(rig: Rig) -> list[str]:
    """The newest received movements with a price, each as the text of its JSON."""
    answer = requests.get(
        f"{rig.server.url}/v2/fulfillment/warehouse-movements",
        params={"limit": "1000"},
        headers={"Authorization": rig.server.token},
        timeout=30,
    )
    body = answer.text[answer.text.index("[") + 1 :]
    objects = ["{" + text.split("}")[0] + "}" for text in body.split("{")[1:]]
    assert len(objects) == len(answer.json()["data"])
    return [text for text in objects if json.loads(text)["movement"] == "in" and json.loads(text)["preload_id"]]


def rewrite(rig: Rig, changes: dict[str, Any]) -> None:
    """Tell the sandbox over its control route to serve movements that it has served before otherwise."""
    answer = requests.post(f"{rig.server.url}/_sandbox/movements", json=changes, timeout=30)
    assert answer.json() == changes


def notes(rig: Rig, run_id: str) -> list[str]:
    """The warnings of a run's report."""
    report = steps.finish(rig.tonight(), run_id)
    assert all(f"note     {note}" in (rig.home / "runs" / run_id / "report.txt").read_text() for note in _of(report))
    return [note for note in _of(report) if note.startswith("warning:")]


def _of(report: Any) -> list[str]:
    return [note for step in report.steps for note in step.notes]


def ask(rig: Rig, query: str) -> list[tuple[Any, ...]]:
    """A query on the writer's file."""
    with duckdb.connect(str(rig.settings.warehouse), read_only=True) as con:
        return con.execute(query).fetchall()


def test_a_quiet_night_warns_of_nothing(rig: Rig) -> None:
    """Nothing changed, nothing vanished, everything is mapped."""
    rig.books(SECOND, name="second", build=False)

    assert notes(rig, "second") == []


def test_a_price_filled_in_later_is_versioned_and_reported(rig: Rig) -> None:
    """The report names the row; the earlier content stays in the ledger's history."""
    rig.server.set_clock(FIRST)
    row = json.loads(movements(rig)[0])
    rewrite(rig, {str(row["id"]): {"price_per_unit": 77.25}})

    rig.books(SECOND, name="second", build=False)

    (note,) = notes(rig, "second")
    assert (
        f"1 rows of the ledger movements (account main) have other content than before, movement_id {row['id']};"
        in note
    )
    versions = (
        "select _version, unit_price = 77.25, _valid_to is null from staging.movements_history "
        f"where movement_id = {row['id']}"
    )
    assert ask(rig, f"{versions} order by 1")[-1] == (2, True, True)
    assert len(ask(rig, versions)) == 2


def test_a_ledger_row_that_disappears_is_reported(rig: Rig) -> None:
    """It is marked deleted and named: a ledger only grows."""
    rig.server.set_clock(FIRST)
    first, second, *_ = movements(rig)
    rewrite(rig, {str(json.loads(first)["id"]): None})

    rig.books(SECOND, name="second", build=False)

    (note,) = notes(rig, "second")
    assert f"are gone from the source, movement_id {json.loads(first)['id']}; a ledger only grows" in note
    assert str(json.loads(second)["id"]) not in note


def test_a_row_that_returns_to_the_ledger_has_its_history(rig: Rig) -> None:
    """Gone one night and back the next: it is there again with its earlier version, and reported as just that."""
    rig.server.set_clock(FIRST)
    number = json.loads(movements(rig)[0])["id"]
    rewrite(rig, {str(number): None})
    rig.books(SECOND, name="second", build=False)
    gone = ask(rig, f"select _deleted_at from staging.movements where movement_id = {number}")
    rewrite(rig, {})
    rig.books(THIRD, name="third", build=False)

    assert gone == [(SECOND,)]
    assert ask(rig, f"select _deleted_at, _first_seen_at from staging.movements where movement_id = {number}") == [
        (None, FIRST)
    ]
    (note,) = notes(rig, "third")
    assert (
        f"1 rows of the ledger movements (account main) that were gone are there again, movement_id {number};" in note
    )
    versions = f"select _version, _valid_to from staging.movements_history where movement_id = {number} order by 1"
    assert ask(rig, versions) == [(1, SECOND), (2, None)]


def test_a_status_nobody_mapped_is_reported(rig: Rig) -> None:
    """With the number of orders that have it; they are kept."""
    rig.server.faults([{"kind": "replace", "path": "*/orders", "find": '"status":"sent"', "text": '"status":"beamed"'}])

    rig.books(SECOND, name="second", build=False)

    beamed = ask(rig, "select count(*) from staging.orders where source_status = 'beamed'")[0][0]
    assert beamed > 0
    assert notes(rig, "second") == [
        f"warning: status 'beamed' of {beamed} orders (account main) stands in no line of statuses.yml: "
        "they count as unmapped until it does."
    ]


def test_an_undeclared_field_is_reported_by_path_and_type(rig: Rig) -> None:
    """Its value is stored nowhere."""
    rig.server.faults(
        [{"kind": "replace", "path": "*/orders", "find": '"currency_id"', "text": '"brand_new":"Zqx","currency_id"'}]
    )
    rig.books(SECOND, name="second", build=False)
    steps.finish(rig.tonight(), "second")

    report_text = (rig.home / "runs" / "second" / "report.txt").read_text()
    assert "undeclared fields (not stored): fulfillment_cz.orders brand_new (string)" in report_text
    assert ask(rig, "select path, json_type from meta.undeclared_field") == [("brand_new", "string")]


def test_a_refused_row_is_reported_with_its_reason(rig: Rig) -> None:
    """One broken row is set aside; the report says why, and what was known of it stays."""
    rig.server.set_clock(FIRST)
    text = movements(rig)[0]
    broken = text.replace('"quantity":', '"quantity":"many","was":', 1)
    rig.server.faults([{"kind": "replace", "path": MOVEMENTS, "find": text, "text": broken}])

    rig.books(SECOND, name="second", build=False)

    assert notes(rig, "second") == [
        "warning: 1 rows of movements (account main) are in quarantine: quantity: expected bigint."
    ]
    assert ask(rig, f"select _deleted_at from staging.movements where movement_id = {json.loads(text)['id']}") == [
        (None,)
    ]


def test_too_many_refused_rows_are_red_with_their_reasons(rig: Rig) -> None:
    """The message is enough to correct the declaration."""
    rig.server.faults(
        [{"kind": "replace", "path": MOVEMENTS, "find": '"quantity":', "text": '"quantity":"many","was":'}]
    )

    with pytest.raises(StagingRefused, match=r"allowed \(quantity: expected bigint: \d+ rows\); nothing was loaded"):
        rig.books(SECOND, name="second", build=False)


def test_characters_that_are_no_text_are_told_once(
    con: duckdb.DuckDBPyConnection, tables: dict[str, Table], land: Callable[..., Landed], clock: ManualClock
) -> None:
    """By listing, with their number; what they stood in is not quoted."""
    landed = land("categories", [{"id": 1, "parent": 0, "name": "Brno \ufffd"}], mended=3)
    load(con, a_run(), [landed], tables, clock, Silent(), 0.01)

    assert findings.of_load(con, a_run(), tables, []) == [
        "warning: 3 characters of fulfillment_cz.categories (account main) are no text; U+FFFD stands in their place."
    ]


def test_a_listing_that_lost_most_of_its_rows_is_told(
    con: duckdb.DuckDBPyConnection, tables: dict[str, Table], land: Callable[..., Landed], clock: ManualClock
) -> None:
    """Empty or nearly so, as its own total says: believed, and said. A few rows that went are nobody's news."""
    nights = [a_run(f"2026-03-0{day}T02:15:00", f"night {day}") for day in (1, 2, 3, 4, 5)]
    sizes = {"categories": (30, 29, 29, 5, 5), "stock_levels": (30, 30, 0, 0, 30), "deliveries": (3, 3, 0, 0, 3)}
    sentences = []
    for number, run in enumerate(nights):
        run_rows.insert(con, run, "running", run.started_at)
        landed = [
            land(
                listing,
                [
                    {"id": row, "variant_id": row, "name": "a", "quantity": 1, "damaged_quantity": 0}
                    for row in range(1, size[number] + 1)
                ],
                read_at=run.as_of.isoformat(),
                repeated=0,
            )
            for listing, size in sizes.items()
        ]
        load(con, run, landed, tables, clock, Silent(), 0.01)
        sentences.append([text.removeprefix("warning: ") for text in findings.of_load(con, run, tables, [])])

    ask = "Ask the source whether that is so."
    before = "and had up to 30 in the seven days before"
    empty = f"fulfillment_cz.stock_levels (account main) has 0 rows, {before}"
    assert sentences == [
        [],
        [],
        [f"{empty}; 0 are gone from the books with it. {ask}"],
        [
            f"fulfillment_cz.categories (account main) has 5 rows, {before}; 24 are gone from the books with it. {ask}",
            f"{empty}; 0 are gone from the books with it. {ask}",
        ],
        [],
    ]


def test_names_that_are_not_told_do_not_fill_the_report(land: Callable[..., Landed]) -> None:
    """Those that are told stand first, then five hashes, then how many there are besides."""
    hidden = [Undeclared(f"#{number:012x}", "number", 1) for number in range(50)]
    named = [Undeclared("colour", "string", 12, "#ab")]
    landed = land("categories", [], undeclared=[*hidden, Undeclared("*", "number", 79_950), *named])

    done = ListingDone.of(landed.manifest).undeclared
    assert done[0] == "colour (string)"
    assert len(done) == 7
    assert done[-1] == "79,995 more"
