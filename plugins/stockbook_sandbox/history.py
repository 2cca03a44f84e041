"""
A real order history as the table ``goods``: one format per file, decided over all of its rows, or the file is refused.

Read row by row, 03/04 is one month in one row and another in the next, and what fits nothing becomes 1970.
"""

from pathlib import Path

import duckdb

from stockbook.declarations import DAYS
from stockbook.errors import ConfigError
from stockbook.sql_text import file_pattern

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
OPTION = "--date-format"
GOODS = "regexp_full_match(trim(StockCode), '[0-9]{5}[A-Za-z]{0,2}')"

_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y")
_CLOCKS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f")
KNOWN = (
    *(
        f"{day}{between}{clock}"
        for day in _DAYS
        for clock in _CLOCKS
        for between in ((" ", "T") if day[1] == "Y" else " ")
    ),
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%d %H:%M:%S%z",
)
# what a file of numbers is named by: none of them is guessed
NUMBERS = {"seconds": 1_000_000, "milliseconds": 1_000}

_WHOLE = r"[+-]?[0-9]+(\.0*)?"
_NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?"


def read_goods(con: duckdb.DuckDBPyConnection, path: Path, zone: str, date_format: str = "") -> None:
    """
    Make the table ``goods`` of its goods lines; ``local_time`` in ``zone``, ``amount`` of a piece in millionths.

    ``date_format`` is how the file writes its times (as ``strptime`` has it, or a name of ``NUMBERS``); empty: the only
    known format that every row has. Raises ConfigError for a file that does not say one thing.
    """
    _read(con, path)
    _demand(con, path, "Quantity", _WHOLE, "whole pieces such as 6")
    _demand(con, path, "UnitPrice", _NUMBER, "a number with a point such as 2.55")
    time = _time(con, path, zone, date_format)
    con.execute(f"""
        create table goods as
        select
            InvoiceNo as invoice,
            upper(StockCode) as code,
            Description as name,
            cast(Quantity as bigint) as quantity,
            {time} as local_time,
            cast(round(cast(UnitPrice as double) * 1e6) as bigint) as amount,
            split_part(CustomerID, '.', 1) as customer,
            line
        from raw
    """)


def _read(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """The goods lines as texts, with their place in the file."""
    source = "read_csv(?, header = true, all_varchar = true)" if path.suffix.lower() == ".csv" else "read_parquet(?)"
    con.execute("set preserve_insertion_order = true")
    con.execute("set TimeZone = 'UTC'")
    # a time of a type of its own needs no format: it is written as the first of them
    columns = [f"trim(cast({name} as varchar)) as {name}" for name in COLUMNS if name != "Country"]
    try:
        con.execute(
            f"create table raw as select {', '.join(columns)}, row_number() over () as line from {source}",
            [file_pattern(path)],
        )
        con.execute(f"delete from raw where {GOODS} is not true")
    except duckdb.Error as error:
        raise ConfigError(
            f"{path.name} must have the columns {', '.join(COLUMNS[:-1])} and {COLUMNS[-1]}; DuckDB could not read it "
            f"so ({type(error).__name__})."
        ) from error


def _demand(con: duckdb.DuckDBPyConnection, path: Path, column: str, form: str, expected: str) -> None:
    odd = con.execute(
        f"select line, {column} from raw where regexp_full_match({column}, ?, 'i') is not true order by line limit 1",
        [form],
    ).fetchall()
    if odd:
        line, text = odd[0]
        raise ConfigError(f"{path.name}, row {line}: {column} was expected to be {expected}; got {_shown(text)}.")


def _time(con: duckdb.DuckDBPyConnection, path: Path, zone: str, named: str) -> str:
    """The expression of a row's local time."""
    if named:
        time = _expression(named, zone)
        odd = _odd(con, time)
        if odd:
            raise ConfigError(
                f"{path.name}, row {odd[0]}: InvoiceDate was expected to be {named!r}, as {OPTION} says, within "
                f"{DAYS[0]} and {DAYS[1]}; got {_shown(odd[1])}."
            )
        return time
    fitting = [form for form in KNOWN if not _odd(con, _expression(form, zone), any_row=True)]
    # one that reads every row as another does is no other
    distinct = [form for n, form in enumerate(fitting) if all(_differ(con, form, other, zone) for other in fitting[:n])]
    if len(distinct) == 1:
        return _expression(distinct[0], zone)
    row = con.execute("select line, InvoiceDate from raw order by InvoiceDate is not null, line limit 1").fetchall()
    if not row:
        return "cast(null as timestamp)"
    if distinct:
        raise ConfigError(
            f"{path.name}: its times can be read as {' or as '.join(distinct)}, and every row fits both: "
            f"name the one it is with {OPTION}."
        )
    line, text = _first_odd(con, zone)
    raise ConfigError(
        f"{path.name}, row {line}: InvoiceDate was expected in one format in all rows, such as 2010-12-01 08:26:00, "
        f"1.12.2010 08:26 or 12/1/2010 8:26, within {DAYS[0]} and {DAYS[1]}; got {_shown(text)}. Name another with "
        f"{OPTION}, such as {OPTION} '%d.%m.%y %H:%M', {OPTION} seconds or {OPTION} milliseconds (since 1970, UTC)."
    )


def _expression(form: str, zone: str) -> str:
    if form in NUMBERS:
        instant = f"make_timestamp(try_cast(InvoiceDate as bigint) * {NUMBERS[form]})"
        whole = f"case when regexp_full_match(InvoiceDate, '[0-9]{{1,13}}') then {instant} end"
        return f"({whole} at time zone 'UTC' at time zone '{zone}')"
    quoted = "'" + form.replace("'", "''") + "'"
    if "%z" in form:
        return f"(try_strptime(regexp_replace(InvoiceDate, 'Z$', '+0000'), {quoted}) at time zone '{zone}')"
    return f"try_strptime(InvoiceDate, {quoted})"


def _odd(con: duckdb.DuckDBPyConnection, time: str, *, any_row: bool = False) -> tuple[int, str] | None:
    """The first row that a format does not fit, or any: that is found without reading all."""
    order = "" if any_row else "order by line"
    try:
        rows: list[tuple[int, str]] = con.execute(
            f"select line, InvoiceDate from raw where (cast({time} as date) between ? and ?) is not true "
            f"{order} limit 1",
            list(DAYS),
        ).fetchall()
    except duckdb.Error as error:
        raise ConfigError(
            f"{OPTION} was expected to be a format such as '%d.%m.%Y %H:%M', seconds or milliseconds; DuckDB does not "
            f"understand it ({type(error).__name__})."
        ) from error
    return rows[0] if rows else None


def _first_odd(con: duckdb.DuckDBPyConnection, zone: str) -> tuple[int, str]:
    """The row at which the format that gets furthest ends."""
    return max(odd for form in KNOWN if (odd := _odd(con, _expression(form, zone))) is not None)


def _differ(con: duckdb.DuckDBPyConnection, form: str, other: str, zone: str) -> bool:
    first, second = _expression(form, zone), _expression(other, zone)
    return bool(con.execute(f"select 1 from raw where {first} is distinct from {second} limit 1").fetchall())


def _shown(text: str | None) -> str:
    return "nothing" if not text else repr(text[:40])
