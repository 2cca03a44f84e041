"""The close of a month as Airflow calls it: a button with parameters."""

from typing import TYPE_CHECKING, Any

from stockbook.clock import SystemClock
from stockbook.orchestration.connections import PLACES
from stockbook.orchestration.steps import plain_errors
from stockbook.progress import Logged
from stockbook.settings import Settings

if TYPE_CHECKING:
    from stockbook.fleet.work import Fleet


def accounts(context: Any) -> list[str]:
    """The accounts of a fleet whose month is to be closed: the one of the parameters, or all."""
    from stockbook.fleet.closing import chosen

    with plain_errors():
        return chosen(_fleet(Logged(SystemClock())), context["params"].get("account") or "")


def close_month(context: Any, account: str = "") -> str:
    """
    Sign a month, or look at it in a dry run; what was signed, in a sentence.

    ``account`` is one of a fleet's, which has a home of its own.
    """
    with plain_errors():
        progress = Logged(SystemClock())
        parameters = dict(context["params"])
        is_dry = bool(parameters.pop("dry_run", False))
        if account:
            from stockbook.fleet.closing import close_account

            said = close_account(_fleet(progress), account, parameters, is_dry)
        else:
            from stockbook.night.closing import answer
            from stockbook.night.tonight import Night

            said = answer(Night(Settings.load(), SystemClock(), progress), parameters, is_dry)
        for line in (*said.statements, *said.sentences):
            progress.note(line)
        return said.sentences[0]


def _fleet(progress: Logged) -> "Fleet":
    from stockbook.fleet.work import Fleet

    return Fleet.load(SystemClock(), progress, PLACES.look_up, PLACES.conn_ids)
