"""
Everything under a home without the people on its list: landed pages, the inbox, both DuckDB files, what runs noted.

Whatever was done before, what is left to do is worked out from the list alone; so a killed erasure is finished by the
next one, by the next night, or by a restore. Nothing is written before what it would make unfindable is on the list.
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stockbook import declaration_files
from stockbook.atomic_files import is_whole, sealed, unsealed, write_atomically
from stockbook.clock import Clock, SystemClock
from stockbook.declarations import APIS, Table, of_listing
from stockbook.landing.rewriting import Rewriting
from stockbook.projection.erased import HASHED, RowEraser, time_of
from stockbook.projection.erasures import FILE, Erasures
from stockbook.projection.fields import build
from stockbook.projection.undeclared_names import without_forgotten
from stockbook.settings import Settings
from stockbook.sources import listings

if TYPE_CHECKING:
    import duckdb

LANDING, INBOX, RUNS = "landing", "inbox", "runs"
_APPLIED = "erasures.applied"
_NOTED = (".json", ".txt", ".html", ".csv")


def heal(settings: Settings, clock: Clock) -> Counter[str]:
    """Finish an erasure that was cut off, or learned more since; rows by place, none where there is nothing to do."""
    if _digest_of_list(settings) in (None, _applied(settings)):
        return Counter()
    return reapply(settings, clock)


def reapply(settings: Settings, clock: Clock | None = None) -> Counter[str]:
    """
    Take from everything under the home what is left there of people on its list; rows by place.

    For a home that nobody uses and whose lock the caller holds, such as one that was just restored. Raises ConfigError
    without the key of the personal-data hash or where the list was altered, LandingDamaged, WarehouseDamaged,
    InboxUnavailable.
    """
    erasures = Erasures.of(settings, (clock or SystemClock()).utc())
    return apply(settings, declaration_files.load(settings.models_dir), erasures) if erasures else Counter()


def apply(settings: Settings, tables: dict[str, Table], erasures: Erasures) -> Counter[str]:
    """The same for a list that was read; what it learns on the way is kept with it."""
    done: Counter[str] = Counter()
    size_before = -1
    # what one place tells of a person may lie in another that was done before
    while size_before != len(erasures):
        _complete(settings, tables, erasures)
        size_before = len(erasures)
        done += _apply_once(settings, tables, erasures)
    for left in (settings.home / "tmp").glob("duckdb_temp*"):
        left.unlink(missing_ok=True)
    digest = _digest_of_list(settings)
    if digest is not None:
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(settings.state / _APPLIED, digest.encode())
    return done


def _digest_of_list(settings: Settings) -> str | None:
    try:
        return hashlib.sha256((settings.home / FILE).read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _applied(settings: Settings) -> str | None:
    try:
        return (settings.state / _APPLIED).read_text()
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _complete(settings: Settings, tables: dict[str, Table], erasures: Erasures) -> None:
    from stockbook.erasure.finding import complete
    from stockbook.warehouse.connect import writer
    from stockbook.warehouse.readers import reader

    if settings.warehouse.exists():
        with writer(settings) as con:
            complete(con, tables, erasures)
    if settings.published.exists():
        with reader(settings.published) as con:
            complete(con, tables, erasures)
    erasures.save()


def _apply_once(settings: Settings, tables: dict[str, Table], erasures: Erasures) -> Counter[str]:
    from stockbook.erasure.books import Books
    from stockbook.warehouse.rewriting import rewrite

    elsewhere, digests = _erase_landing(settings, tables, erasures)
    elsewhere += _erase_inbox(settings, erasures) + _erase_notes(settings, erasures)
    rows: Counter[str] = Counter()
    # the writer's file last: its rows are the ones that are told
    for file in (settings.published, settings.warehouse):
        if not file.exists():
            continue
        changes: list[Books] = []

        def change(con: "duckdb.DuckDBPyConnection", changes: list[Books] = changes) -> bool:
            changes.append(Books(con, tables, erasures))
            return changes[0].erase(erasures.at, elsewhere, digests)

        rewrite(settings, file, change, erasures.save)
        rows = changes[0].rows
    return elsewhere + rows


def _erase_landing(
    settings: Settings, tables: dict[str, Table], erasures: Erasures
) -> tuple[Counter[str], dict[str, str]]:
    """Rows of landed pages that were erased, and the digests of new pages by those of old ones."""
    rewritings: dict[tuple[str, str], Rewriting] = {}
    rows = 0
    for folder in sorted(path for path in settings.landing.glob("*-*-*/*/*.*") if path.is_dir()):
        key = folder.parent.name, folder.name
        if key not in rewritings:
            change = _change_of(key[0], key[1], tables, erasures)
            rewritings[key] = Rewriting(change, lambda path: without_forgotten(path, erasures), erasures.save)
        rows += rewritings[key].rewrite(folder)
    digests = {old: new for rewriting in rewritings.values() for old, new in rewriting.digests.items()}
    return +Counter({LANDING: rows}), digests


def _change_of(
    account: str, folder: str, tables: dict[str, Table], erasures: Erasures
) -> Callable[[bytes], bytes | None]:
    api, _, name = folder.partition(".")
    listing = next((each for each in listings.of_api(api) if each.name == name), None) if api in APIS else None
    fed = of_listing(tables, api, name)
    if listing is None or not fed:
        return lambda row: replaced(row, erasures)
    shape = build(fed, (*listing.key, *listing.key_with))
    return RowEraser(erasures, shape, api, account, listing.key, time_of(fed)).erase


def replaced(content: bytes, erasures: Erasures) -> bytes | None:
    """Content with hashes on the list replaced, of what no declaration describes; None where there are none."""
    text = content.decode(errors="surrogateescape")
    new = HASHED.sub(lambda match: erasures.stand_in(match.group()), text)
    return None if new == text else new.encode(errors="surrogateescape")


def _erase_inbox(settings: Settings, erasures: Erasures) -> Counter[str]:
    from stockbook.webhooks.drain import has_inbox, open_inbox
    from stockbook.webhooks.erased_events import EventErasers

    if not has_inbox(settings):
        return Counter()
    erasers = EventErasers(erasures)
    with open_inbox(settings) as inbox:
        return +Counter({INBOX: inbox.rewrite(erasers.erased, erasures.save)})


def _erase_notes(settings: Settings, erasures: Erasures) -> Counter[str]:
    """What runs and reports say of failing rows; counted in files."""
    changed = 0
    for file in sorted(path for place in (settings.runs, settings.published.parent) for path in place.rglob("*")):
        if file.suffix in _NOTED and file.is_file():
            changed += _erase_note(file, erasures)
    return +Counter({RUNS: changed})


def _erase_note(file: Path, erasures: Erasures) -> bool:
    content = file.read_bytes()
    has_seal = is_whole(content) and unsealed(content) != content
    new = replaced(unsealed(content) if has_seal else content, erasures)
    if new is not None:
        write_atomically(file, sealed(new) if has_seal else new)
    return new is not None
