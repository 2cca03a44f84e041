"""``stockbook.read``: published tables as exact, typed frames."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

import stockbook
from stockbook.errors import ConfigError


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a small published file."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "published").mkdir()
    with duckdb.connect(str(folder / "published" / "warehouse.duckdb")) as con:
        con.execute("create schema reports")
        con.execute("create table reports.value (day date, amount decimal(38, 12), pieces bigint, note varchar)")
        con.execute(
            "insert into reports.value values ('2026-03-01', 12345678901234567890.123456789012, 3, 'a'), "
            "('2026-03-02', 0.1, null, null)"
        )
        con.execute("create macro reports.value_on(wanted) as table select * from reports.value where day = wanted")
    return folder


def test_a_table_is_read_to_the_last_digit(home: Path) -> None:
    """Decimals stay decimals, days days, a missing value is missing."""
    frame = stockbook.read("reports.value", home=home, order_by="day")

    assert frame["amount"].tolist() == [Decimal("12345678901234567890.123456789012"), Decimal("0.100000000000")]
    assert frame["day"].tolist() == [date(2026, 3, 1), date(2026, 3, 2)]
    assert frame["pieces"].isna().tolist() == [False, True]
    assert str(frame.dtypes["pieces"]) == "int64[pyarrow]"


def test_columns_and_rows_are_chosen(home: Path) -> None:
    """Columns by name, rows by a condition with values given."""
    frame = stockbook.read("reports.value", columns=["pieces"], where="day < ?", values=[date(2026, 3, 2)], home=home)
    assert frame.to_dict("list") == {"pieces": [3]}


def test_a_macro_takes_its_parameters_by_name(home: Path) -> None:
    """The same as calling it in SQL."""
    assert len(stockbook.read("reports.value_on", wanted=date(2026, 3, 1), home=home)) == 1


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("reports.values", {}, "there are reports.value, reports.value_on"),
        ("reports.value; drop table x", {}, "Nothing published is called"),
        ("reports.value_on", {}, "takes the parameters wanted; got none"),
        ("reports.value", {"day": 1}, "takes no parameters"),
        ("reports.value", {"where": "nothing = 1"}, "cannot be read so"),
    ],
)
def test_what_cannot_be_read_is_said(home: Path, name: str, parameters: dict[str, object], said: str) -> None:
    """The message says what there is, or what is wrong."""
    with pytest.raises(ConfigError) as raised:
        stockbook.read(name, home=home, **parameters)  # type: ignore[arg-type]  # wrong on purpose
    assert said in str(raised.value)


def test_a_home_without_a_night_is_said(tmp_path: Path) -> None:
    """The message names the file that was expected."""
    with pytest.raises(ConfigError, match="Nothing is published"):
        stockbook.read("reports.value", home=tmp_path)
