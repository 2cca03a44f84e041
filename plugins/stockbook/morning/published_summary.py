"""Making the summary of a published night: one question for each figure, chart and list of it."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from stockbook import declaration_files
from stockbook.declarations import REPORTING_CURRENCY
from stockbook.export.pack_files import packs_of
from stockbook.limits import Limits
from stockbook.metrics.files import Metrics, load
from stockbook.morning.answer import read_answer
from stockbook.morning.figures import CHARTS, PARTS, Figure
from stockbook.morning.history import Point, before, history
from stockbook.morning.summary import (
    Alert,
    BrokenCheck,
    ChartPoints,
    Listing,
    OpenMonth,
    SignedMonth,
    StaleTable,
    Summary,
    Value,
    read_beside,
)
from stockbook.project import MODELS, SHIPPED
from stockbook.version import VERSION
from stockbook.warehouse.readers import reader

MONTHS_SHOWN = 24


def make(published: Path, limits: Limits = Limits(), models_dir: Path = SHIPPED / MODELS) -> Summary:  # noqa: B008  # frozen
    """Read the summary of a published file; the summary beside it, of an earlier night, has what its figures were."""
    metrics = load(models_dir, declaration_files.load(models_dir))
    former = read_beside(published)
    points = {figure.key: figure.points for figure in former.figures} if former else {}
    with reader(published, limits) as con:
        run = _one(
            con,
            """
            select r.run_id, r.as_of, coalesce(r.finished_at, r.started_at), c.zone, r.version
            from meta.current_run as c join meta.run as r on r.run_id = c.run_id
            """,
        )
        setting = _one(
            con, "select valuation_currency, headline_method, headline_basis from marts.dim_valuation_setting"
        )
        reporting, vat = _one(con, "select reporting_currency, goods_value_vat from marts.dim_money_setting")
        today = run[1].date()
        figures = [
            _figure(con, figure, part, metrics, today, points, reporting)
            for part, of_part in PARTS.items()
            for figure in of_part
        ]
        drawn = [ChartPoints(c.key, c.kind, c.form, _points(con, c.sql(metrics, today))) for c in CHARTS]
        check_counts = _one(
            con,
            "select count(*), count(*) filter (success is null) from meta.check_result where run_id = ?",
            [run[0]],
        )
        return Summary(
            run_id=run[0],
            as_of=run[1],
            published_at=run[2],
            zone=run[3],
            version=run[4],
            currency=setting[0],
            method=setting[1],
            basis=setting[2],
            figures=figures,
            charts=drawn,
            listings=_listings(con, run[0]),
            checks_asked=check_counts[0],
            checks_empty=check_counts[1],
            checks_broken=_broken_checks(con, run[0]),
            oldest=_oldest(con),
            alerts=_alerts(con),
            signed=signed_months(con, published.parent),
            to_sign=months_to_sign(con, today),
            is_working_day=_is_working_day(con, today),
            vat=vat,
            answer=read_answer(con, metrics, today),
        )


def with_months(published: Path, limits: Limits = Limits()) -> Summary | None:  # noqa: B008  # frozen
    """The summary beside a published file with the months that are closed by now; None of another night or version."""
    former = read_beside(published)
    with reader(published, limits) as con:
        ((run_id, as_of),) = con.execute("select run_id, as_of from meta.current_run").fetchall()
        if former is None or (former.run_id, former.as_of, former.version) != (run_id, as_of, VERSION):
            return None
        signed, to_sign = signed_months(con, published.parent), months_to_sign(con, as_of.date())
    return msgspec.structs.replace(former, signed=signed, to_sign=to_sign)


def _listings(con: duckdb.DuckDBPyConnection, run_id: str) -> list[Listing]:
    rows = con.execute(
        """
        select account, api, listing, coalesce(rows_received, 0), coalesce(rows_new, 0), coalesce(rows_changed, 0),
               coalesce(rows_gone, 0), coalesce(rows_quarantined, 0) + coalesce(parts_quarantined, 0), proof
        from meta.listing where run_id = ? order by account, api, listing
        """,
        [run_id],
    ).fetchall()
    return [Listing(*row) for row in rows]


def _broken_checks(con: duckdb.DuckDBPyConnection, run_id: str) -> list[BrokenCheck]:
    rows = con.execute(
        """
        select suite, expectation, severity, observed, failing_rows
        from meta.check_result where run_id = ? and not success order by severity, suite, expectation
        """,
        [run_id],
    ).fetchall()
    return [BrokenCheck(*row) for row in rows]


def _oldest(con: duckdb.DuckDBPyConnection) -> list[StaleTable]:
    """The tables whose rows were seen longest ago, of those not seen for more than a day and a half."""
    rows = con.execute(
        """
        select account, table_name, last_read_age_hours from reports.data_freshness
        where last_read_age_hours > 36 order by last_read_age_hours desc, account, table_name limit 10
        """
    ).fetchall()
    return [StaleTable(*row) for row in rows]


def _alerts(con: duckdb.DuckDBPyConnection) -> list[Alert]:
    rows = con.execute(
        """
        select account, rule, subject, severity, message, raised_as_of, is_new
        from reports.alerts where cleared_as_of is null order by raised_as_of desc, rule, account, subject
        """
    ).fetchall()
    return [Alert(*row) for row in rows]


def signed_months(con: duckdb.DuckDBPyConnection, folder: Path) -> list[SignedMonth]:
    """The months that are closed, the newest first; of each the packs that are there."""
    rows = con.execute(
        f"""
        select close_id, month, account, closed_by, closed_at, digest
        from marts.fct_period_close where is_in_force order by month desc, account limit {MONTHS_SHOWN}
        """
    ).fetchall()
    months = [SignedMonth(*row) for row in rows]
    for month in months:
        month.packs = packs_of(folder, month.close_id)
    return months


def months_to_sign(con: duckdb.DuckDBPyConnection, today: date) -> list[OpenMonth]:
    """The last whole month, of each account that has not signed it."""
    last = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    rows = con.execute(
        """
        select distinct m.month, m.account
        from reports.stock_movements_monthly as m
        left join marts.fct_period_close as c on m.account = c.account and m.month = c.month and c.is_in_force
        where m.month = ? and c.month is null
        order by m.account
        """,
        [last],
    ).fetchall()
    return [OpenMonth(*row) for row in rows]


def _is_working_day(con: duckdb.DuckDBPyConnection, today: date) -> bool:
    row = con.execute("select is_working_day from marts.dim_date where date = ?", [today]).fetchone()
    return row is not None and bool(row[0])


def _one(con: duckdb.DuckDBPyConnection, query: str, parameters: list[Any] | None = None) -> tuple[Any, ...]:
    row = con.execute(query, parameters).fetchone()
    if row is None:
        raise LookupError(f"expected a row from: {query.strip()}")
    return tuple(row)


def _figure(
    con: duckdb.DuckDBPyConnection,
    figure: Figure,
    part: str,
    metrics: Metrics,
    today: date,
    former: dict[str, list[Point]],
    reporting: str,
) -> Value:
    (amount,) = _one(con, figure.sql(metrics, today))
    value = None if amount is None else Decimal(str(amount))
    metric = metrics.of_figure(figure.metric)
    points = history(con, figure, metrics, today, value, former)
    return Value(
        figure.key,
        "",
        figure.form,
        figure.unit,
        value,
        figure.bad_above,
        part,
        reporting if metric.unit == REPORTING_CURRENCY else "",
        metric.up,
        points,
        before(figure, points),
        is_monthly=figure.days == "last month",
    )


def _points(con: duckdb.DuckDBPyConnection, query: str) -> list[tuple[str, str, float | None]]:
    rows = con.execute(query).fetchall()
    return [(x.isoformat() if isinstance(x, date) else str(x), series, value) for x, series, value in rows]
