"""What an expression of DuckDB's syntax tree is made of."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from stockbook.lineage.inputs import Inputs, Relation, Way, at_least, swaying, together
from stockbook.lineage.scope import Scope

Node = dict[str, Any]
# of these only the first argument is in the result: the second says which row's it is
_PICKING = frozenset(("max_by", "min_by", "arg_max", "arg_min", "arg_max_null", "arg_min_null"))
_SWAYING = ("partitions", "orders", "arg_orders", "order_bys", "filter", "filter_expr", "start_expr", "end_expr")


class Macro(NamedTuple):
    """A calculation that models share: its parameters, and its expression."""

    parameters: tuple[str, ...]
    body: Node


class Expressions:
    """Reads expressions; ``macros`` are ours by qualified name, ``aggregates`` names of DuckDB's functions."""

    def __init__(
        self,
        macros: Mapping[str, Macro],
        aggregates: frozenset[str],
        subquery: Callable[[Node, Scope], Relation],
    ) -> None:
        self._macros = macros
        self.aggregates = aggregates
        self._subquery = subquery

    def inputs(self, node: Any, scope: Scope) -> Inputs:
        """The inputs of an expression. Raises DeclarationError for a name that means nothing."""
        if isinstance(node, list):
            return together(self.inputs(part, scope) for part in node)
        if not isinstance(node, dict):
            return {}
        reading = getattr(self, f"_of_{str(node.get('class', '')).lower()}", None)
        if reading is not None:
            inputs: Inputs = reading(node, scope)
            return inputs
        return at_least(together(self.inputs(part, scope) for part in node.values()), Way.WORKED_OUT)

    def _of_column_ref(self, node: Node, scope: Scope) -> Inputs:
        return scope.inputs(node["column_names"])

    def _of_constant(self, node: Node, scope: Scope) -> Inputs:
        return {}

    def _of_case(self, node: Node, scope: Scope) -> Inputs:
        checks = node["case_checks"]
        conditions = self.inputs([check["when_expr"] for check in checks], scope)
        values = self.inputs([*(check["then_expr"] for check in checks), node["else_expr"]], scope)
        return together([at_least(values, Way.WORKED_OUT), swaying(conditions)])

    def _of_subquery(self, node: Node, scope: Scope) -> Inputs:
        relation = self._subquery(node["subquery"]["node"], scope)
        compared = self.inputs(node.get("child"), scope)
        values = {} if node["subquery_type"] == "EXISTS" else together(relation.columns.values())
        is_value = node["subquery_type"] == "SCALAR"
        return together(
            [at_least(compared, Way.WORKED_OUT), values if is_value else swaying(values), swaying(relation.rows)]
        )

    def _of_lambda(self, node: Node, scope: Scope) -> Inputs:
        # its parameters are elements of the list it is for, which is an argument itself
        names = {name: Inputs() for part in nodes(node["lhs"]) for name in part.get("column_names", ())}
        return self.inputs(node["expr"], scope.inside(names))

    def _of_star(self, node: Node, scope: Scope) -> Inputs:
        """Columns in the middle of an expression, all of them at once."""
        return at_least(together(inputs for _, inputs, _ in self.starred(node, scope)), Way.WORKED_OUT)

    def _of_window(self, node: Node, scope: Scope) -> Inputs:
        return self._of_call(node, scope, is_aggregate=node["type"] == "WINDOW_AGGREGATE")

    def _of_function(self, node: Node, scope: Scope) -> Inputs:
        macro = self._macros.get(f"{node.get('schema', '')}.{node['function_name']}")
        if macro is not None:
            arguments = [self.inputs(argument, scope) for argument in node.get("children", ())]
            of_parameters = dict(zip(macro.parameters, arguments, strict=True))
            return at_least(self.inputs(macro.body, Scope([], None, of_parameters)), Way.WORKED_OUT)
        return self._of_call(node, scope, is_aggregate=node["function_name"] in self.aggregates)

    def _of_call(self, node: Node, scope: Scope, is_aggregate: bool) -> Inputs:
        arguments = [self.inputs(argument, scope) for argument in node.get("children", ())]
        if node["function_name"] in _PICKING:
            arguments[1:] = [swaying(inputs) for inputs in arguments[1:]]
        conditions = self.inputs([node.get(part) for part in _SWAYING], scope)
        way = Way.AGGREGATED if is_aggregate else Way.WORKED_OUT
        return together([at_least(together(arguments), way), swaying(conditions)])

    def starred(self, star: Node, scope: Scope) -> Iterator[tuple[str, Inputs, Node]]:
        """Name, inputs and expression of every column that ``*`` or ``columns(...)`` stands for."""
        left_out = {*star.get("exclude_list", ())}
        left_out |= {each["column"] for each in star.get("qualified_exclude_list", ())}
        replaced = {each["key"]: each["value"] for each in star.get("replace_list", ())}
        new_names = {each["key"]["column"]: each["value"] for each in star.get("rename_list", ())}
        pattern = _pattern(star)
        for source, name in scope.starred(star.get("relation_name")):
            if name in left_out or not re.search(pattern, name):
                continue
            if name in replaced:
                yield name, self.inputs(replaced[name], scope), replaced[name]
            else:
                plain = {"class": "COLUMN_REF", "column_names": [source.alias, name]}
                yield new_names.get(name, name), source.relation.columns[name], plain

    def items(self, select_list: Iterable[Node], scope: Scope) -> Iterator[tuple[str, Inputs, Node]]:
        """Name, inputs and expression of every column of a select, with what stands for many written out."""
        for number, item in enumerate(select_list):
            if item["class"] == "STAR" and not item.get("columns"):
                yield from self.starred(item, scope)
            elif fields := _unnested_fields(item):
                for name, values in fields.items():
                    written = {"class": "FUNCTION", "function_name": "unnest", "children": values}
                    yield name, self.inputs(written, scope), written
            elif star := _columns_in(item):
                for name, _, _ in self.starred(star, scope):
                    written = _with(item, star, name)
                    yield _named(item.get("alias"), star, name), self.inputs(written, scope), written
            else:
                name = item.get("alias") or item.get("column_names", [f"column {number}"])[-1]
                inputs = self.inputs(item, scope)
                scope.items.setdefault(name, inputs)
                yield name, inputs, item

    def aggregates_in(self, node: Node) -> bool:
        """Whether an expression is of many rows."""
        return any(part.get("class") == "FUNCTION" and part["function_name"] in self.aggregates for part in nodes(node))


def nodes(tree: object) -> Iterator[Node]:
    """All objects of a tree, without those of selects inside."""
    if isinstance(tree, dict):
        yield tree
        for key, part in tree.items():
            if key != "subquery":
                yield from nodes(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from nodes(part)


def same(node: Node) -> str:
    """Two expressions are the same where this is, wherever they stand."""

    def bare(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: bare(value) for key, value in part.items() if key not in ("query_location", "alias")}
        return [bare(value) for value in part] if isinstance(part, list) else part

    return json.dumps(bare(node), sort_keys=True)


def _unnested_fields(item: Node) -> dict[str, list[Node]]:
    """The values of every field where ``unnest(..., recursive := true)`` makes columns of structs; else empty."""
    fields: dict[str, list[Node]] = {}
    children = item.get("children", ())
    if item.get("function_name") == "unnest" and any(child.get("alias") == "recursive" for child in children):
        for struct in nodes(children[0]):
            if struct.get("function_name") == "struct_pack":
                for value in struct["children"]:
                    fields.setdefault(value["alias"], []).append(value)
    return fields


def _columns_in(item: Node) -> Node | None:
    """The ``columns(...)`` for each of which an expression stands once; None where it stands for itself."""
    left: list[Any] = [item]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            if part.get("type") == "STAR" and part.get("columns"):
                return part
            if part.get("type") != "OPERATOR_UNPACK" and part.get("class") != "SUBQUERY":
                left += part.values()
        elif isinstance(part, list):
            left += part
    return None


def _with(tree: Any, star: Node, name: str) -> Any:
    """The expression for one of the columns that ``columns(...)`` stands for."""
    if isinstance(tree, dict):
        if tree.get("type") == "STAR" and tree.get("columns") and _pattern(tree) == _pattern(star):
            alias = star.get("relation_name")
            return {"class": "COLUMN_REF", "type": "COLUMN_REF", "column_names": [alias, name] if alias else [name]}
        return {key: _with(part, star, name) for key, part in tree.items()}
    return [_with(part, star, name) for part in tree] if isinstance(tree, list) else tree


def _pattern(star: Node) -> str:
    """What names ``columns(...)`` is of; ``columns(*)`` and ``*`` are of all."""
    return str(star["expr"]["value"]["value"]) if "expr" in star else ""


def _named(alias: str | None, star: Node, name: str) -> str:
    if alias is None:
        return name
    match = re.search(_pattern(star), name)
    # DuckDB takes \0 for the whole name, wherever the pattern was found in it
    return match.expand(alias.replace("\\0", name)) if match else alias
