"""What the demo makes sure that somebody finds in its figures, and the row of the ledger that it keeps back for it."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from stockbook import declaration_files, project
from stockbook.bi import spec
from stockbook.bi.empty import empty_charts
from stockbook.bi.serve import FOLDER
from stockbook.cli.demo_sandbox import Server
from stockbook.metrics.files import load
from stockbook.warehouse.readers import reader

FINDINGS = {
    "stock that differs from the ledger": "reports.stock_reconciliation_open",
    "changes of closed months": "reports.restatements",
    "movements without a cost": "reports.missing_costs",
    "orders in a problem": "(from reports.problem_orders where is_open)",
    "batches that expire within 60 days": "(from reports.expiring_stock where days_left between 0 and 60)",
    "variants with nothing to sell": "(from reports.stock_availability where availability in ('none', 'oversold'))",
    "orders that differ from a channel's": "reports.channel_reconciliation",
}
"""What is found, and the rows that are it."""


class Withheld(NamedTuple):
    """A row of the ledger that is not served, and by how many pieces the ledger says too much without it."""

    variant_id: str
    pieces: int


def withhold_a_loss(server: Server, before: datetime) -> Withheld | None:
    """Keep back the last piece that was lost without a document before a night, as a ledger with a gap would."""
    for row in server.movements(before - timedelta(days=30), before - timedelta(days=1)):
        documents = (row["fulfillment_order_id"], row["preload_id"], row["reload_id"])
        if row["movement"] == "out" and row["quantity"] and documents == (None, None, None):
            server.withhold(row["id"])
            return Withheld(str(row["variant_id"]), int(row["quantity"]))
    return None


def counted(published: Path) -> dict[str, int]:
    """How many rows of each finding are published."""
    with reader(published) as con:
        return {
            name: int(con.execute(f"select count(*) from {rows}").fetchall()[0][0]) for name, rows in FINDINGS.items()
        }


def charts_without_data(published: Path) -> list[str]:
    """Titles of the charts of the dashboards that have nothing to show."""
    tables = declaration_files.load(project.SHIPPED / project.MODELS)
    metrics = load(project.SHIPPED / project.MODELS, tables)
    return empty_charts(spec.read(FOLDER / "dashboards.yml", tables, metrics), published)
