"""The questions of docs/queries.md with the queries that answer them."""

import re
from pathlib import Path
from typing import NamedTuple

from stockbook.errors import DeclarationError
from stockbook.models.reads import reads_of_all
from stockbook.project import SHIPPED

FILE = SHIPPED / "docs" / "queries.md"


class Question(NamedTuple):
    """A question, its query, and the tables the query reads by qualified name."""

    text: str
    sql: str
    tables: frozenset[str]


def read(file: Path = FILE) -> list[Question]:
    """Every heading of level two that is followed by a query. Raises DeclarationError for a heading without one."""
    queries = {}
    for section in re.split(r"^## ", file.read_text(), flags=re.MULTILINE)[1:]:
        title = section.splitlines()[0].strip()
        query = re.search(r"```sql\n(.*?)```", section, re.DOTALL)
        if query is None:
            raise DeclarationError(f"{file.name}: the question {title!r} has no query below it.")
        queries[title] = query.group(1).strip()
    reads = reads_of_all(queries)
    return [Question(title, sql, reads[title]) for title, sql in queries.items()]
