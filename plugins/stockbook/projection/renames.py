"""
Field names the documentation leaves open, brought to the names the declarations use.

They stand in one file, ``include/sources/flickrocket_fields.yml``; tokens pass unread, so digits stay as they came.
"""

from collections import Counter
from functools import cache
from typing import Any

import msgspec
import yaml
from msgspec import Raw

from stockbook import yaml_file
from stockbook.errors import BadAnswer, ConfigError
from stockbook.project import SHIPPED
from stockbook.projection import personal
from stockbook.projection.undeclared_names import ENOUGH
from stockbook.sql_text import WirePath

FILE = SHIPPED / "include" / "sources" / "flickrocket_fields.yml"
_object: "msgspec.json.Decoder[dict[str, Raw]]" = msgspec.json.Decoder(dict[str, Raw])
_list: "msgspec.json.Decoder[list[Raw]]" = msgspec.json.Decoder(list[Raw])


class Renames(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    The names of one kind of row: ``names`` from ours to those on the wire, in order of preference.

    ``required`` are those a row must have under one of its names; ``inside`` is the same for the elements of
    its arrays. ``split`` are lists of objects with a ``number``, made of the numbers in the text of one of our names.
    """

    names: dict[WirePath, list[WirePath]] = {}
    required: list[WirePath] = []
    inside: dict[str, "Renames"] = {}
    split: dict[str, WirePath] = {}

    def row(self, raw: Raw) -> Raw:
        """The row under our names; what is no object stays as it is."""
        if bytes(raw)[:1] != b"{":
            return raw
        fields = _object.decode(raw)
        ours = self.ours(list(fields))
        fields = {ours.get(name, name): token for name, token in fields.items()}
        for name, token in self.parts({name: bytes(token) for name, token in fields.items()}).items():
            fields[name] = Raw(token)
        for name, inner in self.inside.items():
            if bytes(fields.get(name, b""))[:1] == b"[":
                elements = [inner.row(element) for element in _list.decode(fields[name])]
                fields[name] = Raw(msgspec.json.encode(elements))
        return Raw(msgspec.json.encode(fields))

    def parts(self, fields: dict[str, bytes]) -> dict[str, bytes]:
        """What ``split`` adds to a row, and the text itself where its numbers came as a list."""
        added: dict[str, bytes] = {}
        for name, whole in self.split.items():
            token = fields.get(whole, b"null")
            if token[:1] in b"{":
                continue
            value = msgspec.json.decode(token)
            if isinstance(value, list):
                value = ", ".join(str(part) for part in value if isinstance(part, str | int))
                added[whole] = msgspec.json.encode(value)
            added[name] = msgspec.json.encode([{"number": part} for part in personal.parts(value)])
        return added

    def ours(self, names: list[str]) -> dict[str, str]:
        """Our names of those among ``names`` that have another one."""
        taken: dict[str, str] = {}
        for ours, names_on_the_wire in self.names.items():
            for wanted in (ours, *names_on_the_wire):
                exact = [wanted] if wanted in names else []
                alike = [name for name in names if name.lower() == wanted.lower()]
                name_on_the_wire = next((name for name in [*exact, *alike] if name not in taken), None)
                if name_on_the_wire is not None:
                    taken[name_on_the_wire] = ours
                    break
        return taken

    def check(self, rows: list[bytes], listing: str) -> None:
        """
        Raise BadAnswer when no row has a required field under any of its names: then the mapping is wrong.

        Of the fields that came those are named that ten rows have: another name could be somebody's.
        """
        came = Counter(name for raw in rows for name in _names_of(raw))
        ours = self.ours(list(came))
        for name in self.required:
            if came and name not in came and name not in ours.values():
                often = sorted(field for field, count in came.items() if count >= ENOUGH)
                fields = f"; ten rows or more have {', '.join(often)}" if often else ""
                raise BadAnswer(
                    f"Listing {listing} gave rows without a field for {name}: expected one of "
                    f"{', '.join([name, *self.names.get(name, [])])}{fields}. "
                    f"Put the right name into {FILE.name} and run again."
                )


def _names_of(raw: bytes) -> list[str]:
    try:
        return list(_object.decode(raw))
    except (msgspec.MsgspecError, RecursionError):
        return []


@cache
def _all() -> dict[str, Renames]:
    try:
        sections: Any = yaml_file.read(FILE)
        return msgspec.convert(sections, dict[str, Renames])
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ConfigError(f"{FILE.name} must map field names as its head says; it cannot be read: {error}") from None


def of(section: str) -> Renames:
    """The names of a section of the file. Raises ConfigError when the file has no such section or cannot be read."""
    renames = _all().get(section)
    if renames is None:
        raise ConfigError(f"{FILE.name} must have a section {section}; it has {', '.join(sorted(_all()))}.")
    return renames
