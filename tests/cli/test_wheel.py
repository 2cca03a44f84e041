"""The wheel as somebody installs it who has no checkout: a project is made and a night runs in it."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from checkout import PROJECT
from night_rig import environment
from numba.core.caching import UserProvidedCacheLocator as Locator

from stockbook import caches
from stockbook.version import VERSION
from stockbook_sandbox import Shop, running

pytestmark = pytest.mark.slow

AS_OF = datetime(2025, 11, 20, 2, 15)
Program = Callable[..., str]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    The programs of an environment with nothing in it but the wheel.

    The 170 packages it needs are read from where the tests' own lie: installing them again would take minutes and shows
    nothing that `make setup` does not.
    """
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    [wheel] = (folder / "dist").glob("*.whl")
    venv.create(folder / "env")
    python = folder / "env" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    [packages] = (folder / "env").glob("lib/python*/site-packages")
    # a path alone: the .pth files over there, this checkout's among them, are not read
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    lay_compiled(packages / "stockbook")
    return python.parent


def lay_compiled(package: Path) -> None:
    """The compiled code of these sources: to make it once more takes twice as long as the night, and shows nothing."""
    for kernel in caches.root().glob("*-*/"):
        [folder] = kernel.iterdir()
        # numba names it by the folder of the source
        source = package / folder.name.rpartition("_")[0] / f"{kernel.name.rpartition('-')[0]}.py"
        assert source.exists()
        shutil.copytree(folder, package / "__pycache__" / kernel.name / Locator.get_suitable_cache_subpath(str(source)))


@pytest.fixture
def stockbook(programs: Path, tmp_path: Path) -> Iterator[Program]:
    """Runs a command of the wheel in a folder; what it printed."""
    other_python = ("PYTHON", "AIRFLOW_", "STOCKBOOK_")
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(other_python)}

    def run(folder: Path, *words: str, **variables: str) -> str:
        ended = subprocess.run(
            [str(programs / "stockbook"), *words],
            cwd=folder,
            env=inherited | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    yield run
    shutil.rmtree(tmp_path)


def test_a_night_runs_from_an_installed_wheel(stockbook: Program, tmp_path: Path) -> None:
    """Init, a night over a small shop, a query: models, policies and sources' files came with the wheel."""
    said = stockbook(tmp_path, "init", "shop")
    assert f"{tmp_path / 'shop'} is a project of Stockbook." in said

    shop = tmp_path / "shop"
    with running(Shop.small(seed=9), AS_OF) as server:
        variables = environment(server.url, server.token, shop / "data")
        del variables["STOCKBOOK_HOME"]
        report = stockbook(shop, "run", "--as-of", AS_OF.isoformat(), "--name", "first", **variables)

    assert "Run first: GREEN" in report
    assert (shop / "data" / "published" / "dictionary" / "index.html").is_file()
    version = stockbook(shop, "sql", "--format", "csv", "select version from meta.run")
    assert version == f"version\n{VERSION}\n"
