"""
The summary of a published night: figures, charts, listings and checks in one small file beside it.

Pages are drawn from it, so that showing a page never opens DuckDB.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from stockbook import declarations
from stockbook.declarations import REPORTING_CURRENCY
from stockbook.export.pack_files import packs_of
from stockbook.limits import Limits
from stockbook.metrics.files import Metrics, load
from stockbook.morning.answer import Answer, read_answer
from stockbook.morning.figures import CHARTS, PARTS, Figure
from stockbook.morning.history import Point, before, history
from stockbook.project import MODELS, SHIPPED
from stockbook.settings import Settings
from stockbook.version import VERSION
from stockbook.warehouse.readers import reader

NAME = "summary.json"
MONTHS_SHOWN = 24


class Value(msgspec.Struct):
    """
    A figure: ``value`` has the digits of the file, and is None where the file has NULL.

    ``label`` and ``unit`` are words; without a label ``texts/`` has both, by the key and by ``unit``. ``part`` is the
    dashboard that has more of it, ``currency`` that of an amount which is not in the stock's, ``up`` whether more of it
    is good. ``points`` are what it was, ``before`` the one it is compared with.
    """

    key: str
    label: str
    form: str
    unit: str
    value: Decimal | None
    bad_above: float | None = None
    part: str = ""
    currency: str = ""
    up: str = "neither"
    points: list[Point] = []
    before: Point | None = None
    is_monthly: bool = False

    @property
    def wants_attention(self) -> bool:
        """It is above what is fine."""
        return self.bad_above is not None and self.value is not None and self.value > Decimal(str(self.bad_above))


class ChartPoints(msgspec.Struct):
    """What a chart shows: rows of x (a day as ISO 8601, or a name), series and value."""

    key: str
    kind: str
    form: str
    points: list[tuple[str, str, float | None]]


class Listing(msgspec.Struct):
    """What one listing brought."""

    account: str
    api: str
    listing: str
    received: int
    new: int
    changed: int
    gone: int
    quarantined: int
    proof: str | None


class BrokenCheck(msgspec.Struct):
    """A check that did not hold."""

    suite: str
    expectation: str
    severity: str
    observed: str | None
    failing_rows: int | None = None


class StaleTable(msgspec.Struct):
    """How old a source's rows are, in hours at ``as_of``."""

    account: str
    table: str
    age_hours: float


class Alert(msgspec.Struct):
    """An alert that stands."""

    account: str
    rule: str
    subject: str
    severity: str
    message: str
    raised_as_of: datetime
    is_new: bool


class SignedMonth(msgspec.Struct):
    """A closed month, who signed it, and its packs: addresses below the folder of the published file by their texts."""

    close_id: str
    month: date
    account: str
    closed_by: str
    closed_at: datetime
    digest: str
    packs: dict[str, str] = {}


class OpenMonth(msgspec.Struct):
    """The last whole month of an account, while nobody has signed it."""

    month: date
    account: str


class Summary(msgspec.Struct):
    """A published night for people. ``as_of`` is local of ``zone``, ``published_at`` UTC; ``vat`` is of money.yml."""

    run_id: str
    as_of: datetime
    published_at: datetime
    zone: str
    version: str
    currency: str
    method: str
    basis: str
    figures: list[Value]
    charts: list[ChartPoints]
    listings: list[Listing]
    checks_asked: int
    checks_empty: int
    checks_broken: list[BrokenCheck]
    oldest: list[StaleTable]
    alerts: list[Alert]
    signed: list[SignedMonth] = []
    to_sign: list[OpenMonth] = []
    is_working_day: bool = False
    vat: str = ""
    answer: Answer | None = None


def make(published: Path, limits: Limits = Limits(), models_dir: Path = SHIPPED / MODELS) -> Summary:  # noqa: B008  # frozen
    """Read the summary of a published file; the summary beside it, of an earlier night, has what its figures were."""
    metrics = load(models_dir, declarations.load(models_dir))
    former = _read(published.parent / NAME)
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
    former = _read(published.parent / NAME)
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


def read(settings: Settings) -> Summary | None:
    """The summary of the last published night, or None when there is none."""
    return _read(settings.published.parent / NAME)


def _read(file: Path) -> Summary | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Summary)
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
        return None  # drawn anew by the next publication


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
