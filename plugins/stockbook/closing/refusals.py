"""What forbids to sign a month now: each refusal says what was expected, what came, and the next step."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

import duckdb

from stockbook.closing.landed import Close
from stockbook.closing.program import CLOSES
from stockbook.closing.request import Request
from stockbook.errors import CloseRefused
from stockbook.months import month_after
from stockbook.settings import Settings
from stockbook.valuation import policy as valuation
from stockbook.valuation.write_down import in_order


class Published(NamedTuple):
    """The night whose figures would be signed. ``as_of`` is local."""

    run_id: str
    as_of: datetime
    zone: str


def require_words(request: Request) -> None:
    if not request.by.strip():
        raise CloseRefused("A close is signed by somebody: say who with --by NAME.")
    if request.supersede and not (request.reason or "").strip():
        raise CloseRefused("A close is superseded only for a reason: say which with --reason TEXT.")
    if request.reason and not request.supersede:
        raise CloseRefused("--reason is for a close that supersedes another: add --supersede, or use --note.")


def published_night(con: duckdb.DuckDBPyConnection, settings: Settings) -> Published:
    tables = {name for (name,) in con.execute("select table_name from duckdb_tables()").fetchall()}
    if CLOSES.partition(".")[2] not in tables:
        raise CloseRefused(
            "The published file was written by an earlier version of Stockbook: run a night, then close."
        )
    published = Published(*con.execute("select run_id, as_of, zone from meta.current_run").fetchall()[0])
    day_zone = valuation_setting(con)["day_zone"]
    if day_zone != settings.zone.key:
        raise CloseRefused(
            f"The days of the published file end at midnight of {day_zone}, and STOCKBOOK_ZONE is {settings.zone.key}: "
            "set STOCKBOOK_ZONE to it, or run a night in the other zone first."
        )
    return published


def valuation_setting(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    rows = con.execute("select * from marts.dim_valuation_setting")
    names = [name for name, *_ in rows.description or []]
    return {name: str(value) for name, value in zip(names, rows.fetchall()[0], strict=True)}


def require_seen(month: date, published: Published, now: datetime) -> None:
    end = datetime.combine(month_after(month), datetime.min.time())
    if max(now, published.as_of) < end:
        raise CloseRefused(
            f"{month:%Y-%m} is not over: it ends on {end:%Y-%m-%d} at midnight of {published.zone}. Close it after a "
            "night from then on."
        )
    if published.as_of < end:
        raise CloseRefused(
            f"{month:%Y-%m} was not seen to its end by a complete night: what is published is as of "
            f"{published.as_of:%Y-%m-%d %H:%M}. Run a night, then close."
        )


def accounts_of(con: duckdb.DuckDBPyConnection, request: Request) -> list[str]:
    first = dict(
        con.execute(
            "select account, cast(min(moved_at) as date) from marts.fct_stock_movement group by account order by all"
        ).fetchall()
    )
    if request.account is not None and request.account not in first:
        raise CloseRefused(
            f"Account {request.account} has no movement of stock in the published file: expected one of "
            f"{', '.join(first) or 'none yet'}. Is it spelt so, and was it ever read?"
        )
    chosen = [request.account] if request.account is not None else list(first)
    begun = [account for account in chosen if first[account] < month_after(request.month)]
    if not begun:
        begins = min((first[account] for account in chosen), default=None)
        raise CloseRefused(
            f"{request.month:%Y-%m} lies before the first movement"
            + (f", which is of {begins}: the first month to close is {begins:%Y-%m}." if begins else ": there is none.")
        )
    return begun


def require_turn(request: Request, account: str, closes: Sequence[Close]) -> None:
    """Months of an account are closed one after another, and only the last can be superseded."""
    month, last = request.month, closes[-1] if closes else None
    if last is None:
        if request.supersede:
            raise CloseRefused(
                f"No month of account {account} is closed: there is nothing to supersede. Close without --supersede."
            )
        return
    following = month_after(last.month)
    if month == last.month and not request.supersede:
        raise CloseRefused(
            f"{month:%Y-%m} of account {account} is closed already ({last.close_id}, signed by {last.closed_by} on "
            f"{last.closed_at:%Y-%m-%d}). To sign it anew: --supersede --reason TEXT."
        )
    if month < last.month:
        raise CloseRefused(
            f"{month:%Y-%m} of account {account} lies before its last closed month, {last.month:%Y-%m}: what changed "
            f"in it stands as a correction in the first open month, {following:%Y-%m}. Only the last close can be "
            "superseded."
        )
    if request.supersede and month != last.month:
        raise CloseRefused(
            f"{month:%Y-%m} of account {account} is not closed: there is nothing to supersede. Close it without "
            "--supersede."
        )
    if month > following:
        raise CloseRefused(
            f"Months are closed one after another: the last one of account {account} is {last.month:%Y-%m}, so "
            f"{following:%Y-%m} comes before {month:%Y-%m}. Close it first."
        )


def require_read(con: duckdb.DuckDBPyConnection, account: str, month: date) -> None:
    rows = con.execute(
        "select max(as_of) from meta.cursor where api = 'fulfillment_cz' and listing = 'movements' and account = ?",
        [account],
    ).fetchall()
    last = rows[0][0]
    if last is None or last < datetime.combine(month_after(month), datetime.min.time()):
        raise CloseRefused(
            f"Account {account} was last read {f'as of {last:%Y-%m-%d %H:%M}' if last else 'never'}, before "
            f"{month:%Y-%m} ended: bring its connection back and run a night, or close the other accounts with "
            "--account."
        )


def require_same(
    con: duckdb.DuckDBPyConnection, settings: Settings, account: str, closes: Sequence[Close], request: Request
) -> None:
    """What a month opens with must be of the same money and the same midnight as what it closes with."""
    setting = valuation_setting(con)
    policy = valuation.read(settings.policy_dir)
    now = {
        "headline_method": policy.headline.method,
        "headline_basis": policy.headline.basis,
        "valuation_currency": policy.valuation_currency,
        "day_zone": policy.day_zone,
    }
    for name, value in now.items():
        if setting[name] != value:
            raise CloseRefused(
                f"valuation.yml says {name.replace('_', ' ')} {value}, and the published figures are of "
                f"{setting[name]}: run a night with the policy as it is now, then close."
            )
    rules = con.execute("select * from marts.dim_write_down_rule order by rule_no").fetchall()
    if rules != [tuple(rule) for rule in in_order(policy.write_down, policy.nrv_factor)]:
        raise CloseRefused(
            "The write-down rules in valuation.yml are others than those of the published figures: run a night with "
            "the policy as it is now, then close."
        )
    before = [close for close in closes if close.month < request.month]
    for name in ("valuation_currency", "day_zone") if before else ():
        signed = getattr(before[-1], name)
        if signed != now[name]:
            raise CloseRefused(
                f"{before[-1].close_id} was signed with {name.replace('_', ' ')} {signed}, and now it is {now[name]}: "
                f"{request.month:%Y-%m} would open with figures of the one and close with the other. Set valuation.yml "
                "back and run a night; books in another one begin in a home of their own."
            )


def require_shown(con: duckdb.DuckDBPyConnection, closes: Sequence[Close]) -> None:
    shown = {digest for (digest,) in con.execute(f"select digest from {CLOSES}").fetchall()}
    missing = [close.close_id for close in closes if close.digest not in shown]
    if missing:
        raise CloseRefused(
            f"{missing[0]} is signed and not in the published file: run a night, which publishes it, then close. "
            "`stockbook close verify` says more."
        )
