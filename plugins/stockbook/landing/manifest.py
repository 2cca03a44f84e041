"""What a landed listing says of itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from stockbook.atomic_files import is_whole, sealed, write_atomically
from stockbook.errors import LandingDamaged

MANIFEST = "manifest.json"


class PageFile(msgspec.Struct, frozen=True):
    """One landed page; ``bytes`` and ``sha256`` are of the file as it lies on disk."""

    file: str
    rows: int
    bytes: int
    sha256: str


class Undeclared(msgspec.Struct, frozen=True):
    """
    A field nobody declared: where it was and of which JSON type, never what it held.

    ``hidden`` is the path with a hash for the name, of a name that is told in clear; other paths are hidden themselves.
    """

    path: str
    json_type: str
    rows: int
    hidden: str = ""


class Refused(msgspec.Struct, frozen=True):
    """Rows and parts that were set aside: why and where, never what they held."""

    reason: str
    path: str
    rows: int


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """
    A part of a listing that is complete in itself: the whole listing, a day of orders, a batch of ids.

    A killed night keeps its complete units and repeats the rest.
    """

    unit: str
    pages: list[PageFile]
    rows: int
    distinct_keys: int
    promised_total: int | None
    proof: str
    ceiling: int | None = None
    repeated: int | None = None
    waiting: int | None = None
    passed: int | None = None
    asked_ids: list[str] = []
    seconds: float = 0.0
    bytes_received: int = 0
    requests: int = 0
    undeclared: list[Undeclared] = []
    refused: list[Refused] = []
    mended: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """
    A landed listing. Without one that says ``complete`` nothing of the listing may be loaded.

    ``rows`` were received, ``distinct_keys`` of them are distinct; ``promised_total`` is what the
    source said (None where it says nothing that can be compared, as of a ledger read down to its
    floor). Of the rows received, ``repeated`` came before, ``waiting`` are above a ledger's ceiling, ``passed`` at or
    below its floor (or, of a backfill, above it); the others landed. None: the landing is of a version that counted
    none of these, and did not land what it refused. ``mended`` are characters that were no text.
    ``floor`` and ``ceiling`` are ids of a ledger: rows with floor < id <= ceiling landed.
    ``window_from`` and ``window_to`` are ISO dates of the days of creation read completely,
    ``backfill_from`` and ``backfill_to`` those of a second window that was asked for,
    ``asked_ids`` what was asked for by id: an id that was asked for and did not land is gone.
    ``read_at`` is the ISO local wall clock at which reading began. ``parameters`` tells which plan
    and declarations the pages answer, so that a resumed night takes them only for the same.
    """

    api: str
    listing: str
    account: str
    night: str
    complete: bool
    pages: list[PageFile]
    rows: int
    distinct_keys: int
    promised_total: int | None
    proof: str
    read_at: str
    floor: int | None = None
    ceiling: int | None = None
    window_from: str | None = None
    window_to: str | None = None
    backfill_from: str | None = None
    backfill_to: str | None = None
    repeated: int | None = None
    waiting: int | None = None
    passed: int | None = None
    asked_ids: list[str] = []
    seconds: float = 0.0
    bytes_received: int = 0
    requests: int = 0
    undeclared: list[Undeclared] = []
    refused: list[Refused] = []
    mended: int = 0
    parameters: dict[str, str] = {}


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """The last file of a listing; from here on it is complete."""
    write_atomically(folder / MANIFEST, sealed(msgspec.json.format(msgspec.json.encode(manifest), indent=1)))


# made when the module is imported: when several threads are the first to decode one type, msgspec 0.22 crashes or spins
MANIFESTS = msgspec.json.Decoder(Manifest)
UNITS = msgspec.json.Decoder(Unit)


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a listing's folder, None when there is none. Raises LandingDamaged when it cannot be read."""
    file = folder / MANIFEST
    try:
        content = file.read_bytes()
        manifest = MANIFESTS.decode(content)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError, OSError):
        raise LandingDamaged(
            f"The manifest {_place(file)} cannot be read: expected the JSON this program wrote. "
            "Remove the listing's folder and run the night again."
        ) from None
    if not is_whole(content):
        raise LandingDamaged(
            f"The manifest {_place(file)} was altered: it does not have its own checksum. "
            "Remove the listing's folder and run the night again."
        )
    return manifest


def _place(file: Path) -> str:
    return "/".join(file.parts[-4:])


def merged(units: list[Unit], reported: Mapping[str, str]) -> dict[str, Any]:
    """The sums of a manifest over its units, in the order given; ``reported`` are paths with their hidden forms."""
    clear = {hidden: path for path, hidden in reported.items()}
    totals = [unit.promised_total for unit in units]
    undeclared: dict[tuple[str, str], int] = {}
    refused: dict[tuple[str, str], int] = {}
    for unit in units:
        for field in unit.undeclared:
            place = clear.get(field.path, field.path), field.json_type
            undeclared[place] = undeclared.get(place, 0) + field.rows
        for row in unit.refused:
            refused[row.reason, row.path] = refused.get((row.reason, row.path), 0) + row.rows
    return {
        "pages": sorted((page for unit in units for page in unit.pages), key=lambda page: page.file),
        "rows": sum(unit.rows for unit in units),
        "distinct_keys": sum(unit.distinct_keys for unit in units),
        "promised_total": None if None in totals else sum(total for total in totals if total is not None),
        "asked_ids": [row_id for unit in units for row_id in unit.asked_ids],
        "bytes_received": sum(unit.bytes_received for unit in units),
        "requests": sum(unit.requests for unit in units),
        "mended": sum(unit.mended for unit in units),
        **{name: _sum_of(units, name) for name in ("repeated", "waiting", "passed")},
        "undeclared": [
            Undeclared(path, kind, rows, reported.get(path, "")) for (path, kind), rows in sorted(undeclared.items())
        ],
        "refused": [Refused(*place, rows) for place, rows in sorted(refused.items())],
    }


def _sum_of(units: list[Unit], name: str) -> int | None:
    counts = [getattr(unit, name) for unit in units]
    return None if None in counts else sum(counts)
