"""The publishing step: what was built and checked becomes the file that readers open."""

from pathlib import Path

from stockbook.night.tonight import Night
from stockbook.runs import context as runs


def publish(night: Night, run_id: str) -> Path:
    """Publish the writer's file and write the morning report beside it; returns the published file."""
    from stockbook.morning.publish_files import write_report_files
    from stockbook.warehouse.publish import publish as publish_file

    run = runs.read(night.settings, run_id)
    with night.at(run, "publish") as done:
        published = publish_file(night.settings, run_id, night.clock.utc())
        done.notes += published.notes + write_report_files(night.settings)
        return published.path
