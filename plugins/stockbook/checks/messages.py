"""What a night and its process of Great Expectations send each other: each message is a line of JSON."""

import msgspec


class Rules(msgspec.Struct, frozen=True, tag=True):
    """Statements that count the bad rows of rules, which are critical or not: ``at_once`` of them side by side."""

    statements: list[tuple[str, bool]]
    at_once: int


class Query(msgspec.Struct, frozen=True, tag=True):
    """A query that Great Expectations has; ``number`` is answered with it."""

    number: int
    sql: str


class Rows(msgspec.Struct, frozen=True, tag=True):
    """The answer to a query, or the ``error`` why there is none."""

    number: int
    columns: list[str]
    rows: list[list[object]]
    error: str = ""


class Counts(msgspec.Struct, frozen=True, tag=True):
    """For each statement of the rules what it counted, or why it could not be asked."""

    of_statements: list["Count"]


class Count(msgspec.Struct, frozen=True):
    """The bad rows of each rule of a statement."""

    bad_rows: list[int]
    error: str = ""
