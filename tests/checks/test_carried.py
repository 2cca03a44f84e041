"""
What did not change: results that are carried over say what asking would say, models left alone have the rows that
building them would give, and both end as soon as they may be others.
"""

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import proof_size
import pytest
import small_books
from small_books import READS, SmallBooks

from conftest import landing_in
from stockbook.models import programs
from stockbook.models.programs import PROGRAMS, Program
from stockbook.staging.load import Landed
from stockbook.warehouse import content_marks

# in three sequences together everything happens that can
SEEDS = range(300) if proof_size.LARGE else (55, 68, 71)


@pytest.fixture(autouse=True, scope="module")
def own_programs() -> Iterator[None]:
    """The programs of the small books."""
    with pytest.MonkeyPatch.context() as patch:
        for name, reads in READS.items():
            program = Program(f"{small_books.__name__}:{name}", reads, name in small_books.WITHOUT_MEMORY)
            patch.setitem(PROGRAMS, name, program)
        assert programs.PROGRAMS is PROGRAMS
        yield


@pytest.fixture(scope="module")
def after_two_nights(own_programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallBooks]:
    """Small books after their first two nights: copied, never written."""
    folder = tmp_path_factory.mktemp("books")
    shop = SmallBooks(folder, landing_in(folder))
    assert [shop.night(), shop.night()] == ["published", "published"]
    yield shop
    shop.con.close()


@pytest.fixture
def books(after_two_nights: SmallBooks, tmp_path: Path) -> Iterator[SmallBooks]:
    """A copy of them."""
    shop = after_two_nights.copied(tmp_path, landing_in(tmp_path, count=100))
    yield shop
    shop.con.close()


def asked(books: SmallBooks) -> set[str]:
    """The rules that the latest run asked, by table."""
    return {
        f"{suite.partition('.')[2]}: {rule}"
        for suite, rule in books.con.execute(
            "select suite, expectation from meta.check_result where carried_from is null and run_id = ?",
            [f"r{books.nights}"],
        ).fetchall()
    }


def order(order_id: str, **fields: object) -> dict[str, object]:
    """An order of one line."""
    created = {"created": "2026-03-01 01:00:00", "status": "created", "on_hold": False, "number": "FF1"}
    return {"id": order_id, "products": [{"code": "A", "quantity": 1}]} | created | fields


ALWAYS = {"clock: some runs are known"}


def test_a_night_in_which_nothing_changed_builds_what_remembers(books: SmallBooks) -> None:
    """And what tells the run's name: all else of the third equal night is left alone. A full refresh builds all."""
    books.night()
    assert books.built == {"program memory", "program change", "marts.teller"}

    left_alone = books.left_alone
    books.night(full_refresh=True)
    assert books.left_alone == left_alone


def test_another_now_builds_what_depends_on_it(books: SmallBooks) -> None:
    """The counts of the catalogue stand; the ages of orders, and all made of them, are built."""
    left_alone, rebuilt = books.left_alone, books.rebuilt
    books.as_of += timedelta(hours=1)
    books.night()

    assert {"marts.past_order", "marts.policy_share"} <= books.built
    assert not {"marts.category_count", "marts.clock", "marts.now"} & books.built
    assert 0 < books.left_alone - left_alone < books.rebuilt - rebuilt


def test_a_view_is_made_anew_when_it_means_something_else(books: SmallBooks) -> None:
    """By its own text, or by that of a view it reads; other rows leave it as it is."""
    books.shop["orders"].append(order("1"))
    books.night()
    assert "marts.past_order" in books.built
    assert not {"marts.now", "marts.fresh", "marts.refused"} & books.built

    books.selects["now"] += " where as_of is not null"
    books.edit()
    books.night()
    assert {"marts.now", "marts.fresh"} <= books.built
    assert "marts.refused" not in books.built


def test_a_night_in_which_nothing_changed_asks_nothing(books: SmallBooks) -> None:
    """But for the rule over a table of meta; every result names the run that asked, and when it did."""
    books.night()

    assert asked(books) == ALWAYS
    [(results, carried)] = books.con.execute("""
        select count(*), count(o.run_id)
        from meta.check_result as c
        left join meta.check_result as o
            on
                c.carried_from = o.run_id
                and c.suite = o.suite
                and c.expectation = o.expectation
                and c.checked_at = o.checked_at
                and o.carried_from is null
        where c.run_id = 'r3'
    """).fetchall()
    assert carried == results - len(ALWAYS)


def test_a_warning_stands_with_its_keys_while_nothing_changes(books: SmallBooks) -> None:
    """A warning of last night is not asked again: its rows, keys and query are told again, and who asked."""
    books.shop["categories"].append({"id": 2, "name": None})
    books.night()
    books.night()
    books.night()

    warnings = books.con.execute(
        "select failing_rows, sample_keys, query, carried_from from meta.check_result "
        "where expectation = 'each has a name' order by run_id desc limit 3"
    ).fetchall()
    assert asked(books) == ALWAYS
    assert [warning[:3] for warning in warnings] == [warnings[-1][:3]] * 3
    assert warnings[-1][0] == 1
    assert warnings[-1][3] is None
    assert warnings[0][3] is not None


def test_everything_is_asked_again_in_a_full_refresh_and_once_a_week(books: SmallBooks) -> None:
    """The results of a full refresh are carried over again; after seven days by the clock none is."""
    everything = books.con.execute("select count(*) from meta.check_result where run_id = 'r2'").fetchall()[0][0]
    books.night(full_refresh=True)
    assert len(asked(books)) == everything

    books.night()
    books.night()
    assert asked(books) == ALWAYS
    books.clock.sleep(timedelta(days=7).total_seconds())
    books.night()
    assert len(asked(books)) == everything


def test_a_row_that_breaks_a_rule_is_red_on_the_night_it_comes(books: SmallBooks) -> None:
    """The fifth category breaks a rule that was carried over until then; nothing else changed."""
    books.shop["categories"] += [{"id": number, "name": "Hats"} for number in (2, 3, 4)]
    books.night()
    books.night()
    assert books.night() == "published"
    assert asked(books) == ALWAYS

    books.shop["categories"].append({"id": 5, "name": "Late"})
    assert books.night() == "killed"
    assert "category_count: there are at most four" in asked(books)
    assert books.night() == "killed"


def test_another_now_asks_what_depends_on_it(books: SmallBooks) -> None:
    """Rules over the catalogue stand; those over the age of orders, and over when rows were seen, are asked."""
    books.as_of += timedelta(hours=1)
    books.night()

    assert "past_order: no order is old" in asked(books)
    assert "unseen: every category was seen with the stock" in asked(books)
    assert "category_count: there are at most four" not in asked(books)


def test_what_is_read_of_another_table_counts(books: SmallBooks) -> None:
    """A rule of one table that reads a second is asked when only the second changed."""
    books.shop["orders"].append(order("a"))
    books.night()
    assert "webhook_events: an order named by an event is known" in asked(books)
    assert "categories: category_id is there" not in asked(books)

    books.night()
    books.event("b")
    books.night()
    assert "webhook_events: an order named by an event is known" in asked(books)


@pytest.mark.parametrize(
    ("edit", "rule", "other"),
    [
        ("select", "past_order: no order is old", "category_count: there are at most four"),
        ("rule", "clock: none", "past_order: no order is old"),
        ("policy", "memory: little happened", "past_order: no order is old"),
        ("version", "category_count: there are at most four", None),
    ],
)
def test_an_edit_asks_what_it_touches(
    books: SmallBooks, monkeypatch: pytest.MonkeyPatch, edit: str, rule: str, other: str | None
) -> None:
    """An edited select, a rule, a policy file, another version of Stockbook."""
    if edit == "select":
        books.selects["past_order"] += " and true"
    elif edit == "rule":
        books.extra_checks.append(("none", "fail", "select n from marts.clock where n > 1"))
    elif edit == "policy":
        (books.policies / "sla.yml").write_text("a: 1\n")
    else:
        monkeypatch.setattr(content_marks, "VERSION", "0.3.0")
    books.edit()
    books.night()

    assert rule in asked(books)
    assert other not in asked(books)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_random_nights_are_equal_to_full_rebuilds_with_all_checks(
    tmp_path: Path, land: Callable[..., Landed], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Changes, late rows, edits, red and killed nights, nights dated in the past: all is compared."""
    chance = random.Random(seed)
    books = SmallBooks(tmp_path, land)
    for _ in range(12):
        for _ in range(chance.choice((0, 0, 1, 2))):
            happen(books, chance, monkeypatch)
        stops = ("load", "check_staging", "building", "build", "check_marts")
        books.night(
            stop=chance.choice(stops) if chance.random() < 0.25 else "",
            listings=tuple(name for name in books.shop if chance.random() < 0.9 or name == "categories"),
            full_refresh=chance.random() < 0.03,
            walkers=chance.choice((1, 2)),
        )
    assert 0 < books.carried < books.compared
    books.con.close()


def happen(books: SmallBooks, chance: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that changes what a rule would say, or nothing of the kind."""
    kind = chance.choice(("rows", "rows", "time", "edit"))
    if kind == "rows":
        change_rows(books, chance)
    elif kind == "time":
        move_time(books, chance)
    else:
        change_texts(books, chance, monkeypatch)


def change_rows(books: SmallBooks, chance: random.Random) -> None:
    """New, changed, gone, late and refused rows, and events."""
    categories, orders = books.shop["categories"], books.shop["orders"]
    number = chance.randrange(1, 7)
    match chance.randrange(8):
        case 0:
            categories.append({"id": number, "name": chance.choice(("Hats", None))})
            books.shop["categories"] = list({row["id"]: row for row in categories}.values())
        case 1 if len(categories) > 1:
            categories.pop(chance.randrange(len(categories)))
        case 2:
            # a row that breaks its declaration, or is whole again
            categories[-1]["parent"] = chance.choice(("none", 0))
        case 3:
            orders[:] = [row for row in orders if row["id"] != f"o{number}"]
            orders.append(order(f"o{number}", created=f"2026-0{chance.choice((2, 3))}-0{number} 01:00:00"))
        case 4 if orders:
            orders[-1]["status"] = chance.choice(("created", "sent", "packed"))
        case 5 if orders:
            orders[-1]["products"] = [{"code": "A", "quantity": chance.choice((1, "many"))}]
        case 6:
            books.shop["stock_levels"][0]["quantity"] = number
        case _:
            books.event(f"o{number}")
            if chance.random() < 0.5:
                books.drain(f"drain{books.events}")


def move_time(books: SmallBooks, chance: random.Random) -> None:
    """Now, on or back, or the clock alone."""
    hours = chance.choice((0, 1, 24, 100, -1, -24))
    books.as_of += timedelta(hours=hours)
    if hours == 0:
        books.clock.sleep(timedelta(days=chance.choice((1, 8))).total_seconds())


def change_texts(books: SmallBooks, chance: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy, a table's or a view's select, a rule, the version."""
    number = chance.randrange(3)
    match chance.randrange(4):
        case 0:
            (books.policies / "sla.yml").write_text(f"a: {number}\n")
        case 1:
            name, more = chance.choice((("past_order", " and true"), ("now", " where as_of is not null")))
            books.selects[name] = small_books.MODELS[name][2] + chance.choice(("", more))
            books.edit()
        case 2:
            books.extra_checks = [("none", "fail", f"select n from marts.clock where n > {number}")]
            books.edit()
        case _:
            monkeypatch.setattr(content_marks, "VERSION", f"0.{number}")
