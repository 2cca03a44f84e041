"""The fault matrix: a night under each fault ends with the books of an undisturbed one, or red and saying why."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import proof_size
import pytest
from night_rig import Kept, Rig
from shared_home import FIRST, SECOND, THIRD, small_shop

from stockbook.clock import ManualClock
from stockbook.errors import StockbookError
from stockbook.sources.http import RetryPolicy
from stockbook_sandbox import Running, running
from stockbook_sandbox.localtime import local_of

pytestmark = pytest.mark.slow  # every fault costs a night, or the half of it that a fault could change

SECTION = "fault matrix"

HEALING: dict[str, list[dict[str, Any]]] = {
    "503 now and then": [{"kind": "status", "probability": 0.2}],
    "429 with Retry-After": [{"kind": "status", "status": 429, "retry_after": "3", "probability": 0.2}],
    "429 with an absurd Retry-After": [{"kind": "status", "status": 429, "retry_after": "86400", "count": 2}],
    "429 with a garbled Retry-After": [{"kind": "status", "status": 429, "retry_after": "soon", "probability": 0.2}],
    "429, Retry-After of every kind": [
        {"kind": "status", "status": 429, "path": path, "nth": 1, "retry_after": text}
        for path, text in (
            ("*/orders", "Thu, 20 Nov 2025 01:15:09 GMT"),
            ("*/products", "0"),
            ("*/warehouse-movements", "Wed, 19 Nov 2025 01:15:00 GMT"),
            ("*/prices.json", "-5"),
        )
    ],
    "HTML instead of JSON": [{"kind": "html", "probability": 0.2}],
    "200 with code 500 in its body": [{"kind": "body_code", "probability": 0.2}],
    "JSON cut off": [{"kind": "truncated", "probability": 0.2}],
    "wrong content type": [{"kind": "content_type", "probability": 0.2}],
    "connection dropped": [{"kind": "drop", "probability": 0.2}],
    "answers that stall": [{"kind": "stall", "seconds": 0.4, "probability": 0.1, "count": 6}],
    "pages of seven rows": [{"kind": "short_page", "rows": 7, "path": "/v2/*"}],
    "pages of one row": [{"kind": "short_page", "rows": 1, "path": "*/products"}],
    "rows that come twice": [{"kind": "repeat_row"}],
    "a row lost once": [{"kind": "lost_row", "path": "*/warehouse-variants", "nth": 1}],
    "a ledger row lost once": [{"kind": "lost_row", "path": "*/warehouse-movements", "nth": 1}],
    "a total wrong once": [{"kind": "wrong_total", "path": "*/products", "nth": 1}],
    "a count wrong once": [{"kind": "wrong_total", "path": "*/count.json", "nth": 1}],
    "an undeclared field": [
        {"kind": "replace", "find": '"currency_id"', "text": '"brand_new":[1,{"a":2}],"currency_id"'}
    ],
}

# nothing but staging and the run goes into the marts: where staging comes out the same, one fault speaks for the others
BUILT = list(HEALING) if proof_size.LARGE else ["503 now and then", "a count wrong once"]

TOGETHER = [
    {"kind": kind, "probability": 0.05, "seed": seed, **more}
    for seed, (kind, more) in enumerate(
        {
            "status": {},
            "html": {},
            "body_code": {},
            "truncated": {},
            "content_type": {},
            "drop": {},
            "stall": {"seconds": 0.05},
            "repeat_row": {},
            "lost_row": {},
            "short_page": {"rows": 9},
            "wrong_total": {},
        }.items()
    )
]

FINAL: dict[str, tuple[list[dict[str, Any]], str]] = {
    "503 for ever": ([{"kind": "status", "path": "*/orders"}], r"GET \S+/orders answered status 503 to every try"),
    "429 for ever": (
        [{"kind": "status", "status": 429, "retry_after": "1", "path": "*/products"}],
        r"GET \S+/products answered status 429 to every try",
    ),
    "401": ([{"kind": "status", "status": 401}], r"the token of connection \w+ is wrong, expired"),
    "200 with code 401": (
        [{"kind": "body_code", "status": 401, "path": "*/deliveries"}],
        r"code 401 in its body\): the token of connection fulfillment_cz is wrong",
    ),
    "404": ([{"kind": "status", "status": 404, "path": "*/orders"}], r"GET \S+/orders answered status 404; expected"),
    "HTML for ever": ([{"kind": "html", "path": "*/warehouse-movements"}], r"movements answered with text/html"),
    "200 with code 500 for ever": (
        [{"kind": "body_code", "path": "*/warehouse-preloads"}],
        r"warehouse-preloads answered status 200 with code 500 in its body to every try",
    ),
    "cut off for ever": (
        [{"kind": "truncated", "path": "*/warehouse-variants"}],
        r"warehouse-variants answered with status 200, but it is not complete JSON",
    ),
    "wrong content type for ever": ([{"kind": "content_type", "path": "*/products"}], r"answered with text/plain"),
    "dropped for ever": ([{"kind": "drop", "path": "*/prices.json"}], r"prices.json got no whole answer"),
    "stalled for ever": ([{"kind": "stall", "seconds": 0.6, "path": "*/deliveries"}], r"got no whole answer"),
    "a row lost on every page": ([{"kind": "lost_row", "path": "*/warehouse-movements"}], r"movements .*not proved"),
    "a total always wrong": ([{"kind": "wrong_total", "path": "*/products"}], r"products .*not proved complete"),
    "a count always wrong": ([{"kind": "wrong_total", "path": "*/prices/count.json"}], r"prices .*not proved complete"),
    "no rows under data": (
        [{"kind": "replace", "path": "*/products", "find": '"data"', "text": '"dota"'}],
        r"products answered with status 200, but it has no data",
    ),
    "every row breaks its declaration": (
        [{"kind": "replace", "path": "*/warehouse-movements", "find": '"quantity":', "text": '"quantity":"x","was":'}],
        r"rows of movements \(account main\) broke their declaration",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A small shop."""
    with running(small_shop(), FIRST) as served:
        yield served


@pytest.fixture(scope="module")
def first(server: Running, home_after_a_night: Path) -> Rig:
    """A home after an undisturbed first night: copied, never written."""
    return Rig(server, home_after_a_night)


def again(first: Rig, home: Path) -> Rig:
    """A copy of the first home's books, with a clock on which waiting costs nothing, and impatient with silence."""
    shutil.copytree(first.home, home, ignore=shutil.ignore_patterns("published"))
    clock = ManualClock(datetime(2025, 11, 20, 1, 15, tzinfo=UTC))
    return Rig(first.server, home, clock=clock, retries=RetryPolicy(read=0.3))


@pytest.fixture(scope="module")
def before(first: Rig) -> Kept:
    """What the first night made."""
    return Kept(first)


@pytest.fixture(scope="module")
def undisturbed(server: Running, second_by_step: Path) -> Kept:
    """The same home after an undisturbed second night."""
    return Kept(Rig(server, second_by_step / "home"))


@pytest.fixture
def quiet(server: Running) -> Iterator[None]:
    """No fault outlives its test."""
    yield
    server.faults([])


def ids(rig: Rig, table: str, key: str) -> set[Any]:
    """The keys of a table of staging."""
    with duckdb.connect(str(rig.settings.warehouse), read_only=True) as con:
        return {key_text for (key_text,) in con.execute(f"select {key} from staging.{table}").fetchall()}


def hits(server: Running) -> int:
    """How often the rules in force have hit."""
    return sum(rule["hits"] for rule in server.fault_hits())


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("fault", dict.fromkeys([*BUILT, *proof_size.every(4, HEALING)]))
def test_a_fault_that_heals_changes_nothing(
    first: Rig, undisturbed: Kept, tmp_path: Path, tell: Callable[[str, str], None], fault: str
) -> None:
    """Staging is that of the undisturbed night, and so are the marts."""
    rig = again(first, tmp_path / "home")
    rig.server.faults(HEALING[fault])

    rig.books(SECOND, name="second", build=fault in BUILT)

    assert hits(rig.server) > 0
    if fault in BUILT:
        assert rig.marts() == undisturbed.marts()
    # fulfillments whose count was the wrong one are all read again, so more of them are seen than otherwise
    without = ["_last_seen_at"] if fault == "a count wrong once" else []
    assert rig.staged(*without) == undisturbed.staged(*without)
    tell(SECTION, f"{fault:34} {hits(rig.server):4} hits   {'marts' if fault in BUILT else 'staging'} equal")


@pytest.mark.usefixtures("quiet")
def test_all_faults_together_change_nothing(
    first: Rig, undisturbed: Kept, tmp_path: Path, tell: Callable[[str, str], None]
) -> None:
    """Each at 5 %, with tasks tried again as the DAG does: what came of it are the undisturbed books."""
    rig = again(first, tmp_path / "home")
    rig.server.faults(TOGETHER)

    rig.books(SECOND, name="second", tries=6)

    assert all(rule["hits"] > 0 for rule in rig.server.fault_hits())
    assert all("Connection " in text or "Listing " in text for text in rig.red)
    assert rig.marts() == undisturbed.marts()
    # fulfillments that do not add up are all read again, so more of them are seen than otherwise
    assert rig.staged("_last_seen_at") == undisturbed.staged("_last_seen_at")
    tell(SECTION, f"{'all together at 5 %':34} {hits(rig.server):4} hits   marts equal, {len(rig.red)} tries were red")


@pytest.mark.usefixtures("quiet")
def test_rows_that_appear_while_the_night_reads_are_there_the_next_night_at_the_latest(
    first: Rig, tmp_path: Path, tell: Callable[[str, str], None]
) -> None:
    """
    Ten minutes pass with every request, half a day in all: what was there when the night began is in staging, and after
    a quiet night staging says what a fresh reading says.
    """
    rig = again(first, tmp_path / "home")
    rig.server.sandbox.seconds_per_request = 600
    rig.books(SECOND, name="second", tries=6, build=False)
    rig.server.sandbox.seconds_per_request = 0
    passed = (local_of(rig.server.sandbox.now).replace(tzinfo=None) - SECOND).total_seconds() / 3600
    orders, movements = ids(rig, "orders", "order_id"), ids(rig, "movements", "movement_id")
    truth = rig.server.truth(SECOND)
    shop = rig.server.shop
    began = {int(number) for number in shop.movements.id[shop.visible_movements(shop.instant(SECOND))]}
    rig.books(THIRD, name="third", build=False)
    fresh = Rig(rig.server, tmp_path / "fresh")
    fresh.books(THIRD, build=False)

    assert passed > 6
    assert truth["orders"].keys() <= orders
    assert began <= movements
    assert rig.current(THIRD) == fresh.current(THIRD)
    tell(
        SECTION,
        f"{'rows appear while it reads':34} {passed:4.0f} hours  all that were there; next night equal to a fresh one",
    )


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("fault", proof_size.every(3, FINAL))
def test_a_final_fault_is_red_names_its_cause_and_leaves_no_trace(
    first: Rig, before: Kept, undisturbed: Kept, tmp_path: Path, tell: Callable[[str, str], None], fault: str
) -> None:
    """The message names the cause; nothing was loaded; with the fault gone, the next try gives the undisturbed rows."""
    rig = again(first, tmp_path / "home")
    rules, message = FINAL[fault]
    rig.server.faults(rules)

    with pytest.raises(StockbookError, match=message) as red:
        rig.books(SECOND, name="second")
    red_hits = hits(rig.server)
    staged, marts = rig.staged(), rig.marts()
    rig.server.faults([])
    rig.books(SECOND, name="second", build=False)

    assert red_hits > 0
    assert (staged, marts) == (before.staged(), before.marts())
    assert rig.staged() == undisturbed.staged()
    tell(SECTION, f"{fault:34} {red_hits:4} hits   red: {red.value}")
