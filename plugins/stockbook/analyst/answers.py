"""What an answer of the analyst server has: its rows, and what one must know to read them."""

from pydantic import BaseModel, Field, JsonValue


class AsOf(BaseModel):
    """Which night of an account the figures are of."""

    account: str | None = Field(default=None, description="The account, where the tables of several were asked.")
    run_id: str
    as_of: str = Field(description="The now of every figure, local wall clock.")
    zone: str


class Column(BaseModel):
    """A column of the answer."""

    name: str
    type: str = Field(description="DuckDB's type. Amounts (DECIMAL) are text, exact to the last digit.")
    unit: str | None = None


class Definition(BaseModel):
    """What a figure or a table is."""

    name: str
    kind: str = Field(description="metric, table, view or macro")
    definition: str
    unit: str | None = None
    caveats: list[str] = []


class Rows(BaseModel):
    """Rows, what they are of, and the query that gave them."""

    as_of: list[AsOf]
    definitions: list[Definition]
    sql: str = Field(description="The query that was run; `stockbook sql` gives the same.")
    columns: list[Column]
    rows: list[list[JsonValue]] = Field(
        description="In the order of columns. Null is not known. Whole numbers beyond 2^53 are text, as are times."
    )
    truncated: bool = Field(description="Whether there are more rows than these.")
    next_step: str | None = Field(default=None, description="How to get the rest of what was cut off.")


class Cuts(BaseModel):
    """A figure in a list of them."""

    name: str
    subject: str
    definition: str
    unit: str
    by: list[str] = Field(description="Dimensions it may be cut by or chosen by.")
    periods: list[str] = Field(description="Periods it may be cut by; none: it is of the last night only.")


class Metrics(BaseModel):
    """Figures that can be asked by name."""

    as_of: list[AsOf]
    metrics: list[Cuts]


class MetricDescription(BaseModel):
    """A figure: what it means, and what may be asked of it."""

    as_of: list[AsOf]
    name: str
    subject: str
    definition: str
    unit: str
    type: str
    read_from: str = Field(description="The published table.")
    by: list[str]
    periods: list[str]
    must_name: list[str] = Field(description="Dimensions that a question has to cut by or to choose a value of.")
    better_when: str | None = Field(default=None, description="higher or lower, where one is better.")
    owner: str
    caveats: list[str]
    sql: str = Field(description="The query of the figure without any cut that it does not need.")


class ColumnDescription(BaseModel):
    """A column of a published table."""

    name: str
    type: str
    is_key: bool = False
    description: str | None = None
    unit: str | None = None
    personal: str | None = Field(default=None, description="How personal data was made unreadable before it was kept.")


class TableDescription(BaseModel):
    """A published table, view or macro."""

    as_of: list[AsOf]
    name: str
    kind: str
    description: str
    grain: list[str] = Field(description="The key: one row for each of these together.")
    parameters: list[str] = Field(description="Of a macro: from name(parameter := value).")
    columns: list[ColumnDescription]
    metrics: list[str] = Field(description="Figures that are read from it: ask these by name.")
    example_sql: str
    sql: str = Field(description="The query that read this description.")
