"""
The night's steps as Airflow calls them.

Everything Airflow's own is here: which errors are worth another try, that an error of ours is one sentence
and no traceback, and that before set-up is complete a run is skipped instead of red.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from stockbook.clock import SystemClock
from stockbook.errors import WORTH_ANOTHER_TRY, RunLocked, StockbookError
from stockbook.health import metrics
from stockbook.night import steps
from stockbook.orchestration import openlineage, published_assets, readiness
from stockbook.orchestration.connections import PLACES
from stockbook.progress import Logged, Progress
from stockbook.runs.context import run_id_of
from stockbook.runs.report import Report, text
from stockbook.settings import Settings


class Red(Exception):
    """A step failed in a way that another try may heal; the message is the whole story."""


@contextmanager
def plain_errors() -> Iterator[None]:
    """An error of ours as one sentence, and whether Airflow tries again."""
    try:
        yield
    except WORTH_ANOTHER_TRY as error:
        raise Red(f"{type(error).__name__}: {error}") from None
    except StockbookError as error:
        raise AirflowFailException(f"{type(error).__name__}: {error}") from None


def _night() -> steps.Night:
    clock = SystemClock()
    return steps.Night(Settings.load(), clock, Logged(clock), PLACES.look_up)


def open_run(context: Any) -> list[str]:
    """
    Open the run of this DAG run; the connections to read.

    The same DAG run opens the same run again. Skipped before set-up is complete.
    """
    with plain_errors():
        tonight, name = _night(), context["dag_run"].run_id
        listing = PLACES.listing()
        skip_if(tonight.progress, readiness.missing_for_a_night(tonight.settings, lambda: listing.conn_ids))
        run = steps.open_run(tonight, name, dict(context["params"]), listing.conn_ids, notes=listing.notes)
        return list(run.conn_ids)


def skip_if(progress: Progress, missing: str | None) -> None:
    """Skip the task where something is missing, and say what."""
    if missing is not None:
        progress.note(missing)
        raise AirflowSkipException(missing)


@contextmanager
def _held_open() -> Iterator[steps.Night]:
    from stockbook.warehouse.connect import held_open

    with plain_errors():
        tonight = _night()
        with held_open(tonight.settings):
            yield tonight


def _run_id(context: Any) -> str:
    return run_id_of(context["dag_run"].run_id)


def extract(context: Any, conn_id: str) -> None:
    """Read one account."""
    with plain_errors():
        steps.extract(_night(), _run_id(context), conn_id)


def load_and_check(context: Any) -> None:
    """Load what landed, and check staging; done again, both come out the same."""
    with _held_open() as tonight:
        steps.load(tonight, _run_id(context))
        steps.check(tonight, _run_id(context), "check_staging")
    openlineage.tell("load", tonight.settings, tonight.progress, _run_id(context))


def build_and_check(context: Any) -> None:
    """Build the models, and check them; done again, both come out the same."""
    with _held_open() as tonight:
        steps.build(tonight, _run_id(context))
        steps.check(tonight, _run_id(context), "check_marts")
    openlineage.tell("build", tonight.settings, tonight.progress, _run_id(context))


def publish(context: Any) -> None:
    """Publish, and tell who waits for the night."""
    with plain_errors():
        tonight = _night()
        steps.publish(tonight, _run_id(context))
        published_assets.tell(context, tonight.settings, _run_id(context))
    openlineage.tell("publish", tonight.settings, tonight.progress, _run_id(context))


def finish(context: Any) -> None:
    """Log the run report."""
    with plain_errors():
        tonight = _night()
        done = steps.finish(tonight, _run_id(context))
        for line in text(done).splitlines():
            tonight.progress.note(line)
        tell(done)


def tell(done: Report, *of: str) -> None:
    """
    The night as gauges of Airflow's own metrics, wherever ``[metrics]`` sends them; nowhere where it says nothing.

    Labels are part of the name, and so is what the night is of: StatsD keeps no others.
    """
    from airflow.sdk.observability import stats

    for sample in metrics.of_night(done):
        # metrics that cannot be sent leave a night as it is
        with suppress(OSError):
            stats.gauge(".".join((sample.dotted(), *of)), sample.value)


def drain(context: Any) -> str:
    """
    Take the inbox into staging, or leave it to the next drain while a night is under way; what was done.

    Skipped before set-up is complete.
    """
    with plain_errors():
        tonight = _night()
        skip_if(tonight.progress, readiness.missing_for_a_drain(tonight.settings, PLACES.conn_ids))
        try:
            drained = steps.drain(tonight, f"drain-{context['dag_run'].run_id}")
        except RunLocked as busy:
            sentences = [f"Left to the next drain: {busy}"]
        else:
            sentences = drained.sentences() or ["The inbox is empty."]
        for sentence in sentences:
            tonight.progress.note(sentence)
        return sentences[0]
