"""What readers see of signed months: the tables of what was landed, in a file, and all that is made of them."""

from collections.abc import Sequence

import duckdb

from stockbook.closing.landed import Close
from stockbook.closing.program import CLOSES, LINES, replace
from stockbook.declarations import Table
from stockbook.errors import CheckFailed, ModelFailed, StockbookError, first_line
from stockbook.models.build import replace_table, run_step
from stockbook.models.macros import create_macros
from stockbook.models.order import Step, steps
from stockbook.models.programs import BuildContext
from stockbook.settings import Settings
from stockbook.warehouse import meta
from stockbook.warehouse.connect import BUILDS_FAST, writer
from stockbook.warehouse.readers import attach
from stockbook.warehouse.transaction import transaction

STATEMENT, SIGNED = "reports.stock_movements_monthly", "intermediate.signed_stock_month"


def show(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    tables: dict[str, Table],
    closes: Sequence[Close],
    new: Sequence[Close] = (),
) -> None:
    """
    Write the tables of signed months into a file and build what reads them; its other figures stay.

    Where only ``new`` came, of months that were open, the rows of no other month change in the statement: it is the
    largest of what is built.
    """
    con.execute(BUILDS_FAST)
    create_macros(con, settings.models_dir)
    replace(con, tables, closes, settings.closes)
    context = _context(con, settings, tables)
    changed = {CLOSES, LINES}
    for step in readers(settings, tables):
        changed |= {table.name for table in step.tables}
        try:
            if step.name == STATEMENT and _were_open(new):
                _sign_statement(con, new)
            else:
                run_step(con, step, context)
        except duckdb.Error as error:
            raise ModelFailed(f"{step.name} could not be built: {first_line(error)}") from error
    for name in sorted(changed):
        for check in tables[name].checks:
            if check.severity == "fail" and check.rows:
                rows = con.execute(f"select * from ({check.rows}) limit 1").fetchall()
                if rows:
                    raise CheckFailed(
                        f"{name} would not hold '{check.name}' (e.g. {rows[0]}), so nothing was signed: report it."
                    )


def readers(settings: Settings, tables: dict[str, Table]) -> list[Step]:
    """All that is made of signed months, in order."""
    changed, later = {CLOSES, LINES}, list[Step]()
    for step in steps(settings.models_dir, tables):
        if step.reads & changed:
            changed |= {table.name for table in step.tables}
            later.append(step)
    return later


def _were_open(new: Sequence[Close]) -> bool:
    return bool(new) and all(close.sequence == 1 for close in new)


def _sign_statement(con: duckdb.DuckDBPyConnection, new: Sequence[Close]) -> None:
    """Rows of the open month give way to what was signed of it, which the next month opens with as it did."""
    for close in new:
        month = {"account": close.account, "month": close.month}
        con.execute(f"delete from {STATEMENT} where account = $account and month = $month", month)
        con.execute(
            f"insert into {STATEMENT} by name select * from {SIGNED} where account = $account and month = $month", month
        )


def _context(con: duckdb.DuckDBPyConnection, settings: Settings, tables: dict[str, Table]) -> BuildContext:
    run_id, as_of, as_of_utc = con.execute(
        "select c.run_id, c.as_of, r.as_of_utc from meta.current_run as c left join meta.run as r using (run_id)"
    ).fetchall()[0]
    return BuildContext(
        as_of,
        run_id,
        settings.zone,
        settings.policy_dir,
        tables,
        published=settings.published,
        as_of_utc=as_of_utc,
        closes=settings.closes,
    )


def show_writer(
    settings: Settings,
    tables: dict[str, Table],
    closes: Sequence[Close],
    run_id: str,
    new: Sequence[Close] = (),
    *,
    is_repair: bool = False,
) -> list[str]:
    """
    The same in the writer's file, where it is of the night that is published; another one takes it as it builds.

    With ``is_repair`` the tables of what was landed are written in any case: a build would leave them as they stand.
    """
    if not settings.warehouse.exists():
        return []
    steps_of_closes = readers(settings, tables)
    try:
        with writer(settings) as con:
            attach(con, settings.published, "shown")
            with transaction(con):
                # what is made of signed months, and what was asked of it, stands for nothing any more
                meta.forget_marks_of(
                    con, [CLOSES, LINES, *(table.name for step in steps_of_closes for table in step.tables)]
                )
                is_same_night = con.execute("select 1 from meta.current_run where run_id = ?", [run_id]).fetchall()
                if is_same_night or is_repair:
                    create_macros(con, settings.models_dir)
                    replace(con, tables, closes, settings.closes)
                for step in steps_of_closes if is_same_night else ():
                    if step.tables[0].kind in ("view", "macro"):
                        run_step(con, step, _context(con, settings, tables))
                    elif step.name == STATEMENT and _were_open(new):
                        _sign_statement(con, new)
                    else:
                        # built a moment ago of the same rows: copied, which takes a tenth of the time
                        for table in step.tables:
                            replace_table(con, table, f"select * from shown.{table.name}")
    except StockbookError as error:
        return [f"The writer's file takes the close with the next night: {error}"]
    return []
