"""
What is kept of an event: the fields declared in ``include/sources/<source>_events.yml``, and nothing else.

A body is reduced before it is stored, by the same classes as the listings (docs/contract.md): an
undeclared field is noticed by its path and type and left out, a text where a number or a time is declared is hidden.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml

from stockbook import yaml_file
from stockbook.errors import DeclarationError
from stockbook.ids import id_of
from stockbook.project import SHIPPED
from stockbook.projection import personal
from stockbook.projection.personal import HIDDEN
from stockbook.references import names_something
from stockbook.webhooks.field_classes import AS_THEY_CAME, DROP, LEAVES, NAME
from stockbook.webhooks.loose_json import as_container, as_list, type_of, unwrapped, value_at

EVENTS = SHIPPED / "include" / "sources"
_TIME_LENGTH = 40
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Topic(msgspec.Struct, forbid_unknown_fields=True):
    """
    One topic: which of the bodies it has, and where its subject is named.

    ``id`` are paths in order of preference. ``hash_id`` says that the subject is a person. ``occurred`` is the path
    of the event's time.
    """

    body: str
    kind: str
    id: list[str]
    occurred: str | None = None
    hash_id: bool = False


class UndeclaredTopics(msgspec.Struct, forbid_unknown_fields=True):
    """
    Topics that are not declared: their events are stored by topic and id.

    The kind is the topic's first word, or ``kind``. An id is kept in clear only of the kinds in ``clear``.
    """

    id: list[str]
    clear: list[str]
    kind: str | None = None


class Versions(msgspec.Struct, forbid_unknown_fields=True):
    """The first and the last version of bodies that the declarations are of; versions are compared as texts."""

    first: str
    last: str


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """
    One file of declarations.

    ``composite_ids``: of an id ``<order>_<own>`` what stands after the last underscore is the subject's.
    ``versions`` is None of a source whose bodies have none.
    """

    topics: dict[str, Topic]
    bodies: dict[str, dict[str, Any]]
    unknown: UndeclaredTopics
    versions: Versions | None = None
    composite_ids: bool = False


class Item(msgspec.Struct):
    """One of several subjects of an event: its id, and the body as if it were the only one, if the topic is known."""

    subject_id: str | None
    payload: msgspec.Raw = msgspec.Raw(b"null")


class ReducedEvent(NamedTuple):
    """
    An event without its undeclared fields.

    ``payload`` is JSON: the body, empty for an unknown topic; of an event with a list of subjects a list of ``Item``,
    and ``subject_id`` is the first one's. ``undeclared`` are (path of the object, name, JSON type); the name is empty
    where it is the object itself that is none. ``misfits`` are the paths of those objects, and of a declared topic
    those that should have named a subject, where none did.
    """

    subject_kind: str | None
    subject_id: str | None
    occurred_text: str | None
    payload: str
    undeclared: frozenset[tuple[str, str, str]]
    misfits: tuple[str, ...] = ()


class Declarations:
    """The declarations of one source."""

    def __init__(self, file: Path) -> None:
        """Read them. Raises DeclarationError naming what is wrong."""
        try:
            content = msgspec.convert(yaml_file.read(file), _File)
        except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
            raise DeclarationError(f"{file.name} cannot be read: {error}") from error
        self._topics, self._bodies, self._unknown = content.topics, content.bodies, content.unknown
        self._composite, self._versions = content.composite_ids, content.versions
        for name, body in self._bodies.items():
            _check(file, name, body)
        for name, topic in self._topics.items():
            if topic.body not in self._bodies:
                raise DeclarationError(f"{file.name}: topic {name} has the body {topic.body!r}, which is not declared.")

    def is_declared(self, version: str | None) -> bool:
        """Whether bodies of a version are declared; one that is not is read by the newest declaration there is."""
        return version is None or self._versions is None or self._versions.first <= version <= self._versions.last

    @property
    def topics(self) -> Iterable[str]:
        """The declared topics."""
        return self._topics.keys()

    def body_of(self, topic: str) -> Mapping[str, Any]:
        """The declared fields of a topic's body; none of a topic nobody declared."""
        declared = self._topics.get(topic)
        return self._bodies[declared.body] if declared is not None else {}

    def reduce(self, topic: str, body: dict[str, Any], hash_key: bytes) -> ReducedEvent:
        """What is kept of a body. Personal values leave this function hashed, cut or not at all."""
        declaration = self._topics.get(topic)
        if declaration is None:
            kind = self._unknown.kind or topic.split("/", 1)[0]
            hashes = kind not in self._unknown.clear
            items = [
                Item(self._subject(part, self._unknown.id, hashes, hash_key)) for part in _items(body, self._unknown.id)
            ]
            return ReducedEvent(kind[:40], items[0].subject_id, None, _payload(items), frozenset())
        undeclared: set[tuple[str, str, str]] = set()
        items = []
        for part in _items(body, declaration.id):
            fields = _declared_part(self._bodies[declaration.body], part, hash_key, "", undeclared)
            subject = self._subject(part, declaration.id, declaration.hash_id, hash_key)
            items.append(Item(subject, msgspec.Raw(_ENCODER.encode(fields))))
        occurred = value_at(body, declaration.occurred) if declaration.occurred else None
        is_time = isinstance(occurred, str) and len(occurred) <= _TIME_LENGTH and personal.is_plain(occurred)
        nameless = declaration.id if any(item.subject_id is None for item in items) else []
        misfits = sorted({path for path, name, _ in undeclared if not name} | set(nameless))
        return ReducedEvent(
            declaration.kind,
            items[0].subject_id,
            occurred if is_time else None,
            _payload(items),
            frozenset(undeclared),
            tuple(misfits),
        )

    def _subject(self, body: dict[str, Any], paths: list[str], hashes: bool, key: bytes) -> str | None:
        for path in paths:
            value = value_at(body, path)
            if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
                continue
            text = id_of(str(value))  # as in every column that has one
            if not NAME.fullmatch(text) or not names_something(text):
                continue
            own = text.rpartition("_")[2] if self._composite else text
            if own:
                return personal.hashed(own, key) if hashes else own
        return None


def _check(file: Path, where: str, declared: Any) -> None:
    if isinstance(declared, dict):
        for name, inner in declared.items():
            _check(file, f"{where}.{name}", inner)
    elif isinstance(declared, list) and len(declared) == 1:
        _check(file, f"{where}[]", declared[0])
    elif declared != DROP and declared not in LEAVES:
        raise DeclarationError(f"{file.name}: {where} must be one of {', '.join([*LEAVES, DROP])}; got {declared!r}.")


def _items(body: dict[str, Any], paths: list[str]) -> list[dict[str, Any]]:
    """
    A body for each subject it names, in the order they came; the body itself when that is one, or none.

    A subject is looked for at ``paths``; where the object at the beginning of one is a list, each member is a subject.
    """
    holders = {path.split(".", 1)[0] for path in paths if "." in path}
    several = {name: members for name in holders if (members := as_list(unwrapped(body.get(name)))) is not None}
    if not several:
        return [body]
    count = max(len(members) for members in several.values())
    return [
        body | {name: members[place] if place < len(members) else None for name, members in several.items()}
        for place in range(count)
    ]


def text_of_item(item: Item) -> str | None:
    """The payload of an item as JSON text; None of an unknown topic."""
    text = bytes(item.payload).decode()
    return None if text == "null" else text


def _payload(items: list[Item]) -> str:
    if len(items) == 1:
        return text_of_item(items[0]) or ""
    return _ENCODER.encode(items).decode()


def _declared_part(declared: Any, value: Any, key: bytes, path: str, undeclared: set[tuple[str, str, str]]) -> Any:
    if isinstance(declared, str) and declared in AS_THEY_CAME:
        return LEAVES[declared](value, key)
    if value is None:
        return None
    if isinstance(declared, list | dict):
        value = as_container(declared, value)
    if isinstance(declared, list):
        if (members := as_list(value)) is not None:
            return [_declared_part(declared[0], member, key, f"{path}[]", undeclared) for member in members]
        return _declared_part(declared[0], value, key, path, undeclared)  # a list of one may come bare
    if not isinstance(declared, dict):
        return LEAVES[declared](unwrapped(value), key)
    if not isinstance(value, dict) or as_list(value) is not None:
        return _part_of_no_object(declared, value, key, path, undeclared)
    fields = {}
    for name, inner in value.items():
        where = f"{path}.{name}" if path else name
        if name not in declared:
            undeclared.add((path, name, type_of(inner)))
        elif declared[name] != DROP:
            fields[name] = _declared_part(declared[name], inner, key, where, undeclared)
    return fields


def _part_of_no_object(
    declared: dict[str, Any], value: Any, key: bytes, path: str, undeclared: set[tuple[str, str, str]]
) -> Any:
    """What is kept where an object is declared and something else came."""
    content = unwrapped(value)
    if content is None:
        return None
    if isinstance(content, dict) and as_list(content) is None:
        return _declared_part(declared, content, key, path, undeclared)
    undeclared.add((path, "", type_of(value)))
    if (members := as_list(content)) is None:
        return HIDDEN
    return [_declared_part(declared, member, key, f"{path}[]", undeclared) for member in members]
