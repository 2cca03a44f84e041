"""
Calculations that several models share: scalar macros, one file each under ``include/sql/macros``.

A file holds one ``create or replace macro intermediate.<name>(...) as ...``; its first line says what the macro is of.
Models call them as ``intermediate.<name>(...)``, views of the published file too.
"""

from pathlib import Path

import duckdb

from stockbook.errors import DeclarationError, first_line
from stockbook.warehouse.schema import MACROS

FOLDER = "macros"


def create_macros(con: duckdb.DuckDBPyConnection, models_dir: Path) -> None:
    """
    Make every macro, in the order of their names, and those of staging, which they call.

    Raises DeclarationError naming the file that does not fit.
    """
    con.execute("create schema if not exists staging")
    for macro in MACROS:
        con.execute(macro)
    for file in sorted((models_dir / FOLDER).glob("*.sql")):
        sql = file.read_text()
        if not sql.startswith("-- ") or f"create or replace macro intermediate.{file.stem}(" not in sql:
            raise DeclarationError(
                f"{FOLDER}/{file.name} must begin with a comment and define intermediate.{file.stem}(...)."
            )
        try:
            con.execute(sql)
        except duckdb.Error as error:
            raise DeclarationError(f"{FOLDER}/{file.name} cannot be made: {first_line(error)}") from error


def expressions(models_dir: Path) -> dict[str, tuple[tuple[str, ...], str]]:
    """Parameters and expression of every macro, by its qualified name."""
    by_name = {}
    for file in sorted((models_dir / FOLDER).glob("*.sql")):
        head, _, body = file.read_text().partition(") as\n")
        parameters = tuple(name.strip() for name in head.rpartition("(")[2].split(","))
        by_name[f"intermediate.{file.stem}"] = parameters, body.strip().rstrip(";")
    return by_name
