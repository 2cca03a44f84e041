"""The listings of every API, read from ``include/sources/<api>_listings.yml``."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

from stockbook import yaml_file
from stockbook.declarations import APIS
from stockbook.errors import DeclarationError
from stockbook.project import SHIPPED
from stockbook.projection.listing import Listing

FOLDER = SHIPPED / "include" / "sources"
# the fields that a walk cannot do without
_NEEDED = {"once_per_row": ("each",), "fulfillment_window": ("one_path", "count_path")}


def of_api(api: str) -> tuple[Listing, ...]:
    """The listings of an API, in the order they are declared. Raises DeclarationError."""
    return load(FOLDER)[api]


@cache
def load(folder: Path) -> dict[str, tuple[Listing, ...]]:
    """The listings of every API. Raises DeclarationError naming file, listing and field."""
    return {api: tuple(_read(folder / f"{api}_listings.yml", api)) for api in APIS}


def _read(file: Path, api: str) -> list[Listing]:
    try:
        declared = msgspec.convert(yaml_file.read(file), dict[str, dict[str, Any]])
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise DeclarationError(f"{file.name} cannot be read: {error}") from error
    listings: list[Listing] = []
    for name, fields in declared.items():
        where = f"{file.name}: listing {name}"
        try:
            listing = msgspec.convert({**fields, "api": api, "name": name}, Listing)
        except msgspec.ValidationError as error:
            raise DeclarationError(f"{where}: {error}") from error
        _check(where, listing, {earlier.name for earlier in listings})
        listings.append(listing)
    return listings


def _check(where: str, listing: Listing, earlier: set[str]) -> None:
    """What types cannot say. Raises DeclarationError."""
    for field in ("path", "count_path", "one_path"):
        path = getattr(listing, field)
        if path is not None and not path.startswith("/"):
            raise DeclarationError(f"{where}: {field} must begin with a slash; got {path!r}.")
    if not listing.key:
        raise DeclarationError(f"{where}: key must name at least one field.")
    for field in _NEEDED.get(listing.walk, ()):
        if getattr(listing, field) is None:
            raise DeclarationError(f"{where}: {field} must be declared, for walk {listing.walk} needs it.")
    if listing.one_path is not None and "{id}" not in listing.one_path:
        raise DeclarationError(f"{where}: one_path must have {{id}} in it; got {listing.one_path!r}.")
    if listing.each is not None and listing.walk != "once_per_row":
        raise DeclarationError(f"{where}: each is declared, so walk must be once_per_row; got {listing.walk}.")
    if listing.each is not None and listing.each.listing not in earlier:
        raise DeclarationError(f"{where}: each.listing must be declared above it; got {listing.each.listing!r}.")
