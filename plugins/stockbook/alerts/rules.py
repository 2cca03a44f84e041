"""
The rules of ``alerts.yml``: which measure is compared with which threshold.

A rule is compared with every account and subject of its measure by itself (``reports.alert_measures``).
"""

import math
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from stockbook.errors import ConfigError, Problems
from stockbook.policy_file import Path_, PolicyFile
from stockbook.references import bare_text
from stockbook.warehouse.meta import OF_EXTRA

FILE = "alerts.yml"

Measure = Literal[
    "on_time_rate",
    "overdue_orders",
    "long_overdue_orders",
    "problem_hours",
    "answered_problem_hours",
    "flickrocket_open_hours",
    "reconciliation_pieces",
    "reconciliation_value",
    "unmapped_status",
    "price_change",
    "quarantine_rows",
    "listing_age_hours",
    "app_events",
    "subscriptions_off",
    "webhook_silence_hours",
    "missing_orders",
    "extra_orders",
    "missing_dispatches",
    "extra_dispatches",
]
AlertSeverity = Literal["info", "warning", "critical"]

# of a day, or of three: the share of what was to be expected that is missing, or that came beyond it
VOLUMES: tuple[Measure, ...] = ("missing_orders", "extra_orders", "missing_dispatches", "extra_dispatches")
# a stretch of the day without any, where it is missing
IN_A_ROW = "in a row"
# a share is written 0.95, not 95; a price may more than double, so only rates end at 1
SHARES: dict[Measure, float] = {
    "on_time_rate": 1.0,
    "price_change": 10.0,
    **{measure: 1.0 if measure.startswith("missing") else 10.0 for measure in VOLUMES},
}


# of the others any text may be a subject one day
SUBJECTS: dict[Measure, tuple[str, ...]] = {
    "missing_orders": ("day", "three days", IN_A_ROW, "numbers"),
    "extra_orders": ("day", "three days", "repeats"),
    "missing_dispatches": ("day", "three days", IN_A_ROW, "waiting"),
    "extra_dispatches": ("day", "three days", "strays"),
}

# what is usual of them is learned from the account itself
LEARNED: tuple[Measure, ...] = ("webhook_silence_hours", *VOLUMES)


class Rule(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """
    One rule: it has exactly one of ``above`` and ``below``, and a value equal to it does not cross it.

    ``at_least`` is the basis (orders, rows) under which a figure says too little; ``within_hours`` leaves
    out what happened longer ago; ``account`` and ``subject`` None mean any. With ``up_to`` the threshold is what is
    usual for the account, from ``above`` up to that; ``up_to`` itself while nothing is known to be usual.
    """

    rule: str
    measure: Measure
    above: float | None = None
    below: float | None = None
    severity: AlertSeverity = "warning"
    account: str | None = None
    subject: str | None = None
    at_least: int = 0
    within_hours: float | None = None
    up_to: float | None = None

    @property
    def threshold(self) -> float:
        """The number a value is compared with, as it is written."""
        return self.above if self.above is not None else self.below or 0.0

    def threshold_for(self, figure: "Figure") -> float:
        """The number a figure is compared with."""
        if self.up_to is None:
            return self.threshold
        return max(self.threshold, min(figure.usual if figure.usual is not None else self.up_to, self.up_to))


class Figure(NamedTuple):
    """One row of ``reports.alert_measures``."""

    account: str
    measure: str
    subject: str
    detail: str
    value: float
    basis: int | None
    age_hours: float | None
    usual: float | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    rules: list[Rule] = []


def read(policy_dir: Path) -> list[Rule]:
    """
    The rules of the folder; none when it has no ``alerts.yml``.

    Raises ConfigError naming file, line and field: an unknown field or measure, no threshold or two, a
    threshold that can never be crossed, a name used twice.
    """
    if not (policy_dir / FILE).exists():
        return []
    file = PolicyFile(policy_dir / FILE)
    rules = file.read(_File).rules
    names: set[str] = set()
    problems = Problems()
    for number, rule in enumerate(rules):
        here: Path_ = ("rules", number)
        with problems.gathered():
            if rule.rule in names:
                raise file.refusal((*here, "rule"), f"the name {rule.rule!r} is taken by an earlier rule")
        names.add(rule.rule)
        with problems.gathered():
            problem = _problem(file, here, rule)
            if problem is not None:
                raise problem
    problems.settle()
    return rules


def _problem(file: PolicyFile, here: Path_, rule: Rule) -> ConfigError | None:
    if rule.rule == OF_EXTRA:
        return file.refusal((*here, "rule"), f"{OF_EXTRA!r} is the name of alerts about reports of one's own")
    if (rule.above is None) == (rule.below is None):
        came = "it has neither" if rule.above is None else "it has both"
        return file.refusal(here, f"rule {rule.rule!r} needs either above or below; {came}")
    field = "above" if rule.above is not None else "below"
    if not math.isfinite(rule.threshold) or rule.threshold < 0:
        return file.refusal((*here, field), f"expected a number of at least 0, got {rule.threshold:g}")
    most = SHARES.get(rule.measure)
    if most is not None and rule.threshold > most:
        return file.refusal(
            (*here, field),
            f"{rule.measure} is a share: expected a number from 0 to {most:g} (0.95 for 95 %), got {rule.threshold:g}",
        )
    if (field == "below" and rule.threshold == 0) or (field == "above" and most == 1 and rule.threshold == 1):
        return file.refusal((*here, field), f"no {rule.measure} is ever {field} {rule.threshold:g}")
    subjects = SUBJECTS.get(rule.measure)
    if subjects is not None and rule.subject is not None and rule.subject not in subjects:
        return file.refusal((*here, "subject"), f"expected one of {', '.join(subjects)}, got {rule.subject!r}")
    if rule.at_least < 0:
        return file.refusal((*here, "at_least"), f"expected a number of at least 0, got {rule.at_least}")
    if rule.up_to is not None:
        if rule.measure not in LEARNED:
            return file.refusal((*here, "up_to"), f"nothing is known to be usual of {rule.measure}")
        if rule.above is None or not rule.above <= rule.up_to < math.inf:
            return file.refusal((*here, "up_to"), f"expected a number of at least above, got {rule.up_to:g}")
    if rule.within_hours is not None and not 0 < rule.within_hours <= 31 * 24:
        return file.refusal(
            (*here, "within_hours"), f"expected more than 0 and at most 744 hours (31 days), got {rule.within_hours:g}"
        )
    return None


def crosses(rule: Rule, figure: Figure) -> bool:
    """Whether a figure raises the rule (or keeps its alert standing)."""
    if figure.measure != rule.measure or (figure.basis or 0) < rule.at_least:
        return False
    if rule.account not in (None, figure.account) or rule.subject not in (None, bare_text(figure.subject)):
        return False
    if rule.within_hours is not None and (figure.age_hours is None or figure.age_hours > rule.within_hours):
        return False
    threshold = rule.threshold_for(figure)
    return figure.value > threshold if rule.above is not None else figure.value < threshold


def message(rule: Rule, figure: Figure, as_of: datetime) -> str:
    """
    What is the matter, in a sentence: the figure, what it is of, the threshold it crossed, and as of when.

    An alert that stands is read days after the night it was raised: no text may mean another day tomorrow.
    """
    sentence = _sentence(rule.measure, figure)
    side = "above" if rule.above is not None else "below"
    threshold = rule.threshold_for(figure)
    limit = f"{threshold:.1%}" if rule.measure in SHARES else f"{threshold:,g}"
    return f"{sentence[0].upper()}{sentence[1:]} ({side} {limit}; as of {as_of:%Y-%m-%d %H:%M})."


def _sentence(measure: Measure, figure: Figure) -> str:
    value, basis, age = figure.value, figure.basis or 0, figure.age_hours or 0
    match measure:
        case "on_time_rate":
            return f"{value:.1%} of {basis:,} decided orders due {figure.detail} left on time"
        case "overdue_orders":
            return f"{value:,.0f} orders are overdue, the oldest created {age:,.0f} h ago"
        case "long_overdue_orders":
            return f"{value:,.0f} orders are overdue for more than a working day, the oldest created {age:,.0f} h ago"
        case "problem_hours" | "answered_problem_hours":
            answer = "not answered" if measure == "problem_hours" else "though answered"
            return f"{figure.subject} is in a problem ({figure.detail}), {answer}, for at least {value:,.0f} h"
        case "flickrocket_open_hours":
            return f"the oldest of {basis:,} open FlickRocket orders waits for {value:,.0f} h"
        case "reconciliation_pieces":
            return f"stock and ledger differ by {value:,.0f} pieces in {basis:,} places"
        case "reconciliation_value":
            besides = f", {figure.detail} pieces without a known cost left out" if figure.detail else ""
            return f"stock and ledger differ by {value:,.2f} of the valuation currency in {basis:,} places{besides}"
        case "unmapped_status":
            return f"{value:,.0f} orders have the status {figure.subject!r}, which statuses.yml does not map"
        case "price_change":
            by = "without bound" if math.isinf(value) else f"by {value:.1%}"
            return f"{figure.subject} changed {by}, from {figure.detail}"
        case "quarantine_rows":
            return f"{value:,.0f} rows of {figure.subject} are in quarantine"
        case "listing_age_hours":
            return f"{figure.subject} was last read {value:,.0f} h ago"
        case _:
            return _sentence_of_what_comes(measure, figure)


def _sentence_of_what_comes(measure: Measure, figure: Figure) -> str:
    value, basis, age = figure.value, figure.basis or 0, figure.age_hours or 0
    match measure:
        case "app_events":
            what = "was uninstalled" if figure.subject == "app/uninstalled" else "got other permissions"
            return f"the app at {figure.detail} {what} ({figure.subject}), {age:,.0f} h ago"
        case "subscriptions_off":
            return f"{value:,.0f} topics of {figure.subject} are not sent any more: {figure.detail}"
        case "webhook_silence_hours":
            return f"no event of {figure.subject} came for {value:,.0f} h, in which {basis:,} orders were placed"
        case _:
            side, what = measure.split("_")
            if figure.subject == IN_A_ROW:
                return f"{what}: {figure.detail}, when {value:.1%} of such a day's usually come"
            word = "too few" if side == "missing" else "too many"
            return f"{what}: {figure.detail}, where {basis:,} were to be expected, {value:.1%} {word}"
