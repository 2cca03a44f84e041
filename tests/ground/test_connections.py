"""Accounts from Airflow connections, without Airflow."""

import json

import pytest

from stockbook.connections import account_from, accounts, conn_ids_in_environment, from_environment
from stockbook.errors import ConfigError

TOKEN = "very-secret-token"


def environment(value: str, name: str = "AIRFLOW_CONN_FULFILLMENT_CZ") -> dict[str, str]:
    """An environment with one connection."""
    return {name: value}


@pytest.mark.parametrize(
    "value",
    [
        json.dumps(
            {
                "conn_type": "http",
                "host": "http://127.0.0.1",
                "port": 8099,
                "password": TOKEN,
                "extra": {"sandbox": True},
            }
        ),
        json.dumps(
            {
                "conn_type": "http",
                "host": "127.0.0.1",
                "schema": "http",
                "port": "8099",
                "password": TOKEN,
                "extra": '{"sandbox": "true"}',
            }
        ),
        f"http://:{TOKEN}@127.0.0.1:8099/?sandbox=true",
        f"http://:{TOKEN}@http%3A%2F%2F127.0.0.1:8099/?__extra__=%7B%22sandbox%22%3A+true%7D",
    ],
)
def test_both_notations_of_airflow_are_read(value: str) -> None:
    """A URI and a JSON object say the same account."""
    raw = from_environment("fulfillment_cz", environment(value))

    assert raw is not None
    account = account_from("fulfillment_cz", raw)
    assert (account.base_url, account.password, account.sandbox) == ("http://127.0.0.1:8099", TOKEN, True)


def test_an_account_never_prints_its_secrets() -> None:
    """Neither the password nor the extra is in its text."""
    raw = from_environment("fulfillment_cz", environment(f"http://:{TOKEN}@127.0.0.1:8099/?client_id=hidden"))

    assert raw is not None
    assert TOKEN not in repr(raw) + repr(account_from("fulfillment_cz", raw))
    assert "hidden" not in repr(raw) + repr(account_from("fulfillment_cz", raw))


def test_a_connection_that_cannot_be_read_is_named_without_its_text() -> None:
    """The variable is named, its content is not quoted."""
    with pytest.raises(ConfigError, match="AIRFLOW_CONN_FULFILLMENT_CZ must be a connection") as caught:
        from_environment("fulfillment_cz", environment("{" + TOKEN))

    assert TOKEN not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_host_has_a_default() -> None:
    """Without a host the vendor's is used."""
    raw = from_environment("fulfillment_cz", environment(json.dumps({"conn_type": "http", "password": TOKEN})))

    assert raw is not None
    assert account_from("fulfillment_cz", raw).base_url == "https://client.api.fulfillment.cz"


@pytest.mark.parametrize(
    ("parts", "address"),
    [
        ({"host": "client.api.fulfillment.cz"}, "https://client.api.fulfillment.cz"),
        ({"host": "client.api.fulfillment.cz/"}, "https://client.api.fulfillment.cz"),
        ({"host": "shop.example.com:8443"}, "https://shop.example.com:8443"),
        ({"host": "shop.example.com", "schema": "HTTP", "port": 8080}, "http://shop.example.com:8080"),
        ({"host": "http://shop.example.com"}, "http://shop.example.com"),
        ({"host": "localhost:8080"}, "http://localhost:8080"),
        ({"host": "127.0.0.1", "port": 8080}, "http://127.0.0.1:8080"),
        ({"host": "localhost", "schema": "https"}, "https://localhost"),
        ({"host": "localhost.example.com"}, "https://localhost.example.com"),
    ],
)
def test_a_bare_host_means_https_and_http_on_this_machine_only(parts: dict[str, object], address: str) -> None:
    """A token goes over it: a name that only looks like this machine is none."""
    raw = from_environment("fulfillment_cz", environment(json.dumps({"password": TOKEN, **parts})))

    assert raw is not None
    assert account_from("fulfillment_cz", raw).base_url == address


@pytest.mark.parametrize(
    "host", ["ftp://h", "https://", "https//h", "http:h", "http://h:port", "://h", f"https://{TOKEN}@"]
)
def test_a_host_that_is_no_address_says_what_was_expected(host: str) -> None:
    """The connection is named, and its host is not quoted: it may hold a secret."""
    raw = from_environment("fulfillment_cz", environment(json.dumps({"password": TOKEN, "host": host})))

    assert raw is not None
    with pytest.raises(ConfigError, match="host of connection fulfillment_cz must be an address such as") as caught:
        account_from("fulfillment_cz", raw)
    assert TOKEN not in str(caught.value)


def test_every_connection_that_cannot_be_read_is_named() -> None:
    """Not only the first: each sentence stands in the one error."""
    environ = {"AIRFLOW_CONN_FULFILLMENT_CZ": "{", "AIRFLOW_CONN_FLICKROCKET": '{"host": "https://h"}'}
    ids = [*conn_ids_in_environment(environ), "fulfillment_cz__gone"]

    with pytest.raises(ConfigError) as caught:
        accounts(ids, lambda conn_id: from_environment(conn_id, environ))

    assert [problem.split(" must")[0].split(" needs")[0].split(" was")[0] for problem in caught.value.problems] == [
        "Connection flickrocket",
        "AIRFLOW_CONN_FULFILLMENT_CZ",
        "Connection fulfillment_cz__gone",
    ]


def test_several_accounts_are_told_apart_by_their_ids() -> None:
    """The bare name is account main, what follows two underscores names another; others' connections are no concern."""
    environ = {
        f"AIRFLOW_CONN_{name}": f"http://:{TOKEN}@h/"
        for name in ("FULFILLMENT_CZ", "FULFILLMENT_CZ__SHOP2", "POSTGRES")
    }

    ids = conn_ids_in_environment(environ)
    listed = accounts(ids, lambda conn_id: from_environment(conn_id, environ))

    assert [(account.conn_id, account.account) for account in listed] == [
        ("fulfillment_cz", "main"),
        ("fulfillment_cz__shop2", "shop2"),
    ]


@pytest.mark.parametrize(
    ("ids", "only", "message"),
    [
        ([], (), "needs a fulfillment.cz account and found none"),
        (["fulfillment_cz"], (), "fulfillment_cz was expected and not found"),
        (["fulfillment_cz"], ("other",), "No connection belongs to account other"),
    ],
)
def test_a_missing_connection_says_what_to_do(ids: list[str], only: tuple[str, ...], message: str) -> None:
    """What was expected is in the message."""
    with pytest.raises(ConfigError, match=message):
        accounts(ids, lambda _: None, only)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"requests_per_second": "fast"}, "requests_per_second of connection fulfillment_cz must be a number"),
        ({"max_connections": 0}, "max_connections of connection fulfillment_cz must be a number of at least 1"),
        ({"sandbox": "perhaps"}, "sandbox of connection fulfillment_cz must be true or false"),
    ],
)
def test_a_wrong_extra_says_what_was_expected(extra: dict[str, object], message: str) -> None:
    """The connection, the setting and what came are named."""
    raw = from_environment("fulfillment_cz", environment(json.dumps({"password": TOKEN, "extra": extra})))

    assert raw is not None
    with pytest.raises(ConfigError, match=message):
        account_from("fulfillment_cz", raw)


def test_a_connection_without_its_secret_says_which_it_needs() -> None:
    """fulfillment.cz needs its token as the password."""
    raw = from_environment("fulfillment_cz", environment(json.dumps({"host": "http://h"})))

    assert raw is not None
    with pytest.raises(ConfigError, match="needs the API token as its password"):
        account_from("fulfillment_cz", raw)
