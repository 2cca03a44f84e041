"""What a select reads, as DuckDB's own parser sees it. Nothing is looked up: no table has to exist."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import duckdb
import msgspec

from stockbook.errors import DeclarationError
from stockbook.warehouse.spared_pandas import spare_pandas

# all selects in one question: a question costs more than a select
_PARSED = """
select json_serialize_sql(sql, skip_null := true, skip_empty := true, skip_default := true)
from (select unnest($selects::varchar[]) as sql)
"""
# what makes rows of nothing but its arguments; the others read files, settings, or SQL that nobody has seen
_OF_ARGUMENTS = ("unnest", "range", "generate_series", "repeat_row")


def reads_of(sql: str, name: str) -> frozenset[str]:
    """
    The qualified tables, views and table macros a select reads.

    Raises DeclarationError when it cannot be parsed, reads a table without its schema, or anything but tables.
    """
    return reads_of_all({name: sql})[name]


def reads_of_all(selects: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """The same of many selects, by their names."""
    return dict(_reads_of_all(tuple(selects.items())))


@cache
def _reads_of_all(selects: tuple[tuple[str, str], ...]) -> dict[str, frozenset[str]]:
    with duckdb.connect() as con:
        spare_pandas(con)
        trees = con.execute(_PARSED, {"selects": [sql for _, sql in selects]}).fetchall()
    pairs = zip(selects, trees, strict=True)
    return {name: _reads(name, sql, msgspec.json.decode(tree)) for (name, sql), (tree,) in pairs}


def _reads(name: str, sql: str, tree: dict[str, Any]) -> frozenset[str]:
    statements = tree.get("statements", [])
    if len(statements) != 1:
        reason = str(tree.get("error_message", f"it has {len(statements)} statements")).splitlines()[0]
        place = f" (line {sql.count(chr(10), 0, int(tree['position'])) + 1})" if "position" in tree else ""
        raise DeclarationError(f"{name} cannot be parsed as one select: {reason}{place}")
    nodes = _nodes(statements)
    ctes = {cte["key"] for node in nodes for cte in node.get("cte_map", {}).get("map", [])}
    reads = set()
    for node in nodes:
        table = _table_of(node)
        if table is None:
            continue
        schema, table_name = table
        if schema:
            reads.add(f"{schema}.{table_name}")
        elif node["type"] == "BASE_TABLE" and table_name not in ctes:
            raise DeclarationError(f"{name} reads {table_name} without a schema: write layer.table.")
        elif node["type"] == "TABLE_FUNCTION" and table_name not in _OF_ARGUMENTS:
            raise DeclarationError(
                f"{name} asks {table_name}(...), which a model may not: it reads declared tables, and "
                f"{', '.join(_OF_ARGUMENTS)}."
            )
    return frozenset(reads)


def _table_of(node: dict[str, Any]) -> tuple[str, str] | None:
    """Schema and name of the table or table macro that a node of the tree reads; no schema where none is written."""
    if node.get("type") == "BASE_TABLE":
        return node.get("schema_name", ""), node["table_name"]
    if node.get("type") == "TABLE_FUNCTION":
        return node["function"].get("schema", ""), node["function"]["function_name"]
    return None


def _nodes(tree: object) -> list[dict[str, Any]]:
    """All objects of a JSON tree."""
    nodes: list[dict[str, Any]] = []
    left: list[Any] = [tree]
    while left:
        part = left.pop()
        values = part
        if isinstance(part, dict):
            nodes.append(part)
            values = part.values()
        # most values are texts and numbers
        left += [value for value in values if type(value) in (dict, list)]
    return nodes
