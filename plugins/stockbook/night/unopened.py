"""The report and the alert of a run that could not be opened: no later step is there to write them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from stockbook.clock import local
from stockbook.errors import ConfigError, StockbookError, reason_of
from stockbook.night.tonight import Night
from stockbook.runs import context as runs
from stockbook.runs import report


@contextmanager
def reporting(night: Night, name: str, as_of: str | None) -> Iterator[None]:
    """
    Report a run that is not opened within the block; the report of an earlier try goes once it is opened.

    ``as_of`` is what was asked for: a run dated by hand sends no alert.
    """
    folder, began = runs.folder(night.settings, runs.run_id_of(name)), night.clock.utc()
    try:
        yield
    except Exception as error:
        _report(night, folder, as_of, began, error)
        raise
    (folder / "report.json").unlink(missing_ok=True)


def _report(night: Night, folder: Path, as_of: str | None, began: datetime, error: Exception) -> None:
    from stockbook.alerts import failed_night

    moment = local(night.clock, night.settings.zone)
    with suppress(ConfigError):
        moment = runs.parse_as_of(as_of, moment, night.settings.zone)
    try:
        holder = night.lock.holder()
        if holder is not None and holder.run_id == folder.name:
            return  # the same run is at work elsewhere: its own steps report
        folder.mkdir(parents=True, exist_ok=True)
        run_report = report.of_unopened(
            folder, folder.name, moment, began, night.clock.utc(), reason_of(error), type(error).__name__
        )
        report.write(folder, run_report)
        notes = [] if as_of else failed_night.send(night.settings, folder, run_report)
    except (StockbookError, OSError) as failure:
        notes = [f"The report of this run could not be completed: {failure}"]
    for note in notes:
        night.progress.note(note)
