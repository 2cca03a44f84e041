"""The reading step: each account's listings to the landing."""

from stockbook import connections
from stockbook.clock import APART
from stockbook.connections import Account
from stockbook.errors import ConfigError, Unauthorized
from stockbook.night import landings
from stockbook.night.checking import prepare
from stockbook.night.tonight import Night
from stockbook.projection.erasures import Erasures
from stockbook.runs import context as runs
from stockbook.runs.context import RunContext
from stockbook.runs.step_log import ListingDone
from stockbook.sources.plan import AccountPlan


def extract(night: Night, run_id: str, conn_id: str) -> None:
    """Read all that one account's plan asks for, to the landing. Complete or an error."""
    from stockbook.bounded_http import Limits
    from stockbook.sources.credentials import credentials_of
    from stockbook.sources.extract import extract as read_account

    run, settings = runs.read(night.settings, run_id), night.settings
    with night.at(run, "extract", conn_id) as done:
        if not run.observes:
            return
        plan = runs.read_sealed(runs.folder(settings, run_id) / f"plan-{conn_id}.json", AccountPlan)
        account = _account(night, conn_id)
        manifests = read_account(
            account,
            plan,
            settings.landing / run.night,
            night.tables,
            settings.hash_key or b"",
            night.clock,
            night.progress,
            policy=night.retries,
            credentials=credentials_of(account, night.clock, settings.token_place, settings.fernet_keys),
            before=None if run.full_refresh else landings.last_loaded(settings.landing),
            limits=Limits(settings.answer_megabytes, settings.answer_seconds, APART),
            landed=night.landed,
            erasures=Erasures.of(settings, night.clock.utc()),
        )
        done.listings = [ListingDone.of(manifest) for manifest in manifests]
        landings.note_landed(settings, run_id, conn_id, manifests)


def extract_all(night: Night, run: RunContext) -> None:
    """Read every account. An account that is refused stops no other: the error names all that were refused."""
    prepare(run)
    refused = []
    for conn_id in run.conn_ids:
        try:
            extract(night, run.run_id, conn_id)
        except Unauthorized as error:
            refused.append(error)
    if len(refused) == 1:
        raise refused[0]
    if refused:
        raise Unauthorized(" ".join(map(str, refused)))


def _account(night: Night, conn_id: str) -> Account:
    raw = night.look_up(conn_id)
    if raw is None:
        raise ConfigError(f"Connection {conn_id} was expected and not found: it was there when the run began.")
    return connections.account_from(conn_id, raw)
