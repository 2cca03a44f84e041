"""`stockbook hooks`: what it says of subscriptions, and what it does to them, against the sandbox's APIs."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from night_rig import KEY
from typer.testing import CliRunner, Result

from stockbook.cli.hooks import app
from stockbook.clock import SystemClock
from stockbook.connections import RawConnection
from stockbook.errors import BadAnswer, ConfigError, Unauthorized
from stockbook.inbox import Arrival, Inbox
from stockbook.settings import Settings
from stockbook.webhooks import outage
from stockbook.webhooks.subscriptions import TOPICS, Subscriptions
from stockbook_sandbox import Running, Shop, running
from stockbook_sandbox.subscriptions import SHOPLINE_TOPICS

ADDRESS = "https://books.example.com/stockbook/hooks"
PRAGUE = ZoneInfo("Europe/Prague")
Cli = Callable[..., Result]


@pytest.fixture(scope="module")
def shop() -> Shop:
    """The smallest of shops."""
    return Shop.small(seed=2, orders=20)


@pytest.fixture
def server(shop: Shop) -> Iterator[Running]:
    """A sandbox nobody subscribed to yet."""
    with running(shop, datetime(2025, 11, 20, 2, 15)) as served:
        yield served


@pytest.fixture
def environ(server: Running, tmp_path: Path) -> dict[str, str]:
    """One account of each system at the sandbox."""
    variables = {
        "FULFILLMENT_CZ": {"password": server.token, "extra": {"requests_per_second": 0}},
        "FLICKROCKET": {"password": server.token, "extra": {"app_secret": "s", "requests_per_second": 0}},
        "SHOPLINE": {"password": "s", "extra": {"access_token": server.token, "shop_handle": "shop"}},
    }
    return {
        f"AIRFLOW_CONN_{name}": json.dumps({"conn_type": "http", "host": server.url, **parts})
        for name, parts in variables.items()
    } | {"STOCKBOOK_HOME": str(tmp_path / "home"), "STOCKBOOK_HASH_KEY": KEY}


@pytest.fixture
def cli(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs `stockbook hooks` with these words."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, list(words))

    return run


def arrive(environ: dict[str, str], source: str, at: datetime) -> None:
    """An event in the home's inbox."""
    with Inbox.open(Settings.load(environ).inbox_url) as inbox:
        inbox.append(Arrival(source, "main", f"k{at}", "x", None, None, None, at, "{}")).result(timeout=30)


def test_register_subscribes_what_is_missing_and_only_that(cli: Cli, server: Running) -> None:
    """Every topic once, at the account's own address; a second time there is nothing to do."""
    assert cli("status").exit_code == 1
    first = cli("register", "--address", ADDRESS)
    again = cli("register", "--address", ADDRESS + "/")

    assert first.output.splitlines() == [
        "ok  flickrocket: 6 topics subscribed at https://books.example.com/stockbook/hooks/flickrocket/main",
        "    fulfillment_cz: set the address https://books.example.com/stockbook/hooks/fulfillment_cz/main in the "
        "vendor's administration",
        "ok  shopline: 13 topics subscribed at https://books.example.com/stockbook/hooks/shopline/main",
    ]
    assert "flickrocket: 0 topics" in again.output
    subscriptions = server.sandbox.subscriptions.all.values()
    assert sorted((subscription.source, subscription.topic) for subscription in subscriptions) == sorted(
        (source, topic) for source, topics in TOPICS.items() for topic in topics
    )
    assert set(SHOPLINE_TOPICS) == set(TOPICS["shopline"])
    assert cli("status").exit_code == 0


def test_a_topic_that_goes_elsewhere_is_told_and_counts_as_missing(cli: Cli, server: Running) -> None:
    """An address of an earlier host, or of another account, brings nothing to this one."""
    elsewhere = "https://old.example.com/webhook"
    server.sandbox.subscriptions.add("flickrocket", "order/create", elsewhere, datetime(2025, 11, 20))

    output = cli("status").output
    assert f"order/create goes to {elsewhere}, which is no address of ours" in output
    assert "not subscribed: order/create" in output


def test_what_the_senders_switched_off_is_told_and_brought_back(
    cli: Cli, server: Running, environ: dict[str, str]
) -> None:
    """After the last retry FlickRocket's are off and SHOPLINE's gone: status says so and what it cost, and heals."""
    cli("register", "--address", ADDRESS)
    subscriptions = server.sandbox.subscriptions
    subscriptions.deactivate("flickrocket")
    subscriptions.remove("shopline", "fulfillment_order/on_hold")
    for source in ("flickrocket", "shopline", "fulfillment_cz"):
        arrive(environ, source, SystemClock().utc() - timedelta(days=3))

    result = cli("status")
    assert result.exit_code == 1
    assert "switched off by the sender: order/create, product/create" in result.output
    assert "not subscribed: fulfillment_order/on_hold" in result.output
    assert "shopline (account main): events since" in result.output
    assert "the gap stays" in result.output
    assert "stockbook run --backfill-from" in result.output

    healed = cli("reactivate")
    assert f"flickrocket: {len(TOPICS['flickrocket'])} switched on, 0 subscribed again" in healed.output
    assert "shopline: 0 switched on, 1 subscribed again" in healed.output
    assert all(subscription.is_active for subscription in subscriptions.all.values())
    assert len(subscriptions.of("shopline", "fulfillment_order/on_hold")) == 1


def test_without_credentials_it_says_what_to_set_where(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SHOPLINE connection with only its secret can receive and not manage; without any connection nothing can."""
    monkeypatch.setenv("AIRFLOW_CONN_SHOPLINE", '{"conn_type": "http", "password": "secret-of-the-app"}')
    result = cli("status")
    assert (
        "NO  To manage its webhooks connection shopline needs access_token and shop_handle in its extra"
        in result.output
    )
    assert "secret-of-the-app" not in result.output

    monkeypatch.setenv("AIRFLOW_CONN_FLICKROCKET", '{"conn_type": "http"}')
    assert "flickrocket needs an access token as its password" in cli("status").output
    for name in ("FULFILLMENT_CZ", "FLICKROCKET", "SHOPLINE"):
        monkeypatch.delenv(f"AIRFLOW_CONN_{name}")
    assert isinstance(error := cli("status").exception, ConfigError)
    assert "AIRFLOW_CONN_SHOPLINE" in str(error)


def test_an_address_that_can_be_no_receivers_is_refused(cli: Cli, server: Running) -> None:
    """Tokens and bodies go over it, and it has the path of the receiver, perhaps below another."""
    assert isinstance(cli("register", "--address", "http://books.example.com/hooks").exception, ConfigError)
    # a receiver answers 404 there, and its sender would give up after two days
    assert "must end in /hooks" in str(cli("move", "--address", "https://books.example.com/").exception)
    assert not server.sandbox.subscriptions.all


def connection(server: Running, **extra: Any) -> RawConnection:
    """A FlickRocket connection to the sandbox."""
    return RawConnection(server.url, None, None, extra.pop("password", server.token), extra)


def test_flickrockets_other_variant(server: Running, environ: dict[str, str]) -> None:
    """The vendor's plugin has other paths and names: a switch of the connection; a list of one may be an object."""
    raw = connection(server, webhooks_api="plugin")
    subscriptions = Subscriptions("flickrocket", raw, Settings.load(environ), SystemClock())
    subscriptions.create("orders/create", f"{ADDRESS}/flickrocket/main")
    server.sandbox.subscriptions.deactivate("flickrocket")

    (subscription,) = subscriptions.listed()
    assert (subscription.spelling, subscription.topic, subscription.is_active) == (
        "orders/create",
        "order/create",
        False,
    )
    assert subscriptions.missing([subscription]) == list(TOPICS["flickrocket"][1:])
    subscriptions.activate(subscription)
    assert [subscription.is_active for subscription in subscriptions.listed()] == [True]
    assert server.requests()["POST /api/webhooks.json"] == 1


def test_a_refused_token_and_a_wrong_switch_are_said_plainly(server: Running, environ: dict[str, str]) -> None:
    """The sentence names the connection and no token."""
    settings = Settings.load(environ)
    refused = Subscriptions("flickrocket", connection(server, password="wrong-token"), settings, SystemClock())
    with pytest.raises(Unauthorized, match="flickrocket") as error:
        refused.listed()
    assert "wrong-token" not in str(error.value)
    with pytest.raises(ConfigError, match="documented or plugin"):
        Subscriptions("flickrocket", connection(server, webhooks_api="other"), settings, SystemClock())


NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("source", "hours", "is_off", "is_gap", "words"),
    [
        ("flickrocket", 48, False, False, ""),
        ("flickrocket", 48.1, False, True, "may be lost: the next night reads"),
        ("flickrocket", 1, True, True, "are lost: the next night reads"),
        ("shopline", 31.9, False, False, ""),
        ("shopline", 32, False, True, "may be lost: SHOPLINE sends them never again"),
        ("fulfillment_cz", 24, False, False, ""),
        ("fulfillment_cz", 49, False, True, "--backfill-from 2026-03-08 --backfill-to 2026-03-10"),
        ("fulfillment_cz", None, False, False, ""),
        ("flickrocket", None, True, True, "none ever came"),
    ],
)
def test_gaps(source: str, hours: float | None, is_off: bool, is_gap: bool, words: str) -> None:
    """Silence longer than the sender tries again may be a gap, a sender that stopped surely is one."""
    last = None if hours is None else NOW - timedelta(hours=hours)
    gap = outage.find_gap(source, "main", last, NOW, is_off)

    assert (gap is not None) == is_gap
    if gap is not None:
        assert words in outage.advice(gap, PRAGUE)


def test_reread_is_a_night_with_a_backfill_since_the_last_event(
    cli: Cli, environ: dict[str, str], server: Running
) -> None:
    """Without an event it asks from when; with one the run reads from that day to today (here it is refused)."""
    assert "--since" in str(cli("reread").exception)
    arrive(environ, "fulfillment_cz", SystemClock().utc() - timedelta(days=3))
    server.faults([{"kind": "status", "status": 401}])

    assert isinstance(cli("reread").exception, Unauthorized)

    (file,) = (Path(environ["STOCKBOOK_HOME"]) / "runs").glob("reread-*/run.json")
    run = json.loads(file.read_text())
    today = SystemClock().utc().astimezone(PRAGUE).date()
    assert (run["backfill_from"], run["backfill_to"]) == (str(today - timedelta(days=3)), str(today))


def test_drain_by_hand(cli: Cli, environ: dict[str, str]) -> None:
    """It says what it took."""
    assert cli("drain").output == "The inbox is empty.\n"
    arrive(environ, "shopline", SystemClock().utc())
    assert cli("drain").output == "1 events taken from the inbox, 0 were in staging before.\n"


@pytest.mark.parametrize("spelling", ["order/create", "orders/create"])
def test_a_topic_is_subscribed_in_the_spelling_that_is_taken(cli: Cli, server: Running, spelling: str) -> None:
    """The vendor's pages show two: the other one is refused, and what was taken is kept, listed and not made again."""
    server.sandbox.subscriptions.order_topics = (spelling,)

    assert "flickrocket: 6 topics subscribed" in cli("register", "--address", ADDRESS).output
    assert "flickrocket: 0 topics subscribed" in cli("register", "--address", ADDRESS).output

    topics = [each.topic for each in server.sandbox.subscriptions.of_source("flickrocket")]
    assert topics == [spelling, *TOPICS["flickrocket"][1:]]
    listed = "order/create" if spelling == "order/create" else "order/create (as orders/create)"
    assert f"    {listed} to {ADDRESS}/flickrocket/main\n" in cli("status").output


def test_a_topic_that_is_taken_in_no_spelling_is_an_error(cli: Cli, server: Running) -> None:
    """Nothing is left half done in silence: the answer is told."""
    server.sandbox.subscriptions.order_topics = ()

    assert isinstance(error := cli("register", "--address", ADDRESS).exception, BadAnswer)
    assert "POST /admin/webhooks.json was answered 400" in str(error)


def test_a_moved_receiver_never_doubles(cli: Cli, server: Running) -> None:
    """Subscriptions are changed where they are; `register` elsewhere makes none beside them; what came twice goes."""
    new = "https://new.example.com/stockbook/hooks"
    cli("register", "--address", ADDRESS)
    subscriptions = server.sandbox.subscriptions
    ids = set(subscriptions.all)

    beside = cli("register", "--address", new)
    assert beside.exit_code == 1
    assert f"NO  6 topics go to {ADDRESS}/flickrocket/main: `stockbook hooks move --address ...`" in beside.output
    assert set(subscriptions.all) == ids

    subscriptions.add("flickrocket", "orders/create", f"{ADDRESS}/flickrocket/main", datetime(2025, 11, 20))
    subscriptions.add("shopline", "fulfillments/create", f"{new}/shopline/main", datetime(2025, 11, 20), "v20251201")
    another = subscriptions.add("flickrocket", "order/create", "https://erp.example.com/hook", datetime(2025, 11, 20))
    assert "sent to 2 addresses: `stockbook hooks move --address ...`" in cli("status").output

    moved = cli("move", "--address", new)
    again = cli("move", "--address", new)

    assert f"ok  flickrocket: 6 topics moved to {new}/flickrocket/main, 1 that came twice removed" in moved.output
    assert f"ok  shopline: 12 topics moved to {new}/shopline/main, 1 that came twice removed" in moved.output
    assert f"flickrocket: 0 topics moved to {new}/flickrocket/main\n" in again.output
    ours = [each for each in subscriptions.all.values() if each is not another]
    assert {each.address for each in ours} == {f"{new}/flickrocket/main", f"{new}/shopline/main"}
    assert len({(each.source, each.topic.replace("orders/", "order/")) for each in ours}) == len(ours) == 19


def test_remove_unsubscribes_what_is_ours(cli: Cli, server: Running) -> None:
    """Another receiver's subscription stays; of another account nothing is touched."""
    cli("register", "--address", ADDRESS)
    another = server.sandbox.subscriptions.add(
        "flickrocket", "order/create", "https://erp.example.com/hook", datetime(2025, 11, 20)
    )

    assert cli("remove", "--account", "other").output == ""
    assert len(server.sandbox.subscriptions.all) == 20
    assert cli("remove").output.splitlines() == [
        "ok  flickrocket: 6 topics unsubscribed",
        "    fulfillment_cz: take its address out of the vendor's administration",
        "ok  shopline: 13 topics unsubscribed",
    ]
    assert list(server.sandbox.subscriptions.all.values()) == [another]
