"""What Stockbook reads of Airflow's own configuration, without importing Airflow (which takes seconds)."""

import configparser
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from stockbook import project
from stockbook.errors import ConfigError

# where `stockbook setup` makes the home in a project
IN_PROJECT = Path("airflow_home")
# what Airflow puts there in a task, so that a task's code does not reach the database by accident
_HIDDEN = "airflow-db-not-allowed"


def default_home(environ: Mapping[str, str]) -> Path:
    """Where the Airflow home is, or would be made. Raises ConfigError where there is neither variable nor project."""
    return place_of_home(environ) or project.folder(environ, instead="set AIRFLOW_HOME") / IN_PROJECT


def place_of_home(environ: Mapping[str, str]) -> Path | None:
    """The same, whether it is there or not; None where there is neither variable nor project."""
    if environ.get("AIRFLOW_HOME"):
        return Path(environ["AIRFLOW_HOME"]).expanduser().absolute()
    folder = project.find(environ)
    return folder / IN_PROJECT if folder else None


def airflow_home(environ: Mapping[str, str]) -> Path | None:
    """``AIRFLOW_HOME``, else the home that ``stockbook setup`` makes in the project; None when there is neither."""
    home = place_of_home(environ)
    return home if home is not None and home.is_dir() else None


def is_hidden(environ: Mapping[str, str], section: str, name: str) -> bool:
    """Whether Airflow put something else in place of a setting, or has it from a command or a secret store."""
    variable = f"AIRFLOW__{section.upper()}__{name.upper()}"
    if environ.get(variable, "").startswith(_HIDDEN):
        return True
    return any(setting(environ, section, f"{name}_{kind}") for kind in ("cmd", "secret"))


def setting(environ: Mapping[str, str], section: str, name: str) -> str:
    """
    A setting of Airflow, from its variable or from ``airflow.cfg``; empty when it stands in neither.

    Raises ConfigError when the file cannot be read.
    """
    text = environ.get(f"AIRFLOW__{section.upper()}__{name.upper()}") or ""
    if text and not text.startswith(_HIDDEN):
        return text
    home = airflow_home(environ)
    named = environ.get("AIRFLOW_CONFIG") or (str(home / "airflow.cfg") if home else "")
    if not named or not Path(named).is_file():
        return ""
    written = configparser.ConfigParser(interpolation=None, strict=False)
    is_read = False
    # the error quotes the lines it cannot read, which hold secrets: it is not chained
    with suppress(configparser.Error, UnicodeDecodeError, OSError):
        is_read = bool(written.read(named))
    if not is_read:
        raise ConfigError(f"{named} must be an airflow.cfg; it cannot be read.")
    return written.get(section, name, fallback="")
