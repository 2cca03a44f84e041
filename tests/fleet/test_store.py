"""The object store, over a real S3 store: what was put is what is got, and what fails is one sentence."""

import hashlib
import os
import time
from pathlib import Path

import pytest
from seaweed import SECRET, Seaweed

from stockbook.errors import StockbookError, StoreDamaged, StoreUnavailable
from stockbook.fleet import store as stores
from stockbook.fleet.store import Store


@pytest.fixture(params=["s3", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store of each kind."""
    if request.param == "file":
        return Store(f"file://{tmp_path / 'store'}")
    request.getfixturevalue("s3")
    return Store(f"s3://books/{tmp_path.name}")


def test_objects(store: Store, tmp_path: Path) -> None:
    """Objects come back by their key, a folder lists its own, and what is removed is gone."""
    (tmp_path / "file").write_bytes(b"from a file")
    store.put("a/b/1", b"one")
    store.put("a/b/1", b"one")
    store.put_many([("a/b/2", tmp_path / "file"), ("a/bc", b"another")])

    assert store.list("a/b/") == {"a/b/1": 3, "a/b/2": 11}
    assert list(store.get_many(["a/b/2", "a/b/1"])) == [b"from a file", b"one"]

    store.delete(["a/b/1", "a/never"])
    assert store.list("a/b/") == {"a/b/2": 11}
    with pytest.raises(StoreDamaged, match="a/b/1 is not in the store"):
        store.get("a/b/1")


def test_a_large_object_comes_in_parts(store: Store, tmp_path: Path) -> None:
    """Whole, with its digest; one that is not there is said to be missing."""
    content = os.urandom(stores._PART + 1)
    (tmp_path / "sent").write_bytes(content)
    store.put("large", tmp_path / "sent")

    assert store.download("large", tmp_path / "come") == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "come").read_bytes() == content
    with pytest.raises(StoreDamaged, match="never is not in the store"):
        store.download("never", tmp_path / "come")


def test_a_store_that_is_away(monkeypatch: pytest.MonkeyPatch, s3: Seaweed) -> None:
    """It is an error within a minute that names neither address nor key."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    away, began = Store("s3://books"), time.monotonic()
    for act in (lambda: away.get("a"), lambda: away.put("a", b""), lambda: away.list("a/"), lambda: away.delete(["a"])):
        with pytest.raises(StoreUnavailable) as caught:
            act()
        _says_nothing(caught.value)
    assert time.monotonic() - began < 60


def test_a_store_that_refuses_its_key(monkeypatch: pytest.MonkeyPatch, s3: Seaweed) -> None:
    """The sentence says that the key is what is wrong, and not the key."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-somebody")
    with pytest.raises(StoreUnavailable, match="refused its key") as caught:
        Store("s3://books").put("a", b"")
    _says_nothing(caught.value)


def _says_nothing(error: StockbookError) -> None:
    chained = f"{error} {error.__cause__!r}"
    assert error.__suppress_context__ or error.__context__ is None
    for secret in (SECRET, "a-secret-of-somebody", "127.0.0.1"):
        assert secret not in chained
