"""
The night, step by step: open, extract (per account), load, check, build, check, publish, finish.

Each step is a function that may run in a process of its own; what one leaves for the next lies in
the run's folder and in the landing. The DAG and the command line call the same functions.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec

from stockbook import connections, declarations, hash_key
from stockbook.atomic_files import keep_private, keep_reserve, narrow
from stockbook.clock import Clock, local
from stockbook.connections import Account, RawConnection
from stockbook.declarations import Table, of_layer
from stockbook.errors import ConfigError, InboxUnavailable, LandingDamaged, StagingRefused, StockbookError, Unauthorized
from stockbook.night import configuration, landings
from stockbook.progress import Progress
from stockbook.runs import context as runs
from stockbook.runs import report
from stockbook.runs.context import FRESH, Parameters, RunContext
from stockbook.runs.lock import DRAIN, RunLock
from stockbook.runs.report import Report
from stockbook.runs.step_log import ListingDone, StepDone, recorded
from stockbook.settings import Settings
from stockbook.sources.plan import AccountPlan
from stockbook.version import VERSION

if TYPE_CHECKING:
    import duckdb

    from stockbook.sources.http import RetryPolicy
    from stockbook.webhooks.drain import Drained

Given = ParamSpec("Given")
Opening = Callable[Concatenate["Night", str, Parameters, Given], RunContext]
CHECKED = {"check_staging": ("staging",), "check_marts": ("marts", "reports")}


@dataclass(frozen=True)
class Night:
    """What every step needs: where things lie, the time, where to say how far it is, how to find a connection."""

    settings: Settings
    clock: Clock
    progress: Progress
    look_up: Callable[[str], RawConnection | None] = connections.from_environment
    retries: "RetryPolicy | None" = None
    lock: RunLock = field(init=False)

    def __post_init__(self) -> None:
        keep_private(self.settings.group_readable)
        lock = RunLock(self.settings.lock, self.clock, self.settings.lock_lease_seconds)
        object.__setattr__(self, "lock", lock)

    @property
    def tables(self) -> dict[str, Table]:
        """The declarations."""
        return declarations.load(self.settings.models_dir)

    @contextmanager
    def at(self, run: RunContext, step: str, of: str | None = None) -> Iterator[StepDone]:
        """Hold the run's lock and record the step."""
        folder = runs.folder(self.settings, run.run_id)
        with self.lock.step(run.run_id, step), recorded(folder, step, self.clock, of) as done:
            yield done


@contextmanager
def opening(night: Night, name: str, as_of: str | None = None) -> Iterator[None]:
    """
    Leave a report of a run that could not be opened, and tell of it: no later step is there to do so.

    ``as_of`` is what it was asked for; a run dated in the past tells nobody.
    """
    folder, began = runs.folder(night.settings, runs.run_id_of(name)), night.clock.utc()
    try:
        yield
    except Exception as error:
        _report_unopened(night, folder, as_of, began, error)
        raise
    # of an earlier try
    (folder / "report.json").unlink(missing_ok=True)


def _leaves_a_report(open_one: Opening[Given]) -> Opening[Given]:
    @wraps(open_one)
    def opened(
        night: Night, name: str, parameters: Parameters, /, *args: Given.args, **kwargs: Given.kwargs
    ) -> RunContext:
        with opening(night, name, parameters.as_of):
            return open_one(night, name, parameters, *args, **kwargs)

    return opened


def _report_unopened(night: Night, folder: Path, asked: str | None, began: datetime, error: Exception) -> None:
    from stockbook.alerts import failed_night

    reason = str(error) if isinstance(error, StockbookError) else f"an unexpected {type(error).__name__}"
    as_of = local(night.clock, night.settings.zone)
    with suppress(ConfigError):
        as_of = runs.parse_as_of(asked, as_of, night.settings.zone)
    try:
        holder = night.lock.holder()
        if holder is not None and holder.run_id == folder.name:
            return  # the same run is at work elsewhere: its own steps report
        folder.mkdir(parents=True, exist_ok=True)
        made = report.of_unopened(folder, folder.name, as_of, began, night.clock.utc(), reason)
        report.write(folder, made)
        notes = [] if asked else failed_night.send(night.settings, folder, made)
    except (StockbookError, OSError) as another:
        notes = [f"The report of this run could not be completed: {another}"]
    for note in notes:
        night.progress.note(note)


@_leaves_a_report
def open_run(
    night: Night,
    name: str,
    parameters: Parameters,
    conn_ids: Iterable[str],
    whole_run_here: bool = False,
    notes: Iterable[str] = (),
) -> RunContext:
    """
    Open a run: check what it was given, take the lock, and write down what each account will be asked.

    Opening a run of the same name again goes on with it (its ``as_of`` stays). ``notes`` go into the run report.
    An account that was read before and has no connection tonight is told of there too. Raises ConfigError
    for a missing or another key, a missing connection or a wrong parameter, RunLocked while another run is under way.
    """
    from stockbook.night.plans import write_plans
    from stockbook.warehouse.connect import writer
    from stockbook.warehouse.publish import last_published
    from stockbook.warehouse.schema import create_all

    settings = night.settings
    if settings.hash_key is None:
        raise ConfigError(
            "STOCKBOOK_HASH_KEY must be set to a secret of at least 16 characters: personal data is hashed with it "
            "before anything is written. Keep it for ever: another key makes other customers of the same people."
        )
    run_id = runs.run_id_of(name)
    found = connections.accounts(conn_ids, night.look_up, parameters.accounts)
    now = local(night.clock, settings.zone)
    as_of = runs.parse_as_of(parameters.as_of, now, settings.zone)
    instant = runs.instant_of(as_of, settings.zone).replace(tzinfo=None)
    night.lock.take(run_id, whole_run_here=whole_run_here)
    with (
        _released_unless_opened(night.lock, run_id),
        night.lock.step(run_id, "open"),
        recorded(runs.folder(settings, run_id), "open", night.clock) as done,
    ):
        runs.folder(settings, run_id).mkdir(parents=True, exist_ok=True)
        narrow(settings.home, settings.group_readable)
        keep_reserve(report.reserve(settings))
        # a wrong policy or setting is red now, not after hours of reading
        configuration.require(settings)
        hash_key.remember(settings)
        before = last_published(settings)
        if (runs.folder(settings, run_id) / "run.json").exists() and not parameters.as_of:
            opened = runs.read(settings, run_id)
            as_of, instant = opened.as_of, opened.as_of_utc or instant
        fresh = all(account.sandbox for account in found) or abs(as_of - now) <= FRESH
        # of a published one in the repeated hour the first pass: a run of the second pass is not before it
        observes = fresh and (before is None or instant >= runs.instant_of(before, settings.zone).replace(tzinfo=None))
        done.notes += notes
        with writer(settings) as con:
            create_all(con, night.tables)
            if observes:
                done.notes += _read_before(night, con, found, parameters)
            else:
                why = f"before the last published one ({before})" if fresh else f"more than {FRESH} from now ({now})"
                if not con.execute("select 1 from meta.cursor limit 1").fetchall():
                    raise ConfigError(
                        f"as_of {as_of} is {why}, so this run would read no source, and this home has never read one: "
                        "there is nothing to make books of. Run the first night without as_of"
                        + ("." if fresh else " (a connection to a sandbox says so: extra sandbox = true).")
                    )
                done.notes.append(
                    f"as_of {as_of} is {why}: no source is read, figures are computed again from staging."
                )
            run = RunContext(
                run_id=run_id,
                as_of=as_of,
                zone=settings.zone.key,
                started_at=night.clock.utc(),
                night=landings.open_folder(settings, as_of, parameters, night.clock),
                observes=observes,
                full_refresh=parameters.full_refresh,
                backfill_from=parameters.backfill_from,
                backfill_to=parameters.backfill_to,
                conn_ids=tuple(account.conn_id for account in found),
                as_of_utc=instant,
            )
            con.execute("delete from meta.run where run_id = ?", [run_id])
            con.execute(
                """
                insert into meta.run
                    (run_id, as_of, as_of_utc, started_at, status, full_refresh, observes, version)
                values (?, ?, ?, ?, 'running', ?, ?, ?)
                """,
                [run_id, as_of, instant, run.started_at.replace(tzinfo=None), run.full_refresh, observes, VERSION],
            )
            if observes:
                done.notes += _drain_first(night, con, run)
            write_plans(con, settings, run, found)
        runs.save(settings, run)
    return run


def _read_before(
    night: Night, con: "duckdb.DuckDBPyConnection", found: list[Account], parameters: Parameters
) -> list[str]:
    """
    Look up the connections of accounts that the books know and nobody listed; what is said of those that have none.

    What has one after all (in a secret back end, which lists nothing) is added to ``found``. An account left out by
    the run's parameters is left out on purpose.
    """
    before = con.execute(
        "select api, account, max(as_of) from meta.cursor where list_contains($apis, api) "
        "group by api, account order by api, account",
        {"apis": list(connections.API_SOURCES)},
    ).fetchall()
    there = {(account.source, account.account) for account in found}
    told = []
    for source, account, last in before:
        if (source, account) in there or (parameters.accounts and account not in parameters.accounts):
            continue
        conn_id = connections.conn_id_of(source, account)
        raw = night.look_up(conn_id)
        if raw is None:
            told.append(
                f"warning: account {account} of {source} was read before (last as of {last:%Y-%m-%d %H:%M}) and has no "
                f"connection tonight: its figures are those of then. Bring connection {conn_id} back."
            )
        else:
            found.append(connections.account_from(conn_id, raw))
    return told


def _drain_first(night: Night, con: "duckdb.DuckDBPyConnection", run: RunContext) -> list[str]:
    """Take the inbox, so that what its events name is read tonight; a night goes on without one that is away."""
    from stockbook.webhooks.drain import take_inbox

    try:
        drained = take_inbox(con, night.settings, night.tables, run.run_id, run.as_of, night.clock)
    except (ConfigError, InboxUnavailable) as error:
        return [f"warning: no events were taken: {error}"]
    return drained.told()


def drain(night: Night, name: str) -> "Drained":
    """
    Take the inbox into staging between two nights.

    Raises RunLocked while a night is under way: its events wait for the next drain, and for the next night.
    """
    from stockbook.warehouse.connect import writer
    from stockbook.warehouse.schema import create_all
    from stockbook.webhooks.drain import take_inbox

    run_id = runs.run_id_of(name)
    # a night may go on after hours, when somebody clears its failed task: the lock stays its own
    night.lock.take(run_id, wait=False, whole_run_here=True, take_over=False)
    try:
        with night.lock.step(run_id, DRAIN), writer(night.settings) as con:
            create_all(con, night.tables)
            now = local(night.clock, night.settings.zone)
            return take_inbox(con, night.settings, night.tables, run_id, now, night.clock)
    finally:
        night.lock.release(run_id)


@contextmanager
def _released_unless_opened(lock: RunLock, run_id: str) -> Iterator[None]:
    """Let the lock go when a run could not be opened: nobody will finish it."""
    try:
        yield
    except BaseException:
        lock.release(run_id)
        raise


def _account(night: Night, conn_id: str) -> Account:
    raw = night.look_up(conn_id)
    if raw is None:
        raise ConfigError(f"Connection {conn_id} was expected and not found: it was there when the run was opened.")
    return connections.account_from(conn_id, raw)


def extract(night: Night, run_id: str, conn_id: str) -> None:
    """Read everything one account was planned to be asked, to the landing. Complete or an error."""
    from stockbook.bounded_http import Limits
    from stockbook.sources.credentials import credentials_of
    from stockbook.sources.extract import extract as read_account

    run = runs.read(night.settings, run_id)
    with night.at(run, "extract", conn_id) as done:
        if not run.observes:
            return
        plan = runs.read_sealed(runs.folder(night.settings, run_id) / f"plan-{conn_id}.json", AccountPlan)
        account, settings = _account(night, conn_id), night.settings
        manifests = read_account(
            account,
            plan,
            night.settings.landing / run.night,
            night.tables,
            night.settings.hash_key or b"",
            night.clock,
            night.progress,
            policy=night.retries,
            credentials=credentials_of(account, night.clock, settings.state, settings.fernet_keys),
            before=None if run.full_refresh else landings.last_loaded(settings.landing),
            limits=Limits(settings.answer_megabytes, settings.answer_seconds),
        )
        done.listings = [ListingDone.of(manifest) for manifest in manifests]
        landings.note_landed(night.settings, run_id, conn_id, manifests)


def load(night: Night, run_id: str) -> None:
    """All landed listings of the run into staging, with their cursors, in one transaction."""
    from stockbook.landing.manifest import read_manifest
    from stockbook.night import findings
    from stockbook.sla.statuses import read as read_statuses
    from stockbook.staging.load import Landed
    from stockbook.staging.load import load as load_landed
    from stockbook.staging.load_log import is_counted
    from stockbook.warehouse.connect import writer

    run = runs.read(night.settings, run_id)
    with night.at(run, "load") as done:
        if not run.observes:
            return
        landed = []
        for folder in landings.landed_folders(night.settings, run):
            manifest = read_manifest(folder)
            if manifest is None:
                raise LandingDamaged(f"{folder} has no manifest: expected a complete listing. Run the night again.")
            landed.append(Landed(manifest, folder))
        if not landed:
            raise LandingDamaged(f"Run {run_id} landed no listing: there is nothing to make books of. Run it again.")
        with writer(night.settings) as con:
            try:
                loaded = load_landed(
                    con, run, landed, night.tables, night.clock, night.progress, night.settings.quarantine_share
                )
            except StagingRefused:
                landings.mark_refused(night.settings, run.night)
                raise
            statuses = read_statuses(night.settings.policy_dir / "statuses.yml")
            done.notes += findings.of_load(con, run, night.tables, statuses)
        by_listing: dict[str, ListingDone] = {}
        for manifest, _, counts in loaded:
            key = f"{manifest.account}/{manifest.api}.{manifest.listing}"
            item = by_listing.get(key)
            if item is None:
                item = by_listing[key] = ListingDone.of(manifest)
                item.new, item.changed, item.unchanged, item.gone = counts[:4]
                if not is_counted(manifest):
                    item.quarantined = sum(refused.rows for refused in manifest.refused)
            item.quarantined += counts.quarantined
        done.listings = list(by_listing.values())
        landings.mark_loaded(night.settings, run.night)


def check(night: Night, run_id: str, step: str) -> None:
    """Ask all of a stage (``check_staging`` or ``check_marts``) and keep the answers. Raises CheckFailed."""
    from stockbook.checks.run import raise_on_failed, run_checks, write_results
    from stockbook.warehouse.connect import writer

    run = runs.read(night.settings, run_id)
    with night.at(run, step) as done:
        tables = [
            table
            for layer in CHECKED[step]
            for table in of_layer(night.tables, layer)
            if table.kind not in ("view", "macro") or table.checks
        ]
        night.progress.start(step)
        done.checks = run_checks(night.settings.warehouse, tables)
        with writer(night.settings) as con:
            write_results(con, run.run_id, step, done.checks, night.clock.utc())
        broken = sum(outcome.success is False for outcome in done.checks)
        empty = sum(outcome.success is None for outcome in done.checks)
        night.progress.finish(step, f"{len(done.checks)} checks, {broken} do not hold, {empty} had nothing to check")
        raise_on_failed(done.checks)


def build(night: Night, run_id: str) -> None:
    """All models, in the writer's file."""
    from stockbook.models.build import build as build_models
    from stockbook.models.programs import BuildContext
    from stockbook.sla.program import notes as policy_notes
    from stockbook.sla.program import read as read_policies
    from stockbook.warehouse.connect import writer

    run = runs.read(night.settings, run_id)
    settings = night.settings
    with night.at(run, "build") as done, writer(settings) as con:
        given = BuildContext(
            run.as_of,
            run.run_id,
            run.tz,
            settings.policy_dir,
            night.tables,
            run.full_refresh,
            settings.published,
            run.as_of_utc,
        )
        done.models = build_models(con, settings.models_dir, given, night.clock, night.progress)
        done.notes += [f"warning: {note}" for note in policy_notes(con, read_policies(settings.policy_dir))]


def publish(night: Night, run_id: str) -> Path:
    """What was built and checked becomes what readers open."""
    from stockbook.morning.publish_files import beside
    from stockbook.warehouse.connect import writer
    from stockbook.warehouse.publish import publish as publish_file

    run = runs.read(night.settings, run_id)
    with night.at(run, "publish") as done:
        with writer(night.settings) as con:
            con.execute(
                "update meta.run set status = 'published', finished_at = ? where run_id = ?",
                [night.clock.utc().replace(tzinfo=None, microsecond=0), run_id],
            )
        published = publish_file(night.settings, run_id)
        done.notes += published.notes + beside(night.settings)
        return published.path


def tell(night: Night, run_id: str) -> None:
    """
    Send the alerts and the morning report of a published night that were not sent yet; name alerts in the run report.

    Of a red night its reason is sent instead. A notifier that fails leaves the night published and the alerts unsent:
    the next night sends them. A run dated in the past tells nobody.
    """
    from stockbook.alerts import failed_night, outbox
    from stockbook.morning import mail
    from stockbook.warehouse.connect import writer

    run = runs.read(night.settings, run_id)
    if not run.observes:
        return
    folder = runs.folder(night.settings, run_id)
    made = report.make(folder, run, night.clock.utc())
    if made.status != "published":
        if night.settings.alert_notifier:
            with night.at(run, "alert") as done:
                done.notes += failed_night.send(night.settings, folder, made)
        return
    with night.at(run, "alert") as done:
        with writer(night.settings) as con:
            done.notes += [
                f"warning: {text}" for text in outbox.rules_of_unknown_accounts(con, night.settings.policy_dir)
            ]
            done.notes += outbox.send_new(con, night.settings, run.as_of, night.clock.utc())
        done.notes += mail.send(night.settings)


def finish(night: Night, run_id: str) -> Report:
    """
    Tell of new alerts or of a red night, write the run report, remember a red run, drop old landings, let the lock go.

    The report is written whatever fails, and where the disk takes nothing it is said. Safe to call again.
    """
    run = runs.read(night.settings, run_id)
    folder = runs.folder(night.settings, run_id)
    holder = night.lock.holder()
    is_ours = holder is not None and holder.run_id == run_id
    untold: StockbookError | None = None
    try:
        if is_ours:
            tell(night, run_id)
    except StockbookError as error:
        untold = error
    made = report.make(folder, run, night.clock.utc())
    try:
        report.write(folder, made)
    except OSError as error:
        night.progress.note(f"The report could not be written ({error.strerror}). It says:\n{report.text(made)}")
    try:
        if made.status == "failed" and is_ours:
            _remember_red(night, run_id, made)
        landings.drop_old(
            night.settings, night.clock.utc() - timedelta(days=night.settings.landing_days), keep=run.night
        )
    except (StockbookError, OSError) as error:
        night.progress.note(f"warning: the end of the run could not be noted everywhere: {error}")
    night.lock.release(run_id)
    if untold is not None:
        raise untold
    return made


def _remember_red(night: Night, run_id: str, made: Report) -> None:
    from stockbook.warehouse.connect import writer

    with night.lock.step(run_id, "finish"), writer(night.settings) as con:
        con.execute(
            "update meta.run set status = 'failed', finished_at = ?, failed_step = ?, reason = ? where run_id = ?",
            [made.finished_at.replace(tzinfo=None, microsecond=0), made.failed_step, made.reason, run_id],
        )


def settle(night: Night, run_id: str) -> None:
    """What every run does once its rows are in staging: check them, build the marts, check those, publish."""
    check(night, run_id, "check_staging")
    build(night, run_id)
    check(night, run_id, "check_marts")
    publish(night, run_id)


def _extract_all(night: Night, run: RunContext) -> None:
    """Read every account. One that is refused keeps no other from being asked: all that are refused are named."""
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


def run_all(
    night: Night, name: str, parameters: Parameters, conn_ids: Iterable[str], notes: Iterable[str] = ()
) -> Report:
    """The whole night in this process. Raises what made it red, after the report was written."""
    run = open_run(night, name, parameters, conn_ids, whole_run_here=True, notes=notes)
    try:
        _extract_all(night, run)
        load(night, run.run_id)
        settle(night, run.run_id)
    except Exception:
        try:
            finish(night, run.run_id)
        except (StockbookError, OSError) as another:
            night.progress.note(f"The report of this run could not be completed: {another}")
        raise
    return finish(night, run.run_id)
