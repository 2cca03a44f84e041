"""The closes whose signed stock is not what is known now, and the settings figures were made by since the first."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import msgspec

from stockbook import yaml_file
from stockbook.valuation.policy import Headline, ValuationPolicy

SEEN = "intermediate.valuation_setting_seen"


@dataclass(frozen=True)
class Close:
    """
    A close in force with a difference, by its place among them.

    ``last_day`` is a number from 1970-01-01, ``night`` the second of the as_of of the night that was signed
    (``as_known.forms.BY_NIGHT``).
    """

    close_id: str
    account: str
    last_day: int
    night: int


@dataclass(frozen=True)
class Setting:
    """What figures were made by since a night: the settings, and their place among those that replay differently."""

    night: int
    as_of: datetime
    policy: ValuationPolicy

    @property
    def headline(self) -> str:
        """As ``intermediate.headline`` takes it."""
        return f"{self.policy.headline.method}_{self.policy.headline.basis}"


# of a close that does not say it: that of its run, and where nobody remembers that, its local day to the end
NIGHT_OF_CLOSE = "coalesce(c.known_at, r.as_of, cast(c.known_on + 1 as timestamp) - interval 1 second)"


def differing(con: duckdb.DuckDBPyConnection) -> list[Close]:
    """The closes of ``reports.close_difference``, by account and month."""
    rows = con.execute(f"""
        select m.close_id, m.account, date_diff('day', date '1970-01-01', m.last_day), floor(epoch({NIGHT_OF_CLOSE}))
        from intermediate.closed_month as m
        inner join marts.fct_period_close as c on m.close_id = c.close_id
        left join meta.run as r on c.run_id = r.run_id
        where m.close_id in (select close_id from reports.close_difference)
        order by m.account, m.month
    """).fetchall()
    return [Close(close_id, account, last_day, int(night)) for close_id, account, last_day, night in rows]


def settings_since(
    con: duckdb.DuckDBPyConnection, policy: ValuationPolicy, as_of: datetime, closes: list[Close]
) -> dict[str, list[Setting]]:
    """By account the settings that its first close was signed by, and those that came after, oldest first."""
    in_force = _signed(con, policy) + _seen(con, policy)
    in_force.append(_setting(as_of, policy))
    # of one night what was signed counts, for figures were made by it
    in_force.sort(key=lambda setting: setting.night)
    since = {}
    for account in {close.account for close in closes}:
        first_night = min(close.night for close in closes if close.account == account)
        before = [setting for setting in in_force if setting.night <= first_night]
        chain = before[-1:] or in_force[:1]
        for setting in in_force:
            if setting.night > first_night and _of_figures(setting.policy) != _of_figures(chain[-1].policy):
                chain.append(setting)
        since[account] = chain
    return since


def note_setting(con: duckdb.DuckDBPyConnection, policy: ValuationPolicy, as_of: datetime) -> None:
    """Keep the settings in ``SEEN`` if they are not those of the night before."""
    before = con.execute(f"select as_of from {SEEN} order by as_of desc limit 1").fetchall()
    if before and before[0][0] > as_of:
        return
    con.execute(f"delete from {SEEN} where as_of = ?", [as_of])
    seen = _seen(con, policy)
    if seen and _of_figures(seen[-1].policy) == _of_figures(policy):
        return
    setting = _setting(as_of, policy)
    con.execute(
        f"insert into {SEEN} by name select ? as as_of, ? as headline, ? as damaged_quantity_is_additive, "
        "? as opening_balance",
        [as_of, setting.headline, policy.damaged_quantity_is_additive, _openings(policy)],
    )


def read_differently(since: dict[str, list[Setting]]) -> list[ValuationPolicy]:
    """The settings that were in force, but one of those that replay alike."""
    several: list[ValuationPolicy] = []
    for setting in (setting for account in sorted(since) for setting in since[account]):
        if not any(replays_alike(setting.policy, each) for each in several):
            several.append(setting.policy)
    return several


def replays_alike(policy: ValuationPolicy, other: ValuationPolicy) -> bool:
    """Whether a replay gives the same by both."""
    return _of_figures(policy)[1:] == _of_figures(other)[1:]


def _of_figures(policy: ValuationPolicy) -> tuple[Any, ...]:
    return policy.headline, policy.damaged_quantity_is_additive, _openings(policy)


def _openings(policy: ValuationPolicy) -> str:
    return msgspec.json.encode(dict(sorted(policy.opening_balance.items()))).decode()


def _setting(as_of: datetime, policy: ValuationPolicy) -> Setting:
    return Setting(int(as_of.replace(tzinfo=UTC).timestamp()), as_of, policy)


def _seen(con: duckdb.DuckDBPyConnection, policy: ValuationPolicy) -> list[Setting]:
    rows = con.execute(f"select as_of, headline, damaged_quantity_is_additive, opening_balance from {SEEN} order by 1")
    return [
        _setting(as_of, _changed(policy, _headline(headline), is_additive, msgspec.json.decode(openings)))
        for as_of, headline, is_additive, openings in rows.fetchall()
    ]


def _signed(con: duckdb.DuckDBPyConnection, policy: ValuationPolicy) -> list[Setting]:
    """The settings that closes were signed by, superseded ones too."""
    rows = con.execute(f"""
        select {NIGHT_OF_CLOSE} as known_at, c.settings
        from marts.fct_period_close as c
        left join meta.run as r on c.run_id = r.run_id
        order by known_at
    """).fetchall()
    return [_setting(known_at, of_close(text, policy)) for known_at, text in rows]


def of_close(text: str, policy: ValuationPolicy) -> ValuationPolicy:
    """The settings that a close keeps: dim_valuation_setting of its night and its policy files."""
    close_settings = msgspec.json.decode(text)
    setting = close_settings["valuation"]
    file = next(iter(yaml_file.documents(close_settings["policy"].get("valuation.yml", ""))), None) or {}
    return _changed(
        policy,
        _headline(f"{setting['headline_method']}_{setting['headline_basis']}"),
        setting["damaged_quantity_is_additive"] == "True",
        file.get("opening_balance"),
    )


def _headline(name: str) -> Headline:
    """Method and basis of a name as in average_landed."""
    method, _, basis = name.partition("_")
    return msgspec.convert({"method": method, "basis": basis}, Headline)


def _changed(policy: ValuationPolicy, headline: Headline, is_additive: bool, openings: Any) -> ValuationPolicy:
    return msgspec.structs.replace(
        policy,
        headline=headline,
        damaged_quantity_is_additive=is_additive,
        opening_balance=msgspec.convert(openings or {}, dict[str, date]),
    )
