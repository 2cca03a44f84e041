"""
The marks of what a build makes (``warehouse/content_marks.py``), written at its end: what has its mark already need
not be built again.

A select makes the same of the same. A view or macro is a text: it stands while that means the same, whatever the rows.
A program may remember besides: alerts and what a night changed go on from the build before. So its mark stays only
while it runs again and again over the same, and it runs every night.
"""

import secrets
from pathlib import Path

import duckdb

from stockbook.declarations import BUILT_LAYERS
from stockbook.models.order import Step
from stockbook.models.programs import PROGRAMS, BuildContext
from stockbook.warehouse import meta
from stockbook.warehouse.content_marks import LOADS, NOW, RUN, RUN_ID, Marks, digest

# in place of a layer, before the name of a view or macro: what its text means, which other rows do not change
TEXT = "text"


class BuiltMarks:
    """The marks of one build. Until they are written, nothing built has any."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        models_dir: Path,
        context: BuildContext,
        there: set[str],
        layers: tuple[str, ...] = BUILT_LAYERS,
    ) -> None:
        """
        Of some layers, inside the transaction of their build, when it is known whose figures these are.

        ``there`` are the names of all that was built and is in the file.
        """
        texts = tuple(f"{TEXT}.{layer}." for layer in layers)
        self._layers = tuple(f"{layer}." for layer in layers)
        self._marks = Marks(con, context.tables, models_dir)
        stored = self._marks.stored
        self._before = {name: stored.pop(name) for name in list(stored) if name.startswith(self._layers)}
        self._built = there
        self._texts_before = {name: stored.pop(name) for name in list(stored) if name.startswith(texts)}
        self._texts: dict[str, str] = {}
        self._all_anew = context.full_refresh
        files = sorted(file for file in context.policy_dir.rglob("*") if file.is_file())
        self._policies = digest(*(text for file in files for text in (file.name, file.read_bytes())))
        published = con.execute("select max_by(as_of, finished_at) from meta.run where status = 'published'").fetchall()
        has_published = context.published is not None and context.published.exists()
        self._published = repr(published) if has_published else ""
        meta.forget_marks_of(con, [*self._before, *self._texts_before])

    def stands(self, step: Step) -> bool:
        """
        Whether the step would build what is there; every step before it has been asked the same.

        Never of a full refresh, nor of a table that tells the run's name.
        """
        mark = self._of_program(step) if step.program is not None else self._of_select(step)
        names = {table.name for table in step.tables}
        if mark is not None:
            self._marks.stored |= dict.fromkeys(names, mark)
        if step.tables[0].kind in ("view", "macro"):
            text = f"{TEXT}.{step.name}"
            self._texts[text] = self._of_text(step)
            is_same = self._texts_before.get(text) == self._texts[text]
        else:
            is_same = mark is not None and all(self._before.get(name) == mark for name in names)
            is_same = is_same and not self._remembers(step) and not RUN_ID.search(step.sql or "")
        return is_same and names <= self._built and not self._all_anew

    def lose(self, step: Step) -> None:
        """The step was not built after all."""
        self._marks.stored.pop(step.name, None)
        self._texts.pop(f"{TEXT}.{step.name}", None)

    def write(self, con: duckdb.DuckDBPyConnection) -> None:
        """Write the marks of all that was built."""
        built = {name: mark for name, mark in self._marks.stored.items() if name.startswith(self._layers)}
        meta.write_content_marks(con, built | self._texts)

    def _of_select(self, step: Step) -> str | None:
        return self._marks.of(f"{self._marks.declared[step.name]} {step.sql}", step.reads)

    def _of_text(self, step: Step) -> str:
        """The mark of what a view or macro means: its select, and the columns of what that reads."""
        forms = (f"{name} {self._texts.get(f'{TEXT}.{name}') or self._marks.form(name)}" for name in sorted(step.reads))
        return digest(self._marks.common, self._marks.declared[step.name], step.sql or "", *forms)

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
