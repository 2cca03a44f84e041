"""
The task `finish` of run r1, each time in a process of its own: run as a program by the tests of what it sends.

A line of JSON is the environment of one; how it ended is answered by a line of JSON. It is forked from a process that
has imported Airflow, which takes longer than all else that it does.
"""

import json
import os
import sys
import tempfile
import traceback
from types import SimpleNamespace

from airflow.providers.smtp.notifications import smtp

from stockbook.night import steps as night
from stockbook.orchestration import steps

IMPORTED_BY_IT = (smtp, night)


def finish(environ: dict[str, str], output: int) -> None:
    """In this environment, all it prints into a file."""
    os.environ.clear()
    os.environ.update(environ)
    os.dup2(output, 1)
    os.dup2(output, 2)
    steps.finish({"dag_run": SimpleNamespace(run_id="r1")})


if __name__ == "__main__":
    for line in sys.stdin:
        with tempfile.TemporaryFile() as output:
            process = os.fork()
            if process == 0:
                ended = 1
                try:
                    finish(json.loads(line), output.fileno())
                    ended = 0
                except BaseException:
                    traceback.print_exc()
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(ended)
            code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            output.seek(0)
            print(json.dumps([code, output.read().decode()]), flush=True)
