"""Order lines, receivings, prices and freshness: given rows of staging, the rows of the marts."""

from datetime import date
from decimal import Decimal

import duckdb
import pytest
from model_runner import MODELS, run, warehouse
from order_rows import Orders, Seen, at

from stockbook.declaration_files import load
from stockbook.declarations import of_layer
from stockbook.models.reads import reads_of
from stockbook.models.select import select_of


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    """An empty warehouse."""
    return warehouse()


def test_a_line_finds_its_variant_by_code() -> None:
    """A code given to a later variant names the one still in the catalogue; an unknown code names none."""
    orders = Orders()
    orders.order("a", "2025-03-04 09:00", Seen("created", "2025-03-05 02:15"))
    orders.line("a", 500, 2)
    orders.con.execute("""
        insert into staging.variants (account, variant_id, code, _deleted_at)
        values ('main', 90, 'DS1', '2025-01-01'), ('other', 1, 'DS500', null)
    """)
    orders.con.execute("update staging.order_lines set ext_code = '007'")
    orders.build("2025-03-05 02:15", "marts.fct_order_line")

    assert [
        (row["line_no"], row["variant_id"], row["code"], row["ext_code"], row["quantity"])
        for row in orders.rows("marts.fct_order_line")
    ] == [(1, 1, "DS1", "007", 1), (2, None, "DS500", "007", 2)]


def test_a_line_finds_a_variant_that_was_only_ever_seen_switched_off() -> None:
    """Its code names it, also by another spelling, but not where a variant of the catalogue ever had the code."""
    orders = Orders()
    orders.order("a", "2025-03-04 09:00", Seen("created", "2025-03-05 02:15"))
    for variant in (500, 501, 502):
        orders.line("a", variant, 1)
    orders.con.execute("update staging.order_lines set code = 'ds501' where code = 'DS501'")
    orders.con.execute("""
        insert into staging.variants_history (account, variant_id, code, _version, _valid_from, _in_first_load)
        values ('main', 1, 'DS1', 1, '2025-01-01 02:15', true), ('main', 90, 'DS502', 1, '2025-01-01 02:15', true)
    """)
    orders.con.execute("""
        insert into staging.inactive_variants_history (account, variant_id, code, _version, _valid_from, _in_first_load)
        select 'main', unnest([700, 701, 702]), unnest(['DS500', 'DS501', 'DS502']), 1, '2025-01-01 02:15', true
    """)
    orders.build("2025-03-05 02:15", "marts.fct_order_line")

    assert [(row["line_no"], row["variant_id"]) for row in orders.rows("marts.fct_order_line", "line_no")] == [
        (1, 1), (2, 700), (3, 701), (4, 90),
    ]  # fmt: skip


def test_an_order_the_source_no_longer_has_is_left_out() -> None:
    """Neither the order nor its lines nor its promise are shown."""
    orders = Orders()
    orders.order("a", "2025-03-04 09:00")
    orders.con.execute("update staging.orders set _deleted_at = '2025-03-05 02:15'")
    tables = ("marts.fct_order", "marts.fct_order_line", "marts.fct_fulfillment")
    for table in tables:
        orders.build("2025-03-05 02:15", table)

    assert [orders.rows(table) for table in tables] == [[], [], []]


def receiving(
    con: duckdb.DuckDBPyConnection, extra_cost: str, *lines: tuple[str | None, int, int | None, int | None]
) -> None:
    """A receiving with lines (price, announced, received, damaged)."""
    con.execute(
        "insert into staging.receivings (account, receiving_id, extra_cost) values ('main', 1, ?)",
        [Decimal(extra_cost)],
    )
    for number, (price, announced, received, damaged) in enumerate(lines, start=1):
        con.execute(
            """
            insert into staging.receiving_lines (account, receiving_id, line_no, variant_id, price_per_unit, quantity,
                received_quantity, damaged_quantity)
            values ('main', 1, ?, ?, ?, ?, ?, ?)
            """,
            [number, number, Decimal(price) if price else None, announced, received, damaged],
        )


def shares(con: duckdb.DuckDBPyConnection) -> list[Decimal]:
    """Each line's share of the extra cost."""
    run(con, "marts.fct_receiving_line", at("2025-06-01"))
    return [
        share
        for (share,) in con.execute("select extra_cost_share from marts.fct_receiving_line order by line_no").fetchall()
    ]


SHARES = [
    pytest.param("100", [("10", 1, None, None), ("30", 1, None, None)], ["25", "75"], id="by value announced"),
    pytest.param("100", [("10", 9, 1, 0), ("10", 9, 2, 1)], ["25", "75"], id="by value counted, damaged pieces too"),
    pytest.param("100", [(None, 1, None, None), (None, 4, None, None)], ["20", "80"], id="by pieces without prices"),
    pytest.param("100", [("0", 1, None, None), ("0", 1, None, None)], ["50", "50"], id="by pieces at price zero"),
    pytest.param(
        "100", [("10", 1, None, None), (None, 3, None, None)], ["25", "75"], id="by pieces where one is unknown"
    ),
    pytest.param(
        "100", [("10", 1, None, None), (None, 0, None, None)], ["100", "0"], id="of no pieces nothing is unknown"
    ),
    pytest.param("10", [("1", 1, None, None)] * 3, ["3.333333", "3.333333", "3.333334"], id="remainder on the last"),
    pytest.param("7", [("1", 0, None, None)] * 2, ["3.5", "3.5"], id="evenly where nothing came"),
    pytest.param("0", [("1", 1, None, None)] * 2, ["0", "0"], id="nothing to share"),
    pytest.param("0.000000000001", [("1", 1, None, None)] * 2, ["0", "0.000000000001"], id="the last digit"),
    pytest.param("999999999999", [("1", 1, None, None)] * 2, ["0", "999999999999"], id="absurd: all on the last line"),
]


@pytest.mark.parametrize(("extra_cost", "lines", "expected"), SHARES)
def test_extra_cost_is_spread_to_the_last_digit(
    con: duckdb.DuckDBPyConnection,
    extra_cost: str,
    lines: list[tuple[str | None, int, int | None, int | None]],
    expected: list[str],
) -> None:
    """Shares follow value, else pieces, and add up exactly."""
    receiving(con, extra_cost, *lines)

    allocated = shares(con)

    assert allocated == [Decimal(share) for share in expected]
    assert sum(allocated) == Decimal(extra_cost)


def test_prices_are_versions_in_major_units(con: duckdb.DuckDBPyConnection) -> None:
    """Cents become units exactly; a currency is one however it is spelled, a country names none."""
    con.execute("""
        insert into staging.flickrocket_prices_history (account, price_id, market_type, market_code, title,
            amount_minor, is_valid, _version, _valid_from, _valid_to)
        values
            ('main', 1, 'currency', 'eur', 'Standard', 1999, true, 1, '2025-01-01 02:15', '2025-02-01 02:15'),
            ('main', 1, 'currency', 'eur', 'Standard', 2999, true, 2, '2025-02-01 02:15', '2025-03-01 02:15'),
            ('main', 1, 'currency', ' EUR', 'Standard', 3999, true, 1, '2025-03-01 02:15', null),
            ('main', 1, 'country', 'GB', 'Standard', 9007199254740993, true, 1, '2025-01-01 02:15', null)
    """)
    run(con, "marts.fct_price", at("2025-06-01"))

    assert con.execute("""
        select market_code, version_no, amount, currency, valid_from, valid_to, is_current
        from marts.fct_price order by all
    """).fetchall() == [
        ("EUR", 1, Decimal("19.99"), "EUR", at("2025-01-01 02:15"), at("2025-02-01 02:15"), False),
        ("EUR", 2, Decimal("29.99"), "EUR", at("2025-02-01 02:15"), at("2025-03-01 02:15"), False),
        ("EUR", 3, Decimal("39.99"), "EUR", at("2025-03-01 02:15"), None, True),
        ("GB", 1, Decimal("90071992547409.93"), None, at("2025-01-01 02:15"), None, True),
    ]


def test_a_rate_is_exact_and_the_euro_is_one(con: duckdb.DuckDBPyConnection) -> None:
    """Digits come as they were sent, of two spellings the later counts, of two at once none; the euro is one."""
    con.execute("""
        insert into staging.currency_rates (account, currency, rate_date, units_per_eur, _last_seen_at)
        values
            ('main', 'CZK', '2025-03-01', 24, '2025-03-01 02:15'),
            ('main', 'czk ', '2025-03-01', 25.123456789012, '2025-03-02 02:15'),
            ('main', 'EUR', '2025-03-01', 1.5, '2025-03-01 02:15'),
            ('main', 'AED', '2025-03-02', 4.3949, '2025-03-02 02:15'),
            ('main', 'aed', '2025-03-02', 4.3949, '2025-03-02 02:15'),
            ('main', 'USD', '2025-03-02', 1.1, '2025-03-02 02:15'),
            ('main', 'usd', '2025-03-02', 1.2, '2025-03-02 02:15')
    """)
    run(con, "marts.fct_currency_rate", at("2025-06-01"))

    assert con.execute("select * from marts.fct_currency_rate order by rate_date, currency").fetchall() == [
        ("main", "CZK", date(2025, 3, 1), Decimal("25.123456789012"), True),
        ("main", "EUR", date(2025, 3, 1), Decimal(1), True),
        ("main", "AED", date(2025, 3, 2), Decimal("4.3949"), True),
        ("main", "EUR", date(2025, 3, 2), Decimal(1), False),
    ]


def test_a_fulfillment_is_shipped_between_two_nights(con: duckdb.DuckDBPyConnection) -> None:
    """The bounds are the night that last saw it open and the first that saw it shipped; lines stand beside it."""
    con.execute("""
        insert into staging.flickrocket_fulfillments (account, fulfillment_id, created_at, status, country_code)
        values ('main', '1', '2025-03-01', 100, 'CZ'), ('main', '2', '2025-03-01', 0, 'GB')
    """)
    con.execute("""
        insert into staging.flickrocket_fulfillments_history (account, fulfillment_id, status, _version, _valid_from,
            _last_seen_at)
        values
            ('main', '1', 0, 1, '2025-03-02 02:15', '2025-03-03 02:15'),
            ('main', '1', 100, 2, '2025-03-04 02:15', '2025-03-09 02:15'),
            ('main', '2', 0, 1, '2025-03-02 02:15', '2025-03-09 02:15')
    """)
    con.execute("""
        insert into staging.flickrocket_fulfillment_lines (account, fulfillment_id, line_no, product_id, quantity)
        values ('main', '1', 1, 'ab-cd', 2), ('main', '1', 2, 'ef', 1)
    """)
    run(con, "marts.fct_flickrocket_fulfillment", at("2025-06-01"))
    run(con, "marts.fct_flickrocket_fulfillment_line", at("2025-06-01"))

    assert con.execute("""
        select fulfillment_id, is_shipped, last_seen_open_at, first_seen_shipped_at, country_code, line_count, quantity
        from marts.fct_flickrocket_fulfillment order by 1
    """).fetchall() == [
        ("1", True, at("2025-03-03 02:15"), at("2025-03-04 02:15"), "CZ", 2, 3),
        ("2", False, at("2025-03-09 02:15"), None, "GB", 0, 0),
    ]
    assert con.execute(
        "select line_no, product_id, quantity from marts.fct_flickrocket_fulfillment_line order by 1"
    ).fetchall() == [(1, "AB-CD", 2), (2, "EF", 1)]


def test_freshness_is_told_per_table() -> None:
    """The newest time a row states, the latest run that saw one and the latest that read its listing."""
    orders = Orders()
    orders.order("a", "2025-03-04 02:15", Seen("created", "2025-03-05 02:15"))
    orders.con.execute(
        "insert into meta.cursor by name select 'main' as account, 'fulfillment_cz' as api, 'orders' as listing, "
        "timestamp '2025-03-01' as first_as_of, timestamp '2025-03-05 14:15' as as_of, 'r1' as run_id"
    )
    orders.build("2025-03-06 02:15", "reports.data_freshness")

    assert [
        (row["row_count"], row["newest_age_hours"], row["last_seen_age_hours"], row["last_read_age_hours"])
        for row in orders.rows("reports.data_freshness")
        if row["table_name"] == "orders"
    ] == [(1, 48.0, 24.0, 12.0)]


def test_freshness_leaves_no_table_of_staging_out() -> None:
    """Every declared table of staging that runs read is in the report; events come when something happens."""
    tables = load(MODELS)
    sql = select_of(MODELS, tables["reports.data_freshness"], tables)
    listed = {table.name for table in of_layer(tables, "staging") if table.kind != "drained"}

    assert len(listed) > 20
    assert reads_of(sql, "reports.data_freshness") == listed | {"meta.current_run", "meta.cursor"}


def test_late_orders_can_be_listed() -> None:
    """A late order is listed with the hours it is late by; one in time is not."""
    orders = Orders()
    orders.order("late", "2025-03-04 09:00", out="2025-03-05 10:00")
    orders.order("in time", "2025-03-04 09:00", out="2025-03-04 10:00")
    orders.build("2025-03-06 02:15", "reports.sla_late_orders")

    assert [
        (row["order_id"], row["sla_state"], row["late_business_hours"])
        for row in orders.rows("reports.sla_late_orders")
    ] == [("late", "late", 2.0)]
