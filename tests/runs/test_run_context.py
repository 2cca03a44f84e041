"""Parameters, as_of and the folders of a run."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from stockbook.clock import ManualClock, local
from stockbook.errors import ConfigError
from stockbook.night import landings
from stockbook.runs.context import Parameters, instant_of, parse_as_of, parse_parameters, run_id_of
from stockbook.settings import Settings

NOW = datetime(2026, 3, 1, 2, 15)
PRAGUE = ZoneInfo("Europe/Prague")


def test_an_empty_as_of_is_now() -> None:
    """Empty text, blanks and None all mean the moment the run started."""
    assert [parse_as_of(text, NOW) for text in ("", "  ", None)] == [NOW] * 3


def test_as_of_is_a_local_date_time() -> None:
    """A date alone is its midnight."""
    assert parse_as_of("2026-02-28T02:15:00", NOW) == datetime(2026, 2, 28, 2, 15)
    assert parse_as_of("2026-02-28", NOW) == datetime(2026, 2, 28)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-10-25T02:50:00", datetime(2026, 10, 25, 1, 50)),
        ("2026-10-25T02:50:00+01:00", datetime(2026, 10, 25, 1, 50)),
        ("2026-10-25T02:50:00+02:00", datetime(2026, 10, 25, 0, 50)),
        ("2026-10-25T00:50:00Z", datetime(2026, 10, 25, 0, 50)),
        ("2026-10-25T01:59:00", datetime(2026, 10, 24, 23, 59)),
        ("2026-10-25T03:00:00", datetime(2026, 10, 25, 2)),
        ("2026-02-28T01:15:00Z", datetime(2026, 2, 28, 1, 15)),
    ],
)
def test_as_of_in_the_repeated_hour_is_its_second_pass_or_what_an_offset_says(text: str, instant: datetime) -> None:
    """The instant is that of the offset; a local time that occurs twice is the later one."""
    assert instant_of(parse_as_of(text, NOW, PRAGUE), PRAGUE).replace(tzinfo=None) == instant


def test_as_of_in_the_skipped_hour_is_refused() -> None:
    """A local time that never was is no now."""
    with pytest.raises(ConfigError, match="never was: the clocks of Europe/Prague skip that hour"):
        parse_as_of("2026-03-29T02:30:00", NOW, PRAGUE)


def test_now_by_the_clock_knows_its_pass() -> None:
    """Without an as_of the clock's instant counts, in either pass of the repeated hour."""
    for instant in (datetime(2026, 10, 25, 0, 50), datetime(2026, 10, 25, 1, 50)):
        now = local(ManualClock(instant.replace(tzinfo=UTC)), PRAGUE)
        assert instant_of(parse_as_of("", now, PRAGUE), PRAGUE).replace(tzinfo=None) == instant


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-13-01", "9999-12-31T23:59:59", "0001-01-01", "2026-02-28T02:15:00+25:00"]
)
def test_another_as_of_is_refused(text: str) -> None:
    """The message shows the form that is expected and what came."""
    with pytest.raises(ConfigError, match="must be a local date-time such as 2026-02-28T02:15:00") as caught:
        parse_as_of(text, NOW)
    assert text in str(caught.value)


def test_parameters_come_from_text_as_well_as_json() -> None:
    """Empty values count as not given; accounts may be a comma separated text."""
    assert parse_parameters(
        {"as_of": "", "accounts": "main, shop2", "backfill_from": "2026-01-01", "backfill_to": "2026-01-31"}
    ) == (Parameters(accounts=("main", "shop2"), backfill_from=date(2026, 1, 1), backfill_to=date(2026, 1, 31)))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"backfill_from": "2026-01-01"}, "go together"),
        ({"backfill_from": "2026-02-01", "backfill_to": "2026-01-01"}, "must not be after"),
        ({"backfill_from": "January", "backfill_to": "2026-01-01"}, "cannot be read"),
        ({"full_refresh": "perhaps"}, "cannot be read"),
        ({"fullrefresh": True}, "cannot be read"),
    ],
)
def test_a_wrong_parameter_is_refused(raw: dict[str, object], message: str) -> None:
    """The message says what was expected."""
    with pytest.raises(ConfigError, match=message):
        parse_parameters(raw)


def test_a_run_id_is_a_folder_name() -> None:
    """Whatever Airflow calls a run becomes letters, digits, dots, dashes and underscores."""
    assert run_id_of("manual__2026-03-01T01:15:00+00:00") == "manual__2026-03-01T01-15-00-00-00"
    assert run_id_of("///") == "run"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with an empty home."""
    return Settings.load({"STOCKBOOK_HOME": str(tmp_path)})


def test_a_killed_night_goes_on_in_its_folder(settings: Settings, clock: ManualClock) -> None:
    """The same as_of and parameters find the unfinished folder; once loaded, or hours later, they get a new one."""
    first = landings.open_folder(settings, NOW, Parameters(), clock)
    again = landings.open_folder(settings, NOW, Parameters(), clock)
    # a night begun without a moment goes on when it is told the one it had
    named = landings.open_folder(settings, NOW, Parameters(as_of=NOW.isoformat()), clock)
    other = landings.open_folder(settings, NOW, Parameters(full_refresh=True), clock)
    landings.mark_loaded(settings, first)
    after_load = landings.open_folder(settings, NOW, Parameters(), clock)
    clock.sleep(timedelta(hours=7).total_seconds())
    much_later = landings.open_folder(settings, NOW, Parameters(), clock)

    assert again == named == first
    assert len({first, other, after_load, much_later}) == 4


def test_old_landings_are_told_from_new_ones(settings: Settings, clock: ManualClock) -> None:
    """Folders opened before the instant, but not the one in use."""
    newest = landings.open_folder(settings, NOW, Parameters(), clock)
    old = landings.open_folder(settings, NOW + timedelta(days=1), Parameters(), clock)
    clock.sleep(86400 * 100)
    new = landings.open_folder(settings, NOW + timedelta(days=2), Parameters(), clock)

    too_old = landings.opened_before(settings, datetime(2026, 5, 1, tzinfo=UTC), keep=newest)

    assert [folder.name for folder, _ in too_old] == [old]
    assert {folder.name for folder in settings.landing.iterdir()} == {newest, old, new}
