"""
The process that asks DuckDB: a line of JSON in, a line out, until its input ends.

It is a process because some functions of DuckDB neither count the memory they take nor hear that they are interrupted:
who started it ends it then (``asking.py``). It has no secret but what a lake is opened with, and no more memory than
it was told.
"""

import resource
import shutil
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from stockbook.analyst.question import Read, Wanted, read
from stockbook.errors import StockbookError
from stockbook.lake_url import LakeUrl
from stockbook.limits import AnalystLimits

# said before the first question, whose time begins then
READY = b"ready\n"


class Place(msgspec.Struct):
    """What is asked, the published file or a lake, and within which limits."""

    limits: AnalystLimits
    file: Path
    lake: LakeUrl | None = None


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer question after question, once ready. The first line says where."""
    place = msgspec.json.decode(questions.readline(), type=Place, dec_hook=_path)
    _hold_memory(place.limits.of_one.memory)
    try:
        answers.write(READY)
        answers.flush()
        for line in questions:
            answers.write(msgspec.json.encode(_answer(place, msgspec.json.decode(line, type=Wanted))) + b"\n")
            answers.flush()
    finally:
        # who started it may be gone
        shutil.rmtree(place.limits.of_one.spill or "", ignore_errors=True)


def _path(kind: type, text: str) -> Path:
    if kind is not Path:
        raise TypeError(kind)
    return Path(text)


def _answer(place: Place, wanted: Wanted) -> Read:
    try:
        return read(place.lake or place.file, place.limits, wanted)
    except StockbookError as error:
        return Read(error=str(error))
    except MemoryError:
        return Read(error=place.limits.too_large)


def _hold_memory(size: str) -> None:
    """What it has by now and twice the memory of a question: DuckDB's own, and what DuckDB does not count."""
    import duckdb  # noqa: F401  # what it takes by itself is no question's
    import psutil

    from stockbook.setting_values import bytes_of

    info = psutil.Process().memory_info()
    most = getattr(info, "data", info.rss) + 2 * bytes_of(size)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
