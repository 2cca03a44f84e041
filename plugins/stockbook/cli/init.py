"""``stockbook init``: a project of one's own, for who installed the package and has no checkout."""

import shutil
from pathlib import Path

from stockbook.errors import ConfigError
from stockbook.project import MARKER, POLICY, SHIPPED
from stockbook.version import VERSION

COPIED = (Path("dags"), POLICY, Path("include", "airflow.cfg.template"))
_MARK = f"""\
# Made by `stockbook init` {VERSION}. The commands of Stockbook take this folder for the project: run them in here.
"""
_IGNORED = "data/\nairflow_home/\n.venv*/\n"
_README = """\
# The books of {name}

| | |
|---|---|
| `include/policy/` | promises, calendar, valuation: `stockbook policy check` says what is wrong in there |
| `dags/` | when a night runs; after an upgrade take the new ones from a fresh `stockbook init` |
| `include/airflow.cfg.template` | Airflow's settings; `stockbook setup` writes `airflow_home/airflow.cfg` from it |
| a folder of your own | reports that upgrades keep: `stockbook extra new own` |
| `data/`, `airflow_home/` | the books and Airflow's home: keep `airflow_home/hash-key` among your backups, for ever |

`stockbook demo` shows it over an invented shop. For your own: `stockbook setup`, add connections, `stockbook doctor`
says what is missing, `stockbook start` starts Airflow.
"""


def make_project(folder: Path) -> list[str]:
    """
    Write a project into a folder that is empty or not there; returns what a person does next.

    Raises ConfigError for any other folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not empty: name a new folder, or an empty one.")
    for path in COPIED:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if (SHIPPED / path).is_dir():
            shutil.copytree(SHIPPED / path, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(SHIPPED / path, target)
    (folder / "README.md").write_text(_README.format(name=folder.name))
    (folder / ".gitignore").write_text(_IGNORED)
    (folder / MARKER).write_text(_MARK)
    return [
        f"{folder} is a project of Stockbook.",
        f"next      cd {folder}",
        "          stockbook demo     three nights over an invented shop",
        "          stockbook setup    an Airflow home for your own shop (README.md says what follows)",
    ]
