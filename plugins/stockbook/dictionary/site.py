"""
The dictionary as a static site: an index with search, a page for every table, and one for the lineage of every column.

Readable from disk.

Everything on a page comes from the declarations and from parsing the models: description, grain,
columns, checks, what a table reads and feeds, its metrics and the questions of docs/queries.md that it answers.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from stockbook import declaration_files
from stockbook.declarations import EXTRA, LAYERS, VALUATION_CURRENCY, Column, Table, without_extra
from stockbook.dictionary import column_page
from stockbook.dictionary.lineage import Lineage, lineage, page_of, picture
from stockbook.dictionary.questions import Question
from stockbook.errors import ConfigError
from stockbook.lineage import declared, graph
from stockbook.lineage.inputs import Ref
from stockbook.metrics.files import folder_of, load
from stockbook.metrics.metric import Metric, names_in
from stockbook.models.extra import plan
from stockbook.models.order import steps
from stockbook.templates import templates_in

MARK = "stockbook-dictionary"
DERIVED = {
    "account": "Account the row came from; part of every key.",
    "_run_id": "Run that wrote the row last.",
    "_loaded_at": "When its content changed last, UTC, by the clock.",
    "_first_seen_at": "as_of of the first run that saw it, local.",
    "_last_seen_at": "as_of of the latest run that saw it, local.",
    "_deleted_at": "as_of of the run whose complete listing no longer had it, local; NULL while it is there.",
    "_row_hash": "Hash of its content.",
}


class Page(NamedTuple):
    """What a table's page shows."""

    table: Table
    columns: dict[str, Column]
    lineage: Lineage
    svg: str
    example: str
    questions: list[Question]
    metrics: list[Metric]


def pages_of(
    models_dir: Path, tables: Mapping[str, Table], questions: Iterable[Question], extra_dir: Path | None = None
) -> dict[str, Page]:
    """Every declared table by its qualified name, layer by layer, those of a user's own folder too."""
    behind_ours = plan(extra_dir, models_dir, declaration_files.load(models_dir)).steps if extra_dir else ()
    graph = lineage([*steps(models_dir, without_extra(tables)), *(step for step in behind_ours if step.name in tables)])
    questions = list(questions)
    metrics = load(models_dir, tables, extra_dir)
    pages = {}
    for layer in (*LAYERS, EXTRA):
        for name in sorted(name for name, table in tables.items() if table.layer == layer):
            table, around = tables[name], graph.get(name, Lineage((), ()))
            pages[name] = Page(
                table,
                _columns(table),
                around,
                picture(name, around, tables),
                example(table),
                [question for question in questions if name in question.tables],
                [_in_currency(metric, table) for metric in metrics.of_relation(name)],
            )
    return pages


def _in_currency(metric: Metric, table: Table) -> Metric:
    """The metric with its amount in the currency that the columns name."""
    columns = names_in(metric.sql)
    # a user's own may be made of no column
    if metric.unit != VALUATION_CURRENCY or not columns:
        return metric
    return msgspec.structs.replace(metric, unit=table.columns[columns[0]].unit or metric.unit)


def _columns(table: Table) -> dict[str, Column]:
    if table.layer != "staging":
        return table.columns
    added = {name: Column(type="varchar", description=text) for name, text in DERIVED.items()}
    for name, kind in {"_loaded_at": "timestamp", "_row_hash": "ubigint"}.items():
        added[name].type = kind
    for name in ("_first_seen_at", "_last_seen_at", "_deleted_at"):
        added[name].type = "timestamp"
    return (
        {"account": added.pop("account"), **table.columns, **added}
        if "account" not in table.columns
        else {
            **table.columns,
            **{name: column for name, column in added.items() if name != "account"},
        }
    )


def example(table: Table) -> str:
    """A query that runs on the published file."""
    if table.kind == "macro":
        values = {"date": "(select cast(as_of as date) from meta.current_run)", "boolean": "false"}
        arguments = ", ".join(values.get(kind, "'A-1'") for kind in table.parameters.values())
        return f"from {table.name}({arguments}) limit 10"
    order = f" order by {', '.join(table.grain)}" if table.grain else ""
    return f"from {table.name}{order} limit 10"


def write(
    folder: Path,
    models_dir: Path,
    tables: Mapping[str, Table],
    questions: Iterable[Question],
    extra_dir: Path | None = None,
) -> int:
    """
    Write the site; returns its number of pages, 0 when the folder holds the same site already.

    An older site is replaced as a whole. Raises ConfigError for a folder with something else in it.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / f".{MARK}").exists():
        raise ConfigError(f"{folder} holds something other than a dictionary: name an empty or a new folder.")
    questions = list(questions)
    digest = _digest(models_dir, tables, questions, extra_dir)
    if (folder / f".{MARK}").exists() and (folder / f".{MARK}").read_text() == digest:
        return 0
    templates = templates_in(Path(__file__).parent / "templates")
    pages = pages_of(models_dir, tables, questions, extra_dir)
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    (new / f".{MARK}").write_text(digest)
    for name, page in pages.items():
        html = templates.get_template("table.html").render(page=page, page_of=lambda other: page_of(other, pages))
        (new / f"{name}.html").write_text(html)
    index = [
        {
            "name": name,
            "text": " ".join(
                [name, page.table.description, *page.columns, *(metric.name for metric in page.metrics)]
            ).lower(),
        }
        for name, page in pages.items()
    ]
    (new / "index.html").write_text(
        templates.get_template("index.html").render(
            pages=pages, layers=dict.fromkeys(page.table.layer for page in pages.values()), index=json.dumps(index)
        )
    )
    of_all = graph.load(models_dir, tables, extra_dir)
    columns = column_page.data(of_all, pages, _readers(models_dir, tables, questions, pages))
    of_columns = templates.get_template(column_page.PAGE).render(data=json.dumps(columns, separators=(",", ":")))
    (new / column_page.PAGE).write_text(of_columns)
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)
    return len(pages) + 2


def _readers(
    models_dir: Path, tables: Mapping[str, Table], questions: list[Question], pages: Mapping[str, Page]
) -> dict[tuple[str, str], set[Ref]]:
    """The columns that every metric and question reads, by its text and where it stands."""
    selects = {question.text: question.sql for question in questions}
    where = {question.text: min(question.tables & pages.keys(), default="") for question in questions}
    readers = {
        (text, f"{where[text]}.html"): refs
        for text, refs in graph.read_by(selects, models_dir, without_extra(tables)).items()
        if where[text]
    }
    for name, page in pages.items():
        for metric in page.metrics:
            words = {word for part in (metric.sql, metric.where) for word in names_in(part)}
            refs = {Ref(name, word) for word in words if word in page.columns}
            readers[f"metric {metric.name}", f"{name}.html#metric-{metric.name}"] = refs
    return readers


def _digest(
    models_dir: Path, tables: Mapping[str, Table], questions: Iterable[Question], extra_dir: Path | None
) -> str:
    """A hash of everything the site is made of."""
    folders = (models_dir, folder_of(models_dir), declared.FOLDER, *((extra_dir,) if extra_dir else ()))
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()] + [
        *Path(__file__).parent.rglob("*.html")
    ]
    files += [*Path(__file__).parent.glob("*.py"), *Path(__file__).parent.rglob("*.css")]
    content = b"".join(file.read_bytes() for file in sorted(files))
    # a page shows more than files: the currency is the policy's
    units = sorted({column.unit or "" for table in tables.values() for column in table.columns.values()})
    # what failed in a night is not in its dictionary
    units += sorted(name for name, table in tables.items() if table.layer == EXTRA)
    return hashlib.sha256(content + repr([units, [question.sql for question in questions]]).encode()).hexdigest()
