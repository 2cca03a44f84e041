"""
A question to metrics, as SQL: these figures, cut so, over that range, perhaps beside the range before.

What a metric cannot answer is refused with the reason, never answered wrongly.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple, NoReturn

from stockbook.errors import QuestionRefused
from stockbook.metrics.files import Metrics
from stockbook.metrics.metric import Metric
from stockbook.sql_text import quoted

PREVIOUS, CHANGE = "_previous", "_change"


class Question(NamedTuple):
    """Figures of one relation; ``by`` are dimensions and periods, ``only`` chooses values of dimensions."""

    figures: tuple[str, ...]
    by: tuple[str, ...] = ()
    from_: date | None = None
    to: date | None = None
    only: Mapping[str, str] = {}
    is_compared: bool = False

    def sql(self, metrics: Metrics) -> str:
        """One select. Raises QuestionRefused, or DeclarationError for a metric that there is not."""
        if not self.figures:
            raise QuestionRefused("Name a metric: `stockbook metric list` has them all.")
        wanted = [metrics.of_figure(figure) for figure in self.figures]
        first = wanted[0]
        names = tuple(
            dict.fromkeys(name for figure, m in zip(self.figures, wanted, strict=True) for name in _all(figure, m))
        )
        question = self._replace(
            figures=names,
            by=tuple(_dimension(first, name) for name in self.by),
            only={_dimension(first, name): value for name, value in self.only.items()},
        )
        for metric in wanted:
            _refuse(metric, first, question)
        return question._compared(metrics, first) if self.is_compared else question._select(metrics, first)

    def _select(self, metrics: Metrics, metric: Metric) -> str:
        periods = [f"{_period(name, metric)} as {name}" for name in self.by if name in metric.periods]
        wheres = {metrics.of_figure(name).where for name in self.figures}
        is_shared = len(wheres) == 1
        conditions = [f"({metric.where})"] if is_shared and metric.where else []
        conditions += [f"{name} = {quoted(value)}" for name, value in self.only.items()]
        day = f"cast({metric.time} as date)"
        conditions += [f"{day} >= date '{self.from_}'"] if self.from_ else []
        conditions += [f"{day} <= date '{self.to}'"] if self.to else []
        where = f" where {' and '.join(conditions)}" if conditions else ""
        rows = f"{metric.of}{where}"
        if metric.type == "last":
            over = f"partition by {_period(self._finest(metric), metric)}" if self._finest(metric) else ""
            latest = f"{metric.time} = max({metric.time}) over ({over})"
            rows = f"(select * from {metric.of}{where} qualify {latest})"
        columns = [*(name for name in self.by if name not in metric.periods), *periods]
        columns += [f"{_written(metrics.of_figure(name), name, is_shared)} as {name}" for name in self.figures]
        grouped = " group by all order by all" if self.by else ""
        return f"select {', '.join(columns)} from {rows}{grouped}"

    def _finest(self, metric: Metric) -> str:
        """Of the periods the finest: within it the last day counts."""
        return next((name for name in metric.periods if name in self.by), "")

    def _compared(self, metrics: Metrics, metric: Metric) -> str:
        assert self.from_ is not None  # noqa: S101  # refused before
        assert self.to is not None  # noqa: S101  # likewise
        days = self.to - self.from_ + timedelta(days=1)
        before = self._replace(from_=self.from_ - days, to=self.from_ - timedelta(days=1))
        columns = [f"coalesce(n.{name}, p.{name}) as {name}" for name in self.by]
        for name in self.figures:
            columns += [f"n.{name}", f"p.{name} as {name}{PREVIOUS}", f"n.{name} - p.{name} as {name}{CHANGE}"]
        same = " and ".join(f"n.{name} is not distinct from p.{name}" for name in self.by) or "true"
        ordered = " order by all" if self.by else ""
        return (
            f"select {', '.join(columns)} from ({self._select(metrics, metric)}) as n "
            f"full join ({before._select(metrics, metric)}) as p on {same}{ordered}"
        )


def _all(figure: str, metric: Metric) -> Sequence[str]:
    """A range asked for by its name gives all its figures."""
    return tuple(metric.figures) if figure == metric.name else (figure,)


def _written(metric: Metric, figure: str, is_shared: bool) -> str:
    whole = metric.aggregate(figure, "" if is_shared else metric.where)
    return f"cast({whole} as bigint)" if metric.form == "whole" else whole


def _period(name: str, metric: Metric) -> str:
    return f"cast({metric.time} as date)" if name == "day" else f"cast(date_trunc('{name}', {metric.time}) as date)"


def _dimension(metric: Metric, name: str) -> str:
    """A dimension by its name or, where that is plain, the beginning of it: ``category`` of ``category_path``."""
    if name in metric.by or name in metric.periods:
        return name
    longer = [dimension for dimension in metric.by if dimension.startswith(f"{name}_")]
    if len(longer) != 1:
        _reject(
            metric, f"it cannot be cut by {name}; it can by {', '.join((*metric.by, *metric.periods)) or 'nothing'}"
        )
    return longer[0]


def _refuse(metric: Metric, first: Metric, question: Question) -> None:
    if (metric.of, metric.type == "last") != (first.of, first.type == "last"):
        _reject(metric, f"it is of other rows than {first.name}: ask for each by itself")
    for name in (*question.by, *question.only):
        if name not in metric.by and name not in metric.periods:
            _reject(metric, f"it cannot be cut by {name}")
    for name in metric.to_name:
        if name not in question.by and name not in question.only:
            why = "amounts of several currencies" if name == metric.currency else f"values of several {name}"
            _reject(metric, f"{why} do not add up: cut by {name}, or choose one")
    if any(name in metric.periods for name in question.only):
        _reject(metric, "a period is chosen by its first and last day")
    if (question.from_ or question.to) and not metric.time:
        _reject(metric, "it is of the last night and has no days to choose from")
    if question.from_ and question.to and question.from_ > question.to:
        _reject(metric, f"the first day {question.from_} is after the last day {question.to}")
    if metric.grain == "month" and any(
        day and day.day != 1 for day in (question.from_, question.to and question.to + timedelta(days=1))
    ):
        _reject(metric, "it is known by the month: ask from the first day of one to the last day of one")
    if question.is_compared and not (question.from_ and question.to):
        _reject(metric, "what came before is known only of a range with a first and a last day")
    if question.is_compared and any(name in metric.periods for name in question.by):
        _reject(metric, "a range cut by periods has no one range before: leave one of both out")


def _reject(metric: Metric, reason: str) -> NoReturn:
    raise QuestionRefused(f"{metric.name} does not answer this: {reason}.")
