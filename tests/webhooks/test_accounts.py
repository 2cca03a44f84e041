"""Several accounts in one home: what one has is the same whether it is alone or not."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pytest
from night_rig import Rig
from observed import rate_columns

from stockbook.connections import RawConnection, from_environment
from stockbook.declarations import Table, of_layer
from stockbook.night import steps
from stockbook.runs import context
from stockbook.runs.context import parse_parameters
from stockbook.runs.step_log import read_all
from stockbook_sandbox import Running, Shop, running

pytestmark = pytest.mark.slow  # four nights

AS_OF = datetime(2025, 11, 20, 2, 15)

# Of the whole company, not of an account.
# the day of the night, and a batch that orders of ``third`` were filled from
ARGUMENTS = {"date": f"date '{date(2025, 11, 5)}'", "varchar": "'B05747'"}
SHARED = {
    "marts.dim_date",
    "marts.dim_calendar",
    "marts.dim_valuation_setting",
    "marts.dim_money_setting",
    "marts.dim_currency_rate",
    "marts.dim_posting_rule",
    "marts.dim_write_down_rule",
}


@dataclass
class Accounts(Rig):
    """A home over several sandboxes, one account each."""

    servers: dict[str, Running] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        variables = {name: value for name, value in super().environ.items() if not name.startswith("AIRFLOW_CONN_")}
        for account, server in self.servers.items():
            behind = "" if account == "main" else f"__{account.upper()}"
            extra = {"sandbox": True, "requests_per_second": 0, "max_connections": 4}
            connection = {"conn_type": "http", "host": server.url, "password": server.token, "extra": extra}
            for source in ("FULFILLMENT_CZ", "FLICKROCKET"):
                variables[f"AIRFLOW_CONN_{source}{behind}"] = json.dumps(connection)
        return variables


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Accounts]]:
    """
    Each account alone, and ``together``.

    ``second`` is the shop of ``main`` three weeks earlier: every id of it is an id of ``main`` too,
    with other content. ``third`` is another shop, whose variants and movements have the same numbers.
    """
    with ExitStack() as stack:
        servers = {
            "main": stack.enter_context(running(Shop.small(seed=3), AS_OF)),
            "second": stack.enter_context(running(Shop.small(seed=3), AS_OF - timedelta(days=21))),
            "third": stack.enter_context(running(Shop.small(seed=4), AS_OF)),
        }
        folders = {}
        for name, accounts in {
            **{name: {name: server} for name, server in servers.items()},
            "together": servers,
        }.items():
            folders[name] = Accounts(servers["main"], tmp_path_factory.mktemp(name), servers=accounts)
            folders[name].books(AS_OF, name="night")
        yield folders


@contextmanager
def opened(rig: Rig) -> Iterator[duckdb.DuckDBPyConnection]:
    """The writer's file, for all questions of a test: opening it takes longer than most answers."""
    with duckdb.connect(str(rig.settings.warehouse), read_only=True) as con:
        yield con


Contents = dict[str, tuple[int, int]]


def columns_of(con: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    """The columns of a table or report."""
    return [name for name, *_ in con.execute(f"describe select * from {relation}").fetchall()]


def contents(con: duckdb.DuckDBPyConnection, relation: str, columns: list[str]) -> Contents:
    """Of each account, rows and content hash of some columns of a table or report."""
    rows = con.execute(f"""
        select account, count(*), sum(hash(t)::hugeint)
        from (select {", ".join(columns)} from {relation}) as t
        group by account
    """).fetchall()
    return {account: (count, hashed) for account, count, hashed in rows}


def relations(tables: dict[str, Table], *layers: str) -> list[str]:
    """Every table and view of some layers, and every macro, called with ``ARGUMENTS``."""
    names = []
    for layer in layers:
        for table in of_layer(tables, layer):
            arguments = [ARGUMENTS[type_] for type_ in table.parameters.values()]
            names.append(f"{table.name}({', '.join(arguments)})" if table.kind == "macro" else table.name)
            if table.history:
                names.append(f"{table.name}_history")
    return names


def test_the_accounts_share_ids(homes: dict[str, Accounts]) -> None:
    """Orders, movements, variants, receivings and prices of different content have the same keys in two accounts."""
    with opened(homes["together"]) as con:
        for table, key in {
            "orders": "order_id", "movements": "movement_id", "stock_levels": "variant_id", "variants": "variant_id",
            "receivings": "receiving_id", "flickrocket_prices": "price_id",
        }.items():  # fmt: skip
            shared = f"select {key} from staging.{table} group by all having count(distinct account) > 1"
            query = f"select count(*) from ({shared})"
            assert con.execute(query).fetchall()[0][0] > 5, table
    balance = "select * exclude (account) from marts.fct_stock_balance order by all"
    with opened(homes["main"]) as main, opened(homes["second"]) as second:
        assert main.execute(balance).fetchall() != second.execute(balance).fetchall()


@pytest.fixture(scope="module")
def together(homes: dict[str, Accounts], tables: dict[str, Table]) -> dict[str, tuple[list[str], Contents]]:
    """
    Of every table and report that tells the account, its columns and what each account has among others.

    Without the time of loading, and rates of currencies: these belong to no account.
    """
    by_relation, of_rates = {}, rate_columns(tables)
    with opened(homes["together"]) as con:
        for relation in relations(tables, "staging", "marts", "reports"):
            if relation not in SHARED:
                without = ("_loaded_at", *of_rates.get(relation, ()))
                columns = [name for name in columns_of(con, relation) if name not in without]
                by_relation[relation] = columns, contents(con, relation, columns)
    return by_relation


@pytest.mark.parametrize("account", ["main", "second", "third"])
def test_an_account_is_the_same_alone_and_among_others(
    homes: dict[str, Accounts], together: dict[str, tuple[list[str], Contents]], account: str
) -> None:
    """In every table and report, current and historical."""
    compared, differing = 0, []
    with opened(homes[account]) as con:
        for relation, (columns, among_others) in together.items():
            alone = contents(con, relation, columns).get(account)
            if alone != among_others.get(account):
                differing.append(relation)
            compared += alone is not None
    assert differing == []
    assert compared >= 40


def test_what_belongs_to_no_account_says_so(homes: dict[str, Accounts], tables: dict[str, Table]) -> None:
    """Every other table and report tells the account of its rows, and knows all three."""
    with opened(homes["together"]) as con:
        for relation in relations(tables, "staging", "marts", "reports"):
            assert ("account" in columns_of(con, relation)) == (relation not in SHARED), relation


def test_an_account_that_was_read_before_is_not_left_out_without_a_word(homes: dict[str, Accounts]) -> None:
    """
    Its connection gone, the run report warns; found where nobody lists it, it is read; left out on purpose, nothing.

    Opened only: what a night reads is decided there.
    """
    rig = homes["together"]
    whole = rig.environ
    listed = [name.removeprefix("AIRFLOW_CONN_").lower() for name in whole if name.startswith("AIRFLOW_CONN_")]
    without = [conn_id for conn_id in listed if conn_id != "flickrocket__second"]

    def asked(look_up: Callable[[str], RawConnection | None], **parameters: Any) -> tuple[list[str], list[str]]:
        tonight = steps.Night(rig.settings, rig.clock, rig.progress, look_up)
        run_parameters = parse_parameters({"as_of": (AS_OF + timedelta(hours=1)).isoformat(), **parameters})
        run = steps.open_run(tonight, "opened", run_parameters, without, whole_run_here=True)
        tonight.lock.release(run.run_id)
        (step,) = read_all(context.folder(rig.settings, run.run_id))
        return sorted(run.conn_ids), [note for note in step.notes if note.startswith("warning: account")]

    gone = {name: text for name, text in whole.items() if name != "AIRFLOW_CONN_FLICKROCKET__SECOND"}
    conn_ids, (warning,) = asked(lambda conn_id: from_environment(conn_id, gone))
    assert conn_ids == sorted(without)
    assert "account second of flickrocket was read before (last as of 2025-11-20 02:15)" in warning

    assert asked(lambda conn_id: from_environment(conn_id, whole)) == (sorted(listed), [])
    on_purpose = asked(lambda conn_id: from_environment(conn_id, gone), accounts=["main", "third"])
    assert on_purpose[1] == []
