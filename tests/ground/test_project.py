"""Which folder is the project, and which of its files stand in for those that Stockbook brings."""

from pathlib import Path

import pytest
from checkout import PROJECT

from stockbook import project
from stockbook.cli.init import make_project
from stockbook.errors import ConfigError
from stockbook.settings import Settings


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project as `stockbook init` makes it."""
    make_project(tmp_path / "shop")
    return tmp_path / "shop"


def test_the_project_is_looked_for_upwards(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the working folder first, then below the Airflow home; without either it is the checkout."""
    (shop / "dags" / "more").mkdir()
    monkeypatch.chdir(shop / "dags" / "more")
    assert project.find({"AIRFLOW_HOME": str(PROJECT / "airflow_home")}) == shop

    monkeypatch.chdir(tmp_path)
    assert project.find({"AIRFLOW_HOME": str(shop / "airflow_home")}) == shop
    assert project.find({}) == PROJECT


def test_books_and_policies_are_the_projects(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project has its own; what it has not is the one Stockbook brings; a variable names another."""
    monkeypatch.chdir(shop)
    settings = Settings.load({})
    assert (settings.home, settings.policy_dir) == (shop / "data", shop / "include" / "policy")
    assert settings.models_dir == PROJECT / "include" / "sql"

    (shop / "include" / "policy").rename(shop / "policies")
    assert Settings.load({}).policy_dir == PROJECT / "include" / "policy"
    assert Settings.load({"STOCKBOOK_POLICY_DIR": str(shop / "policies")}).policy_dir == shop / "policies"


def test_outside_a_project_the_books_must_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package has no folder of its own for books: the sentence names both ways out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(project, "IS_CHECKOUT", False)

    with pytest.raises(ConfigError, match=r"`stockbook init FOLDER` makes one, go there\. Or set STOCKBOOK_HOME\.$"):
        Settings.load({})
    assert Settings.load({"STOCKBOOK_HOME": str(tmp_path)}).home == tmp_path


def test_a_project_is_made_in_an_empty_folder_only(shop: Path, tmp_path: Path) -> None:
    """What lies in a folder is nobody's to overwrite; a file is no folder."""
    file = tmp_path / "file"
    file.touch()
    for taken in (shop, file):
        with pytest.raises(ConfigError, match="is not empty: name a new folder, or an empty one"):
            make_project(taken)

    (tmp_path / "empty").mkdir()
    assert "stockbook demo" in "\n".join(make_project(tmp_path / "empty"))
