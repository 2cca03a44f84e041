"""Whatever is wrong in a policy file or a setting is refused, with its place, in one look, and all of it at once."""

import copy
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import PROJECT
from night_rig import KEY
from typer.testing import CliRunner

from stockbook.cli.main import app
from stockbook.closing.accounts import APART, LOWERING, RAISING
from stockbook.errors import ConfigError
from stockbook.night import configuration
from stockbook.setting_list import SETTINGS
from stockbook.settings import NAMES, Settings

POLICY = PROJECT / "include" / "policy"
FULL: dict[str, dict[str, Any]] = {
    "sla.yml": {
        "versions": [
            {
                "version": "a",
                "valid_from": "2025-03-10",
                "calendar": "cz",
                "cutoff": "10:00",
                "handling_days": "1",
                "dispatch_end": "16:00",
                "stop_event": "packed",
                "unseen_waits": "widen",
                "overrides": [
                    {
                        "account": "main",
                        "delivery_id": "7",
                        "warehouse_id": "w",
                        "calendar": "cz",
                        "cutoff": "11:00",
                        "handling_days": "2",
                        "dispatch_end": "17:00",
                        "stop_event": "sent",
                        "unseen_waits": "assume_none",
                    }
                ],
            }
        ]
    },
    "calendar.yml": {
        "calendars": [
            {
                "calendar": "cz",
                "holidays": "CZ",
                "week": {"mon": "08:00-18:00", "tue": "08:00-18:00"},
                "exceptions": [{"date": "2025-03-11", "hours": "08:00-18:00", "reason": "sale"}],
                "covers_from": "2020-01-01",
                "covers_to": "2030-01-01",
            }
        ]
    },
    "statuses.yml": {
        "statuses": [{"source_status": "created", "status": "created", "stage": "shop", "is_final": "false"}]
    },
    "valuation.yml": {
        "headline": {"method": "fifo", "basis": "bare"},
        "valuation_currency": "CZK",
        "nrv_factor": "0.5",
        "damaged_quantity_is_additive": "false",
        "day_zone": "Europe/Prague",
        "opening_balance": {"main": "2025-01-01"},
    },
    "alerts.yml": {
        "rules": [
            {
                "rule": "late",
                "measure": "on_time_rate",
                "below": "0.9",
                "severity": "critical",
                "account": "main",
                "subject": "x",
                "at_least": "10",
                "within_hours": "48",
            }
        ]
    },
    "channels.yml": {
        "grace_hours": "12",
        "channels": [
            {
                "system": "shopline",
                "join": [{"channel": "order_id", "warehouse": "remote_number"}],
                "states": {"open": "open"},
                "recognised_by": "[0-9]{20}",
                "is_forwarded": "true",
            }
        ],
        "accounts": [{"system": "shopline", "account": "second", "warehouse_account": "main"}],
    },
    "money.yml": {
        "reporting_currency": "EUR",
        "rate_files": [{"source": "cnb", "path": "rates/*.csv"}],
        "rate_order": ["flickrocket", "cnb"],
        "goods_value_vat": "included",
        "vat_rate": "0.21",
        "whole_currencies": ["JPY"],
    },
    "accounts.yml": {
        "way": "B",
        "stock": {"sellable": "132", "damaged": "132.9"},
        "purchases": "504",
        "entries": {kind: {"debit": "stock", "credit": "504"} for kind in RAISING}
        | {kind: {"debit": "504", "credit": "stock"} for kind in LOWERING}
        | {kind: {"debit": "559", "credit": "196"} for kind in APART},
    },
    "retention.yml": {
        "landed_pages_days": "90",
        "inbox_days": "30",
        "runs_days": "400",
        "quarantine_months": "24",
        "stock_levels_daily_months": "13",
        "personal_years": "10",
    },
}
# files that may be missing
OPTIONAL = ("alerts.yml", "channels.yml", "money.yml", "accounts.yml", "retention.yml")
Step = str | int
WRONG: dict[str, list[str]] = {
    "STOCKBOOK_HOME": [__file__],
    "STOCKBOOK_POLICY_DIR": ["/nowhere/at/all"],
    "STOCKBOOK_MODELS_DIR": ["/nowhere/at/all"],
    "STOCKBOOK_EXTRA_DIR": ["/nowhere/at/all", __file__],
    "STOCKBOOK_EXTRA_FAILS": ["never", "all"],
    "STOCKBOOK_HASH_KEY": ["short"],
    "STOCKBOOK_FERNET_KEY": ["no key", "c2hvcnQ="],
    "STOCKBOOK_INBOX_URL": ["no address"],
    "STOCKBOOK_ZONE": ["Europe/Praha", "/etc", "Europe"],
    "STOCKBOOK_SCHEDULE": ["at night", "61 2 * * *"],
    "STOCKBOOK_DRAIN_SCHEDULE": ["*/15"],
    "STOCKBOOK_MAINTENANCE_SCHEDULE": ["daily"],
    "STOCKBOOK_BACKUP_TO": ["://nowhere", "s3://"],
    "STOCKBOOK_BACKUP_KEEP": ["7", "7,5,twelve", "7,-5,12", "1,2,3,4"],
    "STOCKBOOK_CONNECTIONS": ["fulfilment_cz", "flickrocket,shop line"],
    "STOCKBOOK_ALERT_NOTIFIER": ["{", "[]", '{"notifier": "airflow.no.such.Notifier"}', '{"notifier": 5}'],
    "STOCKBOOK_REPORT_NOTIFIER": ["mail me", '{"notifier": "pathlib.Path"}'],
    "STOCKBOOK_PACKS_NOTIFIER": ['"mail"'],
    "STOCKBOOK_LOCALE": ["xx_QQ", "not a locale"],
    "STOCKBOOK_MEMORY_LIMIT": ["much", "2 gigs"],
    "STOCKBOOK_READER_MEMORY": ["much", "1"],
    "STOCKBOOK_READER_DISK": ["-4GB"],
    "STOCKBOOK_HOOKS_TRUSTED_PROXIES": ["the proxy", "10.0.0.0/8, 10.0.0.300"],
    "STOCKBOOK_HOOKS_CERTIFICATE": ["books.example.com", "http://books.example.com", "https://"],
    "STOCKBOOK_METRICS_TOKEN": ["short", "a token with a line break\n"],
    "STOCKBOOK_MCP_TOKEN": ["short", "a token with a line break\n"],
    "STOCKBOOK_MCP_MEMORY": ["much", "1"],
    "STOCKBOOK_MCP_DISK": ["-4GB"],
    "STOCKBOOK_GROUP_READABLE": ["perhaps", "1"],
    "STOCKBOOK_JSON_FAST_PATH": ["perhaps", "1"],
    **{
        name: ["many", "-1", "nan", "inf", *(["1.5"] if setting.is_whole else [])]
        for name, setting in SETTINGS.items()
        if setting.least is not None
    },
    "STOCKBOOK_STORE": ["ftp://bucket", "s3://key:secret@bucket"],
    "STOCKBOOK_CONTROL_URL": ["mysql://host/control", "a folder"],
    "STOCKBOOK_LAKE": ["sqlite:lake.db"],
    "STOCKBOOK_SCRATCH": [__file__],
    "STOCKBOOK_ACCOUNTS": ["smtp_default", "fulfillment_cz,nobody"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A policy folder in which every field of every file is written."""
    for name, content in FULL.items():
        (tmp_path / name).write_text(yaml.safe_dump(content))
    return tmp_path


def places(content: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """The path of every field, those of mappings and lists included."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for step, item in items:
        yield (*path, step)
        yield from places(item, (*path, step))


def changed(content: Any, path: tuple[Step, ...], to: Any = None, key: str = "") -> Any:
    """A copy with another value at a path, or with the same value under another ``key``."""
    changed_content = copy.deepcopy(content)
    inner = changed_content
    for step in path[:-1]:
        inner = inner[step]
    if key:
        inner[key] = inner.pop(path[-1])
    else:
        inner[path[-1]] = to
    return changed_content


def problems(folder: Path, **environ: str) -> list[str]:
    """What the one look finds."""
    variables = {"STOCKBOOK_POLICY_DIR": str(folder), "STOCKBOOK_HASH_KEY": KEY, **environ}
    looks = [*configuration.inspections(variables)]
    if "STOCKBOOK_EXTRA_DIR" in environ:
        looks.append(configuration.of_extra(Settings.load(variables)))
    return [problem for look in looks for problem in look.problems]


def test_what_ships_and_what_writes_every_field_is_right(folder: Path) -> None:
    """Nothing is found, so that what is found below is what was broken."""
    assert problems(POLICY) == []
    assert problems(folder) == []


@pytest.mark.parametrize("name", configuration.FILES)
def test_a_policy_file_that_is_not_there_is_told(name: str, tmp_path: Path) -> None:
    """One that is needed is a problem, one that may be missing is no file that was read: what holds then is said."""
    folder = tmp_path / "policy"
    shutil.copytree(POLICY, folder)
    (folder / name).unlink()

    looks = {look.what: look for look in configuration.inspections({"STOCKBOOK_POLICY_DIR": str(folder)})}

    if name in configuration.WITHOUT:
        assert looks[name].absent.startswith(f"{name} is not in {folder}: ")
        assert not looks[name].problems
    else:
        assert looks[name].problems
    assert [other for other, look in looks.items() if look.absent and other != name] == []


@pytest.mark.parametrize("name", FULL)
def test_any_misspelt_key_and_any_value_of_another_kind_is_refused(folder: Path, name: str) -> None:
    """Of every field of the file: the problem names the file, the line and the field."""
    broken = 0
    for path in places(FULL[name]):
        field = path[-1]
        wrong = [changed(FULL[name], path, to={"a": {"b": "c"}})]
        # an account's name is anybody's, and a status text the source's
        if isinstance(field, str) and path[-2:-1] not in (("opening_balance",), ("states",)):
            misspelt = changed(FULL[name], path, key=f"{field}x")
            wrong.append(misspelt)
            # one without a value says nothing, and somebody meant something; a weekday without one is closed
            if path[-2:-1] != ("week",):
                wrong.append(changed(misspelt, (*path[:-1], f"{field}x"), to=""))
        for content in wrong:
            (folder / name).write_text(yaml.safe_dump(content))
            sentences = problems(folder)
            named = f"[{field}]" if isinstance(field, int) else field
            assert any(re.match(rf"{name} line \d+, ", sentence) and named in sentence for sentence in sentences), (
                path,
                content,
                sentences,
            )
            broken += 1
    assert broken > 5


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("sla.yml", "versions: [{version: a, version: b, calendar: cz, cutoff: 10:00, dispatch_end: 16:00}]", "twice"),
        ("alerts.yml", "a list, no mapping", "expected fields among rules"),
        ("valuation.yml", "[average, landed]", "expected fields among headline"),
        ("valuation.yml", "opening_balance: &a {main: *a}", "an alias names what it stands in"),
        ("statuses.yml", "", "field statuses is missing"),
        ("calendar.yml", "calendars: [", "cannot be read as YAML"),
        ("sla.yml", "[" * 5000 + "]" * 5000, "too deep to be read"),
    ],
)
def test_a_file_of_another_shape_is_refused(folder: Path, name: str, text: str, said: str) -> None:
    """A key twice, no mapping at all, a file that holds itself: a sentence each."""
    (folder / name).write_text(text)

    assert any(sentence.startswith(name) and re.search(said, sentence) for sentence in problems(folder))


def test_a_value_that_is_one_of_few_is_told_them_all(folder: Path) -> None:
    """The allowed values stand in the message."""
    (folder / "valuation.yml").write_text("headline: {method: lifo}")

    assert problems(folder) == [
        "valuation.yml line 1, headline.method: expected one of fifo, average, got 'lifo'.",
    ]


def test_a_missing_file_is_refused_and_so_is_the_optional_one_misspelt(folder: Path) -> None:
    """Without alerts.yml there are no alerts; with alert.yml in its place somebody meant to have some."""
    for name in FULL:
        (folder / name).rename(folder / f"away-{name[0]}")
        sentences = problems(folder)
        assert bool(sentences) == (name not in OPTIONAL)
        assert all(f"Policy file {name} was expected" in sentence for sentence in sentences)
        (folder / f"away-{name[0]}").rename(folder / name)
    (folder / "alerts.yml").rename(folder / "alert.yml")

    assert [sentence.partition(" in ")[0] for sentence in problems(folder)] == ["alert.yml"]


def test_every_setting_is_judged(folder: Path) -> None:
    """Each with wrong texts: the problem names the variable; no setting is left out of the look."""
    assert WRONG.keys() == NAMES - {"STOCKBOOK_ORDERS"}  # that of the demo and of the tests
    for name, texts in WRONG.items():
        for text in texts:
            sentences = problems(folder, **{name: text})
            assert any(name in sentence for sentence in sentences), (name, text, sentences)
            if "KEY" in name or "URL" in name or "TOKEN" in name:
                assert not any(text in sentence for sentence in sentences), name


def test_a_misspelt_setting_is_refused_and_told_what_is_meant(folder: Path) -> None:
    """Left alone its default would apply without a word."""
    for name in NAMES:
        misspelt = name.replace("STOCKBOOK_", "STOCKBOOK_X")
        assert any(
            f"{misspelt} is no setting" in sentence and name in sentence
            for sentence in problems(folder, **{misspelt: "1"})
        )


def test_every_variable_the_code_reads_is_a_setting() -> None:
    """One that is read and not in the list would make every night red that sets it."""
    files = [*(PROJECT / "plugins").rglob("*.py"), *(PROJECT / "dags").glob("*.py")]
    read = {name for file in files for name in re.findall(r"\bSTOCKBOOK_[A-Z_]*[A-Z]\b", file.read_text())}

    assert read == NAMES


def test_all_that_is_wrong_is_said_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thing in each file and in several settings: `policy check` and `doctor` list them all, and both exit 1."""
    for name, path in {
        "sla.yml": ("versions", 0, "stop_event"),
        "calendar.yml": ("calendars", 0, "covers_to"),
        "statuses.yml": ("statuses", 0, "stage"),
        "valuation.yml": ("nrv_factor",),
        "alerts.yml": ("rules", 0, "measure"),
        "channels.yml": ("channels", 0, "system"),
        "money.yml": ("vat_rate",),
        "accounts.yml": ("way",),
        "retention.yml": ("inbox_days",),
    }.items():
        (folder / name).write_text(yaml.safe_dump(changed(FULL[name], path, to="wrong")))
    wrong = {
        "STOCKBOOK_POLICY_DIR": str(folder),
        "STOCKBOOK_HOME": str(folder / "home"),
        "STOCKBOOK_ZONE": "Europe/Praha",
        "STOCKBOOK_THREADS": "none",
        "STOCKBOOK_LOCALE": "xx_QQ",
        "STOCKBOOK_QUARANTINE_SHAER": "0.2",
    }
    for name, text in wrong.items():
        monkeypatch.setenv(name, text)
    expected = [*FULL, "STOCKBOOK_ZONE", "STOCKBOOK_THREADS", "STOCKBOOK_LOCALE", "STOCKBOOK_QUARANTINE_SHAER"]

    for words in (["policy", "check"], ["doctor"]):
        result = CliRunner().invoke(app, words)
        lines = [line for line in result.output.splitlines() if line.startswith("NO")]
        assert result.exit_code == 1
        assert [name for name in expected if not any(name in line for line in lines)] == []


def test_policy_check_of_what_is_right_is_green(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each file and for the settings, exit code 0."""
    monkeypatch.setenv("STOCKBOOK_POLICY_DIR", str(folder))

    result = CliRunner().invoke(app, ["policy", "check"])

    assert result.exit_code == 0
    judged = {line.removeprefix("ok  ") for line in result.output.splitlines()}
    assert judged == {*FULL, "declarations", "metrics", "settings"}


def test_a_night_asks_the_same_look(folder: Path) -> None:
    """What `open` raises is everything the look finds."""
    shutil.copy(POLICY / "sla.yml", folder / "sla.yml")  # names a calendar that this folder has not
    (folder / "valuation.yml").write_text("nrv_factor: 2")
    settings = Settings.load({"STOCKBOOK_POLICY_DIR": str(folder), "STOCKBOOK_LOCALE": "xx_QQ"})

    with pytest.raises(ConfigError) as refused:
        configuration.require(settings)

    assert [sentence.split(" ")[0] for sentence in refused.value.problems] == [
        "sla.yml",
        "valuation.yml",
        "STOCKBOOK_LOCALE",
    ]
