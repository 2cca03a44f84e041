"""The questions of docs/queries.md with the queries that answer them: SQL, or metrics by their names."""

import re
from pathlib import Path
from typing import NamedTuple

from stockbook import declaration_files
from stockbook.errors import DeclarationError
from stockbook.metrics import question as metrics
from stockbook.metrics.files import Metrics, load
from stockbook.models.reads import reads_of_all
from stockbook.project import MODELS, SHIPPED

FILE = SHIPPED / "docs" / "queries.md"


class Question(NamedTuple):
    """A question, its query, and the tables the query reads by qualified name."""

    text: str
    sql: str
    tables: frozenset[str]


def read(file: Path = FILE) -> list[Question]:
    """
    Every heading of level two that is followed by a query. Raises DeclarationError for a heading without one.

    A query is SQL, or ``stockbook metric`` with names and ``--by``: what that asks the published file.
    """
    models = SHIPPED / MODELS
    by_name = load(models, declaration_files.load(models))
    queries = {}
    for section in re.split(r"^## ", file.read_text(), flags=re.MULTILINE)[1:]:
        title = section.splitlines()[0].strip()
        query = re.search(r"```sql\n(.*?)```|```sh\n(stockbook metric .*?)```", section, re.DOTALL)
        if query is None:
            raise DeclarationError(f"{file.name}: the question {title!r} has no query below it.")
        queries[title] = query[1].strip() if query[1] else _of_metrics(query[2], by_name)
    reads = reads_of_all(queries)
    return [Question(title, sql, reads[title]) for title, sql in queries.items()]


def _of_metrics(command: str, by_name: Metrics) -> str:
    names, _, by = command.removeprefix("stockbook metric ").partition(" --by ")
    question = metrics.Question(tuple(names.split()), tuple(by.strip().split(",")) if by else ())
    return question.sql(by_name)
