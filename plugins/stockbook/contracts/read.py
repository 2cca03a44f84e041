"""Contracts read from files: a folder of them, or one file with a document for each schema."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from stockbook import yaml_file
from stockbook.contracts.relation import Contract, PublishedColumn, Relation
from stockbook.errors import ConfigError

_CURRENCIES = ("valuationCurrency", "reportingCurrency")


class _Custom(msgspec.Struct):
    property: str
    value: Any = None


class _Property(msgspec.Struct, rename="camel"):
    name: str
    physical_type: str = ""
    description: str = ""
    required: bool = False
    primary_key: bool = False
    primary_key_position: int = -1
    classification: str = ""
    custom_properties: list[_Custom] = []


class _Object(msgspec.Struct, rename="camel"):
    name: str
    physical_name: str = ""
    physical_type: str = "table"
    description: str = ""
    properties: list[_Property] = []
    custom_properties: list[_Custom] = []


class _Document(msgspec.Struct, rename="camel"):
    version: str
    kind: str
    schema: list[_Object] = []
    custom_properties: list[_Custom] = []


def read(place: Path) -> Contract:
    """The contract in a folder or file. Raises ConfigError naming the file and what in it is no contract."""
    files = sorted(file for file in place.iterdir() if file.suffix in (".yml", ".yaml")) if place.is_dir() else [place]
    relations: dict[str, Relation] = {}
    currencies: dict[str, str] = {}
    versions: set[str] = set()
    for file in files:
        for document in _documents(file):
            versions.add(document.version)
            relations |= {relation.name: relation for relation in map(_relation, document.schema)}
            custom = _values(document.custom_properties)
            currencies |= {name: str(custom[name]) for name in _CURRENCIES if name in custom}
    if not relations:
        raise ConfigError(
            f"{place} holds no data contract; expected files of `stockbook contract export`, or one of docs/contracts."
        )
    return Contract(", ".join(sorted(versions)), relations, currencies)


def _documents(file: Path) -> Iterator[_Document]:
    try:
        parts = [part for part in yaml_file.read_all(file) if part is not None]
        for part in parts:
            document = msgspec.convert(part, _Document)
            if document.kind != "DataContract":
                raise ConfigError(f"{file.name} must be of kind DataContract; got {document.kind!r}.")
            yield document
    except OSError as error:
        raise ConfigError(f"The contract {file} cannot be read: {error.strerror}.") from error
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{file.name} is no data contract in the Open Data Contract Standard: {reason}.") from error


def _relation(written: _Object) -> Relation:
    keys = sorted((item for item in written.properties if item.primary_key), key=lambda item: item.primary_key_position)
    parameters = _values(written.custom_properties).get("parameters", [])
    return Relation(
        written.physical_name or written.name,
        "macro" if "macro" in written.physical_type else written.physical_type,
        written.description,
        tuple(item.name for item in keys),
        {item.name: _column(item) for item in written.properties},
        {str(item["name"]): str(item["type"]) for item in parameters},
    )


def _column(written: _Property) -> PublishedColumn:
    return PublishedColumn(
        written.physical_type,
        written.description,
        written.required,
        str(_values(written.custom_properties).get("unit", "")),
        written.classification.removeprefix("personal, "),
    )


def _values(custom: list[_Custom]) -> dict[str, Any]:
    return {item.property: item.value for item in custom}
