"""
The metrics of ``include/metrics``, read and held against the declarations of what they are of.

The folder lies beside that of the models; where it does not, it is the one Stockbook brings. A file is a subject. What
stands beside ``metrics`` of a relation is true of all of them, unless one says otherwise; a metric that says no ``sql``
adds up the column of its own name. ``{figure}`` in a name stands for each method and basis of the valuation.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from stockbook.caches import cached, code_of
from stockbook.cost_methods import FIGURES, text_of
from stockbook.declarations import EXTRA, Table, without_extra
from stockbook.errors import ConfigError, DeclarationError, Problems
from stockbook.extra_folder import METRICS, Problem, files_of, problem
from stockbook.metrics.metric import PERIODS, POSSIBLE, SURE, Direction, Grain, Metric, Share, Type, names_in
from stockbook.policy_file import Path_, PolicyFile
from stockbook.project import SHIPPED

FOLDER = "metrics"
_FIGURE = "{figure}"
# words of the command line
_TAKEN = ("list", "export")


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    says: str
    type: Type = "sum"
    sql: str = ""
    over: str = ""
    sure: Share | None = None
    possible: Share | None = None
    at: float | None = None
    distinct: list[str] = []
    where: str = ""
    time: str | None = None
    by: list[str] | None = None
    not_over: list[str] = []
    currency: str | None = None
    unit: str = ""
    up: Direction = "neither"
    owner: str = ""


class _Relation(msgspec.Struct, forbid_unknown_fields=True):
    metrics: dict[str, _Entry]
    time: str | None = None
    grain: Grain = "day"
    by: list[str] = []
    unit: str = ""
    owner: str = "data"


class _Subject(msgspec.Struct, forbid_unknown_fields=True):
    relations: dict[str, _Relation]


class Metrics(dict[str, Metric]):
    """Every metric by its name."""

    def of_figure(self, figure: str) -> Metric:
        """The metric that has a figure: ``on_time_rate`` of ``on_time_rate_sure``. Raises DeclarationError."""
        for name in (figure, figure.removesuffix(SURE), figure.removesuffix(POSSIBLE)):
            if name in self and figure in self[name].figures:
                return self[name]
        near = get_close_matches(figure, self, 3)
        meant = f" Is {' or '.join(near)} meant?" if near else ""
        raise DeclarationError(f"There is no metric {figure!r}.{meant} `stockbook metric list` has them all.")

    def of_relation(self, relation: str) -> list[Metric]:
        """The metrics that are read from a relation."""
        return [metric for metric in self.values() if metric.of == relation]


def folder_of(models_dir: Path) -> Path:
    """Where the metrics lie that go with the models of a folder."""
    beside = models_dir.absolute().with_name(FOLDER)
    return beside if beside.is_dir() else SHIPPED / "include" / FOLDER


def load(models_dir: Path, tables: Mapping[str, Table], extra_dir: Path | None = None) -> Metrics:
    """
    Every metric. Raises ConfigError naming file, line and field of all that is wrong.

    Those of ``extra_dir`` that are right are among them; ``of_extra`` says what is wrong with the others.
    """
    if extra_dir is None:
        return _ours(models_dir, tables)
    return Metrics(_ours(models_dir, without_extra(tables)) | of_extra(extra_dir, models_dir, tables).metrics)


class OfExtra(NamedTuple):
    """The metrics of a user's folder that are right, and what is wrong with the others."""

    metrics: dict[str, Metric]
    problems: list[Problem]


def of_extra(extra_dir: Path, models_dir: Path, tables: Mapping[str, Table]) -> OfExtra:
    """The metrics of a user's folder, of relations of theirs or ours; a name that is one of ours is refused."""
    folder, own = extra_dir.absolute(), OfExtra({}, [])
    taken = {figure for metric in _ours(models_dir, without_extra(tables)).values() for figure in metric.figures}
    for path in files_of(folder, METRICS):
        try:
            file = PolicyFile(path)
            subject = file.read(_Subject)
        except ConfigError as error:
            own.problems.extend(problem(folder, path, text) for text in error.problems)
            continue
        for metric, wrong in _judged([(file, subject)], tables, taken):
            if wrong:
                own.problems.extend(problem(folder, path, str(each)) for each in wrong)
            else:
                own.metrics[metric.name] = metric
    return own


def _ours(models_dir: Path, tables: Mapping[str, Table]) -> Metrics:
    folder = folder_of(models_dir)
    # one cache for the folder that comes with the program; others are read
    if folder != SHIPPED / "include" / FOLDER:
        return _read(folder, tables)
    files = sorted(folder.glob("*.yml"))
    texts = (text for file in files for text in (file.name.encode(), file.read_bytes()))
    sources = [*code_of(Path(__file__)), msgspec.msgpack.encode(tables), *texts]
    return Metrics(cached("metrics", sources, dict[str, Metric], lambda: _read(folder, tables)))


def _read(folder: Path, tables: Mapping[str, Table]) -> Metrics:
    metrics, problems = Metrics(), Problems()
    for metric, wrong in _judged(_files(folder), tables, set()):
        problems.found += [text for each in wrong if (text := str(each)) not in problems.found]
        metrics[metric.name] = metric
    problems.settle()
    return metrics


def _judged(
    files: Iterable[tuple[PolicyFile, _Subject]], tables: Mapping[str, Table], taken: set[str]
) -> Iterator[tuple[Metric, list[ConfigError]]]:
    """Every metric of some files, and what is wrong with it; ``taken`` are the names that there are already."""
    for file, subject in files:
        for relation, declared in subject.relations.items():
            for name, entry in declared.metrics.items():
                for metric in _written_out(file.path.stem, relation, declared, name, entry):
                    here: Path_ = ("relations", relation, "metrics", name)
                    wrong = [
                        file.refusal((*here, step) if step else here, text)
                        for step, text in _problems(metric, tables, taken)
                    ]
                    yield metric, wrong
                    taken.update(metric.figures)


@cache
def _files(folder: Path) -> list[tuple[PolicyFile, _Subject]]:
    files = [PolicyFile(file) for file in sorted(folder.glob("*.yml"))]
    return [(file, file.read(_Subject)) for file in files]


def _written_out(subject: str, relation: str, of: _Relation, name: str, entry: _Entry) -> Iterator[Metric]:
    for figure in FIGURES if _FIGURE in name else ("",):
        label = name.replace(_FIGURE, figure)
        values: dict[str, Any] = {field: getattr(entry, field) for field in entry.__struct_fields__}
        values |= {
            "says": entry.says.replace(_FIGURE, text_of(figure) if figure else ""),
            # rows are counted without an expression
            "sql": entry.sql.replace(_FIGURE, figure) or ("" if entry.type == "count" else label),
            "distinct": tuple(entry.distinct),
            "time": entry.time or of.time,
            "by": tuple(of.by if entry.by is None else entry.by),
            "not_over": tuple(entry.not_over),
            "unit": entry.unit or ("share" if entry.type in ("ratio", "range") else of.unit),
            "owner": entry.owner or of.owner,
        }
        yield Metric(name=label, subject=subject, of=relation, grain=of.grain, **values)


def _problems(metric: Metric, tables: Mapping[str, Table], taken: set[str]) -> Iterator[tuple[str, str]]:
    """The field of each problem and a sentence."""
    table = tables.get(metric.of)
    if table is None or table.layer not in ("marts", "reports", EXTRA) or table.kind == "macro":
        other = f", nor of {EXTRA}" if metric.of.startswith(f"{EXTRA}.") else ""
        yield "", f"{metric.of} is no declared table or view of marts or reports{other}"
        return
    kind, is_share = metric.type, metric.type in ("ratio", "range")
    is_name = re.fullmatch(r"[a-z_][a-z0-9_]*", metric.name) is not None and metric.name not in _TAKEN
    is_taken = not taken.isdisjoint(metric.figures)
    is_percentage = metric.at is None or (kind == "percentile" and 0 < metric.at < 1)
    periods = [name for name in metric.by if name in PERIODS]
    unnamed = [name for name in metric.not_over if name not in metric.by]
    counts_rows = kind == "count" and not (metric.sql or metric.distinct)
    rules = (
        (
            is_name,
            "",
            f"{metric.name!r} is no name of a metric: small letters, digits and _, and not {' or '.join(_TAKEN)}",
        ),
        (not is_taken, "", f"the name {metric.name!r} is taken by an earlier metric"),
        (is_share == bool(metric.over), "over", f"a {kind} {'needs' if is_share else 'has no'} over"),
        (bool(metric.sure) == (kind == "range"), "sure", "a range, and nothing else, has sure and possible"),
        (bool(metric.possible) == (kind == "range"), "possible", "a range, and nothing else, has sure and possible"),
        (is_percentage, "at", "only a percentile has at, a number between 0 and 1"),
        (not metric.distinct or kind == "count", "distinct", "only a count is of distinct keys"),
        (
            not counts_rows or metric.name not in table.columns,
            "sql",
            f"a count without sql counts rows, but {metric.of} has a column {metric.name}: name it here",
        ),
        (kind != "last" or metric.time, "time", "a last value needs the column of its day"),
        (not periods, "by", f"{', '.join(periods)} is the word for a period; time and grain make it"),
        (not unnamed, "not_over", f"{', '.join(unnamed)} is none of its dimensions"),
        (metric.currency in (None, *metric.by), "currency", f"{metric.currency} has to be one of its dimensions"),
    )
    yield from ((field, sentence) for holds, field, sentence in rules if not holds)
    for field, expression in _expressions(metric):
        for column in names_in(expression):
            if column not in table.columns:
                yield field, f"{metric.of} has no column {column}"


def _expressions(metric: Metric) -> Iterator[tuple[str, str]]:
    yield from (("sql", metric.sql), ("over", metric.over), ("where", metric.where), ("time", metric.time or ""))
    yield from (("by", name) for name in metric.by)
    yield from (("distinct", name) for name in metric.distinct)
    for field, share in (("sure", metric.sure), ("possible", metric.possible)):
        if share:
            yield field, f"{share.sql} {share.over}"
