"""A question to metrics, answered from the published file: read-only, in one short look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import duckdb
    import pandas
    import pyarrow

    from stockbook.metrics.files import Metrics


@dataclass(frozen=True)
class Answer:
    """What a question was answered: ``sql`` is the query that gave it."""

    sql: str
    _table: Any

    def to_arrow(self) -> "pyarrow.Table":
        """As an Arrow table: money is ``decimal128``, to the last digit."""
        return self._table

    def to_pandas(self) -> "pandas.DataFrame":
        """As a pandas frame of Arrow types: a missing value is ``<NA>``."""
        import pandas as pd

        frame: pd.DataFrame = self._table.to_pandas(types_mapper=pd.ArrowDtype)
        return frame


def metric(
    *names: str,
    by: Sequence[str] = (),
    from_: date | None = None,
    to: date | None = None,
    only: Mapping[str, str] | None = None,
    compare: Literal["previous"] | None = None,
    home: Path | str | None = None,
) -> Answer:
    """
    Figures of the published file, e.g. ``metric("on_time_rate", by=["delivery", "week"])``.

    ``by`` are dimensions and periods (day, week, month, quarter, year), ``from_`` and ``to`` the first and the last
    day, ``only`` the values of dimensions to keep. ``compare="previous"`` puts the range before, of as many days,
    beside it. ``home`` is the folder of STOCKBOOK_HOME, the environment's when left out.

    Raises QuestionRefused with the reason where a metric cannot answer that, ConfigError where nothing is published.
    """
    from stockbook import extra_folder
    from stockbook.metrics.files import load
    from stockbook.metrics.question import Question
    from stockbook.warehouse.read_published import settings_of
    from stockbook.warehouse.readers import reader

    settings = settings_of(home)
    tables = extra_folder.with_extra(settings.models_dir, settings.extra_dir)
    metrics = load(settings.models_dir, tables, settings.extra_dir)
    question = Question(tuple(names), tuple(by), from_, to, only or {}, compare == "previous")
    sql = question.sql(metrics)
    with reader(settings.asked, settings.limits) as con:
        require_there(con, metrics, names)
        return Answer(sql, con.sql(sql).to_arrow_table())


def require_there(con: "duckdb.DuckDBPyConnection", metrics: "Metrics", names: Sequence[str]) -> None:
    """Raise QuestionRefused for a figure of a user's own whose table the last night left out."""
    from stockbook.declarations import EXTRA
    from stockbook.errors import QuestionRefused

    for name in names:
        schema, _, table = metrics.of_figure(name).of.partition(".")
        query = "select 1 from duckdb_columns() where schema_name = ? and table_name = ? limit 1"
        if schema == EXTRA and not con.execute(query, [schema, table]).fetchall():
            raise QuestionRefused(
                f"{name} is of {schema}.{table}, a report of your own that the last night has not made: `stockbook "
                "extra check` says what is wrong with it, or run a night."
            )
