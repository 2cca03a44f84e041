"""
Rules of writing stock down to what it can still be sold for, as versions in ``valuation.yml``.

The version in force on a day is of that day; a later one changes no earlier month. A rule is of pieces, and where
several are of the same pieces the lowest factor applies, so that one rule more never makes stock worth more.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import zip_longest
from typing import Literal, NamedTuple

import msgspec

from stockbook.errors import Problems
from stockbook.policy_file import Path_, PolicyFile, refuse_twin_versions

AppliesTo = Literal["age", "no_issue", "damaged", "expired"]
NRV_FACTOR = "nrv_factor"
_LABELS: dict[AppliesTo, str] = {
    "age": "older than {days} days",
    "no_issue": "no issue for {days} days",
    "damaged": "damaged",
    "expired": "expired",
}
_COUNTS_DAYS = ("age", "no_issue")


class WrittenRule(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What is written down: pieces there for more than ``days``, of which none left for so long, damaged, expired."""

    applies_to: AppliesTo
    factor: Decimal
    days: int | None = None


class Version(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Rules that are in force together, from a day on (None: since ever) until the next version begins."""

    version: str
    valid_from: date | None = None
    rules: list[WrittenRule] = []


class Rule(NamedTuple):
    """A rule with the days it is in force; ``valid_to`` is the first day it no longer is. No version: always."""

    rule_no: int
    version: str | None
    valid_from: date | None
    valid_to: date | None
    rule: str
    applies_to: AppliesTo
    days: int | None
    factor: Decimal


def is_factor(number: Decimal) -> bool:
    """Whether it is a part of a whole that the tables can hold: from 0 to 1, at most six decimals."""
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and 0 <= number <= 1 and exponent >= -6


def refuse_wrong(file: PolicyFile, versions: Sequence[Version], problems: Problems) -> None:
    """Gather what cannot be meant: versions or rules that are there twice, factors outside 0 to 1, days of no rule."""
    places: list[Path_] = [("write_down", number) for number in range(len(versions))]
    written = zip(places, versions, strict=True)
    refuse_twin_versions(file, ((place, each.version, each.valid_from) for place, each in written), problems)
    for place, version in zip(places, versions, strict=True):
        _refuse_wrong_rules(file, (*place, "rules"), version.rules, problems)


def _refuse_wrong_rules(file: PolicyFile, here: Path_, rules: Sequence[WrittenRule], problems: Problems) -> None:
    there: set[tuple[str, int | None]] = set()
    for number, rule in enumerate(rules):
        place: Path_ = (*here, number)
        with problems.gathered():
            if not is_factor(rule.factor):
                raise file.refusal(
                    (*place, "factor"),
                    f"expected a number from 0 to 1 with at most six decimals, got {str(rule.factor)!r}",
                )
        with problems.gathered():
            if rule.applies_to in _COUNTS_DAYS and (rule.days is None or not 0 <= rule.days <= 36500):
                raise file.refusal(
                    (*place, "days"), f"{rule.applies_to} needs 0 to 36500 days, got {rule.days or 'none'}"
                )
            if rule.applies_to not in _COUNTS_DAYS and rule.days is not None:
                raise file.refusal((*place, "days"), f"{rule.applies_to} has no days, got {rule.days}")
        with problems.gathered():
            if (rule.applies_to, rule.days) in there:
                raise file.refusal(place, "another rule of this version is of the same pieces")
        there.add((rule.applies_to, rule.days))


def in_order(versions: Sequence[Version], nrv_factor: Decimal) -> Iterator[Rule]:
    """
    Every rule with its days, versions in order of validity.

    ``nrv_factor`` of damaged pieces is a rule as well, and always in force; at 1 it writes nothing down and is none.
    """
    number = 0
    if nrv_factor < 1:
        number += 1
        yield Rule(number, None, None, None, NRV_FACTOR, "damaged", None, nrv_factor)
    ordered = sorted(versions, key=lambda version: version.valid_from or date.min)
    for version, following in zip_longest(ordered, ordered[1:]):
        valid_to = None if following is None else following.valid_from
        for rule in version.rules:
            number += 1
            label = _LABELS[rule.applies_to].format(days=rule.days)
            yield Rule(
                number, version.version, version.valid_from, valid_to, label, rule.applies_to, rule.days, rule.factor
            )
