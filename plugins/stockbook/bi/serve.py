"""
Superset over the published file: its own environment, its own home, on loopback.

Superset gets the path of the published file only, never that of the writer's file.
"""

import contextlib
import json
import os
import secrets
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import urllib3
from babel import Locale
from babel.numbers import get_decimal_symbol, get_group_symbol

from stockbook import declarations, project
from stockbook.atomic_files import keep_private, umask, write_atomically
from stockbook.bi import bundle, spec
from stockbook.bi.extra import dashboards_of, with_extra
from stockbook.bi.texts import texts_of
from stockbook.bounded_http import OverLimit, ask
from stockbook.clock import Clock
from stockbook.errors import ConfigError
from stockbook.lake_url import VARIABLE, LakeUrl
from stockbook.metrics.files import load
from stockbook.settings import Settings, is_group_readable
from stockbook.warehouse.declared import declared_in
from stockbook.warehouse.lake import EXTENSIONS, extension_files
from stockbook.warehouse.readers import reader

FOLDER = project.SHIPPED / "bi" / "superset"
TEXTS = "texts"
# bi/superset/doors.py reads a few of its modules
PACKAGE = Path(project.__file__).parent
USER = "admin"
VIEWER = "viewer"
LOOPBACK = "127.0.0.1"
# the settings of ours that limit Superset's readers too
READER_SETTINGS = ("STOCKBOOK_READER_MEMORY", "STOCKBOOK_READER_DISK", "STOCKBOOK_READER_SECONDS")


@dataclass(frozen=True)
class Superset:
    """A Superset installed in ``programs`` with its state in ``home``."""

    home: Path
    programs: Path
    password: str
    viewer_password: str
    secret: str
    locale: Locale

    @classmethod
    def at(cls, home: Path, programs: Path, locale: Locale | None = None) -> "Superset":
        """Its passwords are made once and kept in ``home``, readable by the owner only."""
        if not (programs / "superset").exists():
            raise ConfigError(f"Superset was expected in {programs} and is not there: `make bi` installs it.")
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o777 & ~umask(is_group_readable()))
        file = home / "secrets.json"
        sizes = {"password": 12, "viewer_password": 12, "secret": 42}
        before = json.loads(file.read_text()) if file.exists() else {}
        # a home of an earlier version has no viewer yet
        words = {name: secrets.token_urlsafe(size) for name, size in sizes.items()} | before
        if words != before:
            write_atomically(file, json.dumps(words).encode())
            file.chmod(0o600)
        return cls(home, programs, **{name: words[name] for name in sizes}, locale=locale or Locale("en", "GB"))

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its programs, without the settings of our own Python."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "VIRTUAL_ENV")) and ("STOCKBOOK" not in name or name in READER_SETTINGS)
        }
        if lake := os.environ.get(VARIABLE):
            # its password stands in no address that Superset keeps
            inherited |= {VARIABLE: lake, EXTENSIONS: extension_files()}
        return inherited | {
            "PATH": os.pathsep.join([str(self.programs), inherited.get("PATH", "")]),
            "SUPERSET_CONFIG_PATH": str(FOLDER / "superset_config.py"),
            "BI_HOME": str(self.home),
            "BI_FOLDER": str(FOLDER),
            "BI_PACKAGE": str(PACKAGE),
            "BI_SECRET": self.secret,
            "SUPERSET_HOME": str(self.home),
            "FLASK_APP": "superset.app:create_app()",
            "BI_FIGURES": json.dumps(
                {
                    "decimal": get_decimal_symbol(self.locale),
                    "thousands": get_group_symbol(self.locale),
                    "grouping": [3],
                    "currency": ["", ""],
                }
            ),
            # no counting of installations elsewhere
            "SCARF_ANALYTICS": "false",
        }

    def prepare(
        self, published: Path | LakeUrl, say: Callable[[str], None], extra_dir: Path | None = None
    ) -> list[str]:
        """
        Migrate, make both users, import the dashboards over ``published``, those of ``extra_dir`` too.

        Safe to run again. Returns the keys of the dashboards.
        """
        keep_private(is_group_readable())
        done = self.home / "prepared"
        commands: list[list[str]] = []
        if not done.exists():
            say("Preparing Superset's own database (about half a minute, once)")
            name = ["--username", USER, "--firstname", "Stockbook", "--lastname", "admin", "--email", "admin@localhost"]
            commands += [["db", "upgrade"], ["fab", "create-admin", *name, "--password", self.password], ["init"]]
        say("Importing the dashboards")
        models_dir = project.SHIPPED / project.MODELS
        tables = declared_in(published, models_dir, extra_dir)
        metrics = load(models_dir, tables, extra_dir)
        read = spec.read(FOLDER / "dashboards.yml", tables, metrics)
        if extra_dir is not None:
            own = dashboards_of(extra_dir, models_dir, tables)
            for problem in own.problems:
                say(f"Left out, of your own dashboards: {problem}")
            read = with_extra(read, own)
        archive = self.home / "bundle.zip"
        texts = texts_of(FOLDER / TEXTS, self.locale.language)
        files = bundle.files(read, tables, metrics, currencies_of(published), address(published), texts)
        archive.write_bytes(bundle.archive(files))
        viewer = {"username": VIEWER, "password": self.viewer_password}
        wanted = {"commands": commands, "bundle": str(archive), "owner": USER, "viewer": viewer}
        with (self.home / "superset.log").open("ab") as log:
            ended = subprocess.run(  # noqa: S603  # our own program with our own words
                [str(self.programs / "python"), str(FOLDER / "prepare.py")],
                input=json.dumps(wanted).encode(),
                env=self.environment,
                cwd=self.home,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
                umask=umask(is_group_readable()),
            )
        if ended.returncode:
            raise ConfigError(f"Superset could not be prepared; what it said is in {self.home / 'superset.log'}.")
        done.touch()
        return [dashboard.key for dashboard in read.dashboards]

    def serve(self, port: int, host: str = LOOPBACK) -> "subprocess.Popen[bytes]":
        """Start it, on loopback unless told otherwise; the caller stops it."""
        with (self.home / "gunicorn.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603  # our own program with our own words
                [
                    *(str(self.programs / "gunicorn"), "--bind", f"{host}:{port}", "--workers", "1"),
                    *("--threads", "8", "--worker-class", "gthread", "--timeout", "120", "superset.app:create_app()"),
                ],
                env=self.environment,
                cwd=self.home,
                stdout=log,
                stderr=subprocess.STDOUT,
                umask=umask(is_group_readable()),
            )

    def wait_until_up(self, process: "subprocess.Popen[bytes]", port: int, clock: Clock, seconds: float = 120) -> None:
        """Return once it answers. Raises ConfigError when it ended or does not answer in time."""
        until = clock.monotonic() + seconds
        while process.poll() is None and clock.monotonic() < until:
            with contextlib.suppress(urllib3.exceptions.HTTPError, OverLimit):
                if ask("GET", f"http://127.0.0.1:{port}/health", {}, read=5).status == 200:
                    return
            clock.sleep(0.3)
        raise ConfigError(
            f"Superset does not answer on port {port} (is it taken?); what it said is in {self.home / 'gunicorn.log'}."
        )


def address(published: Path | LakeUrl) -> str:
    """The file as SQLAlchemy's address; ``bi/superset/doors.py`` reads back the signs that an address cannot hold."""
    if isinstance(published, LakeUrl):
        return "duckdb:///lake:"
    return "duckdb:///" + str(published).replace("%", "%25").replace("?", "%3F")


def currencies_of(published: Path | LakeUrl) -> spec.Currencies:
    """The codes of the currencies that amounts of a published file are in; of a lake with several, words for them."""
    with reader(published) as con:
        rows = con.execute(
            "select v.codes, m.codes "
            "from (select list(distinct valuation_currency) as codes from marts.dim_valuation_setting) as v "
            "cross join (select list(distinct reporting_currency) as codes from marts.dim_money_setting) as m"
        ).fetchall()
    words = (declarations.VALUATION_CURRENCY, declarations.REPORTING_CURRENCY)
    known_codes = zip(rows[0], words, strict=True)
    return spec.Currencies(*(codes[0] if codes and len(codes) == 1 else word for codes, word in known_codes))


def published_file(settings: Settings) -> Path | LakeUrl:
    """What readers open; without any in ``STOCKBOOK_HOME`` the demo's file. Raises ConfigError without either."""
    if settings.lake is not None:
        return settings.lake
    files = [settings.published]
    demo = project.demo_home()
    if demo is not None:
        files.append(demo / "published" / "warehouse.duckdb")
    for file in files:
        if file.exists():
            return file
    raise ConfigError(f"{settings.published} is not there: run a night first (`stockbook demo` makes one).")
