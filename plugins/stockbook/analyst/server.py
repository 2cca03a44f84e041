"""The tools as the Model Context Protocol has them, each over one function of this room."""

import functools
from collections.abc import Callable
from datetime import date
from typing import Annotated, ParamSpec, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from stockbook.analyst import figures, tables
from stockbook.analyst.answers import MetricDescription, Metrics, Rows, TableDescription
from stockbook.analyst.asking import Questions
from stockbook.errors import StockbookError
from stockbook.settings import Settings
from stockbook.version import VERSION

P = ParamSpec("P")
R = TypeVar("R")
INSTRUCTIONS = """
The books of an online shop: stock and its value, orders and whether they left in time, channels and turnover, as the
last published night has them. A figure has one definition: look for it with list_metrics and ask it by its name with
ask_metric, which refuses what would be wrong. Only for what no metric answers use query, after describe_table.
Every answer says the night it is of (as_of), what its figures mean, and the SQL that was run: tell these too.
Amounts are texts, exact to the last digit: do not round before you add. Null is not known, never 0.
""".strip()
# everything here only reads, and a second call changes nothing
_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)

Name = Annotated[str, Field(description="A name as list_metrics or list_tables has it.")]
Search = Annotated[str, Field(description="Words that name or description have, all of them; empty: all.")]
MostRows = Annotated[int, Field(ge=0, description="Rows at most; 0: as many as the server gives.")]


def create(settings: Settings, questions: Questions) -> MCPServer[None]:
    """The server over what a home publishes."""
    server: MCPServer[None] = MCPServer("stockbook", instructions=INSTRUCTIONS, version=VERSION, log_level="ERROR")

    def list_metrics(
        subject: Annotated[str, Field(description="Such as stock, promise or shop; empty: all.")] = "",
        search: Search = "",
    ) -> Metrics:
        """The figures that can be asked by name: what each means, its unit, and what it may be cut by."""
        return figures.listed(settings, questions, subject, search)

    def describe_metric(name: Name) -> MetricDescription:
        """A figure: definition, unit, dimensions, periods, what has to be known to use it, and its SQL."""
        return figures.described(settings, questions, name)

    def ask_metric(
        metrics: Annotated[list[str], Field(min_length=1, description="Names of figures of one table.")],
        by: Annotated[
            list[str],
            Field(description="Dimensions of the metric, and periods: day, week, month, quarter, year."),
        ] = [],  # noqa: B006  # a schema, nobody changes it
        from_day: Annotated[date | None, Field(description="First day, YYYY-MM-DD.")] = None,
        to_day: Annotated[date | None, Field(description="Last day, YYYY-MM-DD.")] = None,
        only: Annotated[dict[str, str], Field(description="Keep one value of a dimension.")] = {},  # noqa: B006  # likewise
        compare_previous: Annotated[
            bool, Field(description="Put the range before, of as many days, beside it.")
        ] = False,
        rows: MostRows = 0,
    ) -> Rows:
        """Figures by name, cut as asked; what a figure cannot answer is refused with the reason."""
        return figures.answered(
            settings, questions, metrics, by, from_day, to_day, only, rows, compare_previous=compare_previous
        )

    def list_tables(
        schema: Annotated[str, Field(description="reports, marts, extra, staging or meta; empty: all.")] = "",
        search: Search = "",
        rows: MostRows = 0,
    ) -> Rows:
        """The published tables, views and macros, with a sentence on each."""
        return tables.listed(questions, schema, search, rows)

    def describe_table(name: Name) -> TableDescription:
        """A table: what it holds, its grain and key, every column with type, unit and meaning, the figures of it."""
        return tables.described(settings, questions, name)

    def query(
        sql: Annotated[str, Field(max_length=100_000, description="One query in DuckDB's SQL.")], rows: MostRows = 0
    ) -> Rows:
        """Run one read-only query over the published tables; no files, no network, within limits."""
        return tables.answered(questions, sql, rows)

    for tool in (list_metrics, describe_metric, ask_metric, list_tables, describe_table, query):
        server.add_tool(_said(tool), annotations=_READS)
    return server


def _said(tool: Callable[P, R]) -> Callable[P, R]:
    """What Stockbook says of a question is the answer that the model reads; anything else says nothing."""

    @functools.wraps(tool)
    def answer(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return tool(*args, **kwargs)
        except StockbookError as error:
            raise ToolError(str(error)) from error

    return answer
