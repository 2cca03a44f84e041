"""Alerts go through Airflow's notifier to a real mail server, after publication, once, and not at all costs."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.header import decode_header, make_header
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from checkout import PROJECT
from night_rig import KEY

from conftest import a_run
from stockbook.alerts import notify
from stockbook.clock import SystemClock
from stockbook.declaration_files import load as load_tables
from stockbook.errors import CheckFailed, ConfigError
from stockbook.morning.summary import SignedMonth, Summary, Value
from stockbook.runs import context as runs
from stockbook.runs.lock import RunLock
from stockbook.runs.step_log import recorded
from stockbook.settings import Settings
from stockbook.warehouse.connect import writer
from stockbook.warehouse.schema import create_all, declared_ddl

pytestmark = [pytest.mark.slow, pytest.mark.airflow]  # a process imports Airflow

AS_OF = datetime(2026, 3, 1, 2, 15)


class Inbox(Message):
    """Keeps what the server was given."""

    def __init__(self) -> None:
        """An empty one."""
        super().__init__(EmailMessage)
        self.mails: list[Any] = []

    def handle_message(self, message: Any) -> None:
        """One mail."""
        self.mails.append(message)


@contextmanager
def mail_server(port: int) -> Iterator[Inbox]:
    """A mail server that listens meanwhile, and what it was given."""
    inbox = Inbox()
    server = Controller(inbox, hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield inbox
    finally:
        server.stop()


@pytest.fixture
def port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def published_home(home: Path, *alerts: tuple[str, str, str]) -> Settings:
    """A home whose run r1 was published and raised these alerts (rule, severity, message); finish comes next."""
    settings = Settings.load({"STOCKBOOK_HOME": str(home), "STOCKBOOK_HASH_KEY": KEY})
    clock = SystemClock()
    run = a_run()
    folder = runs.folder(settings, run.run_id)
    folder.mkdir(parents=True)
    runs.save(settings, run)
    with recorded(folder, "publish", clock):
        pass
    with writer(settings) as con:
        tables = load_tables(settings.models_dir)
        create_all(con, tables)
        con.execute(declared_ddl(tables["reports.alert_measures"]))
        for rule, severity, message in alerts:
            con.execute(
                "insert into meta.alert values ('main', ?, '', ?, ?, 1, 0, ?, null, null)",
                [rule, severity, message, AS_OF],
            )
    return settings


Finish = Callable[..., tuple[str, list[Any]]]


@pytest.fixture(scope="module")
def finish(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finish]:
    """Finishes the run as Airflow's task does, in a process of its own: the report, and when each alert was sent."""
    inherited = {
        **{name: text for name, text in os.environ.items() if not name.startswith(("AIRFLOW_", "STOCKBOOK_"))},
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    program = [sys.executable, str(PROJECT / "tests" / "support" / "forked_finish.py")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(program, env=inherited, text=True, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        commands, answers = process.stdin, process.stdout

        def finishing(
            settings: Settings, port: int, environment: dict[str, str] | None = None, **more: Any
        ) -> tuple[str, list[Any]]:
            notifier = {"notifier": notify.SMTP, "to": ["ops@example.com"], "from_email": "stockbook@example.com"}
            mail = {"conn_type": "smtp", "host": "127.0.0.1", "port": port,
                    "extra": {"disable_ssl": True, "disable_tls": True, "retry_limit": 1}}  # fmt: skip
            variables = {
                "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(mail),
                "STOCKBOOK_HOME": str(settings.home),
                "STOCKBOOK_HASH_KEY": KEY,
                "STOCKBOOK_ALERT_NOTIFIER": json.dumps(notifier | more),
                **(environment or {}),
            }
            RunLock(settings.lock, SystemClock(), settings.lock_lease_seconds).take("r1")
            commands.write(json.dumps(inherited | variables) + "\n")
            commands.flush()
            code, said = json.loads(answers.readline())
            assert code == 0, said[-3000:]
            with writer(settings) as con:
                sent = [row[0] for row in con.execute("select sent_at_utc from meta.alert order by rule").fetchall()]
            return (runs.folder(settings, "r1") / "report.txt").read_text(), sent

        yield finishing
        commands.close()


def test_alerts_are_mailed_once_and_wait_for_a_server_that_is_away(finish: Finish, port: int, tmp_path: Path) -> None:
    """No server: green, unsent, said so. A server: one mail with both, marked. Again: nothing more."""
    hostile = "1 orders have the status '<b>{{ 7 * 7 }}</b>'"
    settings = published_home(
        tmp_path / "home", ("overdue", "critical", "12 orders are overdue."), ("status", "warning", hostile)
    )
    report, sent = finish(settings, port)

    assert "GREEN (published)" in report
    assert "alert: critical: overdue (account main): 12 orders are overdue." in report
    assert "warning: 2 alerts could not be sent and stay unsent until the next night" in report
    assert sent == [None, None]

    with mail_server(port) as inbox:
        report, sent = finish(settings, port)
        assert "could not be sent" not in report
        assert None not in sent
        assert finish(settings, port)[1] == sent

    (mail,) = inbox.mails
    assert mail["To"] == "ops@example.com"
    assert str(make_header(decode_header(mail["Subject"]))) == (
        "Stockbook: 2 new alerts (1 critical), as of 2026-03-01 02:15"
    )
    text = "".join(part.get_payload(decode=True).decode() for part in mail.walk() if not part.is_multipart())
    assert "<li>critical: overdue (account main): 12 orders are overdue.</li>" in text
    # what a source wrote is text: neither markup nor a template
    assert "&lt;b&gt;{{ 7 * 7 }}&lt;/b&gt;" in text


def test_a_red_night_is_mailed_once_for_each_reason(finish: Finish, port: int, tmp_path: Path) -> None:
    """A server that is away is said; then one mail with step, reason and what readers have; another reason: another."""
    settings = published_home(tmp_path / "home", ("overdue", "critical", "12 orders are overdue."))
    folder = runs.folder(settings, "r1")

    def red_again(reason: str) -> None:
        with pytest.raises(CheckFailed), recorded(folder, "check_staging", SystemClock()):
            raise CheckFailed(reason)

    (folder / "steps" / "publish.json").unlink()
    red_again("2 expectations do not hold.")
    report, sent = finish(settings, port)
    assert "RED (failed)" in report
    assert "check_staging: CheckFailed: 2 expectations do not hold." in report
    assert "warning: nobody could be told that the night is red: SmtpNotifier did not take the message" in report

    with mail_server(port) as inbox:
        for _ in range(2):
            report, sent = finish(settings, port)
        settings.published.parent.mkdir()
        with duckdb.connect(str(settings.published)) as con:
            con.execute("create schema meta")
            con.execute("create table meta.current_run as select timestamp '2026-02-28 02:15' as as_of")
        red_again("1 expectation does not hold.")
        finish(settings, port)

    assert "nobody could be told" not in report
    # what was raised on figures that were not published is nobody's business yet
    assert sent == [None]
    assert [str(make_header(decode_header(mail["Subject"]))) for mail in inbox.mails] == 2 * [
        "Stockbook: the night is red, as of 2026-03-01 02:15"
    ]
    first, second = (
        "".join(part.get_payload(decode=True).decode() for part in mail.walk() if not part.is_multipart())
        for mail in inbox.mails
    )
    night = "critical: red_night (account all): check_staging:"
    assert f"{night} 2 expectations do not hold. There are no books." in first
    assert f"{night} 1 expectation does not hold. Readers keep the books as of 2026-02-28 02:15." in second


def test_the_morning_report_is_mailed_once_a_night(finish: Finish, port: int, tmp_path: Path) -> None:
    """A server that is away is said; then one mail with the report as it lies on disk; the same night again: none."""
    settings = published_home(tmp_path / "home")
    summary = Summary(
        *("r1", AS_OF, AS_OF, "Europe/Prague", "0", "CZK", "average", "landed"),
        figures=[Value("pieces", "Pieces", "count", "pieces", Decimal(7))],
        charts=[], listings=[], checks_asked=1, checks_empty=0, checks_broken=[], oldest=[], alerts=[],
    )  # fmt: skip
    settings.published.parent.mkdir()
    (settings.published.parent / "summary.json").write_bytes(msgspec.json.encode(summary))
    (settings.published.parent / "report.html").write_text("<h1>The morning {{ 7 * 7 }}</h1>")
    reports = {"STOCKBOOK_REPORT_NOTIFIER": json.dumps({"to": ["cfo@example.com"], "from_email": "s@example.com"})}

    report, _ = finish(settings, port, environment=reports)
    assert "warning: the morning report could not be sent" in report
    assert "GREEN (published)" in report

    with mail_server(port) as inbox:
        for _ in range(2):
            report, _ = finish(settings, port, environment=reports)
            assert "could not be sent" not in report

    (mail,) = inbox.mails
    assert mail["To"] == "cfo@example.com"
    text = "".join(part.get_payload(decode=True).decode() for part in mail.walk() if not part.is_multipart())
    assert "<h1>The morning {{ 7 * 7 }}</h1>" in text


def test_the_packs_of_a_closed_month_are_mailed_on_the_first_working_day(
    finish: Finish, port: int, tmp_path: Path
) -> None:
    """Not on a holiday, nor on the day of the close itself; then once, with both files attached."""
    settings = published_home(tmp_path / "home")
    folder = settings.published.parent
    (folder / "packs").mkdir(parents=True)
    packs = {"Workbook": "packs/month.xlsx", "Journal": "packs/journal.csv"}
    for address in packs.values():
        (folder / address).write_text("what was signed")

    def signed(number: int, at: datetime) -> SignedMonth:
        return SignedMonth(f"main/2026-02/{number}", AS_OF.date().replace(day=1), "main", "<Jana>", at, "d" * 64, packs)

    def published(is_working_day: bool) -> None:
        summary = Summary(
            *("r1", AS_OF, AS_OF, "Europe/Prague", "0", "CZK", "average", "landed"),
            figures=[], charts=[], listings=[], checks_asked=1, checks_empty=0, checks_broken=[], oldest=[], alerts=[],
            signed=[signed(number, AS_OF - timedelta(days=days)) for number, days in ((3, 0), (2, 3), (1, 60))],
            is_working_day=is_working_day,
        )  # fmt: skip
        (folder / "summary.json").write_bytes(msgspec.json.encode(summary))

    notifier = {"STOCKBOOK_PACKS_NOTIFIER": json.dumps({"to": ["cfo@example.com"], "from_email": "s@example.com"})}
    with mail_server(port) as inbox:
        for is_working_day in (False, True, True):
            published(is_working_day)
            report, _ = finish(settings, port, environment=notifier)
            assert "could not be sent" not in report
            assert len(inbox.mails) == is_working_day

    (mail,) = inbox.mails
    assert mail["Subject"] == "Stockbook: March 2026 of main is closed"
    assert [part.get_filename() for part in mail.walk() if part.get_filename()] == ["month.xlsx", "journal.csv"]
    assert "&lt;Jana&gt;" in mail.get_payload(0).get_payload(decode=True).decode()


def test_a_wrong_notifier_leaves_the_night_published(finish: Finish, tmp_path: Path) -> None:
    """A class that is no notifier, or an argument it does not take, is said in the report; nothing is marked sent."""
    settings = published_home(tmp_path / "home", ("overdue", "critical", "12 orders are overdue."))

    report, sent = finish(settings, 1, notifier="datetime.datetime")
    assert "GREEN (published)" in report
    assert "STOCKBOOK_ALERT_NOTIFIER names datetime.datetime, which is not a notifier of Airflow." in report
    assert sent == [None]

    report, sent = finish(settings, 1, colour="red")
    assert "gives SmtpNotifier arguments it does not take" in report
    assert sent == [None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "must be a JSON object such as"),
        ('["a"]', "must be a JSON object such as"),
        ('{"notifier": "SmtpNotifier"}', "`notifier` must be the path of a class"),
    ],
)
def test_a_setting_that_is_no_notifier_is_refused(text: str, said: str) -> None:
    """The message shows what it should look like and quotes no argument."""
    with pytest.raises(ConfigError, match="STOCKBOOK_ALERT_NOTIFIER") as refused:
        notify.parse(text)
    assert said in str(refused.value)


def test_a_message_names_what_it_is_of() -> None:
    """One line per alert, the count and the worst in the subject; no setting, no notifier."""
    assert notify.parse("") is None
    alert = notify.Alert("main", "overdue", "", "warning", "12 orders are overdue.", datetime(2026, 3, 1, 2, 15))
    message = notify.content([alert], datetime(2026, 3, 1, 2, 15, tzinfo=UTC))
    assert message["subject"] == "Stockbook: 1 new alert, as of 2026-03-01 02:15"
    assert message["text"].splitlines()[1:] == ["warning: overdue (account main): 12 orders are overdue."]
