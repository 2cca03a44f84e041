"""
The command line: every step of the night on a laptop, without Airflow.

``python -m stockbook --help`` lists the commands.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stockbook.airflow_config import default_home
from stockbook.atomic_files import keep_private
from stockbook.cli import help_pages
from stockbook.cli.backup import app as backup_app
from stockbook.cli.backup import restore
from stockbook.cli.bi import app as bi_app
from stockbook.cli.close import close
from stockbook.cli.contract import app as contract_app
from stockbook.cli.export import app as export_app
from stockbook.cli.extra import app as extra_app
from stockbook.cli.fleet import app as fleet_app
from stockbook.cli.forget import forget
from stockbook.cli.hash import hash_column
from stockbook.cli.health import health
from stockbook.cli.hooks import app as hooks_app
from stockbook.cli.lineage import lineage
from stockbook.cli.mcp import mcp
from stockbook.cli.metric import metric
from stockbook.cli.nights import check, load, publish, report, run
from stockbook.cli.policy import app as policy_app
from stockbook.cli.printing import Format
from stockbook.cli.retention import retention
from stockbook.cli.sandbox import app as sandbox_app
from stockbook.cli.sla import app as sla_app
from stockbook.cli.upkeep import compact, repair, upgrade
from stockbook.clock import SystemClock
from stockbook.errors import ConfigError, StockbookError, is_interrupt
from stockbook.settings import Settings, is_group_readable

if TYPE_CHECKING:
    from stockbook.connections import Account

app = typer.Typer(
    name="stockbook",
    help="Stockbook: the nightly books of a shop that outsources its warehouse. A night is complete or red.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(sandbox_app, name="sandbox", help="The APIs over an invented or replayed shop, with a clock and faults.")
app.add_typer(bi_app, name="bi", help="The dashboards: Superset over the published file.")
app.add_typer(hooks_app, name="hooks", help="Webhooks: the receiver, and what the vendors' subscriptions need.")
app.add_typer(fleet_app, name="fleet", help="Many accounts on several machines: their nights, and who works on what.")
app.add_typer(export_app, name="export", help="Tables, answers and packs of the published file as CSV, Parquet, XLSX.")
app.add_typer(contract_app, name="contract", help="What others rely on, as data contracts, and what a version breaks.")
app.add_typer(extra_app, name="extra", help="Reports of one's own: models, metrics and dashboards that upgrades keep.")
app.add_typer(backup_app, name="backup", help="Back the home up, and prove what was backed up.")
for command in (
    *(run, load, check, publish, report, metric, lineage, mcp),
    *(close, forget, retention, compact, upgrade, repair, restore, health),
):
    app.command()(command)
app.command("hash")(hash_column)
app.add_typer(policy_app, name="policy", help="Policies and settings: is everything an operator wrote right?")
app.add_typer(sla_app, name="sla", help="Promises: try a policy before it is in force.")


@app.command()
def dictionary(
    to: Annotated[Path, typer.Option(help="Folder to write it to; one that holds a dictionary is replaced.")],
) -> None:
    """Write the data dictionary as a static site: one page a table, with search and lineage."""
    from stockbook import declarations
    from stockbook.dictionary import questions, site
    from stockbook.valuation import policy as valuation
    from stockbook.warehouse.declared import declared_in

    settings = Settings.load()
    tables = declarations.in_currency(
        declared_in(settings.asked, settings.models_dir, settings.extra_dir),
        valuation.read(settings.policy_dir).valuation_currency,
    )
    pages = site.write(to.absolute(), settings.models_dir, tables, questions.read(), settings.extra_dir)
    typer.echo(f"{pages} pages; open {to.absolute() / 'index.html'}")


@app.command()
def alerts(
    test: Annotated[bool, typer.Option("--test", help="Send a message through the notifier of the setting.")] = False,
) -> None:
    """List the alerts that stand in the published file, or test the notifier."""
    from stockbook.alerts import notify
    from stockbook.clock import local
    from stockbook.warehouse.readers import reader

    settings = Settings.load()
    if test:
        notifier = notify.parse(settings.alert_notifier)
        if notifier is None:
            raise ConfigError(f"{notify.VARIABLE} is not set: nobody is told of alerts.")
        now = local(SystemClock(), settings.zone)
        a_test = notify.Alert("-", "test", "", "info", "This is a test of the notifier; nothing is the matter.", now)
        notify.send(notifier, [a_test], now)
        typer.echo(f"{notifier.target} took a message.")
        return
    with reader(settings.asked, settings.limits) as con:
        rows = con.execute(
            "select account, rule, subject, severity, message, raised_as_of from reports.alerts "
            "where cleared_as_of is null order by raised_as_of, account, rule, subject"
        ).fetchall()
    for row in rows:
        alert = notify.Alert(*row)
        typer.echo(f"since {alert.raised_as_of:%Y-%m-%d %H:%M} {notify.line(alert)}")
    if not rows:
        typer.echo("No alert stands.")


@app.command()
def sql(
    query: Annotated[
        str, typer.Argument(help="Queries, separated by ;  - or a pipe: from standard input. None opens a prompt.")
    ] = "",
    limit: Annotated[
        int | None,
        typer.Option(
            min=0, help="Rows to print at most, 0 = all; left out: 100, as csv and json all.", show_default=False
        ),
    ] = None,
    as_: Annotated[
        Format,
        typer.Option("--format", help="auto is a table; wider than the terminal, each column on a line of its own."),
    ] = Format.auto,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per row: --format json.")] = False,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="In CSV leave texts that a spreadsheet takes for formulas as they are.")
    ] = False,
) -> None:
    """Run queries on the published file, or open a prompt on it; safe during a night too."""
    from stockbook.cli.printing import Printer, terminal_width
    from stockbook.warehouse.readers import reader

    settings = Settings.load()
    chosen = Format.json if as_json else as_
    if not query and sys.stdin.isatty():
        from stockbook import extra_folder
        from stockbook.cli.prompt import Prompt

        tables = extra_folder.with_extra(settings.models_dir, settings.extra_dir)
        Prompt(settings.asked, tables, limit, chosen, settings.limits, as_is).cmdloop()
        return
    # what is piped into the command is a query too
    text = sys.stdin.read() if query in ("", "-") else query
    with reader(settings.asked, settings.limits) as con:
        Printer(sys.stdout, chosen, limit, terminal_width(sys.stdout), as_is).answer(con, text)


@app.command()
def doctor(
    ask_accounts: Annotated[
        bool, typer.Option("--try", help="Ask each connection for one row: does it answer?")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every file of the home, however long it takes; else ten seconds.")
    ] = False,
) -> None:
    """Say what is set up, missing or damaged: home, key, policies, connections, lock, last night, backup, files."""
    from stockbook.cli import doctor as examined

    clock = SystemClock()

    def ask(account: "Account") -> str:
        from stockbook.sources.credentials import credentials_of
        from stockbook.sources.probe import try_account

        settings = Settings.load()
        return try_account(account, credentials_of(account, clock, settings.token_place, settings.fernet_keys), clock)

    problems = 0
    for line in examined.lines(clock, ask if ask_accounts else None, deep=deep):
        problems += not line.good
        typer.echo(f"{'ok ' if line.good else 'NO '} {line.text}")
    if problems:
        raise typer.Exit(1)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The folder to make; it must be empty or not there yet.")],
) -> None:
    """Make a project: DAG files, policies, Airflow's settings and a README."""
    from stockbook.cli.init import make_project

    for line in make_project(folder.absolute()):
        typer.echo(line)


@app.command()
def setup(
    home: Annotated[
        Path | None, typer.Option(help="The Airflow home; default: AIRFLOW_HOME, else ./airflow_home.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port of Airflow's web page and API.")] = 8080,
) -> None:
    """Make an Airflow home for this project: configuration, database, the writer's pool, a login, the key."""
    from stockbook.cli.setup import set_up

    for line in set_up((home or default_home(os.environ)).absolute(), port, typer.echo):
        typer.echo(line)


@app.command()
def start() -> None:
    """Start Airflow over the home that `stockbook setup` made, until interrupted."""
    from stockbook import airflow_database
    from stockbook.cli.setup import doors
    from stockbook.orchestration.home import STANDALONE, environment

    home = default_home(os.environ).absolute()
    if not (home / "airflow.cfg").exists():
        raise ConfigError(f"{home} is no Airflow home yet: `stockbook setup` makes one.")
    # without its database Airflow ends in a traceback
    airflow_database.pools({**os.environ, "AIRFLOW_HOME": str(home)})
    for line in doors(home):
        typer.echo(line)
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-c", STANDALONE], environment(home))  # noqa: S606  # no shell


@app.command()
def demo(
    orders: Annotated[Path | None, typer.Option(help="A real order history to replay (CSV or Parquet).")] = None,
    home: Annotated[Path | None, typer.Option(help="Where the demo lives; it is emptied first.")] = None,
    date_format: Annotated[
        str, typer.Option(help="How --orders writes its times, as for `stockbook sandbox serve`.")
    ] = "",
) -> None:
    """Start a sandbox shop and run three nights through Airflow, then say what the stock is worth."""
    from stockbook.cli.demo import run_demo

    run_demo(orders, home, date_format)


help_pages.add_to(app)


def main() -> None:
    """Entry: what goes wrong is one sentence on standard error and exit code 1."""
    _open_standard_streams()
    output, closed = sys.stdout, "Whoever read the output closed it before its end."
    try:
        keep_private(is_group_readable())
        try:
            app()
        finally:
            output.flush()
    except SystemExit:
        if sys.stdout is not output:  # a mute stands in its place: typer met a closed pipe
            _end(closed)
        raise
    except StockbookError as error:
        _end(str(error))
    except BrokenPipeError:
        _end(closed)
    except OSError as error:
        what = error.filename or "the output"
        _end(f"{what} could not be read or written: {error.strerror or error}.")
    except UnicodeError as error:
        _end(f"A text could not be read or written as {getattr(error, 'encoding', 'text')}: both ends must be UTF-8.")
    except (RecursionError, MemoryError, OverflowError) as error:
        _end(f"This is more than the program can hold ({type(error).__name__}): ask for less at once.")
    except RuntimeError as error:
        if not is_interrupt(error):
            raise
        _end("Interrupted.")


def _open_standard_streams() -> None:
    """What a caller closed (``>&-``) leads nowhere: a file must not get the number that libraries write to."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _end(sentence: str) -> None:
    with suppress(OSError):
        typer.echo(f"stockbook: {sentence}", err=True)
    # what is still to be written cannot be: the interpreter must not try again at its end
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)
