"""How money of several currencies is shown in one, read from ``money.yml`` of the policy folder."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec

from stockbook.errors import Problems
from stockbook.policy_file import Path_, PolicyFile

FILE = "money.yml"
FLICKROCKET = "flickrocket"
"""The source of rates that is always there."""

Vat = Literal["included", "excluded", "unknown"]


class RateFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Files of one source of rates: ``path`` may hold ``*`` and begins at the policy folder."""

    source: str
    path: str


class Money(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the operator chose. Without a file the defaults hold."""

    reporting_currency: str = "CZK"
    rate_files: list[RateFile] = []
    rate_order: list[str] = []
    goods_value_vat: Vat = "unknown"
    vat_rate: Decimal | None = None
    whole_currencies: list[str] = []

    @property
    def sources(self) -> list[str]:
        """The sources of rates, best first: those of ``rate_order``, then files, then FlickRocket."""
        every = [*self.rate_order, *(file.source for file in self.rate_files), FLICKROCKET]
        return list(dict.fromkeys(every))

    @property
    def vat_label(self) -> str:
        """What amounts and margins say of VAT."""
        if self.goods_value_vat == "included" and self.vat_rate is not None:
            return f"VAT of {self.vat_rate * 100:f}".rstrip("0").rstrip(".") + " % taken off"
        return {"included": "with VAT", "excluded": "without VAT", "unknown": "VAT not known"}[self.goods_value_vat]


def read(policy_dir: Path) -> Money:
    """
    The settings in ``policy_dir``; the defaults where it has no ``money.yml``.

    Raises ConfigError naming file, line, field, what was expected and what came.
    """
    if not (policy_dir / FILE).exists():
        return Money()
    file = PolicyFile(policy_dir / FILE)
    money = file.read(Money)
    problems = Problems()
    currencies: list[tuple[Path_, str]] = [(("reporting_currency",), money.reporting_currency)]
    currencies += [(("whole_currencies", number), code) for number, code in enumerate(money.whole_currencies)]
    for place, code in currencies:
        with problems.gathered():
            if not re.fullmatch("[A-Z]{3}", code):
                raise file.refusal(place, f"expected a currency of three capital letters, got {code!r}")
    with problems.gathered():
        if money.vat_rate is not None and not 0 <= money.vat_rate < 1:
            raise file.refusal(
                ("vat_rate",), f"expected a share from 0 to below 1 (0.21 for 21 %), got {money.vat_rate}"
            )
    with problems.gathered():
        if money.vat_rate is not None and money.goods_value_vat != "included":
            raise file.refusal(
                ("vat_rate",),
                f"VAT can be taken off only where goods_value_vat is included; it is {money.goods_value_vat}",
            )
    written = {FLICKROCKET, *(rate_file.source for rate_file in money.rate_files)}
    for number, source in enumerate(money.rate_order):
        with problems.gathered():
            if source not in written:
                raise file.refusal(
                    ("rate_order", number), f"expected one of {', '.join(sorted(written))}, got {source!r}"
                )
    for number, rate_file in enumerate(money.rate_files):
        with problems.gathered():
            if Path(rate_file.path).is_absolute() or ".." in Path(rate_file.path).parts:
                raise file.refusal(
                    ("rate_files", number, "path"), f"expected a path below the policy folder, got {rate_file.path!r}"
                )
    problems.settle()
    return money
