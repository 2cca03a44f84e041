"""
The steps of a fleet's night as Airflow calls them, each on whatever worker it runs.

An account of the run that is published already stays so: a run that is cleared goes on with the others.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from stockbook.clock import SystemClock
from stockbook.connections import SOURCES
from stockbook.extra_folder import digest_of
from stockbook.fleet_settings import SHARED, FleetSettings
from stockbook.orchestration import openlineage, published_assets, readiness
from stockbook.orchestration.connections import PLACES
from stockbook.orchestration.steps import plain_errors, skip_if, tell
from stockbook.progress import Logged
from stockbook.runs.context import run_id_of
from stockbook.runs.report import text
from stockbook.settings import Settings

if TYPE_CHECKING:
    from stockbook.fleet.work import Fleet

_NO_FLEET = (
    f"This is no fleet, so nothing is read: set {', '.join(SHARED)} for all of Airflow's processes (docs/fleet.md), or "
    "use stockbook_nightly, which keeps the books on this machine."
)


def accounts(context: Any) -> list[str]:
    """Begin the run of this DAG run, or go on with it; its accounts. Skipped where there is no fleet, or no set-up."""
    with plain_errors():
        fleet = _fleet()
        chosen = [account.name for account in fleet.accounts()]
        run = fleet.run_log.begin(_run_id(context), chosen, digest_of(fleet.settings.extra_dir))
        fleet.progress.note(f"{len(run.accounts)} accounts: {', '.join(run.accounts)}")
        return run.accounts


def open_night(context: Any, account: str) -> None:
    """Restore an account's home and open its night."""
    from stockbook.fleet.night import open_account

    _step(context, account, lambda fleet, name: open_account(fleet, name, account, dict(context["params"])))


def extract(context: Any, account: str) -> None:
    """Read an account's sources."""
    from stockbook.fleet.night import extract_account

    _step(context, account, lambda fleet, name: extract_account(fleet, name, account))


def books(context: Any, account: str) -> None:
    """Load, check, build, check, save and publish; logs the run report, and tells where the columns came from."""
    from stockbook.fleet.night import books_of_account

    def kept(fleet: "Fleet", name: str) -> None:
        done = books_of_account(fleet, name, account)
        _log(fleet, text(done))
        tell(done, account)
        settings = fleet.settings_of(fleet.account(account))
        for task in ("load", "build", "publish"):
            openlineage.tell(task, settings, fleet.progress, done.run_id)

    _step(context, account, kept)


def summary(context: Any) -> None:
    """Name each account's state; fails when one was not published. Skipped where ``accounts`` is."""
    with plain_errors():
        from stockbook.fleet.summary import summarise

        fleet = _fleet()
        done = summarise(fleet, context["dag_run"].run_id)
        _log(fleet, done.text())
        if done.red:
            raise AirflowFailException(done.text().splitlines()[0])


def published(context: Any) -> None:
    """Tell who waits for the nights which of them the lake has. Skipped where it has none, or ``accounts`` is."""
    with plain_errors():
        from stockbook.fleet.in_lake import run_in_lake

        fleet = _fleet()
        run = run_in_lake(fleet, _run_id(context))
        skip_if(fleet.progress, None if run.published else "No account of this run was published: nobody is told.")
        published_assets.tell_of_fleet(context, run)


def _step(context: Any, account: str, work: "Callable[[Fleet, str], None]") -> None:
    with plain_errors():
        fleet, name = _fleet(), context["dag_run"].run_id
        night = fleet.run_log.nights(_run_id(context)).get(account)
        if night is not None and night.status == "published":
            fleet.progress.note(f"{account} is published already.")
        else:
            work(fleet, name)


def _fleet() -> "Fleet":
    clock = SystemClock()
    progress = Logged(clock)
    settings = Settings.load()
    shared = FleetSettings.load(settings.home)
    skip_if(progress, None if shared else _NO_FLEET)
    from stockbook.fleet.work import Fleet

    fleet = Fleet.load(clock, progress, PLACES.look_up, PLACES.conn_ids)
    if not fleet.control.books():
        # whoever lists accounts says that there are some
        skip_if(
            progress,
            readiness.missing_for_a_night(settings, (lambda: SOURCES) if fleet.shared.accounts else fleet.listed),
        )
    return fleet


def _run_id(context: Any) -> str:
    return run_id_of(context["dag_run"].run_id)


def _log(fleet: "Fleet", lines: str) -> None:
    for line in lines.splitlines():
        fleet.progress.note(line)
