"""
The models of a user's folder in their order, after all of ours; what cannot be one of them is a problem of theirs.

They may read what we declare and each other. One that cannot be parsed, reads what there is not or stands in a ring is
left out, and so is what reads it: nothing of ours waits for theirs.
"""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import duckdb
import msgspec

from stockbook.caches import cached, code_of
from stockbook.declarations import Table
from stockbook.errors import ConfigError
from stockbook.extra_folder import METRICS, Extra, Problem, contents, line_with, problem, read, select_file
from stockbook.models import reads, select
from stockbook.models.order import Step, readable
from stockbook.models.reads import reads_of
from stockbook.models.select import select_of


class Plan(msgspec.Struct, frozen=True):
    """What a build makes of a folder, in order, and all that is wrong with its models."""

    steps: tuple[Step, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def tables(self) -> dict[str, Table]:
        """The declarations of what is made."""
        return {step.name: step.tables[0] for step in self.steps}

    def readers_of(self, names: set[str]) -> list[Step]:
        """The steps that read one of these, directly or through others."""
        readers: dict[str, Step] = {}
        size_before = -1
        while size_before != (size_before := len(readers)):
            lost = names | readers.keys()
            readers |= {step.name: step for step in self.steps if step.name not in names and step.reads & lost}
        return list(readers.values())


def plan(folder: Path | None, models_dir: Path, ours: Mapping[str, Table]) -> Plan:
    """The models of a folder over the declarations of ours; none without one."""
    if folder is None:
        return Plan()
    sources = [duckdb.__version__.encode(), msgspec.msgpack.encode(dict(ours))]
    for module in (__file__, select.__file__, reads.__file__):
        sources += code_of(Path(str(module)))
    sources += [*contents(folder), *contents(models_dir.with_name(METRICS))]
    return cached("extra_plan", sources, Plan, lambda: _plan(folder.absolute(), models_dir, ours))


def left_out(folder: Path, step: Step, of: str) -> Problem:
    """That a model is not made because of another one that it reads."""
    file = select_file(step.tables[0])
    return Problem(
        str(file.relative_to(folder.absolute())),
        line_with(file, of),
        f"{step.name} is left out: {of}, which it reads, is.",
    )


def of_step(folder: Path, step: Step, text: str) -> Problem:
    """What is wrong with the select of a model."""
    return problem(folder.absolute(), select_file(step.tables[0]), text)


def _plan(folder: Path, models_dir: Path, ours: Mapping[str, Table]) -> Plan:
    extra = read(folder, models_dir)
    problems = list(extra.problems)
    steps = dict(_steps(folder, models_dir, ours, extra, problems))
    ours_to_read = readable(ours)
    while True:
        lost = {name: sorted(step.reads - ours_to_read - steps.keys()) for name, step in steps.items()}
        if not any(lost.values()):
            break
        for name, missing in lost.items():
            if missing:
                step = steps.pop(name)
                problems.append(_of_missing(folder, step, missing[0], extra))
    while True:
        graph = {name: sorted(steps[name].reads & steps.keys()) for name in sorted(steps)}
        try:
            order = [*TopologicalSorter(graph).static_order()]
            return Plan(tuple(steps[name] for name in order), tuple(problems))
        except CycleError as error:
            ring: list[str] = error.args[1]
        sentence = f"models read each other in a ring: {' -> '.join(ring)}."
        # the first one stands at the end again
        for before, name in pairwise(ring):
            file = select_file(steps[name].tables[0])
            problems.append(Problem(str(file.relative_to(folder)), line_with(file, before), sentence))
        for reader in Plan(tuple(steps.values())).readers_of(set(ring)):
            problems.append(left_out(folder, reader, min(reader.reads & steps.keys())))
            del steps[reader.name]
        for name in set(ring):
            del steps[name]


def _steps(
    folder: Path, models_dir: Path, ours: Mapping[str, Table], extra: Extra, problems: list[Problem]
) -> Iterator[tuple[str, Step]]:
    declared = dict(ours) | extra.tables
    for name, table in extra.tables.items():
        file = select_file(table)
        try:
            sql = select_of(models_dir, table, declared, folder)
            yield name, Step(name, (table,), sql, None, reads_of(sql, name))
        except (ConfigError, UnicodeDecodeError) as error:
            text = "it must be text in UTF-8; it is not." if isinstance(error, UnicodeDecodeError) else str(error)
            problems.append(problem(folder, file, text))


def _of_missing(folder: Path, step: Step, missing: str, extra: Extra) -> Problem:
    if missing in extra.tables:
        return left_out(folder, step, missing)
    file = select_file(step.tables[0])
    sentence = f"{step.name} reads {missing}, which no declaration describes."
    return Problem(str(file.relative_to(folder)), line_with(file, missing), sentence)
