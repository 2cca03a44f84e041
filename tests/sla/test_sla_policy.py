"""Policy files: what they promise, for whom and since when, and what is said of a wrong one."""

from datetime import date
from pathlib import Path

import pytest
from model_runner import MODELS, POLICY, PRAGUE
from order_rows import Orders, at, utc

from stockbook.declaration_files import load
from stockbook.declarations import Check
from stockbook.errors import ConfigError
from stockbook.sla import calendar, policy, program, statuses

CALENDAR = (POLICY / "calendar.yml").read_text()
TWO_VERSIONS = """
versions:
  - version: strict-2
    valid_from: 2025-03-10
    calendar: cz-1
    cutoff: 10:00
    dispatch_end: 16:00
    overrides:
      - {delivery_id: 7, handling_days: 2}
      - {delivery_id: 7, account: second, handling_days: 3}
      - {account: second, cutoff: "09:00"}
  - version: standard-1
    calendar: cz-1
    cutoff: "12:00"
    dispatch_end: "18:00"
"""


WEST = "0b9f8a34-1c2d-4e5f-8a9b-0c1d2e3f4a5b"


def folder(path: Path, sla: str = TWO_VERSIONS, calendars: str = CALENDAR) -> Path:
    """A policy folder with these files and the project's statuses."""
    (path / "sla.yml").write_text(sla)
    (path / "calendar.yml").write_text(calendars)
    (path / "statuses.yml").write_text((POLICY / "statuses.yml").read_text())
    return path


def test_the_projects_own_policy_is_valid() -> None:
    """The files that ship promise dispatch on the day of eligibility before noon."""
    policies = program.read(POLICY)

    (rule,) = policies.rules
    assert (
        rule.policy_version,
        rule.calendar_version,
        f"{rule.cutoff:%H:%M}",
        rule.handling_days,
        rule.stop_event,
    ) == (
        "standard-1",
        "cz-1",
        "12:00",
        0,
        "stock_out",
    )


def test_versions_follow_each_other_and_overrides_inherit(tmp_path: Path) -> None:
    """Sorted by validity, each ends where the next begins; an override changes only what it names; no quotes needed."""
    rules = program.read(folder(tmp_path)).rules

    assert [
        (r.policy_version, r.valid_from, r.valid_to, r.account, r.delivery_id, f"{r.cutoff:%H:%M}", r.handling_days)
        for r in rules
    ] == [
        ("standard-1", None, date(2025, 3, 10), None, None, "12:00", 0),
        ("strict-2", date(2025, 3, 10), None, None, None, "10:00", 0),
        ("strict-2", date(2025, 3, 10), None, None, 7, "10:00", 2),
        ("strict-2", date(2025, 3, 10), None, "second", 7, "10:00", 3),
        ("strict-2", date(2025, 3, 10), None, "second", None, "09:00", 0),
    ]


def test_the_version_of_the_day_of_creation_applies_for_good(tmp_path: Path) -> None:
    """A policy from Monday leaves the promise of Sunday as it was; the most exact override wins."""
    orders = Orders()
    orders.order("sunday", "2025-03-09 23:59:59")
    orders.order("monday", "2025-03-10 09:00")
    orders.order("method", "2025-03-10 09:00", delivery_id=7)
    orders.order("method there", "2025-03-10 09:00", delivery_id=7, account="second")
    orders.order("there", "2025-03-10 09:00", delivery_id=8, account="second")

    fulfillments = orders.fulfillment("2025-03-20", folder(tmp_path))

    assert {name: (row["policy_version"], row["due_at_utc"]) for name, row in fulfillments.items()} == {
        "sunday": ("standard-1", utc("2025-03-10 18:00")),
        "monday": ("strict-2", utc("2025-03-10 16:00")),
        "method": ("strict-2", utc("2025-03-12 16:00")),
        "method there": ("strict-2", utc("2025-03-13 16:00")),
        "there": ("strict-2", utc("2025-03-11 16:00")),
    }


def test_an_override_may_name_a_warehouse(tmp_path: Path) -> None:
    """By what the order or an event says, however a UUID is written; a method goes before it, an account behind."""
    overrides = (
        f'      - {{warehouse_id: "{WEST.upper()}\u00a0", handling_days: 4}}\n'
        f"      - {{warehouse_id: {WEST}, account: second, handling_days: 5}}\n"
    )
    text = TWO_VERSIONS.replace("    overrides:\n", f"    overrides:\n{overrides}", 1)
    orders = Orders()
    orders.order("west", "2025-03-10 09:00")
    orders.order("method", "2025-03-10 09:00", delivery_id=7)
    orders.order("there", "2025-03-10 09:00", account="second")
    orders.order("elsewhere", "2025-03-10 09:00")
    orders.con.execute("update staging.orders set warehouse_id = ? where order_id <> 'elsewhere'", [WEST])

    fulfillments = orders.fulfillment("2025-03-20", folder(tmp_path, text))

    assert {name: row["due_date"] for name, row in fulfillments.items()} == {
        "west": date(2025, 3, 14),
        "method": date(2025, 3, 12),
        "there": date(2025, 3, 17),
        "elsewhere": date(2025, 3, 10),
    }


def test_an_order_before_the_first_version_is_unknown(tmp_path: Path) -> None:
    """A gap in the policy promises nothing: the state is unknown, never on time."""
    orders = Orders()
    orders.order("a", "2025-03-04 09:00", out="2025-03-04 10:00")
    late_start = TWO_VERSIONS.replace(
        "  - version: standard-1\n", "  - version: standard-1\n    valid_from: 2025-03-05\n"
    )

    fulfillment = orders.fulfillment("2025-03-20", folder(tmp_path, late_start))["a"]

    assert (fulfillment["sla_state"], fulfillment["policy_version"], fulfillment["due_at_utc"]) == (
        "unknown",
        None,
        None,
    )
    assert (fulfillment["could_be_on_time"], fulfillment["could_be_late"]) == (True, True)


def test_a_calendar_that_ends_too_early_leaves_the_promise_unknown(tmp_path: Path) -> None:
    """Beyond the days a calendar covers nothing falls due; before its end all is as usual."""
    orders = Orders()
    orders.order("covered", "2025-03-05 09:00", out="2025-03-05 10:00")
    orders.order("beyond", "2025-03-07 13:00", out="2025-03-07 14:00")
    short = CALENDAR.replace("    holidays: CZ", "    covers_to: 2025-03-09\n    holidays: CZ")

    fulfillments = orders.fulfillment("2025-03-20", folder(tmp_path, calendars=short))

    assert {name: (row["sla_state"], row["due_at_utc"]) for name, row in fulfillments.items()} == {
        "covered": ("on_time", utc("2025-03-05 18:00")),
        "beyond": ("unknown", None),
    }


def test_a_policy_that_reads_well_and_fits_no_order_is_named(tmp_path: Path) -> None:
    """Rules for a method, account or warehouse nobody has, orders before a version: line, field, and nothing stops."""
    orders = Orders()
    orders.con.execute("insert into staging.deliveries (account, delivery_id, name) values ('main', 8, 'Courier')")
    orders.order("a", "2025-03-04 09:00", out="2025-03-04 10:00", delivery_id=8)
    orders.order("b", "2025-03-06 09:00", out="2025-03-06 10:00", delivery_id=8)
    late_start = TWO_VERSIONS.replace(
        "  - version: standard-1\n", "  - version: standard-1\n    valid_from: 2025-03-05\n"
    )
    late_start += (
        "    overrides:\n      - {warehouse_id: East, handling_days: 4}\n      - {warehouse_id: east, cutoff: 11:00}\n"
    )
    where = folder(tmp_path, late_start)
    orders.con.execute("update staging.orders set warehouse_id = 'east' where order_id = 'a'")

    orders.build("2025-03-20", policy_dir=where)
    notes = program.notes(orders.con, program.read(where))

    assert [note.split(": ")[0] for note in notes] == [
        "sla.yml line 18, versions[1].overrides[0].warehouse_id",
        "sla.yml line 9, versions[0].overrides[0].delivery_id",
        "sla.yml line 10, versions[0].overrides[1].account",
        "sla.yml line 11, versions[0].overrides[2].account",
        "sla.yml line 12, versions[1].valid_from",
    ]
    assert "no order and no event names a warehouse 'East'" in notes[0]
    assert "the warehouse lists no delivery method 7" in notes[1]
    assert "1 orders were created before 2025-03-05" in notes[-1]
    bad = {check.name: orders.con.execute(check.rows).fetchall() for check in _checks() if check.rows}
    assert bad["every order has a policy"] == [("main", "a")]
    assert [row[1] for row in bad["a rule of the policy is for a delivery method that exists"]] == [7, 7]
    assert bad["the calendar covers every promise"] == []


def _checks() -> list[Check]:
    return [check for check in load(MODELS)["marts.fct_fulfillment"].checks if check.severity == "warn"]


def test_exceptions_open_and_close_days(tmp_path: Path) -> None:
    """An open Saturday is a working day, a stock-take on Monday is none, and dim_calendar says why."""
    orders = Orders()
    orders.order("a", "2025-03-07 13:00")
    orders.order("b", "2025-03-08 13:00")
    differing = CALENDAR.replace(
        "    exceptions: []",
        "    exceptions:\n"
        "      - {date: 2025-03-08, hours: 09:00-14:00, reason: Saturday sale}\n"
        "      - {date: 2025-03-10, hours: closed, reason: stock-take}",
    )
    where = folder(tmp_path, calendars=differing)

    fulfillments = orders.fulfillment("2025-03-20", where)
    orders.build("2025-03-20", "marts.dim_calendar", where)

    assert {name: row["due_date"] for name, row in fulfillments.items()} == {
        "a": date(2025, 3, 8),
        "b": date(2025, 3, 11),
    }
    assert [
        (row["date"].day, row["is_working_day"], row["opens_at_utc"], row["exception"])
        for row in orders.rows("marts.dim_calendar")
        if date(2025, 3, 7) <= row["date"] <= date(2025, 3, 10)
    ] == [
        (7, True, at("2025-03-07 07:00"), None),
        (8, True, at("2025-03-08 08:00"), "Saturday sale"),
        (9, False, None, None),
        (10, False, None, "stock-take"),
    ]


WRONG_POLICIES = [
    pytest.param("cutoff: 10:00", "cutoff: noon", "line 6, versions[0].cutoff: expected a time HH:MM", id="no time"),
    pytest.param(
        "cutoff: 10:00", "cutoff: 19:00", "line 6, versions[0].cutoff: 19:00 lies outside", id="after closing"
    ),
    pytest.param("cutoff: 10:00", "cutoff: 08:00", "line 6, versions[0].cutoff: 08:00 lies outside", id="at opening"),
    pytest.param(
        "dispatch_end: 16:00", "dispatch_end: 09:30", "line 7, versions[0].dispatch_end: 09:30", id="too early"
    ),
    pytest.param(
        "calendar: cz-1", "calendar: sk-1", "line 5, versions[0].calendar: expected a calendar", id="calendar"
    ),
    pytest.param(
        "valid_from: 2025-03-10", "valid_from:", "line 12, versions[1].valid_from: 'standard-1' ov", id="overlap"
    ),
    pytest.param(
        "valid_from: 2025-03-10", "valid_from: monday", "line 4, versions[0].valid_from: expected a date", id="no date"
    ),
    pytest.param("cutoff: 10:00", "cut_off: 10:00", "line 6, versions[0].cut_off: unknown field", id="unknown field"),
    pytest.param("version: strict-2", "version: standard-1", "line 12, versions[1].version: the name", id="same name"),
    pytest.param("handling_days: 2", "handling_days: -1", "line 9, versions[0].overrides[0].handling_days", id="days"),
    pytest.param(
        "handling_days: 2", "stop_event: lost", "line 9, versions[0].overrides[0].stop_event", id="stop event"
    ),
    pytest.param(
        "delivery_id: 7, account: second", "delivery_id: 7", "line 10, versions[0].overrides[1]: ano", id="twins"
    ),
    pytest.param(
        "delivery_id: 7, handling", "handling", "line 9, versions[0].overrides[0]: an override needs", id="nobody"
    ),
    pytest.param("versions:\n", "versions: [\n", "line ", id="no YAML"),
]


@pytest.mark.parametrize(("right", "wrong", "said"), WRONG_POLICIES)
def test_a_wrong_policy_is_refused_by_line_and_field(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    """The message names the file, the line, the field and what was expected."""
    text = TWO_VERSIONS.replace(right, wrong, 1)
    assert text != TWO_VERSIONS

    with pytest.raises(ConfigError) as refused:
        program.read(folder(tmp_path, text))

    assert str(refused.value).startswith("sla.yml ")
    assert said in str(refused.value)


def test_a_cut_off_after_closing_of_an_exception_day_is_refused(tmp_path: Path) -> None:
    """As far as the rule is in force on that day: a short day of before it began is nobody's cut-off."""
    short = "exceptions: [{date: %s, hours: '08:00-09:30', reason: inventory}]"
    before, within = (CALENDAR.replace("exceptions: []", short % day) for day in ("2025-03-09", "2025-03-10"))
    later_only = TWO_VERSIONS.replace('cutoff: "12:00"', 'cutoff: "09:15"')

    assert len(program.read(folder(tmp_path, later_only, before)).rules) == 5
    with pytest.raises(ConfigError) as refused:
        program.read(folder(tmp_path, later_only, within))

    assert "line 6, versions[0].cutoff: 10:00 lies outside the opening hours 08:00-09:30 of cz-1 on 2025-03-10" in str(
        refused.value
    )


WRONG_CALENDARS = [
    pytest.param(
        'mon: "08:00-18:00"', "mon: 18:00-08:00", "calendars[0].week.mon: opening must be before", id="turned"
    ),
    pytest.param('mon: "08:00-18:00"', "mon: all day", "calendars[0].week.mon: expected opening hours", id="no hours"),
    pytest.param("      mon:", "      monday:", "calendars[0].week: expected days among mon", id="day"),
    pytest.param("holidays: CZ", "holidays: Bohemia", "calendars[0].holidays: expected an ISO 3166", id="country"),
    pytest.param(
        "exceptions: []",
        "exceptions: [{date: 2025-01-02, hours: closed, reason: x}, {date: 2025-01-02, hours: closed, reason: y}]",
        "calendars[0].exceptions[1].date: 2025-01-02 is written twice",
        id="twice",
    ),
]


@pytest.mark.parametrize(("right", "wrong", "said"), WRONG_CALENDARS)
def test_a_wrong_calendar_is_refused_by_line_and_field(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    """The message names the file, the line, the field and what was expected."""
    (tmp_path / "calendar.yml").write_text(CALENDAR.replace(right, wrong, 1))

    with pytest.raises(ConfigError, match=r"^calendar\.yml line \d+, ") as refused:
        calendar.read(tmp_path / "calendar.yml")

    assert said in str(refused.value)


def test_a_status_text_means_one_thing(tmp_path: Path) -> None:
    """A text mapped twice, or to a status nobody knows, is refused by line."""
    file = tmp_path / "statuses.yml"
    text = "statuses:\n  - {source_status: a, status: sent, stage: carrier, is_final: false}\n"
    file.write_text(text + "  - {source_status: a, status: packed, stage: warehouse, is_final: false}\n")
    with pytest.raises(ConfigError, match=r"statuses\.yml line 3, .*mapped twice"):
        statuses.read(file)

    file.write_text(text.replace("status: sent", "status: flown"))
    with pytest.raises(ConfigError, match=r"line 2, statuses\[0\]\.status: expected one of .*, got 'flown'"):
        statuses.read(file)


def test_a_missing_policy_file_says_where_it_was_expected(tmp_path: Path) -> None:
    """The message names the file and the folder."""
    with pytest.raises(ConfigError, match=r"^Policy file sla\.yml was expected in"):
        policy.read(tmp_path / "sla.yml", {})


def test_the_calendar_reaches_around_the_data() -> None:
    """Days run from a month before the first order to more than a year after the run, whatever nonsense data holds."""
    orders = Orders()
    orders.order("a", "2024-06-15 09:00")
    orders.order("nonsense", "1926-06-15 09:00", dispatch_date="9999-12-31")

    first, last = program.days_needed(orders.con, at("2025-03-10 02:15"), program.read(POLICY).rules)
    orders.build("2025-03-10 02:15")

    assert (first, last) == (date(1999, 12, 1), date(2026, 3, 11))
    assert {row["order_id"]: row["sla_state"] for row in orders.rows("marts.fct_fulfillment")} == {
        "a": "overdue",
        "nonsense": "pending",
    }


def test_local_days_know_their_length() -> None:
    """The day with 23 hours and the day with 25 hours begin and change at the right instants."""
    spring = {day.date: day for day in program.zone_days(date(2025, 3, 29), date(2025, 3, 31), PRAGUE)}
    autumn = {day.date: day for day in program.zone_days(date(2025, 10, 25), date(2025, 10, 27), PRAGUE)}

    assert [day.has_change for day in spring.values()] == [False, True, False]
    assert spring[date(2025, 3, 30)].utc_change_at == at("2025-03-30 01:00")
    assert [day.has_change for day in autumn.values()] == [False, True, False]
    assert autumn[date(2025, 10, 26)].utc_change_at == at("2025-10-26 01:00")
    assert [day.midnight_utc for day in autumn.values()] == [
        at("2025-10-24 22:00"),
        at("2025-10-25 22:00"),
        at("2025-10-26 23:00"),
    ]
