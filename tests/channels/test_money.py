"""Money of several currencies in one: settings, files of rates, the rate of a day, turnover and margins."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import product
from pathlib import Path
from shutil import copytree

import duckdb
import pytest
from model_runner import POLICY, run, warehouse
from order_rows import Orders, at

from stockbook.channels import money, rate_files
from stockbook.channels.money import RateFile
from stockbook.checks.rules import of_table
from stockbook.declarations import Table
from stockbook.errors import ConfigError
from stockbook.models.macros import create_macros
from stockbook.project import MODELS, SHIPPED

BANK = """27 Nov 2026 #230
Country|Currency|Amount|Code|Rate
EMU|euro|1|EUR|24.500
Japan|yen|100|JPY|14.000
USA|dollar|1|USD|0
Hungary|forint|100|HUF
"""


def policy(tmp_path: Path, text: str, **files: str) -> Path:
    """The project's policies with this ``money.yml`` and these files of rates."""
    folder = Path(copytree(POLICY, tmp_path / "policy"))
    (folder / "money.yml").write_text(text)
    (folder / "rates").mkdir()
    for name, content in files.items():
        (folder / "rates" / f"{name}.csv").write_text(content)
    return folder


def rate(con: duckdb.DuckDBPyConnection, currency: str, day: str, units: str) -> None:
    """A rate that FlickRocket stated for a day."""
    con.execute(
        "insert into staging.currency_rates (account, currency, rate_date, units_per_eur) values ('main', ?, ?, ?)",
        [currency, day, Decimal(units)],
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reporting_currency: crowns", "reporting_currency: expected a currency of three capital letters"),
        ("vat_rate: 21\ngoods_value_vat: included", "vat_rate: expected a share from 0 to below 1"),
        ("vat_rate: 0.21", "vat_rate: VAT can be taken off only where goods_value_vat is included"),
        ("rate_order: [ecb]", r"rate_order\[0\]: expected one of flickrocket, got 'ecb'"),
        ("rate_files: [{source: a, path: ../a.csv}]", "path: expected a path below the policy folder"),
        ("whole_currencies: [yen]", r"whole_currencies\[0\]: expected a currency of three capital letters"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, said: str) -> None:
    """File, line, field, what was expected and what came."""
    with pytest.raises(ConfigError, match=f"money.yml line .*{said}"):
        money.read(policy(tmp_path, text))


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    """They are those of the file that comes with the project."""
    assert money.read(tmp_path) == money.read(POLICY)


def test_the_bank_s_daily_list_is_units_per_euro(tmp_path: Path) -> None:
    """Korunas for an amount become units per euro; a line that states none says why, with its number."""
    folder = policy(
        tmp_path, "", bank=BANK, odd="a;b\n1;2\n", table="currency;date;units_per_eur\nusd;2026-11-26;1,25\n"
    )
    lines = list(rate_files.read(folder, [RateFile("cnb", "rates/*.csv")]))

    assert {(line.currency, line.rate_date, line.units_per_eur) for line in lines if line.problem is None} == {
        ("CZK", date(2026, 11, 27), Decimal("24.5")),
        ("JPY", date(2026, 11, 27), Decimal(175)),
        ("USD", date(2026, 11, 26), Decimal("1.25")),
    }
    assert [(line.file, line.line_no, line.problem) for line in lines if line.problem] == [
        ("bank.csv", 5, "the rate is not a number above zero"),
        ("bank.csv", 6, "the line has not five columns"),
        ("odd.csv", 1, "expected the columns date, currency, units_per_eur, or the daily list of the bank"),
    ]


@pytest.mark.parametrize(
    ("line", "units"),
    [
        ("2026-11-26,USD,1.0850", "1.0850"),
        ('2026-11-26,USD,"1,0850"', "1.0850"),
        ("2026-11-26, usd , 1.0850", "1.0850"),
        ("2026-11-26,USD,1,0850", None),
        ("2026-11-26,USD,1.0850,", None),
        ("2026-11-26,USD", None),
        ("2026-11-26,USD,1.085,00", None),
        ("2026-11-26,USD,-1.0850", None),
    ],
)
def test_a_comma_is_no_end_of_a_rate_in_silence(tmp_path: Path, line: str, units: str | None) -> None:
    """A decimal comma in quotes is read; without them it makes one column more, and the line is told of."""
    folder = policy(tmp_path, "", table=f"date,currency,units_per_eur\n{line}\n")
    [read] = rate_files.read(folder, [RateFile("cnb", "rates/*.csv")])

    assert (read.units_per_eur, read.problem is None) == (units and Decimal(units), units is not None)


def test_of_two_rates_of_a_day_none_is_picked(tmp_path: Path) -> None:
    """Both lines are told of; a rate stated twice alike, and another source's, stand."""
    head = "date,currency,units_per_eur\n"
    first, second = "2026-11-26,CZK,24\n2026-11-26,USD,1.1\n", "2026-11-26,czk,25\n2026-11-26,USD,1.10\n"
    folder = policy(tmp_path, "", a=head + first, b=head + second, c=head + "2026-11-26,CZK,26\n")
    lines = list(rate_files.read(folder, [RateFile("cnb", "rates/[ab].csv"), RateFile("ecb", "rates/c.csv")]))

    assert {(line.source, line.currency, line.units_per_eur) for line in lines if line.problem is None} == {
        ("cnb", "USD", Decimal("1.1")),
        ("ecb", "CZK", Decimal(26)),
    }
    assert [
        (line.file, line.line_no) for line in lines if line.problem and "another rate for the day" in line.problem
    ] == [
        ("a.csv", 2),
        ("b.csv", 2),
    ]


def test_the_last_rate_of_a_week_counts_and_no_older_one() -> None:
    """Each day has its own rate or the last of the seven days before; later there is none, and a euro is a euro."""
    con = warehouse()
    rate(con, "czk", "2025-03-03", "25")
    rate(con, "CZK", "2025-03-05", "26")
    rate(con, "CZK", "2025-03-20", "30")
    run(con, "marts.dim_currency_rate", at("2025-03-15 02:15"))
    rows = con.execute(
        """
        select date, units_per_eur, rate_date, age_days
        from marts.dim_currency_rate where currency = 'CZK' order by date
        """
    ).fetchall()

    assert rows[:2] == [
        (date(2025, 3, 3), Decimal(25), date(2025, 3, 3), 0),
        (date(2025, 3, 4), Decimal(25), date(2025, 3, 3), 1),
    ]
    assert rows[-1] == (date(2025, 3, 12), Decimal(26), date(2025, 3, 5), 7)
    assert con.execute(
        "select distinct units_per_eur, source from marts.dim_currency_rate where currency = 'EUR'"
    ).fetchall() == [(Decimal(1), "definition")]


def test_the_better_source_of_a_day_counts(tmp_path: Path) -> None:
    """A file comes before FlickRocket on the days it states; on others FlickRocket's rate stands."""
    folder = policy(
        tmp_path, "rate_files: [{source: cnb, path: rates/*.csv}]", a="date,currency,units_per_eur\n2025-03-04,CZK,24\n"
    )
    con = warehouse()
    rate(con, "CZK", "2025-03-04", "25")
    rate(con, "CZK", "2025-03-05", "26")
    run(con, "marts.dim_currency_rate", at("2025-03-05 02:15"), policy_dir=folder)

    assert con.execute(
        "select date, units_per_eur, source from marts.dim_currency_rate where currency = 'CZK' order by date"
    ).fetchall() == [
        (date(2025, 3, 4), Decimal(24), "cnb"),
        (date(2025, 3, 5), Decimal(26), "flickrocket"),
    ]


def test_a_rate_that_cannot_be_one_is_told(tmp_path: Path, tables: dict[str, Table]) -> None:
    """The other way round, for a hundred units, far from another source's; a gap of months may hide a real change."""
    folder = policy(
        tmp_path,
        "rate_files: [{source: cnb, path: rates/*.csv}]",
        a="date,currency,units_per_eur\n2025-03-07,USD,10.8\n",
    )
    con = warehouse()
    for day, units in (("03", "25"), ("04", "0.04"), ("05", "25.1"), ("06", "24.9")):
        rate(con, "CZK", f"2025-03-{day}", units)
    for currency, day, units in (
        ("JPY", "2025-03-03", "162"), ("JPY", "2025-03-07", "1.62"),
        ("TRY", "2024-12-31", "10"), ("TRY", "2025-03-03", "40"),
        ("USD", "2025-03-06", "10.5"), ("USD", "2025-03-07", "1.08"), ("GBP", "2025-03-07", "0.84"),
    ):  # fmt: skip
        rate(con, currency, day, units)
    run(con, "marts.dim_currency_rate", at("2025-03-08 02:15"), policy_dir=folder)
    jump, agree = [
        [row[:2] for row in con.execute(f"{rule.bad_rows} order by all").fetchall()]
        for rule in of_table(tables["marts.dim_currency_rate"])
        if rule.name.startswith(("no rate is more than double", "sources that state a rate"))
    ]

    assert jump == [("CZK", date(2025, 3, 4)), ("CZK", date(2025, 3, 5)), ("JPY", date(2025, 3, 7))]
    assert agree == [("USD", date(2025, 3, 7))]


def test_an_amount_is_half_up_to_four_places() -> None:
    """To the last digit what exact decimals give, on ties too."""
    con = warehouse()
    create_macros(con, SHIPPED / MODELS)
    amounts = ("0.00005", "999.99", "12345678.123456", "-3.21005", "33333333.33")
    rates = (("25.1", "1"), ("1", "3"), ("1", "2"), ("162.35", "0.8612"), ("1", "162.35"))
    for amount, (target, own) in product(amounts, rates):
        exact = (Decimal(amount) * Decimal(target) / Decimal(own)).quantize(Decimal("0.0001"), ROUND_HALF_UP)
        amounts_of_sql = ", ".join(f"cast('{number}' as decimal(24, 12))" for number in (amount, target, own))
        assert con.execute(f"select intermediate.in_currency({amounts_of_sql})").fetchall() == [(exact,)]


def valued(orders: Orders, order_id: str, created: str, currency: str | None, value: str | None, **more: str) -> None:
    """An order with the value of its goods."""
    orders.order(order_id, created, **more)  # type: ignore[arg-type]  # only texts are handed on
    orders.con.execute(
        "update staging.orders set currency = ?, goods_value = ? where order_id = ?", [currency, value, order_id]
    )


def test_turnover_has_no_silent_rate() -> None:
    """By the rate of the day, else the last of a week; without one nothing is added, and the order is counted."""
    orders = Orders()
    rate(orders.con, "CZK", "2025-03-03", "25")
    valued(orders, "own", "2025-01-01 09:00", "czk", "10.00005")
    valued(orders, "day", "2025-03-03 09:00", "EUR", "1.1")
    valued(orders, "week", "2025-03-10 09:00", "\u00a0eur ", "1")
    valued(orders, "later", "2025-03-11 09:00", "EUR", "1")
    valued(orders, "strange", "2025-03-03 09:00", "XYZ", "7")
    valued(orders, "none", "2025-03-03 09:00", None, "7")
    orders.con.execute("update staging.orders set source_status = 'cancelled' where order_id = 'day'")
    orders.build("2025-03-12 02:15", "reports.sales_daily")

    shown = ["created_date", "currency", "turnover_reporting", "cancelled_value_reporting", "rate_date"]
    assert [
        tuple(row[name] for name in (*shown, "orders_without_rate"))
        for row in sorted(orders.rows("reports.sales_daily"), key=lambda row: (row["created_date"], row["currency"]))
    ] == [
        (date(2025, 1, 1), "CZK", Decimal("10.0001"), None, None, 0),
        (date(2025, 3, 3), "EUR", None, Decimal("27.5"), date(2025, 3, 3), 0),
        (date(2025, 3, 3), "XYZ", None, None, None, 1),
        (date(2025, 3, 3), "unknown", None, None, None, 1),
        (date(2025, 3, 10), "EUR", Decimal(25), None, date(2025, 3, 3), 0),
        (date(2025, 3, 11), "EUR", None, None, None, 1),
    ]  # fmt: skip
    assert {row["currency"] for row in orders.rows("marts.fct_order")} == {"CZK", "EUR", "XYZ", None}
