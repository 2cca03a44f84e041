"""
Programs of tests whose tasks end in a kill, each task in a fork: Python, and what a night imports, starts once.

A program calls ``each_in_a_fork``; a test asks it with ``forks``.
"""

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def kill_this_process() -> None:
    """No clean-up, no last words: what a power cut or the kernel's memory killer does."""
    os.kill(os.getpid(), signal.SIGKILL)


def each_in_a_fork(work: Callable[..., None]) -> None:
    """Do what each line of JSON on standard input asks for, and answer each by a line: how its fork ended."""
    for line in sys.stdin:
        sys.stdout.flush()
        process = os.fork()
        if not process:
            try:
                work(**json.loads(line))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


@contextmanager
def forks(program: str, environ: Mapping[str, str] = os.environ, *options: str) -> Iterator[Callable[..., int]]:
    """``ask(**task)`` of a program in this folder: the exit status of the fork that did it."""
    words = [sys.executable, str(HERE / program), *options]
    with subprocess.Popen(words, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        commands, answers = process.stdin, process.stdout

        def ask(**task: Any) -> int:
            commands.write(json.dumps(task) + "\n")
            commands.flush()
            return int(answers.readline())

        yield ask
        commands.close()
