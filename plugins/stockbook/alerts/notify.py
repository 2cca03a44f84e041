"""
Sending alerts through Airflow's notifier interface.

Any notifier of any provider will do: the setting names its class and arguments, which are templates
over ``subject``, ``text``, ``html`` and ``alerts``. Airflow is imported only when there is something to send.
"""

import errno
import html
import importlib
import os
import re
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from stockbook.errors import ConfigError, NotifyFailed

VARIABLE = "STOCKBOOK_ALERT_NOTIFIER"
OF_REPORT = "STOCKBOOK_REPORT_NOTIFIER"
OF_PACKS = "STOCKBOOK_PACKS_NOTIFIER"
SMTP = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"
# a mail needs both; other notifiers name their arguments otherwise
SMTP_DEFAULTS = {"subject": "{{ subject }}", "html_content": "{{ html }}"}
_ARGUMENTS = re.compile(
    r"got an unexpected keyword argument '\w+'|missing \d+ required [\w -]+: .*|missing .*argument '\w+'"
)


class Alert(NamedTuple):
    """An alert to be sent. ``raised_as_of`` is local."""

    account: str
    rule: str
    subject: str
    severity: str
    message: str
    raised_as_of: datetime


class Notifier(msgspec.Struct, frozen=True):
    """The setting: the notifier's class and its arguments."""

    target: str
    arguments: dict[str, Any]
    variable: str = VARIABLE


def parse(text: str, variable: str = VARIABLE) -> Notifier | None:
    """
    The setting ``variable`` from its JSON; None when it is empty.

    Raises ConfigError saying what was expected; the arguments may hold addresses and are not quoted.
    """
    if not text.strip():
        return None
    expected = f'{variable} must be a JSON object such as {{"notifier": "{SMTP}", "to": "ops@example.com"}}'
    reason = ""
    try:
        written = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        reason = str(error)
    except (UnicodeError, RecursionError) as error:
        reason = type(error).__name__
    if reason:
        raise ConfigError(f"{expected}; it cannot be read: {reason}.")
    target = written.pop("notifier", SMTP)
    if not isinstance(target, str) or "." not in target:
        raise ConfigError(f"{expected}; `notifier` must be the path of a class, package.module.Class.")
    return Notifier(target, (SMTP_DEFAULTS if target == SMTP else {}) | written, variable)


def make(notifier: Notifier) -> Any:
    """An instance of the notifier. Raises ConfigError: no such class, no notifier of Airflow, or a wrong argument."""
    from airflow.sdk.bases.notifier import BaseNotifier

    module, _, name = notifier.target.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{notifier.variable} names {notifier.target}, which cannot be imported ({type(error).__name__}): "
            "install its provider, or correct the path."
        ) from None
    if not (isinstance(kind, type) and issubclass(kind, BaseNotifier)):
        raise ConfigError(f"{notifier.variable} names {notifier.target}, which is not a notifier of Airflow.")
    try:
        return kind(**notifier.arguments)
    except TypeError as error:
        # Python's own words name arguments; another TypeError may quote what they hold
        names = _ARGUMENTS.search(str(error))
        reason = f"gives {name} arguments it does not take" + (f": {names.group()}." if names else ".")
    except Exception as error:
        reason = f"holds arguments that {name} cannot be made of ({type(error).__name__})."
    # the error is not chained: it may quote an argument, which may be a password
    raise ConfigError(f"{notifier.variable} {reason}")


def send(notifier: Notifier, alerts: list[Alert], as_of: datetime) -> None:
    """Send alerts as one message, ``as_of`` (local) in its subject. Raises as ``deliver`` does."""
    deliver(notifier, content(alerts, as_of))


def deliver(notifier: Notifier, context: Any) -> None:
    """
    Send one message; the notifier's arguments are templates over ``context``.

    Raises ConfigError for a wrong setting and NotifyFailed when the notifier fails. The notifier itself is not called,
    only its methods to render and to notify: a call would log a failure and raise nothing.
    """
    instance = make(notifier)
    try:
        instance.render_template_fields(context)
        instance.notify(context)
    except Exception as error:
        # other people's messages may quote anything and are not chained; the system's own reason is safe
        is_plain = isinstance(error, OSError) and error.errno in errno.errorcode
        reason = os.strerror(error.errno) if is_plain else type(error).__name__  # type: ignore[attr-defined]
    else:
        return
    raise NotifyFailed(f"{notifier.target.rpartition('.')[2]} did not take the message: {reason}.")


def content(alerts: list[Alert], as_of: datetime, subject: str = "") -> dict[str, Any]:
    """The variables of a notifier's templates. Without a ``subject`` it counts the alerts."""
    if not subject:
        worst = sum(alert.severity == "critical" for alert in alerts)
        subject = f"Stockbook: {len(alerts)} new alert{'s' if len(alerts) != 1 else ''}"
        subject += (f" ({worst} critical)" if worst else "") + f", as of {as_of:%Y-%m-%d %H:%M}"
    lines = [line(alert) for alert in alerts]
    items = "".join(f"<li>{html.escape(text)}</li>" for text in lines)
    return {
        "subject": subject,
        "text": "\n".join([subject, *lines]),
        "html": f"<p>{html.escape(subject)}</p><ul>{items}</ul>",
        "alerts": [alert._asdict() for alert in alerts],
    }


def line(alert: Alert) -> str:
    """An alert in one line."""
    return f"{alert.severity}: {alert.rule} (account {alert.account}): {alert.message}"
