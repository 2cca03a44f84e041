"""
What a text of the wire means as a value of its declared type, and what it does not: docs/sources.md says it in words.

One macro a type, so that no column is read in a way of its own. A text that DuckDB would round, complete or shift on
the way (2.5 as a whole number, a day as a midnight, an offset left out) is not read at all.
"""

from stockbook.declarations import Column
from stockbook.errors import DeclarationError
from stockbook.references import BLANKS, bare, reference

# what every amount is, whatever it counts
DECIMAL = "decimal(24, 12)"
TYPES = f"varchar, bigint, {DECIMAL}, boolean, date or timestamp"

# how a database that has no date writes so
_NO_DATE = r"0000-00-00([ T]00:00(:00(\.0+)?)?([Zz]|[+]00:?00)?)?"
_SHORT = r"-?[0-9]{1,11}(\.[0-9]{1,6})?"
_NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
# beyond 15 digits a JSON number with a fraction has lost digits before it is seen here
_WHOLE_WITH_POINT = r"[+-]?[0-9]{1,15}\.0*"
_CLOCK = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.,][0-9]{1,9})?)?"
_OFFSET = r" ?([Zz]|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)"
# ids that are written in other ways too, with blanks around
_SPELT = rf"[{BLANKS}]*([0-9A-Fa-f]{{8}}-([0-9A-Fa-f]{{4}}-){{3}}[0-9A-Fa-f]{{12}}|[0-9]{{1,15}}[.]0+)[{BLANKS}]*"

MACROS = (
    f"""
    create or replace macro staging.value_of(text) as
    if(text = '' or (starts_with(text, '0000-') and regexp_full_match(text, '{_NO_DATE}')), null, text)
    """,
    # what prints as it came is exact; only the rest is looked at more closely
    f"""
    create or replace macro staging.whole_number_of(text) as
    case
        when cast(try_cast(text as bigint) as varchar) = text then try_cast(text as bigint)
        when regexp_full_match(trim(text), '[+-]?[0-9]+|{_WHOLE_WITH_POINT}') then try_cast(trim(text) as bigint)
    end
    """,
    # the arithmetic of money keeps twelve places: what is beyond may go, but never what the number is made of; few
    # digits are read the short way, which takes a tenth of the time
    f"""
    create or replace macro staging.decimal_of(text) as
    case
        when regexp_full_match(text, '{_SHORT}') then cast(try_cast(text as decimal(18, 6)) as {DECIMAL})
        when
            regexp_full_match(trim(text), '{_NUMBER}')
            and abs(cast(try_cast(text as {DECIMAL}) as double) - try_cast(text as double))
            <= least(1e-12, 1e-9 * abs(try_cast(text as double)))
            then try_cast(text as {DECIMAL})
    end
    """,
    """
    create or replace macro staging.truth_of(text) as
    case when lower(text) in ('true', '1') then true when lower(text) in ('false', '0') then false end
    """,
    # the instant of a text that names one by its offset
    f"""
    create or replace macro staging.stated_utc(text) as
    case
        when length(text) = 19 and text[17] = ':' then null
        when regexp_full_match(trim(text), '{_CLOCK}{_OFFSET}')
            then
                try_cast(regexp_extract(replace(trim(text), ',', '.'), '^{_CLOCK}') as timestamp)
                - to_minutes(
                    case when regexp_matches(text, '-[0-9:]+ *$') then -1 else 1 end
                    * (
                        60 * coalesce(try_cast(regexp_extract(text, '[+-]([0-9]{{2}}):?([0-9]{{2}})? *$', 1) as int), 0)
                        + coalesce(try_cast(regexp_extract(text, '[+-]([0-9]{{2}}):?([0-9]{{2}})? *$', 2) as int), 0)
                    )
                )
    end
    """,
    f"""
    create or replace macro staging.local_of(text, zone) as
    case
        when cast(try_cast(text as timestamp) as varchar) = replace(text, 'T', ' ') and length(text) >= 19
            then try_cast(text as timestamp)
        when regexp_full_match(trim(text), '{_CLOCK}')
            then try_cast(replace(trim(text), ',', '.') as timestamp)
        else staging.stated_utc(text) at time zone 'UTC' at time zone zone
    end
    """,
    # ``local_ts`` is the text's ``local_of``, from a select below: a macro puts its argument wherever it names it, and
    # in one select the text of a time would stand five hundred times in a plan
    """
    create or replace macro staging.utc_of_text(text, local_ts, zone) as
    coalesce(staging.stated_utc(text), staging.utc_of(local_ts, zone))
    """,
    """
    create or replace macro staging.date_of(text, zone) as
    case
        when cast(try_cast(text as date) as varchar) = text and length(text) = 10 then try_cast(text as date)
        when regexp_full_match(trim(text), '[0-9]{4}-[0-9]{2}-[0-9]{2}') then try_cast(trim(text) as date)
        else cast(staging.local_of(text, zone) as date)
    end
    """,
    f"""
    create or replace macro staging.bare_of(text) as {bare("text")}
    """,
    f"""
    create or replace macro staging.reference_of(text) as {reference("text")}
    """,
    # a UUID is one whatever its case, a whole number with and without a point; other ids are kept as they came
    f"""
    create or replace macro staging.id_of(id) as
    if(
        -- by ``and`` the second might be asked first
        if(id <> lower(id) or contains(id, '.'), regexp_full_match(id, '{_SPELT}'), false),
        lower(split_part(staging.bare_of(id), '.', 1)),
        staging.bare_of(id)
    )
    """,
)


def cast_of(name: str, column: Column, text: str, zone: str) -> str:
    """The value of a column that is on the wire, of its ``text_of``; NULL for what it does not mean."""
    clock = f"'{column.zone or zone}'"
    if column.type == "varchar":
        return f"staging.id_of({text})" if column.uuid else f"staging.bare_of({text})" if column.reference else text
    if column.type == "timestamp":
        return f"staging.local_of({text}, {clock})"
    if column.type == "date":
        return f"staging.date_of({text}, {clock})"
    if column.type == "boolean":
        return f"staging.truth_of({text})"
    if column.type == "bigint":
        return f"staging.whole_number_of({text})"
    if column.type == DECIMAL:
        return f"staging.decimal_of({text})"
    raise DeclarationError(f"{name} cannot be read from the wire: expected a type of {TYPES}; got {column.type}.")


def text_of(name: str, column: Column) -> str:
    """The text of a column that is on the wire, from ``text_rows``; NULL where there is none."""
    if column.reference:
        return reference(f"text_rows.{name}")
    if column.type == "varchar":
        return f"staging.bare_of(text_rows.{name})" if column.uuid else f"text_rows.{name}"
    return f"staging.value_of(text_rows.{name})" if is_time(column) else f"nullif(text_rows.{name}, '')"


def is_time(column: Column) -> bool:
    """Whether a column holds days or times."""
    return column.type in ("date", "timestamp")


def within(column: Column, value: str) -> str:
    """The condition that a day or time is one that a column can hold."""
    first, last = column.days
    return f"cast({value} as date) between date '{first}' and date '{last}'"
