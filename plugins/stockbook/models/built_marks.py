"""
The marks of what a build makes (``warehouse/content_marks.py``), written at its end: what has its mark already need
not be built again.

A select makes the same of the same. A program may remember besides: alerts and what a night changed go on from the
build before. So its mark stays only while it runs again and again over the same, and it runs every night.
"""

import secrets
from pathlib import Path

import duckdb

from stockbook.declarations import BUILT_LAYERS
from stockbook.models.order import Step
from stockbook.models.orphans import built
from stockbook.models.programs import PROGRAMS, BuildContext
from stockbook.warehouse import meta
from stockbook.warehouse.content_marks import LOADS, NOW, RUN, RUN_ID, Marks, digest


class BuiltMarks:
    """The marks of one build. Until they are written, nothing built has any."""

    def __init__(self, con: duckdb.DuckDBPyConnection, models_dir: Path, context: BuildContext) -> None:
        """Inside the transaction of the build, when it is known whose figures these are."""
        self._marks = Marks(con, context.tables, models_dir)
        stored = self._marks.stored
        self._before = {name: stored.pop(name) for name in list(stored) if name.startswith(BUILT_LAYERS)}
        self._built = {name for name, _ in built(con)}
        self._all_anew = context.full_refresh
        files = sorted(file for file in context.policy_dir.rglob("*") if file.is_file())
        self._policies = digest(*(text for file in files for text in (file.name, file.read_bytes())))
        published = con.execute("select max_by(as_of, finished_at) from meta.run where status = 'published'").fetchall()
        has_published = context.published is not None and context.published.exists()
        self._published = repr(published) if has_published else ""
        meta.forget_content_marks(con, BUILT_LAYERS)

    def stands(self, step: Step) -> bool:
        """
        Whether the step would build what is there; every step before it has been asked the same.

        Never of a full refresh, nor of a select that tells the run's name.
        """
        mark = self._of_program(step) if step.program is not None else self._of_select(step)
        if mark is None:
            return False
        names = {table.name for table in step.tables}
        self._marks.stored |= dict.fromkeys(names, mark)
        is_same = names <= self._built and all(self._before.get(name) == mark for name in names)
        return is_same and not self._all_anew and not self._remembers(step) and not RUN_ID.search(step.sql or "")

    def write(self, con: duckdb.DuckDBPyConnection) -> None:
        """Write the marks of all that was built."""
        meta.write_content_marks(
            con, {name: mark for name, mark in self._marks.stored.items() if name.startswith(BUILT_LAYERS)}
        )

    def _of_select(self, step: Step) -> str | None:
        return self._marks.of(f"{self._marks.declared[step.name]} {step.sql}", step.reads)

    def _remembers(self, step: Step) -> bool:
        return step.program is not None and not PROGRAMS[step.program].without_memory

    def _of_program(self, step: Step) -> str | None:
        assert step.program is not None  # noqa: S101  # asked only of a program
        declared = " ".join(self._marks.declared[table.name] for table in step.tables)
        text = f"{PROGRAMS[step.program].target} {declared} {self._policies} {self._published}"
        inputs = self._marks.of(text, {name for name in step.reads if not name.startswith("meta.")} | {NOW, RUN, LOADS})
        if inputs is None or not self._remembers(step):
            return inputs
        before = self._before.get(step.tables[0].name, "")
        return before if before.startswith(f"{inputs}/") else f"{inputs}/{secrets.token_hex(8)}"
