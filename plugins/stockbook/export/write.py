"""From what is asked to a file: opened as readers open, written by its format, whole or not at all."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stockbook import extra_folder
from stockbook.counted import counted
from stockbook.declarations import Table
from stockbook.export import answer_book, csv_lines, parquet_file, source
from stockbook.export.target import Format, chosen, whole_file
from stockbook.settings import Settings
from stockbook.warehouse.readers import asked

if TYPE_CHECKING:
    import duckdb

    Ask = Callable[["duckdb.DuckDBPyConnection"], "duckdb.DuckDBPyRelation"]


def export_table(
    settings: Settings,
    name: str,
    parameters: Mapping[str, str],
    account: str,
    to: Path | None,
    format_: Format | None,
    *,
    overwrite: bool = False,
    as_is: bool = False,
) -> str:
    """A published table, view or macro as a file; returns what there is to say of it."""
    target, form = chosen(to, name, format_, Format.csv)
    declared = extra_folder.with_extra(settings.models_dir, settings.extra_dir).get(name)
    return _exported(
        settings,
        lambda con: source.of_table(con, name, parameters, account),
        (name, declared),
        (target, form),
        overwrite=overwrite,
        as_is=as_is,
    )


def export_query(
    settings: Settings,
    text: str,
    to: Path | None,
    format_: Format | None,
    *,
    overwrite: bool = False,
    as_is: bool = False,
) -> str:
    """What a query answers as a file; returns what there is to say of it."""
    target, form = chosen(to, "query", format_, Format.csv)
    return _exported(
        settings,
        lambda con: source.of_query(con, text),
        ("query", None),
        (target, form),
        overwrite=overwrite,
        as_is=as_is,
    )


def _exported(
    settings: Settings,
    ask: "Ask",
    what: tuple[str, Table | None],
    where: tuple[Path, Format],
    *,
    overwrite: bool,
    as_is: bool,
) -> str:
    target, form = where
    with (
        whole_file(target, overwrite) as file,
        source.opened(settings, settings.asked) as con,
        asked(f"{what[0]} cannot be exported"),
    ):
        answer = ask(con)
        rows, notes = write_answer(answer, file, form, *what, as_is=as_is)
    return "\n".join([f"{target}: {counted(rows, 'row')}", *notes])


def write_answer(
    answer: "duckdb.DuckDBPyRelation", file: Path, form: Format, name: str, declared: Table | None, *, as_is: bool
) -> tuple[int, list[str]]:
    """An answer as a file of one format; returns its rows and notes."""
    if form == Format.xlsx:
        return answer_book.write(answer, file, name, declared)
    if form == Format.parquet:
        return parquet_file.write(answer, file), []
    rows = 0
    with file.open("wb") as out:
        for count, lines in csv_lines.chunks(answer, as_is):
            rows += count
            out.write(lines)
    return rows, []
