"""The night's end of its process of Great Expectations, which is started while the night still reads."""

import atexit
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import msgspec

from stockbook import own_process
from stockbook.checks.messages import Count, Counts, Query, Rows, Rules
from stockbook.errors import StockbookError

# a query's columns and rows
Answer = tuple[list[str], list[tuple[Any, ...]]]
_encode = msgspec.json.Encoder(enc_hook=str).encode
_decode: Any = msgspec.json.Decoder(Query | Counts).decode
_asking = threading.Lock()
# the process, and who started it: a fork of ours has one of its own
_started: dict[int, "subprocess.Popen[bytes]"] = {}


def start() -> "subprocess.Popen[bytes]":
    """The process, which imports Great Expectations and waits to be asked; started unless it runs."""
    process = _started.get(os.getpid())
    if process is not None and process.poll() is None:
        return process
    _started.clear()
    process = _started[os.getpid()] = subprocess.Popen(  # our own program
        [sys.executable, "-P", "-m", "stockbook.checks.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=own_process.environ(),
    )
    return process


def counts(statements: list[tuple[str, bool]], at_once: int, answer: Callable[[str], Answer]) -> list[Count]:
    """
    What each statement counts, asked by Great Expectations; the flag says whether its rules are critical.

    ``answer`` is called for its queries, by ``at_once`` threads side by side; what it raises is the error of the query.
    Raises StockbookError when the process ends in the middle.
    """
    with _asking, ThreadPoolExecutor(at_once, "stockbook-checks") as pool:
        process = start()
        assert process.stdin is not None  # noqa: S101  # a pipe
        assert process.stdout is not None  # noqa: S101  # a pipe
        to_process, writing = process.stdin, threading.Lock()

        def send(message: Rules | Rows) -> None:
            # what cannot be sent has no answer either, which is found where it is waited for
            with writing, suppress(BrokenPipeError):
                to_process.write(_encode(message) + b"\n")
                to_process.flush()

        def answered(query: Query) -> None:
            try:
                columns, rows = answer(query.sql)
                send(Rows(query.number, columns, [[*row] for row in rows]))
            except Exception as error:  # whatever it is, Great Expectations waits for it
                send(Rows(query.number, [], [], str(error) or type(error).__name__))

        try:
            send(Rules(statements, at_once))
            for line in process.stdout:
                message = _decode(line)
                if isinstance(message, Counts):
                    return message.of_statements
                pool.submit(answered, message)
        except BaseException:
            # in the middle of a question: it would answer the next one with this one's
            stop()
            raise
        stop()
        raise StockbookError(
            f"The process of Great Expectations was to ask {len(statements)} statements and ended with code "
            f"{process.returncode}: is the machine out of memory? Run the night again."
        )


@atexit.register
def stop() -> None:
    """End the process, if there is one."""
    process = _started.pop(os.getpid(), None)
    if process is not None:
        # what it was sent and did not read cannot be written any more when its pipe is closed
        with suppress(BrokenPipeError), process:
            process.kill()
