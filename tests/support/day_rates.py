"""A folder of policies that knows the sandbox's rate of every day, not only those that a night is told."""

from datetime import datetime
from pathlib import Path

from checkout import PROJECT

from stockbook_sandbox import Shop
from stockbook_sandbox.localtime import day_number, day_text
from stockbook_sandbox.sales_truth import rates_of


def policies_with_rates(shop: Shop, last: datetime, folder: Path) -> Path:
    """The project's policies, and a file of the shop's rates up to a day."""
    for file in (PROJECT / "include" / "policy").glob("*.yml"):
        (folder / file.name).write_bytes(file.read_bytes())
    lines = ["date,currency,units_per_eur"]
    for day in range(day_number(shop.first), day_number(last.date()) + 1):
        lines += [f"{day_text(day)},{code},{rate}" for code, rate in rates_of(shop, day).items() if code != "EUR"]
    (folder / "rates.csv").write_text("\n".join(lines))
    (folder / "money.yml").write_text("reporting_currency: CZK\nrate_files:\n  - {source: bank, path: rates.csv}\n")
    return folder
