"""What the tests of a fleet share: one database server and one store for all of them, a database for each file."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import postgres
from seaweed import Seaweed, seaweed

from stockbook.fleet.control import Control


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a database server's first database."""
    with postgres() as url:
        yield url


@pytest.fixture(scope="module")
def control_url(server: str, request: pytest.FixtureRequest) -> str:
    """An empty database for a file of tests."""
    import psycopg

    name = "control_" + request.path.stem
    with psycopg.connect(server, autocommit=True) as con:
        con.execute(f"create database {name}")
    return server.removesuffix("postgres") + name


@pytest.fixture(scope="module")
def control(control_url: str) -> Control:
    """A control database with its tables."""
    control = Control(control_url)
    control.migrate()
    return control


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """An S3 store with the bucket ``books``; its keys are in the environment."""
    with seaweed(tmp_path_factory.mktemp("store")) as store, pytest.MonkeyPatch.context() as patch:
        for name, text in store.variables.items():
            patch.setitem(os.environ, name, text)
        yield store


@pytest.fixture
def folder_store(tmp_path: Path) -> str:
    """The address of a store in a folder."""
    return f"file://{tmp_path / 'store'}"
