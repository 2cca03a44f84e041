"""The first step: judge what the run is given, take the lock, and write down what each account will be asked."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from stockbook import connections, hash_key
from stockbook.atomic_files import keep_reserve, narrow
from stockbook.clock import APART, local
from stockbook.closing.signed_nights import apart
from stockbook.connections import Account
from stockbook.errors import ClockWrong, ConfigError
from stockbook.night import configuration, landings, run_rows
from stockbook.night.draining import drain_first
from stockbook.night.erasing import erased_since, finish_erasure
from stockbook.night.subscribed import ask_subscriptions
from stockbook.night.tonight import Night
from stockbook.night.unopened import reporting
from stockbook.runs import context as runs
from stockbook.runs import report
from stockbook.runs.context import FRESH, Parameters, RunContext, parse_parameters
from stockbook.runs.lock import RunLock
from stockbook.runs.step_log import recorded

if TYPE_CHECKING:
    import duckdb


class _Moment(NamedTuple):
    """
    A run's now: local, the same instant in UTC (naive), why it reads no source, if it does not, whether the last
    published run had the same, and whether it is later than was asked for, because that run was signed.
    """

    as_of: datetime
    instant: datetime
    is_fresh: bool
    why_not: str | None
    repeats: bool
    is_apart: bool


def open_run(
    night: Night,
    name: str,
    parameters: Parameters | Mapping[str, object],
    conn_ids: Iterable[str],
    whole_run_here: bool = False,
    notes: Iterable[str] = (),
) -> RunContext:
    """
    Open a run, or go on with the one of this name (its ``as_of`` stays).

    ``parameters`` may be raw, as a DAG run has them: they are judged here. ``notes`` go into the run report, and so
    does an account that was read before and has no connection tonight. A run that cannot be opened leaves a report
    too. Raises ConfigError for a missing or another key, a missing connection or a wrong parameter, RunLocked while
    another run is under way, ClockWrong where the run has no ``as_of`` and the clock is behind the published books.
    """
    as_of = str(parameters.get("as_of") or "") if isinstance(parameters, Mapping) else parameters.as_of
    with reporting(night, name, as_of or None):
        if isinstance(parameters, Mapping):
            parameters = parse_parameters(dict(parameters))
        return _open(night, runs.run_id_of(name), parameters, conn_ids, whole_run_here, notes)


def _open(
    night: Night,
    run_id: str,
    parameters: Parameters,
    conn_ids: Iterable[str],
    whole_run_here: bool,
    notes: Iterable[str],
) -> RunContext:
    from stockbook.night.plans import write_plans
    from stockbook.warehouse.connect import writer
    from stockbook.warehouse.room import memory_warning, require_disk
    from stockbook.warehouse.schema import create_all

    settings, conn_ids = night.settings, list(conn_ids)
    hash_key.require_any(settings)
    try:
        accounts = connections.accounts(conn_ids, night.look_up, parameters.accounts)
    except ConfigError as error:
        # what is missing may be where nobody could look
        raise ConfigError(*error.problems, *notes) from None
    now = local(night.clock, settings.zone)
    as_of = runs.parse_as_of(parameters.as_of, now, settings.zone)
    night.lock.take(run_id, whole_run_here=whole_run_here)
    with (
        _released_unless_opened(night.lock, run_id),
        night.lock.step(run_id, "open"),
        recorded(runs.folder(settings, run_id), "open", night.clock) as done,
    ):
        _prepare_home(night, run_id)
        require_disk(settings)
        if warning := memory_warning(settings):
            done.notes.append(f"warning: {warning}")
        done.notes += [*notes, *finish_erasure(night)]
        with writer(settings) as con:
            create_all(con, night.tables)
            done.notes += erased_since(con)
            moment = _moment(night, con, run_id, parameters, accounts, as_of, now)
            if moment.is_apart:
                done.notes.append(f"as_of is {moment.as_of}: figures of the one that was asked for were signed.")
            if moment.why_not is None:
                unlisted, warnings = _unlisted_accounts(night, con, accounts, parameters)
                accounts += unlisted
                done.notes += warnings
            else:
                done.notes.append(_note_of_no_reading(con, moment))
            run = RunContext(
                run_id=run_id,
                as_of=moment.as_of,
                zone=settings.zone.key,
                started_at=night.clock.utc(),
                night=landings.open_folder(settings, moment.as_of, parameters, night.clock),
                observes=moment.why_not is None,
                full_refresh=parameters.full_refresh,
                backfill_from=parameters.backfill_from,
                backfill_to=parameters.backfill_to,
                conn_ids=tuple(account.conn_id for account in accounts),
                as_of_utc=moment.instant,
                repeats=moment.repeats,
            )
            run_rows.insert(con, run, "running", run.started_at)
            if run.observes:
                done.notes += drain_first(night, con, run)
                done.notes += ask_subscriptions(night, con, run, conn_ids)
            write_plans(con, settings, run, accounts)
        runs.save(settings, run)
    return run


def _prepare_home(night: Night, run_id: str) -> None:
    settings = night.settings
    runs.folder(settings, run_id).mkdir(parents=True, exist_ok=True)
    narrow(settings.home, settings.group_readable)
    keep_reserve(report.reserve(settings))
    # a wrong policy or setting is red now, not after hours of reading
    configuration.require(settings)
    hash_key.remember(settings)


def _moment(
    night: Night,
    con: "duckdb.DuckDBPyConnection",
    run_id: str,
    parameters: Parameters,
    accounts: list[Account],
    as_of: datetime,
    now: datetime,
) -> _Moment:
    from stockbook.warehouse.publish import last_observed, last_published

    settings = night.settings
    instant = runs.instant_of(as_of, settings.zone).replace(tzinfo=None)
    is_now = not parameters.as_of
    if (runs.folder(settings, run_id) / "run.json").exists() and is_now:
        is_now = False
        opened = runs.read(settings, run_id)
        as_of, instant = opened.as_of, opened.as_of_utc or instant
    published = last_published(settings, con)
    # readers may have figures of the past since then: what the sources show now is no older than what they showed there
    observed = last_observed(con) if published is not None else None
    requested = as_of
    if as_of in (published, observed):
        # what is seen from here on was not known when that night was signed
        as_of = apart(as_of, settings.closes)
        instant += as_of - requested
    latest = max((there for there in (published, observed) if there is not None), default=None)
    is_sandbox = all(account.sandbox for account in accounts)
    is_fresh = is_sandbox or abs(as_of - now) <= FRESH
    why_not = None
    if not is_fresh:
        why_not = f"more than {FRESH} from now ({now})"
    # the as_of of the published run has no fold: in the repeated hour it counts as the first pass, so that a run of
    # the second pass does not lie before it
    elif latest is not None and instant < (ended := runs.instant_of(latest, settings.zone).replace(tzinfo=None)):
        if is_now and not is_sandbox and ended - instant > APART:
            raise ClockWrong(
                f"This machine's clock says {as_of} and the books were published as of {latest}: it went back, "
                "or it was ahead then. Set it (`timedatectl` shows it) and run the night again; if it is right now, "
                "`stockbook restore --as-of` brings the books of a day before back. To compute the figures of an "
                "earlier moment again on purpose, name it (as_of)."
            )
        what = "published one" if latest == published else "published one that read the sources"
        why_not = f"before the last {what} ({latest})"
    return _Moment(as_of, instant, is_fresh, why_not, repeats=as_of == published, is_apart=as_of != requested)


def _note_of_no_reading(con: "duckdb.DuckDBPyConnection", moment: _Moment) -> str:
    """The note of a run that reads no source. Raises ConfigError where there is nothing to compute figures from."""
    if not con.execute("select 1 from meta.cursor limit 1").fetchall():
        raise ConfigError(
            f"as_of {moment.as_of} is {moment.why_not}, so this run would read no source, and this home has never "
            "read one: there is nothing to make books of. Run the first night without as_of"
            + ("." if moment.is_fresh else " (a connection to a sandbox says so: extra sandbox = true).")
        )
    return f"as_of {moment.as_of} is {moment.why_not}: no source is read, figures are computed again from staging."


def _unlisted_accounts(
    night: Night, con: "duckdb.DuckDBPyConnection", accounts: list[Account], parameters: Parameters
) -> tuple[list[Account], list[str]]:
    """
    The accounts that were read before and are not listed: those that have a connection, a warning for the others.

    A secret back end lists nothing, so each is looked up by its id. What the run's parameters leave out is left out
    on purpose.
    """
    earlier = con.execute(
        "select api, account, max(as_of) from meta.cursor where list_contains($apis, api) "
        "group by api, account order by api, account",
        {"apis": list(connections.API_SOURCES)},
    ).fetchall()
    listed = {(account.source, account.account) for account in accounts}
    unlisted, warnings = [], []
    for source, account, last in earlier:
        if (source, account) in listed or (parameters.accounts and account not in parameters.accounts):
            continue
        conn_id = connections.conn_id_of(source, account)
        raw = night.look_up(conn_id)
        if raw is None:
            warnings.append(
                f"warning: account {account} of {source} was read before (last as of {last:%Y-%m-%d %H:%M}) and has no "
                f"connection tonight: its figures are those of then. Bring connection {conn_id} back."
            )
        else:
            unlisted.append(connections.account_from(conn_id, raw))
    return unlisted, warnings


@contextmanager
def _released_unless_opened(lock: RunLock, run_id: str) -> Iterator[None]:
    """Let the lock go when a run could not be opened: no later step will."""
    try:
        yield
    except BaseException:
        lock.release(run_id)
        raise
