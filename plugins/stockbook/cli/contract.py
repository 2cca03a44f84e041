"""``stockbook contract``: what others rely on, as files, and what a version breaks of it."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stockbook.settings import Settings

if TYPE_CHECKING:
    from stockbook.contracts.relation import Contract
    from stockbook.declarations import Table

app = typer.Typer(no_args_is_help=True)


def _here(settings: Settings) -> "tuple[Contract, dict[str, Table]]":
    """The contract of this version at this installation, and the declarations it is made of."""
    from stockbook import declaration_files
    from stockbook.channels import money
    from stockbook.contracts.published import contract
    from stockbook.valuation import policy

    tables = declaration_files.load(settings.models_dir)
    currencies = {
        "valuationCurrency": policy.read(settings.policy_dir).valuation_currency,
        "reportingCurrency": money.read(settings.policy_dir).reporting_currency,
    }
    return contract(tables, currencies), tables


@app.command()
def export(
    to: Annotated[
        Path | None, typer.Option(help="Folder for a file a schema; left out: all on standard output.")
    ] = None,
    shape: Annotated[
        bool, typer.Option("--shape", help="Only what `contract diff` compares, nothing of this installation.")
    ] = False,
) -> None:
    """Write the contract of every published schema in the Open Data Contract Standard 3.1 (YAML)."""
    from stockbook.atomic_files import write_atomically
    from stockbook.contracts import odcs
    from stockbook.setting_list import text_of

    settings = Settings.load()
    contract, tables = _here(settings)
    schedule = os.environ.get("STOCKBOOK_SCHEDULE") or text_of("STOCKBOOK_SCHEDULE")
    installation = None if shape else odcs.Installation(settings.zone.key, schedule)
    texts = {schema: odcs.text(document) for schema, document in odcs.documents(contract, tables, installation).items()}
    if to is None:
        typer.echo("---\n".join(texts.values()), nl=False)
        return
    to.mkdir(parents=True, exist_ok=True)
    for schema, text in texts.items():
        file = to / f"{schema}{odcs.ENDING}"
        write_atomically(file, text.encode())
        typer.echo(f"{file}: {sum(r.schema == schema for r in contract.relations.values())} tables, views and macros")


@app.command()
def diff(
    old: Annotated[
        Path, typer.Argument(help="A folder of contracts, or a file: docs/contracts has those of releases.")
    ],
    new: Annotated[Path | None, typer.Argument(help="Likewise; left out: this version.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say what NEW breaks of OLD (exit code 1) and what it adds, table by table and column by column."""
    from stockbook.contracts.difference import changes
    from stockbook.contracts.read import read

    before = read(old)
    after = read(new) if new else _here(Settings.load())[0]
    named = changes(before, after)
    breaking = sum(change.is_breaking for change in named)
    if as_json:
        listed = [{"breaking": c.is_breaking, "kind": c.kind, "where": c.where, "says": c.says} for c in named]
        document = {"old": before.version, "new": after.version, "breaking": breaking, "changes": listed}
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for change in named:
            typer.echo(f"{'NO ' if change.is_breaking else 'ok '} {change.kind}: {change.where}: {change.says}")
        kinds = Counter(change.kind for change in named if change.is_breaking)
        by_kind = ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common())
        typer.echo(f"{breaking} breaking changes ({by_kind})." if breaking else "Nothing that was there is broken.")
    if breaking:
        raise typer.Exit(1)
