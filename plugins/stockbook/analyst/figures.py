"""Figures by their names, as ``stockbook metric`` asks them: the same declarations, the same query."""

from collections.abc import Iterator, Mapping
from datetime import date
from difflib import get_close_matches

from stockbook.analyst.answers import AsOf, Column, Cuts, Definition, MetricDescription, Metrics, Rows
from stockbook.analyst.asking import Questions
from stockbook.analyst.question import Read
from stockbook.declarations import Table
from stockbook.errors import ConfigError, DeclarationError
from stockbook.extra_folder import with_extra
from stockbook.metrics.files import Metrics as ByName
from stockbook.metrics.files import load
from stockbook.metrics.metric import POSSIBLE, SURE, Metric
from stockbook.metrics.question import CHANGE, PREVIOUS, Question
from stockbook.settings import Settings

_OF_TYPE = {
    "last": "A balance: of a period it is that of its last day; it is never added up over days.",
    "ratio": "A share is the quotient of sums: shares are neither added up nor averaged.",
    "range": "A share is the quotient of sums: shares are neither added up nor averaged. It comes with its bounds "
    f"{SURE} and {POSSIBLE}: say the range where they differ.",
    "percentile": "A percentile is neither added up nor averaged.",
    "count": "Counted: of no rows it is 0.",
    "sum": "Added up: of no rows it is null, which is not known and not 0.",
}


def all_of(settings: Settings) -> ByName:
    """Every figure by its name, a user's own among them."""
    return load(settings.models_dir, declared(settings), settings.extra_dir)


def declared(settings: Settings) -> dict[str, Table]:
    """Every declaration by the name of its table, a user's own among them."""
    return with_extra(settings.models_dir, settings.extra_dir)


def listed(settings: Settings, questions: Questions, subject: str, search: str) -> Metrics:
    """The figures of a subject, those whose name or text has a word. Raises ConfigError naming the subjects."""
    metrics = all_of(settings)
    subjects = sorted({metric.subject for metric in metrics.values()})
    if subject and subject not in subjects:
        raise ConfigError(f"There is no subject {subject!r}: there are {', '.join(subjects)}.")
    file = questions.about()
    words = search.lower().split()
    cuts = [
        Cuts(
            name=metric.name,
            subject=metric.subject,
            definition=metric.says,
            unit=in_codes(metric.unit, file.currencies),
            by=list(metric.by),
            periods=list(metric.periods),
        )
        for metric in sorted(metrics.values(), key=lambda metric: (metric.subject, metric.name))
        if subject in ("", metric.subject) and all(word in f"{metric.name} {metric.says}".lower() for word in words)
    ]
    return Metrics(as_of=as_of(file), metrics=cuts)


def described(settings: Settings, questions: Questions, name: str) -> MetricDescription:
    """What a figure means and what may be asked of it. Raises ConfigError naming the nearest names."""
    metrics = all_of(settings)
    metric = _named(metrics, name)
    file = questions.about()
    return MetricDescription(
        as_of=as_of(file),
        name=metric.name,
        subject=metric.subject,
        definition=metric.says,
        unit=in_codes(metric.unit, file.currencies),
        type=metric.type,
        read_from=metric.of,
        by=list(metric.by),
        periods=list(metric.periods),
        must_name=list(metric.to_name),
        better_when={"good": "higher", "bad": "lower", "neither": None}[metric.up],
        owner=metric.owner,
        caveats=list(_caveats(metric)),
        sql=Question((metric.name,), metric.to_name).sql(metrics),
    )


def answered(
    settings: Settings,
    questions: Questions,
    names: list[str],
    by: list[str],
    from_day: date | None,
    to_day: date | None,
    only: Mapping[str, str],
    rows: int,
    *,
    compare_previous: bool,
) -> Rows:
    """Figures cut as asked. Raises QuestionRefused with the reason where they cannot be."""
    metrics = all_of(settings)
    wanted = list(dict.fromkeys(_named(metrics, name).name for name in names))
    sql = Question(tuple(names), tuple(by), from_day, to_day, only, compare_previous).sql(metrics)
    answer = questions.ask(sql, rows)
    definitions = [
        Definition(
            name=name,
            kind="metric",
            definition=metrics[name].says,
            unit=in_codes(metrics[name].unit, answer.currencies),
            caveats=list(_caveats(metrics[name])),
        )
        for name in wanted
    ]
    units = {
        f"{figure}{ending}": in_codes(metrics[name].unit, answer.currencies)
        for name in wanted
        for figure in metrics[name].figures
        for ending in ("", PREVIOUS, CHANGE)
    }
    return rows_of(answer, sql, definitions, units)


def rows_of(answer: Read, sql: str, definitions: list[Definition], units: Mapping[str, str]) -> Rows:
    """What was read, as it is answered."""
    return Rows(
        as_of=as_of(answer),
        definitions=definitions,
        sql=sql,
        columns=[Column(name=name, type=kind, unit=units.get(name)) for name, kind in answer.columns],
        rows=answer.rows,
        truncated=bool(answer.more),
        next_step=answer.more or None,
    )


def as_of(answer: Read) -> list[AsOf]:
    """The night of each account."""
    return [AsOf.model_validate(current) for current in answer.current]


def _named(metrics: ByName, name: str) -> Metric:
    try:
        return metrics.of_figure(name)
    except DeclarationError:
        near = get_close_matches(name, metrics, 5)
        raise ConfigError(
            f"There is no metric {name!r}; near it are {', '.join(near) or 'none'}. list_metrics has them all."
        ) from None


def in_codes(unit: str, currencies: Mapping[str, str]) -> str:
    """A unit with the code of a currency where all accounts have the same."""
    for word, code in currencies.items():
        unit = unit.replace(word, code)
    return unit


def _caveats(metric: Metric) -> Iterator[str]:
    yield _OF_TYPE[metric.type]
    if metric.to_name:
        yield f"Cut by {', '.join(metric.to_name)}, or choose one value of each: over several it does not add up."
    if metric.where:
        yield f"Only of rows with {metric.where}."
    if not metric.time:
        yield "Of the last night: it has no days to choose from."
    elif metric.grain == "month":
        yield "Known by the month: ask from the first day of one to the last day of one."
    if metric.currency:
        yield f"Each amount is in the currency that {metric.currency} names."
