"""Ctrl-C in a command is a sentence, not a traceback, whatever it met: Python or a query of DuckDB."""

from pathlib import Path

import pytest

from stockbook.cli import main as commands
from stockbook.cli.nights import progress_of
from stockbook.clock import SystemClock
from stockbook.errors import Interrupted
from stockbook.runs import step_log

MET = [KeyboardInterrupt(), RuntimeError("Query interrupted")]


@pytest.mark.parametrize("met", MET, ids=repr)
def test_a_night_that_is_stopped_says_how_things_stand(met: BaseException) -> None:
    """What readers have, and what to do."""
    said = r"Readers have the night that was published last.*run it again"
    with pytest.raises(Interrupted, match=said), progress_of(SystemClock()):
        raise met


def test_another_error_is_no_interruption() -> None:
    """A bug keeps its traceback."""
    with pytest.raises(RuntimeError, match="a bug"), progress_of(SystemClock()):
        raise RuntimeError("a bug")


@pytest.mark.parametrize("met", MET, ids=repr)
def test_the_report_of_a_step_says_who_stopped_it(tmp_path: Path, met: BaseException) -> None:
    """`stockbook report` shows it in the morning after."""
    with pytest.raises(type(met)), step_log.recorded(tmp_path, "build", SystemClock()):
        raise met

    (step,) = step_log.read_all(tmp_path)
    assert (step.error_kind, step.error) == (
        "Interrupted",
        "somebody stopped it (Ctrl-C): run it again, it goes on or begins anew",
    )


def test_another_command_ends_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """A query that was stopped, say; a bug is not hidden by it."""
    said: list[str] = []
    monkeypatch.setattr(commands, "_end", said.append)

    def main_over(error: Exception) -> None:
        def command() -> None:
            raise error

        monkeypatch.setattr(commands, "app", command)
        commands.main()

    main_over(RuntimeError("Query interrupted"))
    main_over(RecursionError("too deep"))
    assert said[0] == "Interrupted."
    assert said[1].startswith("This is more than the program can hold")
    with pytest.raises(RuntimeError, match="a bug"):
        main_over(RuntimeError("a bug"))
