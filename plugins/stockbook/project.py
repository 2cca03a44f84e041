"""
Where the files lie that Stockbook reads and that are no modules, and which folder is the operator's project.

A checkout has them at its top; a wheel brings them as package data. The project is the folder that holds the operator's
policies, DAG files, ``data`` and ``airflow_home``: one made by ``stockbook init``, else the checkout.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from stockbook.errors import ConfigError

# `stockbook init` writes it at the top of a project
MARKER = "stockbook.toml"
_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parents[1]
IS_CHECKOUT = (_CHECKOUT / "include" / "sql").is_dir()
# the folder over include/, dags/, docs/ and bi/
SHIPPED = _CHECKOUT if IS_CHECKOUT else _PACKAGE / "shipped"
MODELS, POLICY = Path("include", "sql"), Path("include", "policy")


def find(environ: Mapping[str, str] = os.environ) -> Path | None:
    """
    The folder of the project; None where there is none.

    It is the nearest folder with ``stockbook.toml``, looked for upwards from the working folder, then from the Airflow
    home; else the checkout.
    """
    starts = [Path(environ["AIRFLOW_HOME"]).expanduser().absolute()] if environ.get("AIRFLOW_HOME") else []
    with suppress(OSError):  # somebody removed the working folder
        starts.insert(0, Path.cwd())
    for start in starts:
        for folder in (start, *start.parents):
            if (folder / MARKER).is_file():
                return folder
    return _CHECKOUT if IS_CHECKOUT else None


def folder(environ: Mapping[str, str] = os.environ, *, instead: str) -> Path:
    """The folder of the project. Raises ConfigError where there is none; ``instead`` is what else could be done."""
    project = find(environ)
    if project is None:
        raise ConfigError(
            f"This is not a folder of a project: `stockbook init FOLDER` makes one, go there. Or {instead}."
        )
    return project


def demo_home(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Where `stockbook demo` keeps its books if it is not told where; None outside any project."""
    project = find(environ)
    return project / "data" / "demo" / "home" if project else None


def own_or_shipped(path: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """A file or folder of the project where it has it, else the one that Stockbook brings."""
    project = find(environ)
    own = project / path if project else SHIPPED / path
    return own if own.exists() else SHIPPED / path
