"""``stockbook export``: tables, answers and packs as files."""

from pathlib import Path
from typing import Annotated

import typer

from stockbook.errors import ConfigError
from stockbook.export.target import Format
from stockbook.settings import Settings

app = typer.Typer(no_args_is_help=True)

To = Annotated[
    Path | None,
    typer.Option("--to", help="The file, or a folder; left out: a file of its own name in the working folder."),
]
As = Annotated[Format | None, typer.Option("--format", help="Left out: as the file's ending says.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")]
AsIs = Annotated[
    bool, typer.Option("--as-is", help="In CSV leave texts that a spreadsheet takes for formulas as they are.")
]
AccountOption = Annotated[str, typer.Option(help="Only rows of this account.")]


@app.command()
def table(
    name: Annotated[str, typer.Argument(help="A published table, view or macro, such as reports.stock_ageing.")],
    parameters: Annotated[
        list[str] | None, typer.Argument(help="Of a macro each parameter: day=2026-02-28.", show_default=False)
    ] = None,
    to: To = None,
    as_: As = None,
    account: AccountOption = "",
    overwrite: Overwrite = False,
    as_is: AsIs = False,
) -> None:
    """Write a table, view or macro of the published file; nothing named csv, parquet or xlsx: CSV."""
    from stockbook.export.write import export_table

    pairs = [text.partition("=") for text in parameters or []]
    if unpaired := [name for name, sign, _ in pairs if not sign]:
        raise ConfigError(f"A parameter of a macro is NAME=VALUE; got {unpaired[0]!r}.")
    values = {parameter: value for parameter, _, value in pairs}
    typer.echo(export_table(Settings.load(), name, values, account, to, as_, overwrite=overwrite, as_is=as_is))


@app.command()
def query(
    text: Annotated[str, typer.Argument(help="One query; - reads it from standard input.")],
    to: To = None,
    as_: As = None,
    overwrite: Overwrite = False,
    as_is: AsIs = False,
) -> None:
    """Write what a query answers from the published file."""
    import sys

    from stockbook.export.write import export_query

    sql = sys.stdin.read() if text == "-" else text
    typer.echo(export_query(Settings.load(), sql, to, as_, overwrite=overwrite, as_is=as_is))


MonthArgument = Annotated[str, typer.Argument(help="The month, YYYY-MM.")]
OneAccount = Annotated[str, typer.Option(help="The account; left out: each in a file of its own.")]


@app.command()
def month(
    month: MonthArgument,
    account: OneAccount = "",
    to: To = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the workbook of a month: signed figures where it is closed, a draft where nobody signed it."""
    from stockbook.export.packs import export_month

    typer.echo(export_month(Settings.load(), month, account, to, overwrite=overwrite))


@app.command()
def journal(
    month: MonthArgument,
    account: OneAccount = "",
    to: To = None,
    as_: As = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the journal of a month, CSV unless the file's ending or --format says otherwise."""
    from stockbook.export.packs import export_journal

    typer.echo(export_journal(Settings.load(), month, account, to, as_, overwrite=overwrite))
