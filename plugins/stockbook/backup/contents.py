"""
Which files of a home a backup holds: what cannot be made again, and what spares making it.

It is a list of what is taken, never of what is left out: keys, tokens (`state/state.db`), locks, caches and scratch
are on none of its lines.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from stockbook import retention_policy
from stockbook.backup.manifest import Entry
from stockbook.errors import LandingDamaged
from stockbook.landing.manifest import MANIFEST, read_manifest
from stockbook.landing.pages import PAGES
from stockbook.projection.erasures import FILE as ERASURES
from stockbook.settings import INBOX_FILE, Settings
from stockbook.warehouse.connect import OPENING

WAREHOUSE, PUBLISHED, INBOX = "warehouse.duckdb", "published/warehouse.duckdb", f"state/{INBOX_FILE}"
POLICY = "policy"
LAST = "last-backup.json"
"""In the state folder: the manifest of the last backup, for the doctor."""

# what a home is known by: a restore needs a home without them
TOP = (WAREHOUSE, "published", "landing", "runs", "state", ERASURES)
_OF_STATE = (".json", ".fingerprint")
_PASSING = (".tmp", ".lock", ".wal", ".aside")
# of readers that open a file under a name of its own, of Python, of a policy folder under version control
_PASSING_FOLDERS = (OPENING, "__pycache__", ".git")


def files_of(settings: Settings) -> dict[str, Path]:
    """Every file that a backup takes as it lies there, by its path in the backup. The inbox is copied by SQLite."""
    files = {name: settings.home / name for name in (WAREHOUSE, ERASURES) if (settings.home / name).exists()}
    for folder in ("published", "landing", "runs"):
        files |= {f"{folder}/{path}": file for path, file in _below(settings.home / folder)}
    files |= {
        f"state/{path}": file for path, file in _below(settings.state) if file.suffix in _OF_STATE and file.name != LAST
    }
    return files | {f"{POLICY}/{path}": file for path, file in _below(settings.policy_dir)}


def place_of(settings: Settings, path: str) -> Path:
    """Where a file of a backup lies in a home, or among the policies."""
    folder, _, rest = path.partition("/")
    return settings.policy_dir / rest if folder == POLICY else settings.home / path


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder)
        is_passing = file.suffix in _PASSING or any(part.startswith(_PASSING_FOLDERS) for part in path.parts)
        if not is_passing and file.is_file():
            yield path.as_posix(), file


def gone(settings: Settings, files: Mapping[str, Entry], now: datetime) -> list[str]:
    """
    The files of an earlier backup that are not there any more and should be.

    Nights and runs older than ``retention.yml`` says go, listings that were being read are read again, pages of people
    who were erased are written anew, and what is drawn beside the published file is drawn anew.
    """
    policy = retention_policy.of(settings)
    oldest = (now - timedelta(days=policy.landed_pages_days)).timestamp() * 1e9
    oldest_run = (now - timedelta(days=policy.runs_days)).timestamp() * 1e9 if policy.runs_days is not None else 0.0
    missing = [path for path in files if not place_of(settings, path).exists()]
    return [path for path in missing if not _may_go(settings, files, path, oldest, oldest_run)]


def _may_go(settings: Settings, files: Mapping[str, Entry], path: str, oldest: float, oldest_run: float) -> bool:
    folder, _, rest = path.partition("/")
    if folder == "runs" and not (settings.runs / rest.partition("/")[0]).exists():
        return files[path].modified < oldest_run
    if path == INBOX:
        return bool(settings.inbox_database)
    if folder == "published":
        return path != PUBLISHED and not rest.startswith("packs/")
    if folder != "landing" or rest.startswith("closes/"):
        return False
    night, *inside = rest.split("/")
    opened = files.get(f"landing/{night}/opened.json")
    if not (settings.landing / night).exists() and (opened is None or opened.modified < oldest):
        return True
    if len(inside) != 3:
        return False
    # night/account/listing/file: one without a manifest was being read
    return f"{path.rpartition('/')[0]}/{MANIFEST}" not in files or _is_written_anew(settings.home / path)


def _is_written_anew(page: Path) -> bool:
    """Whether a page went because its listing was written anew without somebody who was erased."""
    try:
        manifest = read_manifest(page.parent)
    except LandingDamaged:
        return False
    return manifest is not None and page.match(PAGES) and page.name not in {each.file for each in manifest.pages}


def way_back(path: str) -> str:
    """What brings a file back, in a sentence."""
    if path == WAREHOUSE:
        return (
            "`stockbook repair` makes it again from the landed pages, where they have the beginning; else move the home"
            " away and run `stockbook restore`."
        )
    if path == PUBLISHED:
        return f"`stockbook publish` writes it anew, or `stockbook restore --only {path}` brings it back."
    if path == INBOX:
        return (
            "Move it away with its -wal and -shm, receivers make a new one, and read again what events named: "
            "`stockbook hooks reread`."
        )
    return f"`stockbook restore --only {path}` brings it back."
