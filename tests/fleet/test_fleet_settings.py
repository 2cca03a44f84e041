"""What a fleet is told by its operator: settings and accounts."""

from pathlib import Path

import pytest

from stockbook.errors import ConfigError
from stockbook.fleet import accounts
from stockbook.fleet_settings import FleetSettings, require

SHARED = {
    "STOCKBOOK_STORE": "s3://bucket/prefix",
    "STOCKBOOK_CONTROL_URL": "postgresql://user:hush@host/control",
    "STOCKBOOK_LAKE": "postgres:dbname=lake password=hush",
}


def _wrong(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        FleetSettings.load(Path("/home"), environ)
    return caught.value.problems


def test_nothing_set_is_no_fleet() -> None:
    """Without a variable of a fleet there is none, and whoever needs one is told what to set."""
    assert FleetSettings.load(Path("/home"), {"STOCKBOOK_SCRATCH": "/elsewhere"}) is None
    with pytest.raises(ConfigError, match="STOCKBOOK_STORE, STOCKBOOK_CONTROL_URL, STOCKBOOK_LAKE are not set"):
        require(Path("/home"), {})


def test_all_set() -> None:
    """Scratch lies under the home; what is printed has no address."""
    settings = require(Path("/home"), SHARED)

    assert settings.scratch == Path("/home/scratch")
    assert "hush" not in repr(settings)
    assert "bucket" not in repr(settings)


@pytest.mark.parametrize("missing", SHARED)
def test_a_part_of_a_fleet_is_none(missing: str) -> None:
    """Each of the three that is missing is named, and which are there."""
    (problem,) = _wrong({name: text for name, text in SHARED.items() if name != missing})

    assert problem.startswith(f"{missing} must be set too")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("STOCKBOOK_STORE", "ftp://hush/folder"),
        ("STOCKBOOK_STORE", "s3://key:hush@bucket"),
        ("STOCKBOOK_STORE", "s3://bucket?secret=hush"),
        ("STOCKBOOK_STORE", "s3://"),
        ("STOCKBOOK_CONTROL_URL", "mysql://user:hush@host/control"),
        ("STOCKBOOK_CONTROL_URL", "postgresql://user:hush@host"),
        ("STOCKBOOK_CONTROL_URL", "postgresql://user@host:hush/control"),
        ("STOCKBOOK_LAKE", "sqlite:hush"),
    ],
)
def test_a_wrong_address_is_named_and_not_quoted(name: str, text: str) -> None:
    """The variable is named, and nothing that was written into it."""
    (problem,) = _wrong(SHARED | {name: text})

    assert problem.startswith(name)
    assert "hush" not in problem


def _read(
    chosen: str, listed: tuple[str, ...] = (), table: tuple[tuple[str, list[str], None, None], ...] = ()
) -> object:
    return accounts.read(chosen, lambda: listed, lambda: table)


def test_accounts_of_connections() -> None:
    """Connections of one name are one account; without a choice all that are listed count."""
    listed = ("fulfillment_cz__b", "shopline__a", "fulfillment_cz", "fulfillment_cz__a", "smtp_default")

    assert [(each.name, each.conn_ids) for each in accounts.read("", lambda: listed, list)] == [
        ("a", ("fulfillment_cz__a", "shopline__a")),
        ("b", ("fulfillment_cz__b",)),
        ("main", ("fulfillment_cz",)),
    ]
    assert [each.name for each in accounts.read("fulfillment_cz__b", lambda: listed, list)] == ["b"]


def test_accounts_of_a_file(tmp_path: Path) -> None:
    """A file gives an account its own zone and policies; without a list it has what connections there are."""
    (tmp_path / "policy").mkdir()
    (tmp_path / "accounts.yml").write_text(
        "accounts:\n  a:\n    zone: Europe/London\n    policy_dir: policy\n  b:\n    connections: [fulfillment_cz__b]\n"
    )
    first, second = accounts.read(f"file:{tmp_path / 'accounts.yml'}", list, list)

    assert (str(first.zone), first.policy_dir) == ("Europe/London", tmp_path / "policy")
    assert first.conn_ids == ()
    assert second == ("b", ("fulfillment_cz__b",), None, None)


def test_accounts_of_a_table() -> None:
    """A row of the control database is an account."""
    assert _read("table", table=(("b", [], None, None), ("a", ["flickrocket__a"], None, None))) == [
        ("a", ("flickrocket__a",), None, None),
        ("b", (), None, None),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("accounts:\n  a: {}\n  a: {}\n", "twice"),
        ("accounts:\n  A B: {}\n", "must be named as in a connection id"),
        ("accounts:\n  a:\n    connections: [fulfillment_cz__b]\n", "belongs to account b, not to a"),
        ("accounts:\n  a:\n    connections: [smtp]\n", "must be named|connections of ours"),
        ("accounts:\n  a:\n    zone: Mars/Olympus\n", "zone of account a"),
        ("accounts:\n  a:\n    policy_dir: nowhere\n", "policy_dir of account a"),
        ("accounts:\n  a:\n    token: 1\n", "token"),
        ("accounts: {}\n", "at least one account"),
    ],
)
def test_a_wrong_file_of_accounts(tmp_path: Path, text: str, expected: str) -> None:
    """Each mistake of a file is refused in a sentence that names it."""
    (tmp_path / "accounts.yml").write_text(text)

    with pytest.raises(ConfigError, match=expected):
        _read(f"file:{tmp_path / 'accounts.yml'}")


def test_a_connection_named_twice() -> None:
    """A list names each connection once."""
    with pytest.raises(ConfigError, match="fulfillment_cz__a twice"):
        _read("fulfillment_cz__a,fulfillment_cz__a")
