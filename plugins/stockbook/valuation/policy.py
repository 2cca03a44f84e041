"""The settings of the valuation, read from ``valuation.yml`` of the policy folder."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from stockbook.cost_methods import Basis, Method
from stockbook.errors import Problems
from stockbook.policy_file import PolicyFile
from stockbook.valuation.write_down import Version, is_factor, refuse_wrong


class Headline(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The figure reports show first."""

    method: Method = "average"
    basis: Basis = "landed"


class ValuationPolicy(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the operator chose. Defaults are those of docs/valuation.md."""

    headline: Headline = Headline()
    valuation_currency: str = "CZK"
    nrv_factor: Decimal = Decimal(1)
    damaged_quantity_is_additive: bool = True
    day_zone: str = "Europe/Prague"
    opening_balance: dict[str, date] = {}
    write_down: list[Version] = []


def read(policy_dir: Path, name: str = "valuation.yml") -> ValuationPolicy:
    """The settings in ``policy_dir``. Raises ConfigError naming file, line, field, what was expected and what came."""
    file = PolicyFile(policy_dir / name)
    policy = file.read(ValuationPolicy)
    problems = Problems()
    with problems.gathered():
        if not re.fullmatch("[A-Z]{3}", policy.valuation_currency):
            raise file.refusal(
                ("valuation_currency",),
                f"expected a currency of three capital letters, got {policy.valuation_currency!r}",
            )
    with problems.gathered():
        try:
            ZoneInfo(policy.day_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise file.refusal(
                ("day_zone",), f"expected a time zone such as Europe/Prague, got {policy.day_zone!r}"
            ) from None
    with problems.gathered():
        if not is_factor(policy.nrv_factor):
            raise file.refusal(
                ("nrv_factor",),
                f"expected a number from 0 to 1 with at most six decimals, got {str(policy.nrv_factor)!r}",
            )
    refuse_wrong(file, policy.write_down, problems)
    problems.settle()
    return policy


def read_for(policy_dir: Path, zone: ZoneInfo) -> ValuationPolicy:
    """
    The settings for a run whose local times are of ``zone``.

    Raises ConfigError as ``read`` does, and for a ``day_zone`` that is another: movements carry local times only,
    so a day can end at no other midnight than theirs.
    """
    policy = read(policy_dir)
    if policy.day_zone != zone.key:
        raise PolicyFile(policy_dir / "valuation.yml").refusal(
            ("day_zone",),
            f"expected the zone of the run's local times, {zone.key} (STOCKBOOK_ZONE), got {policy.day_zone}",
        )
    return policy
