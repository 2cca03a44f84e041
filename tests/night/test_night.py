"""Whole nights over a small sandbox shop, in this process, without Airflow."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
import yaml
from checkout import PROJECT
from night_rig import KEY, STEPS, TWO_THREADS, Rig, hashes
from observed import same_marts
from shared_home import FIRST, SECOND, THIRD, copy_of, small_shop

from stockbook import connections
from stockbook.alerts import program, rules
from stockbook.cli.demo import differences
from stockbook.clock import SystemClock
from stockbook.errors import CheckFailed
from stockbook.night import steps as night
from stockbook.runs import report
from stockbook.runs.context import folder
from stockbook_sandbox import Running, running
from stockbook_sandbox.people import PERSONAL_PATTERN, pieces_in

pytestmark = pytest.mark.slow  # each night imports and asks Great Expectations


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A small shop of three months."""
    with running(small_shop(), FIRST) as served:
        yield served


READER = """
import duckdb, sys
from pathlib import Path
path, stop = Path(sys.argv[1]), Path(sys.argv[2])
while not stop.exists():
    with duckdb.connect(str(path), read_only=True) as con:
        run = con.execute("select run_id from meta.current_run").fetchall()[0][0]
        names = con.execute("select table_name from duckdb_tables() where schema_name = 'marts' order by 1").fetchall()
        query = "select count(*), coalesce(sum(hash(t)::hugeint), 0) from marts.{} as t"
        told = [con.execute(query.format(name)).fetchall()[0] for (name,) in names]
    print(run, hash(tuple(told)), flush=True)
print("stopped", flush=True)
"""


@dataclass
class Watched:
    """A home after a second night, what a reader saw while that was published, and hashes of either night's marts."""

    rig: Rig
    is_same_until_published: bool
    before: int
    after: int
    status: int
    seen: list[str]
    errors: bytes


@pytest.fixture(scope="module")
def watched(server: Running, home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """The second night, step by step; a reader looks again and again from when its marts are checked."""
    folder = tmp_path_factory.mktemp("three")
    rig = Rig(server, copy_of(home_after_a_night, folder / "home"), TWO_THREADS)
    stop, out = folder / "stop", folder / "out"
    clock, published = SystemClock(), rig.settings.published
    content, file, before = published.read_bytes(), published.stat(), hash(tuple(rig.hashes().values()))

    def looks(reader: "subprocess.Popen[bytes]", more_than: int) -> int:
        """Wait until the reader has looked more than so many times; how often it has."""
        while (count := len(out.read_text().splitlines())) <= more_than:
            assert reader.poll() is None, "the reader ended"
            clock.sleep(0.05)
        return count

    server.set_clock(SECOND)
    tonight, ids = rig.tonight(), connections.conn_ids_in_environment(rig.environ)
    run = night.open_run(tonight, "second", {"as_of": SECOND.isoformat()}, ids)
    works = dict(STEPS)
    for step in ("extract", "load", "check_staging", "build", "check_marts"):
        works.pop(step)(tonight, run.run_id)
    now = published.stat()
    is_same = (now.st_ino, now.st_mtime_ns, published.read_bytes()) == (file.st_ino, file.st_mtime_ns, content)
    with out.open("wb") as written:
        program = [sys.executable, "-c", READER, str(published), str(stop)]
        with subprocess.Popen(program, stdout=written, stderr=subprocess.PIPE) as reader:
            looks(reader, more_than=1)
            for work in works.values():
                work(tonight, run.run_id)
            # one look may have begun before the new file was there, the next has not
            looks(reader, more_than=looks(reader, more_than=0) + 1)
            stop.write_text("")
            _, errors = reader.communicate(timeout=60)
    after = hash(tuple(rig.hashes().values()))
    return Watched(rig, is_same, before, after, reader.returncode, out.read_text().splitlines(), errors)


@pytest.fixture(scope="module")
def three(watched: Watched) -> Rig:
    """Three nights in a row."""
    watched.rig.night(THIRD, name="third")
    return watched.rig


@pytest.fixture(scope="module")
def again(three: Rig, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """The third night once more."""
    rig = Rig(three.server, Path(shutil.copytree(three.home, tmp_path_factory.mktemp("again") / "home")), TWO_THREADS)
    rig.night(THIRD, name="again")
    return rig


def test_a_night_is_published_with_every_listing_proven(three: Rig) -> None:
    """The published file says which listings were read, by which proof, and that every check held."""
    assert three.rows("select count(*) from meta.run where status = 'published'") == [(3,)]
    listings = three.rows(
        "select listing, proof, rows_received >= distinct_keys from meta.listing where run_id = 'third' order by 1"
    )
    assert [name for name, _, _ in listings] == [
        "categories", "currency_rates", "deliveries", "delivery_places", "fulfillments", "inactive_products",
        "movements", "orders", "prices", "products", "products", "receivings", "replenishment_rules",
        "stock_levels", "stock_requests",
    ]  # fmt: skip
    assert all(proof and consistent for _, proof, consistent in listings)
    assert three.rows("select count(*) > 100, bool_and(success) from meta.check_result where severity = 'fail'") == [
        (True, True)
    ]


def test_a_night_in_which_nothing_changed_carries_every_check_over(
    again: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Great Expectations is asked nothing; each result is the one it has when everything is asked again."""
    rig = Rig(again.server, tmp_path / "idle")
    shutil.copytree(again.home, rig.home)
    with monkeypatch.context() as patched:
        patched.setattr("stockbook.checks.run._validate", lambda *_: pytest.fail("a rule was asked"))
        rig.night(THIRD, name="idle")

    results = "select suite, expectation, severity, success, observed, carried_from is null from meta.check_result"
    of_marts = f"{results} where run_id = 'idle' and stage = 'check_marts' order by all"
    carried_over = rig.rows(of_marts)
    tonight = rig.tonight()
    tonight.lock.take("idle", wait=False)
    try:
        night.check(tonight, "idle", "check_marts", everything=True)
    finally:
        tonight.lock.release("idle")
    with duckdb.connect(str(rig.settings.warehouse), read_only=True) as con:
        all_asked = con.execute(of_marts).fetchall()

    assert len(carried_over) > 100
    assert [(*row[:-1], True) for row in carried_over] == all_asked
    assert not any(row[-1] for row in carried_over)


def test_the_published_file_equals_the_truth(three: Rig, server: Running) -> None:
    """Quantities of both pools of every variant and the status of every order are the sandbox's; nothing is open."""
    truth = json.loads(json.dumps(server.shop.truth(THIRD)))

    assert len(truth["stock"]) > 50
    assert len(truth["orders"]) > 100
    assert differences(three.settings.published, truth) == []


def test_a_day_that_was_over_changed_by_orders_that_are_named(three: Rig) -> None:
    """
    Each night is compared with the one published before it; the check that adds changes up was asked and held.

    The first night has none before it: nothing to check.
    """
    nights = three.rows("select distinct compared_as_of, changed_as_of from reports.sla_order_change")
    requests = three.rows(
        "select run_id, bool_and(success) from meta.check_result "
        "where expectation like '%a day that is over changes by the orders named%' group by 1 order by 1"
    )

    assert set(nights) <= {(FIRST, SECOND), (SECOND, THIRD)}
    assert nights
    assert requests == [("first", None), ("second", True), ("third", True)]


def test_every_fulfillment_has_the_status_the_shop_gives_it(three: Rig, server: Running) -> None:
    """Also those from before the window, though later nights read the window and the open ones only."""
    shop = server.shop.flickrocket
    now = server.sandbox.now
    expected = {row["id"]: row["status"] for row in (shop.fulfillment(n, now) for n in shop.fulfillment_rows(now))}

    assert len(expected) > 20
    assert dict(three.rows("select fulfillment_id, status from marts.fct_flickrocket_fulfillment")) == expected
    windows = three.rows(
        "select distinct_keys < ? from meta.listing where listing = 'fulfillments' order by run_id", [len(expected)]
    )
    assert windows[1:] == [(True,), (True,)]


def test_alerts_stand_as_the_rules_say(three: Rig) -> None:
    """What stands in the published file is what the rules make of its figures; what is new is in the run report."""
    with duckdb.connect(str(three.settings.published), read_only=True) as con:
        expected = program.standing(rules.read(three.settings.policy_dir), program.figures(con), THIRD)
    standing = three.rows(
        "select account, rule, subject, severity, message, value, threshold from reports.alerts "
        "where cleared_as_of is null"
    )
    raised = three.rows("select message, raised_as_of, is_new from reports.alerts")
    notes = [note for step in report.read(folder(three.settings, "third")).steps for note in step.notes]

    assert sorted(standing) == sorted(tuple(alert) for alert in expected)
    assert raised  # the day before the second night was too late too often; it cleared since
    assert {at for _, at, _ in raised} <= {FIRST, SECOND, THIRD}
    assert all(is_new == (at == THIRD) for _, at, is_new in raised)
    assert sum(note.startswith("alert: ") for note in notes) == sum(is_new for *_, is_new in raised)


def test_the_same_night_again_changes_no_row(three: Rig, again: Rig) -> None:
    """Every mart has the same content hash after a repetition, and so has staging's observed history."""
    assert again.rows("select run_id from meta.current_run") == [("again",)]
    assert (again.hashes(), again.hashes("staging")) == (three.hashes(), three.hashes("staging"))


def test_three_nights_equal_one_full_refresh(three: Rig, tmp_path: Path) -> None:
    """Observed history aside, three nights one after another give the marts of one night at the last clock."""
    rig = Rig(three.server, tmp_path / "once", TWO_THREADS)
    rig.books(THIRD, full_refresh=True)

    assert three.hashes() == three.marts()
    same_marts(three, rig)


def test_a_night_in_the_past_reads_nothing_and_deletes_nothing(three: Rig, tmp_path: Path) -> None:
    """Dated before the last published one it computes figures of its as_of from what is known, and observes nothing."""
    rig = Rig(three.server, tmp_path / "past")
    shutil.copytree(three.home, rig.home)
    before = rig.hashes("staging")
    three.server.reset_requests()

    report = rig.night(FIRST, name="past", move_clock=False)

    assert three.server.requests() == {}
    assert rig.hashes("staging") == before
    assert rig.rows("select cast(as_of as varchar) from meta.current_run") == [(str(FIRST),)]
    assert any("no source is read" in note for step in report.steps for note in step.notes)


def test_a_broken_check_is_red_and_readers_keep_the_previous_file(three: Rig, tmp_path: Path) -> None:
    """The error names the check and keys of rows that break it; the published file is the same, to the byte."""
    models = tmp_path / "sql"
    shutil.copytree(PROJECT / "include" / "sql", models)
    file = models / "marts" / "promise" / "fct_order.yml"
    declared = yaml.safe_load(file.read_text())
    declared["checks"] = [
        {"name": "no order is from Brno", "severity": "fail", "rows": "select account, order_id from marts.fct_order"}
    ]
    file.write_text(yaml.safe_dump(declared))
    rig = Rig(three.server, tmp_path / "red", {"STOCKBOOK_MODELS_DIR": str(models)})
    shutil.copytree(three.home, rig.home)
    before = rig.settings.published.read_bytes()

    with pytest.raises(CheckFailed, match=r"marts\.fct_order: 'no order is from Brno' does not hold.*order_id="):
        rig.night(THIRD, name="red")

    assert rig.settings.published.read_bytes() == before
    report = (rig.home / "runs" / "red" / "report.txt").read_text()
    assert "RED (failed)" in report
    assert "no order is from Brno" in report
    with duckdb.connect(str(rig.settings.warehouse), read_only=True) as con:
        assert con.execute("select status, failed_step from meta.run where run_id = 'red'").fetchall() == [
            ("failed", "check_marts")
        ]


def test_a_reader_never_fails_and_never_sees_two_nights(watched: Watched) -> None:
    """
    All it ever saw while a night was published is the night before, whole, and then the new one, whole.

    Until then no step touches the file that readers open: it is the same one, to the byte.
    """
    assert watched.is_same_until_published
    assert (watched.status, watched.errors) == (0, b"")
    *seen, last = watched.seen
    assert last == "stopped"
    assert set(seen) == {f"first {watched.before}", f"second {watched.after}"}
    assert len(seen) > 3


def test_personal_data_reaches_no_file(three: Rig) -> None:
    """Nothing under the home holds a name, an address, a phone, an e-mail or the key, in clear."""
    secrets = [KEY.encode(), three.server.token.encode()]
    values = [value.encode() for value in three.server.shop.personal_values()]
    assert len(values) > 100
    assert all(PERSONAL_PATTERN.search(value) for value in values)

    files = {file: _content(file) for file in three.home.rglob("*") if file.is_file()}
    assert len(files) > 50
    assert [file.name for file, content in files.items() if pieces_in(content)] == []
    assert [file.name for file, content in files.items() for secret in secrets if secret in content] == []


def _content(file: Path) -> bytes:
    if file.suffix == ".zst":
        import zstandard

        return zstandard.ZstdDecompressor().decompress(file.read_bytes())
    return file.read_bytes()


def test_hashes_tell_content_apart(tmp_path: Path) -> None:
    """The comparison these tests rest on sees one changed value and does not see order."""
    files = [tmp_path / f"{name}.duckdb" for name in "abc"]
    for file, select in zip(
        files,
        ("select 1 union all select 2", "select 2 union all select 1", "select 1 union all select 3"),
        strict=True,
    ):
        with duckdb.connect(str(file)) as con:
            con.execute(f"create schema marts; create table marts.t as {select}")

    assert hashes(files[0]) == hashes(files[1])
    assert hashes(files[0]) != hashes(files[2])
