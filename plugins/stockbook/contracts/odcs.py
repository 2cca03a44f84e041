"""
A contract in the Open Data Contract Standard 3.1: a document for each schema, a line for each column.

What an installation chose (currencies, zone, when its nights start) and what the checks hold are left out of the
*shape*, which has only what two versions are compared by: the contract of a release is that.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from stockbook.checks import rules
from stockbook.contracts.published import SCHEMAS
from stockbook.contracts.relation import Contract, PublishedColumn, Relation, logical_type
from stockbook.declarations import Table
from stockbook.health.parts import LATE

API_VERSION = "v3.1.0"
ENDING = ".odcs.yaml"
_MACRO = "table macro"
_USAGE = "Open published/warehouse.duckdb in the home read-only, at any moment; a night replaces it whole."
_LIMITS = "Tables and columns may be added at any time. Money is DECIMAL in the currency its unit names."
_SEVERITY = {"fail": "error", "warn": "warning"}


class Installation(NamedTuple):
    """What an operator chose that readers are told."""

    zone: str
    schedule: str


class _Line(dict[str, Any]):
    """A mapping that is written on one line."""


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # the one in C where there is one
    pass


_Dumper.add_representer(_Line, lambda dumper, line: dumper.represent_mapping("tag:yaml.org,2002:map", line, True))


def documents(
    contract: Contract, tables: Mapping[str, Table], installation: Installation | None = None
) -> dict[str, dict[str, Any]]:
    """A document for each schema by its name; without an installation only their shape."""
    return {schema: _document(schema, contract, tables, installation) for schema in SCHEMAS}


def text(document: Mapping[str, Any]) -> str:
    """A document as YAML."""
    written: str = yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)
    return written


def _document(
    schema: str, contract: Contract, tables: Mapping[str, Table], installation: Installation | None
) -> dict[str, Any]:
    head: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": f"stockbook-{schema}",
        "name": f"Stockbook: {schema}",
        "version": contract.version,
        "status": "active",
    }
    if installation is not None:
        head |= {
            "domain": "orders, stock and promises of a shop",
            "description": {
                "purpose": SCHEMAS[schema],
                "usage": _USAGE,
                "limitations": _LIMITS,
            },
            "servers": [
                {
                    "server": "published",
                    "type": "duckdb",
                    "database": "published/warehouse.duckdb",
                    "schema": schema,
                }
            ],
            "slaProperties": _promises(installation),
            "customProperties": [
                *(_custom(name, code) for name, code in contract.currencies.items()),
                _custom("zone", installation.zone),
            ],
        }
    relations = [relation for relation in contract.relations.values() if relation.schema == schema]
    return head | {"schema": [_object(relation, tables, installation is not None) for relation in relations]}


def _promises(installation: Installation) -> list[dict[str, Any]]:
    every_night = {"property": "frequency", "value": 1, "unit": "d", "driver": "analytics"}
    if installation.schedule != "none":
        every_night |= {
            "scheduler": "cron",
            "schedule": installation.schedule,
            "description": f"A new night, in local time of {installation.zone}; it is published whole or not at all.",
        }
    return [
        every_night,
        {
            "property": "latency",
            "value": int(LATE.total_seconds() // 3600),
            "unit": "h",
            "driver": "operational",
            "description": "Older books are reported as late (stockbook health): a night was missed.",
        },
    ]


def _object(relation: Relation, tables: Mapping[str, Table], is_whole: bool) -> dict[str, Any]:
    custom = [_custom("parameters", [{"name": name, "type": type_} for name, type_ in relation.parameters.items()])]
    written: dict[str, Any] = {
        "name": relation.name.partition(".")[2],
        "physicalName": relation.name,
        "logicalType": "object",
        "physicalType": _MACRO if relation.kind == "macro" else relation.kind,
        "description": relation.description,
    }
    if is_whole and relation.key:
        written["dataGranularityDescription"] = f"One row per {' × '.join(relation.key)}."
    if relation.parameters:
        written["customProperties"] = custom
    if is_whole and relation.owner:
        written["customProperties"] = [*written.get("customProperties", []), _custom("owner", relation.owner)]
    written["properties"] = [
        _property(name, column, relation.key, is_whole) for name, column in relation.columns.items()
    ]
    if is_whole and relation.name in tables and (quality := list(_quality(tables[relation.name]))):
        written["quality"] = quality
    return written


def _property(name: str, column: PublishedColumn, key: tuple[str, ...], is_whole: bool) -> _Line:
    line = _Line(name=name)
    if is_whole:
        line["logicalType"] = logical_type(column.type)
    line["physicalType"] = column.type
    if is_whole and column.type.endswith("[]"):
        line["items"] = _Line(logicalType=logical_type(column.type.removesuffix("[]")))
    if is_whole and column.type == "TIMESTAMP" and "_utc" in name:
        line["logicalTypeOptions"] = _Line(timezone=False, defaultTimezone="Etc/UTC")
    if column.is_required:
        line["required"] = True
    if name in key:
        line |= {"primaryKey": True, "primaryKeyPosition": key.index(name) + 1}
    if column.treatment:
        line["classification"] = f"personal, {column.treatment}"
    line["description"] = column.description
    custom = [_custom("unit", column.unit)] if column.unit else []
    if is_whole and column.values:
        custom.append(_custom("values", list(column.values)))
    if custom:
        line["customProperties"] = custom
    return line


def _custom(name: str, value: object) -> _Line:
    return _Line(property=name, value=value)


def _quality(table: Table) -> Iterator[dict[str, Any]]:
    """The rules a night holds; that a column is there says ``required`` already."""
    there = {"required columns are there", *(f"{name} is there" for name in table.columns)}
    for rule in rules.of_table(table):
        if rule.name in there:
            continue
        head = {"name": rule.name, "severity": _SEVERITY[rule.severity], "unit": "rows"}
        if rule.of_loads:
            yield {**head, "type": "text", "description": f"Each night: {rule.name}."}
        elif rule.name.startswith("one row per "):
            keys = _Line(properties=list(table.grain))
            yield {**head, "type": "library", "metric": "duplicateValues", "arguments": keys, "mustBe": 0}
        else:
            query = f"select count(*) from ({' '.join(rule.bad_rows.split())}) as bad_rows"
            yield {**head, "type": "sql", "query": query, "mustBe": 0}
