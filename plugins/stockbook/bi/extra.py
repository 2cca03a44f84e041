"""The dashboards of a user's folder, beside ours; what is wrong with one is a problem of own."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from stockbook.bi import spec
from stockbook.bi.spec import Dashboard, Spec
from stockbook.declarations import Table, without_extra
from stockbook.errors import ConfigError
from stockbook.extra_folder import DASHBOARDS, Problem, files_of, problem
from stockbook.metrics.files import load
from stockbook.policy_file import PolicyFile
from stockbook.project import SHIPPED

FILE = SHIPPED / "bi" / "superset" / "dashboards.yml"


class OfExtra(NamedTuple):
    """The dashboards of a user's folder that are right, and what is wrong with the others."""

    specs: list[Spec]
    problems: list[Problem]


def dashboards_of(extra_dir: Path, models_dir: Path, tables: Mapping[str, Table]) -> OfExtra:
    """The dashboards of a user's folder, a file each or several, over declarations of ours and own."""
    folder, own = extra_dir.absolute(), OfExtra([], [])
    files = files_of(folder, DASHBOARDS)
    if not files:
        return own
    ours = without_extra(tables)
    taken = _keys(spec.read(FILE, ours, load(models_dir, ours)).dashboards)
    metrics = load(models_dir, tables, extra_dir)
    for file in files:
        try:
            # what YAML itself refuses, with the line
            PolicyFile(file)
            read = spec.read(file, dict(tables), metrics, taken)
        except ConfigError as error:
            own.problems.append(problem(folder, file, str(error), _named_in(str(error))))
        else:
            own.specs.append(read)
            taken |= _keys(read.dashboards)
    return own


def with_extra(ours: Spec, own: OfExtra) -> Spec:
    """Our dashboards and own as one."""
    return Spec(
        [dashboard for each in (ours, *own.specs) for dashboard in each.dashboards],
        {name: text for each in (*own.specs, ours) for name, text in each.headings.items()},
        sorted({name for each in (ours, *own.specs) for name in each.codes}),
    )


def _keys(dashboards: list[Dashboard]) -> set[str]:
    return {dashboard.key for dashboard in dashboards} | {chart.key for each in dashboards for chart in each.charts}


def _named_in(text: str) -> str:
    """The key of the chart that an error is about: its line is the one to look at."""
    words = text.partition(": chart ")[2] or text.partition("the key ")[2]
    return words.split(" ")[0].strip(":'\"") if words else ""
