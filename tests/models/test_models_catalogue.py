"""Dimensions: variants as they were, days, delivery methods."""

from datetime import date
from decimal import Decimal

import duckdb
import pytest
from model_runner import run, warehouse
from order_rows import at

from stockbook.checks.rules import of_table
from stockbook.declarations import Table


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    """A warehouse with one product in a category below another."""
    con = warehouse()
    con.execute("""
        insert into staging.categories (account, category_id, parent_id, category_name)
        values ('main', 1, 0, 'Home'), ('main', 2, 1, 'Lamps'), ('main', 8, 9, 'Ring'), ('main', 9, 8, 'Ring')
    """)
    con.execute("""
        insert into staging.products_history (account, product_id, category_id, product_name, _version, _valid_from)
        values ('main', 5, 2, 'Lamp', 1, '2025-01-01 02:15')
    """)
    return con


def variant(con: duckdb.DuckDBPyConnection, version: int, seen: str, price: str, variant_id: int = 7) -> None:
    """One version of a variant of product 5."""
    con.execute(
        """
        insert into staging.variants_history (account, variant_id, product_id, code, ext_code, price_purchase, _version,
            _valid_from)
        values ('main', ?, 5, 'DS7', '0042', ?, ?, ?)
        """,
        [variant_id, Decimal(price), version, at(seen)],
    )


def versions(con: duckdb.DuckDBPyConnection, columns: str) -> list[tuple[object, ...]]:
    """Columns of dim_variant in order of version."""
    run(con, "marts.dim_variant", at("2025-06-01 02:15"))
    return con.execute(f"select {columns} from marts.dim_variant order by variant_id, version_no").fetchall()


def test_the_first_version_reaches_back_without_limit(con: duckdb.DuckDBPyConnection) -> None:
    """One version: valid from ever until now; text codes keep their zeros; the category is a path."""
    variant(con, 1, "2025-01-01 02:15", "4.5")

    assert versions(
        con, "variant_key, ext_code, price_purchase, product_name, category_path, valid_from, valid_to, is_current"
    ) == [("main:7:1", "0042", Decimal("4.5"), "Lamp", "Home > Lamps", None, None, True)]


def test_an_id_of_another_article_is_told(con: duckdb.DuckDBPyConnection, tables: dict[str, Table]) -> None:
    """Code, name and EAN are others at once, while stock and cost go on; one that is only renamed is the same."""
    for variant_id, code, name, ean in (
        (7, "NEW7", "Chair", "222"), (8, "NEW8", "Lamp", "222"), (9, "DS9", "Chair", "222"),
        (10, "NEW10", "Chair", "111"), (11, "NEW11", "Chair", None),
    ):  # fmt: skip
        for version, seen, of_version in (
            (1, "2025-01-01 02:15", (f"DS{variant_id}", "111")), (2, "2025-05-20 02:15", (code, ean)),
        ):  # fmt: skip
            con.execute(
                """
                insert into staging.variants_history (account, variant_id, product_id, code, ean, _version, _valid_from)
                values ('main', $1, $1, $2, $3, $4, $5)
                """,
                [variant_id, *of_version, version, at(seen)],
            )
            con.execute(
                """
                insert into staging.products_history (account, product_id, product_name, _version, _valid_from)
                values ('main', $1, $2, $3, $4)
                """,
                [variant_id, "Lamp" if version == 1 else name, version, at(seen)],
            )
    [rule] = [rule for rule in of_table(tables["marts.dim_variant"]) if rule.name == "a variant stays the same article"]

    run(con, "marts.dim_variant", at("2025-06-01 02:15"))
    assert [row[1] for row in con.execute(f"{rule.bad_rows} order by all").fetchall()] == [7, 11]
    # it is history after a month
    run(con, "marts.dim_variant", at("2025-07-01 02:15"))
    assert con.execute(rule.bad_rows).fetchall() == []


def test_a_price_change_begins_a_version(con: duckdb.DuckDBPyConnection) -> None:
    """The old price ends where the new one was first seen."""
    variant(con, 1, "2025-01-01 02:15", "4.5")
    variant(con, 2, "2025-02-01 02:15", "5")

    assert versions(con, "variant_key, price_purchase, valid_from, valid_to, is_current") == [
        ("main:7:1", Decimal("4.5"), None, at("2025-02-01 02:15"), False),
        ("main:7:2", Decimal("5"), at("2025-02-01 02:15"), None, True),
    ]


def test_a_new_name_of_the_product_begins_a_version_of_each_variant(con: duckdb.DuckDBPyConnection) -> None:
    """Versions of the product cut those of its variants, and a change of both on one night is one version."""
    con.execute("""
        insert into staging.products_history (account, product_id, category_id, product_name, _version, _valid_from)
        values ('main', 5, 2, 'Big lamp', 2, '2025-02-01 02:15'), ('main', 5, 1, 'Big lamp', 3, '2025-03-01 02:15')
    """)
    variant(con, 1, "2025-01-01 02:15", "4.5")
    variant(con, 2, "2025-03-01 02:15", "5")
    variant(con, 1, "2025-02-15 02:15", "9", variant_id=8)

    assert versions(con, "variant_key, product_name, category_path, price_purchase, valid_from") == [
        ("main:7:1", "Lamp", "Home > Lamps", Decimal("4.5"), None),
        ("main:7:2", "Big lamp", "Home > Lamps", Decimal("4.5"), at("2025-02-01 02:15")),
        ("main:7:3", "Big lamp", "Home", Decimal("5"), at("2025-03-01 02:15")),
        ("main:8:1", "Big lamp", "Home > Lamps", Decimal("9"), None),
        ("main:8:2", "Big lamp", "Home", Decimal("9"), at("2025-03-01 02:15")),
    ]


def test_a_variant_that_is_gone_keeps_its_last_version(con: duckdb.DuckDBPyConnection) -> None:
    """Gone: current still, with the time; back with the same content: no new version."""
    variant(con, 1, "2025-01-01 02:15", "4.5")
    con.execute("update staging.variants_history set _valid_to = '2025-02-01 02:15'")
    con.execute("""
        insert into staging.variants (account, variant_id, product_id, _deleted_at)
        values ('main', 7, 5, '2025-02-01 02:15')
    """)
    gone = versions(con, "variant_key, is_current, valid_to, deleted_at")
    variant(con, 2, "2025-03-01 02:15", "4.5")
    con.execute("update staging.variants set _deleted_at = null")

    assert gone == [("main:7:1", True, None, at("2025-02-01 02:15"))]
    assert versions(con, "variant_key, is_current, valid_to, deleted_at") == [("main:7:1", True, None, None)]


def test_a_variant_without_its_product_is_kept(con: duckdb.DuckDBPyConnection) -> None:
    """No product, no name; the variant stays."""
    con.execute("delete from staging.products_history")
    variant(con, 1, "2025-01-01 02:15", "4.5")

    assert versions(con, "variant_key, product_name, category_path") == [("main:7:1", None, None)]


def off(con: duckdb.DuckDBPyConnection, version: int, seen: str, until: str | None, first: bool = False) -> None:
    """One version of variant 7 among those switched off."""
    con.execute(
        """
        insert into staging.inactive_variants_history (account, variant_id, product_id, product_name, code, _version,
            _valid_from, _valid_to, _in_first_load)
        values ('main', 7, 5, 'Old lamp', 'DS7', ?, ?, ?, ?)
        """,
        [version, at(seen), until and at(until), first],
    )
    if until is None:
        con.execute("insert into staging.inactive_variants (account, variant_id, product_id) values ('main', 7, 5)")


def test_a_variant_that_is_switched_off_keeps_its_name_and_price(con: duckdb.DuckDBPyConnection) -> None:
    """Off and on again are versions; one that is off now is in the catalogue, though the plain answer hides it."""
    variant(con, 1, "2025-01-01 02:15", "4.5")
    con.execute("update staging.variants_history set _valid_to = '2025-04-01 02:15'")
    con.execute(
        "insert into staging.variants (account, variant_id, _deleted_at) values ('main', 7, '2025-04-01 02:15')"
    )
    off(con, 1, "2025-02-01 02:15", "2025-02-10 02:15")
    off(con, 2, "2025-02-10 02:15", "2025-03-01 02:15")
    off(con, 3, "2025-04-01 02:15", None)

    assert versions(con, "version_no, is_active, product_name, price_purchase, valid_from, deleted_at") == [
        (1, True, "Lamp", Decimal("4.5"), None, None),
        (2, False, "Lamp", Decimal("4.5"), at("2025-02-01 02:15"), None),
        (3, True, "Lamp", Decimal("4.5"), at("2025-03-01 02:15"), None),
        (4, False, "Lamp", Decimal("4.5"), at("2025-04-01 02:15"), None),
    ]


def test_a_variant_only_shown_when_asked_for_is_in_the_catalogue(con: duckdb.DuckDBPyConnection) -> None:
    """Off from the first night on and in no plain answer: its one version is of those switched off."""
    con.execute("delete from staging.products_history")
    off(con, 1, "2025-01-01 02:15", None, first=True)

    assert versions(con, "code, product_name, is_active, valid_from, is_current") == [
        ("DS7", "Old lamp", False, None, True)
    ]


def test_a_source_that_ignores_the_question_says_nothing_of_it(con: duckdb.DuckDBPyConnection) -> None:
    """Asked for those switched off it gives the whole catalogue: what is off is unknown, not everything."""
    variant(con, 1, "2025-01-01 02:15", "4.5")
    variant(con, 1, "2025-01-01 02:15", "6", variant_id=8)
    con.execute("insert into staging.variants (account, variant_id) values ('main', 7), ('main', 8)")
    off(con, 1, "2025-01-01 02:15", None, first=True)
    con.execute("insert into staging.inactive_variants (account, variant_id) values ('main', 8)")

    assert versions(con, "variant_id, is_active") == [(7, None), (8, True)]


def test_days_reach_from_before_the_data_to_a_year_ahead() -> None:
    """A month before the first movement to a year after the run, with holidays and ISO weeks."""
    con = warehouse()
    con.execute("""
        insert into staging.movements (account, movement_id, created_at) values ('main', 1, '2024-12-31 10:00')
    """)
    run(con, "marts.dim_date", at("2025-01-10 02:15"))

    assert con.execute("select min(date), max(date), count(*) from marts.dim_date").fetchall() == [
        (date(2024, 11, 30), date(2026, 1, 10), 407)
    ]
    assert con.execute("""
        select iso_year, iso_week, iso_weekday, year, is_working_day, holiday_name is not null
        from marts.dim_date where date in ('2024-12-30', '2025-01-01', '2025-01-04') order by date
    """).fetchall() == [
        (2025, 1, 1, 2024, True, False),
        (2025, 1, 3, 2025, False, True),
        (2025, 1, 6, 2025, False, False),
    ]


def test_delivery_methods_no_longer_offered_stay() -> None:
    """A method that is gone can still be joined, with the time it went."""
    con = warehouse()
    con.execute("""
        insert into staging.deliveries (account, delivery_id, name, needs_place, _deleted_at)
        values ('main', 1, 'Post', false, null), ('main', 2, 'Box', true, '2025-01-05 02:15')
    """)
    run(con, "marts.dim_delivery_method", at("2025-01-10 02:15"))

    assert con.execute("select * from marts.dim_delivery_method order by delivery_id").fetchall() == [
        ("main", 1, "Post", False, None),
        ("main", 2, "Box", True, at("2025-01-05 02:15")),
    ]
