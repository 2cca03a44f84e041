"""The last step, of green and red nights alike: alerts, the run report, what is kept no longer, the lock."""

from stockbook import retention_policy
from stockbook.errors import StockbookError
from stockbook.night import retention
from stockbook.night.tonight import Night
from stockbook.runs import context as runs
from stockbook.runs import report
from stockbook.runs.report import Report
from stockbook.warehouse import meta


def finish(night: Night, run_id: str) -> Report:
    """
    Send alerts, write the run report, remember a red run, remove what retention.yml keeps no longer, let the lock
    go.

    The report is written whatever fails; where the disk takes nothing it is printed. Safe to call again.
    """
    run = runs.read(night.settings, run_id)
    folder = runs.folder(night.settings, run_id)
    holder = night.lock.holder()
    is_ours = holder is not None and holder.run_id == run_id
    unsent: StockbookError | None = None
    try:
        if is_ours:
            send_messages(night, run_id)
    except StockbookError as error:
        unsent = error
    run_report = report.make(folder, run, night.clock.utc())
    try:
        report.write(folder, run_report)
    except OSError as error:
        night.progress.note(f"The report could not be written ({error.strerror}). It says:\n{report.text(run_report)}")
    try:
        if run_report.status == "failed" and is_ours:
            _remember_red(night, run_report)
        retention.drop_files(night, keep=run.night)
        if run_report.status == "published" and is_ours:
            _drop_rows(night, run_id)
    except (StockbookError, OSError) as error:
        night.progress.note(f"warning: the end of the run could not be noted everywhere: {error}")
    night.lock.release(run_id)
    if unsent is not None:
        raise unsent
    return run_report


def send_messages(night: Night, run_id: str) -> None:
    """
    Send the alerts and the morning report of a published night that were not sent yet, or the reason of a red one.

    A notifier that fails leaves the night published and the alerts unsent: the next night sends them. A run dated in
    the past sends nothing.
    """
    from stockbook.alerts import failed_night, outbox
    from stockbook.morning import mail, pack_mail
    from stockbook.warehouse.connect import writer

    run = runs.read(night.settings, run_id)
    if not run.observes:
        return
    folder = runs.folder(night.settings, run_id)
    run_report = report.make(folder, run, night.clock.utc())
    if run_report.status != "published":
        if night.settings.alert_notifier:
            with night.at(run, "alert") as done:
                done.notes += failed_night.send(night.settings, folder, run_report)
        return
    with night.at(run, "alert") as done:
        with writer(night.settings) as con:
            done.notes += [
                f"warning: {text}" for text in outbox.rules_of_unknown_accounts(con, night.settings.policy_dir)
            ]
            done.notes += outbox.send_new(con, night.settings, run.as_of, night.clock.utc())
        done.notes += mail.send(night.settings) + pack_mail.send(night.settings)


def _drop_rows(night: Night, run_id: str) -> None:
    policy = retention_policy.of(night.settings)
    with night.lock.step(run_id, "finish"):
        for old in retention.drop_rows(night, policy, run_id):
            night.progress.note(f"{old.rows:,} rows of {old.table} older than they are kept were removed.")


def _remember_red(night: Night, run_report: Report) -> None:
    from stockbook.warehouse.connect import writer

    with night.lock.step(run_report.run_id, "finish"), writer(night.settings) as con:
        meta.write_failed(con, run_report.run_id, run_report.finished_at, run_report.failed_step, run_report.reason)
