"""``stockbook bi``: the dashboards."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from stockbook import project
from stockbook.clock import SystemClock
from stockbook.settings import Settings

app = typer.Typer(no_args_is_help=True)


@app.command()
def bundle(
    check: Annotated[bool, typer.Option("--check", help="Only say whether the files are as they should be.")] = False,
    to: Annotated[
        Path | None,
        typer.Option(help="Folder for ours and those of STOCKBOOK_EXTRA_DIR, in STOCKBOOK_LOCALE."),
    ] = None,
) -> None:
    """Write the files Superset imports (bi/superset/bundle/) from bi/superset/dashboards.yml and the declarations."""
    from stockbook.bi import bundle as made
    from stockbook.bi import extra, spec
    from stockbook.bi.serve import FOLDER, TEXTS
    from stockbook.bi.texts import ENGLISH, texts_of
    from stockbook.channels import money
    from stockbook.extra_folder import with_extra
    from stockbook.metrics.files import load
    from stockbook.morning.locale import locale_of
    from stockbook.valuation import policy as valuation

    models_dir = project.SHIPPED / project.MODELS
    settings = Settings.load()
    extra_dir = settings.extra_dir if to else None
    texts = texts_of(FOLDER / TEXTS, locale_of(settings).language) if to else ENGLISH
    tables = with_extra(models_dir, extra_dir)
    policy = project.SHIPPED / project.POLICY
    currencies = spec.Currencies(valuation.read(policy).valuation_currency, money.read(policy).reporting_currency)
    metrics = load(models_dir, tables, extra_dir)
    read = spec.read(FOLDER / "dashboards.yml", tables, metrics)
    if extra_dir is not None:
        own = extra.dashboards_of(extra_dir, models_dir, tables)
        for problem in own.problems:
            typer.echo(f"Left out, of your own dashboards: {problem}", err=True)
        read = extra.with_extra(read, own)
    wanted = made.files(read, tables, metrics, currencies, texts=texts)
    if not check:
        made.write(to or FOLDER / "bundle", wanted)
        typer.echo(f"{len(wanted)} files in {to or FOLDER / 'bundle'}")
        return
    there = {str(file.relative_to(FOLDER / "bundle")): file.read_text() for file in (FOLDER / "bundle").rglob("*.yaml")}
    differing = sorted(path for path in wanted.keys() | there.keys() if wanted.get(path) != there.get(path))
    if differing:
        typer.echo(f"Differs: {', '.join(differing)}. Run `stockbook bi bundle`.", err=True)
        raise typer.Exit(1)


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; a network only behind a proxy with TLS.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.")] = 8088,
    home: Annotated[
        Path | None, typer.Option(help="Where Superset keeps its own state; default: data/bi of the project.")
    ] = None,
    programs: Annotated[
        Path | None, typer.Option(help="Superset's bin folder; default: .venv-bi/bin of the project.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the dashboards in a browser.")] = False,
) -> None:
    """Serve the dashboards over the published file, until interrupted."""
    from stockbook.bi.serve import USER, VIEWER, Superset, published_file
    from stockbook.morning.locale import locale_of

    settings = Settings.load()
    published = published_file(settings)
    home = home or project.folder(instead="name one with --home") / "data" / "bi"
    programs = programs or project.folder(instead="name one with --programs") / ".venv-bi" / "bin"
    superset = Superset.at(home.absolute(), programs.absolute(), locale_of(settings))
    dashboards = superset.prepare(published, typer.echo, settings.extra_dir)
    process = superset.serve(port, host)
    try:
        superset.wait_until_up(process, port, SystemClock())
        url = f"http://127.0.0.1:{port}"
        typer.echo(f"Dashboards over {published}")
        for slug in dashboards:
            typer.echo(f"  {url}/superset/dashboard/{slug}/")
        typer.echo(f"  user {USER}, password {superset.password} (may change everything)")
        typer.echo(f"  user {VIEWER}, password {superset.viewer_password} (sees the dashboards, changes nothing)")
        typer.echo("Interrupt (Ctrl-C) to stop.")
        if browser:
            webbrowser.open(f"{url}/superset/dashboard/stock/")
        process.wait()
    except KeyboardInterrupt:
        typer.echo("Stopped.")
    finally:
        process.terminate()
        process.wait(timeout=30)
