"""Programs in an Airflow that is imported already, each in a process of its own: importing takes longer than most."""

import os
import sys
from pathlib import Path

from airflow.dag_processing import dagbag
from forked import each_in_a_fork

IMPORTED_BY_THEM = (dagbag,)


def run(program: str, environ: dict[str, str], folder: str) -> None:
    """In this environment, what it writes into files ``stdout`` and ``stderr`` of a folder."""
    os.environ.clear()
    os.environ.update(environ)
    for number, name in ((1, "stdout"), (2, "stderr")):
        with Path(folder, name).open("wb") as output:
            os.dup2(output.fileno(), number)
    try:
        exec(program, {"__name__": "__main__"})
    finally:
        sys.stdout.flush()


if __name__ == "__main__":
    each_in_a_fork(run)
