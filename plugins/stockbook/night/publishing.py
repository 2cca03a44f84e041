"""The publishing step: what was built and checked becomes the file that readers open."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from stockbook.night.tonight import Night
from stockbook.runs import context as runs

if TYPE_CHECKING:
    from stockbook.morning.summary import Summary


def publish(night: Night, run_id: str) -> Path:
    """
    Publish the writer's file and write the morning report beside it; returns the published file.

    What the report shows is read and drawn of the copy while that is compared, and shown once it is published.
    """
    from stockbook.morning.publish_files import write_report_files
    from stockbook.morning.published_summary import make
    from stockbook.warehouse.publish import publish as publish_file

    run, settings = runs.read(night.settings, run_id), night.settings
    with night.at(run, "publish") as done, ThreadPoolExecutor(1, "stockbook-report") as pool:
        summaries: list[Future[Summary]] = []

        def begin(copy: Path) -> None:
            summaries.append(pool.submit(make, copy, settings.limits, settings.models_dir))

        published = publish_file(settings, run_id, night.clock.utc(), begin)
        done.notes += published.notes + write_report_files(settings, ahead=summaries[0].result)
        return published.path
