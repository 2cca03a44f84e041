"""
The process of Great Expectations: it asks rules, and the night that started it answers the queries.

Importing Great Expectations takes seconds of one interpreter. Here they are not the night's, which reads and loads
meanwhile on another core, and the night alone opens its file. ``python -m stockbook.checks.worker`` reads messages from
its standard input, and ends with it.
"""

import gc
import itertools
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import IO, Any

import msgspec

from stockbook.checks.deferred import UNUSED, deferred
from stockbook.checks.messages import Count, Counts, Query, Rows, Rules

_encode = msgspec.json.Encoder().encode
_decode: Any = msgspec.json.Decoder(Rules | Rows).decode


def main(messages: IO[bytes], answers: IO[bytes]) -> None:
    """Import, then ask what comes, until nothing can come any more; the process ends in any case."""
    gave = SimpleQueue[Rules]()
    night = _Night(answers)
    threading.Thread(target=_serve, args=(gave, night)).start()
    for line in messages:
        message = _decode(line)
        if isinstance(message, Rows):
            night.has_answered(message)
        else:
            gave.put(message)
    # whatever else runs: the night is gone, or had no question
    os._exit(0)


class _Night:
    """The other end."""

    def __init__(self, answers: IO[bytes]) -> None:
        self._answers = answers
        self._writing = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, SimpleQueue[Rows]] = {}

    def send(self, message: Query | Counts) -> None:
        with self._writing:
            self._answers.write(_encode(message) + b"\n")
            self._answers.flush()

    def has_answered(self, rows: Rows) -> None:
        self._waiting.pop(rows.number).put(rows)

    def answer(self, sql: str) -> tuple[list[str], list[list[Any]]]:
        from stockbook.checks.dialect import Error

        number, queue = next(self._numbers), SimpleQueue[Rows]()
        self._waiting[number] = queue
        self.send(Query(number, sql))
        answer = queue.get()
        if answer.error:
            raise Error(answer.error)
        return answer.columns, answer.rows


def _serve(rules: "SimpleQueue[Rules]", night: _Night) -> None:
    try:
        _import()
        from stockbook.checks import dialect

        dialect.answer_by(night.answer)
        while True:
            night.send(Counts(_counts(rules.get())))
    except BaseException:
        logging.getLogger(__name__).exception("The process of Great Expectations ends.")
        os._exit(1)


def _import() -> None:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    warnings.simplefilter("ignore")  # deprecations inside Great Expectations and its imports
    # half a million objects that stay: not to be searched for garbage while they come, nor again and again afterwards
    gc.disable()
    with deferred(*UNUSED):
        import stockbook.checks.expectation  # noqa: F401 - the import itself is what is wanted here
    gc.freeze()
    gc.enable()
    for name in ("great_expectations", "great_expectations.data_context.types.base"):
        # on import the second sets its own level below the package's
        logging.getLogger(name).setLevel(logging.ERROR)


def _counts(rules: Rules) -> list[Count]:
    import great_expectations as gx

    from stockbook.checks.dialect import ADDRESS

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    # a source remembers which batch it is asked about: one for each thread
    number = min(rules.at_once, len(rules.statements))
    sources = [context.data_sources.add_sql(f"warehouse{each}", connection_string=ADDRESS) for each in range(number)]
    with ThreadPoolExecutor(number) as pool:
        shares = [rules.statements[each::number] for each in range(number)]
        answers = list(pool.map(_answers, sources, shares))
    return [answers[each % number][each // number] for each in range(len(rules.statements))]


def _answers(source: Any, statements: list[tuple[str, bool]]) -> list[Count]:
    """The counts of each statement, asked of a source as one suite."""
    import great_expectations as gx

    from stockbook.checks.expectation import RulesHold

    # every query names its tables itself, but Great Expectations insists on a batch: one row
    asset = source.add_query_asset("warehouse", query="select 1 as batch")
    batch = asset.add_batch_definition_whole_table("all").get_batch()
    expectations = [
        RulesHold(
            unexpected_rows_query=sql.replace("{", "{{").replace("}", "}}") + " /* {batch} */",
            severity="critical" if is_critical else "warning",
            meta={"number": number},
        )
        for number, (sql, is_critical) in enumerate(statements)
    ]
    # a suite that is stored, and a validation that stores its results, cost as much again
    suite = gx.ExpectationSuite(name="warehouse", expectations=expectations)
    results = batch.validate(suite, result_format="BASIC").results
    by_number = {result.expectation_config.meta["number"]: _count(result) for result in results}
    return [by_number[number] for number in range(len(statements))]


def _count(result: Any) -> Count:
    for message in _exceptions(result.exception_info):
        return Count([], message or "no message")
    return Count([int(count) for count in result.result["observed_value"]])


def _exceptions(info: dict[str, Any] | None) -> Iterator[str]:
    info = info or {}
    for item in [info] if "raised_exception" in info else info.values():
        if isinstance(item, dict) and item.get("raised_exception"):
            yield str(item.get("exception_message", ""))


if __name__ == "__main__":
    # Ctrl-C is for the night, which ends this process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers, sys.stdout = sys.stdout.buffer, sys.stderr  # nobody else writes there
    main(sys.stdin.buffer, answers)
