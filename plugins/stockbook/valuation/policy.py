"""The settings of the valuation, read from ``valuation.yml`` of the policy folder."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec

from stockbook.policy_file import PolicyFile


class Headline(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The figure reports show first."""

    method: Literal["average", "fifo"] = "average"
    basis: Literal["landed", "bare"] = "landed"

    @property
    def figure(self) -> str:
        """Its name as columns begin with, such as ``average_landed``."""
        return f"{self.method}_{self.basis}"


class ValuationPolicy(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the operator chose. Defaults are those of docs/valuation.md."""

    headline: Headline = Headline()
    valuation_currency: str = "CZK"
    nrv_factor: Decimal = Decimal(1)
    damaged_quantity_is_additive: bool = True
    opening_balance: dict[str, date] = {}


def read(policy_dir: Path) -> ValuationPolicy:
    """The settings in ``policy_dir``. Raises ConfigError naming file, line, field, what was expected and what came."""
    file = PolicyFile(policy_dir / "valuation.yml")
    policy = file.read(ValuationPolicy)
    if not re.fullmatch("[A-Z]{3}", policy.valuation_currency):
        raise file.refusal(
            ("valuation_currency",), f"expected a currency of three capital letters, got {policy.valuation_currency!r}"
        )
    exponent = policy.nrv_factor.as_tuple().exponent
    if not isinstance(exponent, int) or not 0 <= policy.nrv_factor <= 1 or exponent < -6:
        raise file.refusal(
            ("nrv_factor",), f"expected a number from 0 to 1 with at most six decimals, got {str(policy.nrv_factor)!r}"
        )
    return policy
