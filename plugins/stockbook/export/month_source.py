"""Where the figures and rows of a month's workbook are from: of the close what was signed, else of the account."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stockbook.export.figures import Figures, asked
from stockbook.export.month import Month
from stockbook.export.workbook import Column
from stockbook.metrics.files import Metrics

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Source:
    """The published file, and the month of an account in it."""

    con: "duckdb.DuckDBPyConnection"
    metrics: Metrics
    month: Month

    def figures(self, names: Sequence[str], by: Sequence[str] = ()) -> dict[tuple[Any, ...], Figures]:
        """Figures of the month: of the close where they were signed, else of the account."""
        days = (self.month.first, self.month.last)
        close = self.month.close
        signed = [name for name in names if close and f"signed_{name}" in self.metrics]
        cuts = asked(self.con, self.metrics, [n for n in names if n not in signed], by, days, self.of_account)
        if close and signed:
            stored = [f"signed_{name}" for name in signed]
            for key, of_cut in asked(self.con, self.metrics, stored, by, only={"close_id": close.close_id}).items():
                cut = cuts.setdefault(key, dict.fromkeys(names))
                cut.update({name.removeprefix("signed_"): value for name, value in of_cut.items()})
        return cuts

    @property
    def written_down(self) -> Any:
        """What the stock is written down by: at the month's end as signed, of a draft by the newest night."""
        close = self.month.close
        name, only = ("signed_write_down", {"close_id": close.close_id}) if close else ("write_down", self.of_account)
        (total,) = asked(self.con, self.metrics, [name], only=only).values()
        return total[name]

    @property
    def of_account(self) -> Mapping[str, str]:
        """The account, as a question chooses it."""
        return {"account": self.month.account}

    def rows(self, columns: Mapping[str, Column], rest: str, *values: object) -> list[tuple[Any, ...]]:
        """
        The rows of ``select`` with these columns (or what they are made of), then ``rest``.

        An amount comes as the number that a cell holds: a decimal of each would take ten times as long.
        """
        selected = (f"cast({sql} as double)" if column.kind == "money" else sql for sql, column in columns.items())
        return self.con.execute(f"select {', '.join(selected)} {rest}", list(values)).fetchall()
