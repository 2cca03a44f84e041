"""
The night, step by step: open, extract (per account), load, check, build, check, publish, finish.

Each step is a function that may run in a process of its own; what one leaves for the next lies in
the run's folder and in the landing. The DAG and the command line call the same functions.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from stockbook import __version__, connections, declarations
from stockbook.clock import Clock, local
from stockbook.connections import Account, RawConnection
from stockbook.declarations import Table, of_layer
from stockbook.durable import write_atomically
from stockbook.errors import ConfigError, LandingDamaged, StagingRefused, StockbookError
from stockbook.landing.manifest import Manifest
from stockbook.progress import Progress
from stockbook.runs import context as runs
from stockbook.runs import nights, report
from stockbook.runs.context import FRESH, Parameters, RunContext
from stockbook.runs.lock import RunLock
from stockbook.runs.report import Report
from stockbook.runs.steps import ListingDone, StepDone, recorded
from stockbook.settings import Settings
from stockbook.sources.plan import AccountPlan

if TYPE_CHECKING:
    from stockbook.sources.http import RetryPolicy

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


def open_run(
    night: Night, name: str, parameters: Parameters, conn_ids: Iterable[str], whole_run_here: bool = False
) -> RunContext:
    """
    Open a run: check what it was given, take the lock, and write down what each account will be asked.

    Opening a run of the same name again goes on with it (its ``as_of`` stays). Raises ConfigError
    for a missing key, connection or parameter, RunLocked while another run is under way.
    """
    from stockbook.alerts import notify, rules
    from stockbook.runs.plans import write_plans
    from stockbook.sla.program import read as read_policies
    from stockbook.staging.tables import create_all
    from stockbook.warehouse.connect import writer
    from stockbook.warehouse.publish import published_as_of

    settings = night.settings
    if settings.hash_key is None:
        raise ConfigError(
            "STOCKBOOK_HASH_KEY must be set to a secret of at least 16 characters: personal data is hashed with it "
            "before anything is written. Keep it for ever: another key makes other customers of the same people."
        )
    run_id = runs.run_id_of(name)
    found = connections.accounts(conn_ids, night.look_up, parameters.accounts)
    now = local(night.clock, settings.zone)
    as_of = runs.parse_as_of(parameters.as_of, now)
    night.lock.take(run_id, whole_run_here=whole_run_here)
    with (
        _released_unless_opened(night.lock, run_id),
        night.lock.step(run_id, "open"),
        recorded(runs.folder(settings, run_id), "open", night.clock) as done,
    ):
        runs.folder(settings, run_id).mkdir(parents=True, exist_ok=True)
        # a wrong policy, rule or notifier is red now, not after hours of reading
        read_policies(settings.policy_dir)
        rules.read(settings.policy_dir)
        notify.parse(settings.alert_notifier)
        before = published_as_of(settings)
        if (runs.folder(settings, run_id) / "run.json").exists() and not parameters.as_of:
            as_of = runs.read(settings, run_id).as_of
        fresh = all(account.sandbox for account in found) or abs(as_of - now) <= FRESH
        observes = fresh and (before is None or as_of >= before)
        run = RunContext(
            run_id=run_id,
            as_of=as_of,
            zone=settings.zone.key,
            started_at=night.clock.utc(),
            night=nights.open_folder(settings, as_of, parameters, night.clock),
            observes=observes,
            full_refresh=parameters.full_refresh,
            backfill_from=parameters.backfill_from,
            backfill_to=parameters.backfill_to,
            conn_ids=tuple(account.conn_id for account in found),
        )
        if not observes:
            why = f"before the last published one ({before})" if fresh else f"more than {FRESH} from now ({now})"
            done.notes.append(f"as_of {as_of} is {why}: no source is read, figures are computed again from staging.")
        with writer(settings) as con:
            create_all(con, night.tables)
            con.execute("delete from meta.run where run_id = ?", [run_id])
            con.execute(
                "insert into meta.run values (?, ?, ?, null, 'running', ?, ?, null, null, ?)",
                [run_id, as_of, run.started_at.replace(tzinfo=None), run.full_refresh, observes, __version__],
            )
            write_plans(con, settings, run, found)
        runs.save(settings, run)
    return run


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
    from stockbook.sources.credentials import credentials_of
    from stockbook.sources.extract import extract as read_account

    run = runs.read(night.settings, run_id)
    with night.at(run, "extract", conn_id) as done:
        if not run.observes:
            return
        plan = msgspec.json.decode(
            (runs.folder(night.settings, run_id) / f"plan-{conn_id}.json").read_bytes(), type=AccountPlan
        )
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
        )
        done.listings = [_extracted(manifest) for manifest in manifests]
        write_atomically(
            runs.folder(night.settings, run_id) / f"landed-{conn_id}.json",
            msgspec.json.encode([f"{manifest.account}/{manifest.api}.{manifest.listing}" for manifest in manifests]),
        )


def _extracted(manifest: Manifest) -> ListingDone:
    return ListingDone(
        account=manifest.account,
        api=manifest.api,
        listing=manifest.listing,
        rows=manifest.rows,
        promised_total=manifest.promised_total,
        proof=manifest.proof,
        pages=len(manifest.pages),
        requests=manifest.requests,
        bytes=manifest.bytes_received,
        seconds=manifest.seconds,
        undeclared=[f"{field.path} ({field.json_type})" for field in manifest.undeclared],
    )


def load(night: Night, run_id: str) -> None:
    """All landed listings of the run into staging, with their cursors, in one transaction."""
    from stockbook.landing.manifest import read_manifest
    from stockbook.runs import findings
    from stockbook.sla.statuses import read as read_statuses
    from stockbook.staging.load import Landed
    from stockbook.staging.load import load as load_landed
    from stockbook.warehouse.connect import writer

    run = runs.read(night.settings, run_id)
    with night.at(run, "load") as done:
        if not run.observes:
            return
        landed = []
        for folder in _landed_folders(night.settings, run):
            manifest = read_manifest(folder)
            if manifest is None:
                raise LandingDamaged(f"{folder} has no manifest: expected a complete listing. Run the night again.")
            landed.append(Landed(manifest, folder))
        with writer(night.settings) as con:
            try:
                loaded = load_landed(
                    con, run, landed, night.tables, night.clock, night.progress, night.settings.quarantine_share
                )
            except StagingRefused:
                nights.mark_refused(night.settings, run.night)
                raise
            statuses = read_statuses(night.settings.policy_dir / "statuses.yml")
            done.notes += findings.of_load(con, run, night.tables, statuses)
        by_listing: dict[str, ListingDone] = {}
        for manifest, _, counts in loaded:
            key = f"{manifest.account}/{manifest.api}.{manifest.listing}"
            item = by_listing.get(key)
            if item is None:
                item = by_listing[key] = _extracted(manifest)
                item.new, item.changed, item.unchanged, item.gone = counts[:4]
                item.quarantined = sum(refused.rows for refused in manifest.refused)
            item.quarantined += counts.quarantined
        done.listings = list(by_listing.values())
        nights.mark_loaded(night.settings, run.night)


def _landed_folders(settings: Settings, run: RunContext) -> list[Path]:
    folders = []
    for conn_id in run.conn_ids:
        file = runs.folder(settings, run.run_id) / f"landed-{conn_id}.json"
        if not file.exists():
            raise LandingDamaged(f"Connection {conn_id} has not been read in run {run.run_id}: extract it first.")
        folders += [
            settings.landing / run.night / name for name in msgspec.json.decode(file.read_bytes(), type=list[str])
        ]
    return folders


def check(night: Night, run_id: str, step: str) -> None:
    """Ask all of a stage (``check_staging`` or ``check_marts``) and keep the answers. Raises CheckFailed."""
    from stockbook.checks.run import ask, keep, raise_on_failed
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
        done.checks = ask(night.settings.warehouse, tables)
        with writer(night.settings) as con:
            keep(con, run.run_id, step, done.checks, night.clock.utc())
        broken = sum(not outcome.success for outcome in done.checks)
        night.progress.finish(step, f"{len(done.checks)} expectations, {broken} do not hold")
        raise_on_failed(done.checks)


def build(night: Night, run_id: str) -> None:
    """All models, in the writer's file."""
    from stockbook.sla.program import notes as policy_notes
    from stockbook.sla.program import read as read_policies
    from stockbook.warehouse.build import build as build_models
    from stockbook.warehouse.connect import writer
    from stockbook.warehouse.programs import BuildContext

    run = runs.read(night.settings, run_id)
    settings = night.settings
    with night.at(run, "build") as done, writer(settings) as con:
        given = BuildContext(run.as_of, run.run_id, run.tz, settings.policy_dir, night.tables, settings.published)
        done.models = build_models(con, settings.models_dir, given, night.clock, night.progress)
        done.notes += [f"warning: {note}" for note in policy_notes(con, read_policies(settings.policy_dir))]


def publish(night: Night, run_id: str) -> Path:
    """What was built and checked becomes what readers open."""
    from stockbook.warehouse.connect import writer
    from stockbook.warehouse.publish import publish as publish_file

    run = runs.read(night.settings, run_id)
    with night.at(run, "publish"):
        with writer(night.settings) as con:
            con.execute(
                "update meta.run set status = 'published', finished_at = ? where run_id = ?",
                [night.clock.utc().replace(tzinfo=None, microsecond=0), run_id],
            )
        return publish_file(night.settings, run_id)


def tell(night: Night, run_id: str) -> None:
    """
    Send the alerts of a published night that were not sent yet, and name them in the run report.

    A notifier that fails leaves the night published and the alerts unsent: the next night sends them. A run
    dated in the past, and one that was not published, tells nobody.
    """
    from stockbook.alerts import notify, outbox
    from stockbook.warehouse.connect import writer

    run = runs.read(night.settings, run_id)
    if (
        not run.observes
        or report.make(runs.folder(night.settings, run_id), run, night.clock.utc()).status != "published"
    ):
        return
    with night.at(run, "alert") as done, writer(night.settings) as con:
        notifier = notify.parse(night.settings.alert_notifier)
        alerts = outbox.unsent(con, run.as_of)
        done.notes += [f"warning: {text}" for text in outbox.rules_of_nobody(con, night.settings.policy_dir)]
        if notifier is None:  # the report is all there is: it names an alert on the night that raised it
            alerts = [alert for alert in alerts if alert.raised_as_of == run.as_of]
        done.notes += [f"alert: {notify.line(alert)}" for alert in alerts]
        if notifier is None or not alerts:
            return
        try:
            notify.send(notifier, alerts, run.as_of)
        except StockbookError as error:
            done.notes.append(
                f"warning: {len(alerts)} alerts could not be sent and stay unsent until the next night: {error}"
            )
            return
        outbox.mark_sent(con, alerts, night.clock.utc().replace(tzinfo=None, microsecond=0))


def finish(night: Night, run_id: str) -> Report:
    """
    Tell of new alerts, write the run report, remember a red run, drop old landings, let the lock go.

    Safe to call again.
    """
    from stockbook.warehouse.connect import writer

    run = runs.read(night.settings, run_id)
    folder = runs.folder(night.settings, run_id)
    holder = night.lock.holder()
    if holder is not None and holder.run_id == run_id:
        tell(night, run_id)
    made = report.make(folder, run, night.clock.utc())
    report.write(folder, made)
    if made.status == "failed" and holder is not None and holder.run_id == run_id:
        with night.lock.step(run_id, "finish"), writer(night.settings) as con:
            con.execute(
                "update meta.run set status = 'failed', finished_at = ?, failed_step = ?, reason = ? where run_id = ?",
                [made.finished_at.replace(tzinfo=None, microsecond=0), made.failed_step, made.reason, run_id],
            )
    nights.drop_old(night.settings, night.clock.utc() - timedelta(days=night.settings.landing_days), keep=run.night)
    night.lock.release(run_id)
    return made


def replay(night: Night, name: str, landing: Path) -> Report:
    """
    Make the books of an empty home from the landed pages of another (or of its own, when the warehouse is lost).

    Raises ConfigError when the home has books already or the landing holds no beginning, LandingDamaged when
    pages are not as they were written.
    """
    from stockbook.runs.replay import loaded_nights
    from stockbook.sla.program import read as read_policies
    from stockbook.staging.load import load as load_landed
    from stockbook.staging.tables import create_all
    from stockbook.warehouse.connect import writer

    settings = night.settings
    run_id = runs.run_id_of(name)
    night.lock.take(run_id, whole_run_here=True)
    try:
        with night.lock.step(run_id, "open"):
            read_policies(settings.policy_dir)
            if settings.warehouse.exists() and not _unfinished(settings).exists():
                raise ConfigError(
                    f"A replay makes the books of an empty home; {settings.warehouse} exists: "
                    "set STOCKBOOK_HOME to a new folder, or move the file away."
                )
            found, left_out = loaded_nights(landing, night.tables)
            run = RunContext(
                run_id=run_id,
                as_of=found[-1].as_of,
                zone=settings.zone.key,
                started_at=night.clock.utc(),
                night=found[-1].name,
                observes=True,
                full_refresh=False,
                backfill_from=None,
                backfill_to=None,
                conn_ids=(),
            )
            runs.save(settings, run)
            # a replay that was killed begins anew: nights must be loaded in their order
            write_atomically(_unfinished(settings), b"")
            for file in (settings.warehouse, settings.warehouse.with_name(settings.warehouse.name + ".wal")):
                file.unlink(missing_ok=True)
        with night.at(run, "load") as done:
            done.notes += [f"left out: {text}" for text in left_out]
            with writer(settings) as con:
                create_all(con, night.tables)
                con.execute(
                    "insert into meta.run values (?, ?, ?, null, 'running', false, true, null, null, ?)",
                    [run_id, run.as_of, run.started_at.replace(tzinfo=None), __version__],
                )
                for one in found:
                    of_night = msgspec.structs.replace(run, run_id=one.name, as_of=one.as_of, night=one.name)
                    # every row that was refused then is refused again: the night was green with it
                    loaded = load_landed(con, of_night, one.landed, night.tables, night.clock, night.progress, 1.0)
                    rows = sum(item.counts.new + item.counts.changed for item in loaded)
                    done.notes.append(f"{one.name}: {len(one.landed)} listings, {rows:,} rows new or changed")
            _unfinished(settings).unlink()
        check(night, run_id, "check_staging")
        build(night, run_id)
        check(night, run_id, "check_marts")
        publish(night, run_id)
        return finish(night, run_id)
    finally:
        night.lock.release(run_id)


def _unfinished(settings: Settings) -> Path:
    return settings.home / "replay.unfinished"


def run_all(night: Night, name: str, parameters: Parameters, conn_ids: Iterable[str]) -> Report:
    """The whole night in this process. Raises what made it red, after the report was written."""
    run = open_run(night, name, parameters, conn_ids, whole_run_here=True)
    try:
        for conn_id in run.conn_ids:
            extract(night, run.run_id, conn_id)
        load(night, run.run_id)
        check(night, run.run_id, "check_staging")
        build(night, run.run_id)
        check(night, run.run_id, "check_marts")
        publish(night, run.run_id)
    except Exception:
        try:
            finish(night, run.run_id)
        except StockbookError as another:
            night.progress.note(f"The report of this run could not be completed: {another}")
        raise
    return finish(night, run.run_id)
