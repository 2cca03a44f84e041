"""
The columns of a select, from DuckDB's own syntax tree (``json_serialize_sql``): nothing is run, no table has to exist.

What decides which rows there are (conditions, joins, groups, ``distinct``) sways every column. A left join that finds
at most one row, by a key of what it joins, decides no rows: it sways only what it brings.
"""

from collections.abc import Callable
from typing import Any

from stockbook.declarations import EXTRA, LAYERS
from stockbook.errors import DeclarationError
from stockbook.lineage.expressions import Expressions, Macro, Node, nodes, same
from stockbook.lineage.inputs import Inputs, Ref, Relation, Way, at_least, refs_of, renamed, swaying, together
from stockbook.lineage.scope import Scope, Source, swayed

Ctes = dict[str, Relation]
_ONE_ROW = frozenset({frozenset[str]()})


class Selects:
    """Reads selects; ``table`` gives the relation of a qualified table, view or table macro."""

    def __init__(self, table: Callable[[str], Relation], macros: dict[str, Macro], aggregates: frozenset[str]) -> None:
        self._table = table
        self._ctes: list[Ctes] = [{}]
        self._expressions = Expressions(macros, aggregates, self._query)

    def relation(self, statement: Node, parameters: tuple[str, ...] = ()) -> Relation:
        """The relation of a whole select; ``parameters`` are those of a table macro."""
        self._ctes = [{}]
        return self._query(statement["node"], Scope([], None, {name: {} for name in parameters}))

    def _query(self, node: Node, around: Scope | None) -> Relation:
        self._ctes.append(dict(self._ctes[-1]))
        try:
            for cte in node.get("cte_map", {}).get("map", ()):
                self._ctes[-1][cte["key"]] = self._cte(cte, around)
            if node["type"] == "SET_OPERATION_NODE":
                return self._set_operation(node, around)
            return self._select(node, around)
        finally:
            self._ctes.pop()

    def _cte(self, cte: Node, around: Scope | None) -> Relation:
        value = cte["value"]
        query, aliases = value["query"]["node"], value.get("aliases", ())
        if query["type"] != "RECURSIVE_CTE_NODE":
            return renamed(self._query(query, around), aliases)
        so_far = renamed(self._query(query["left"], around), aliases)
        while True:
            self._ctes[-1][cte["key"]] = so_far
            wider = _stacked(so_far, self._query(query["right"], around))
            if wider.columns == so_far.columns and wider.rows == so_far.rows:
                return wider
            so_far = wider

    def _set_operation(self, node: Node, around: Scope | None) -> Relation:
        left, right = self._query(node["left"], around), self._query(node["right"], around)
        if node["setop_type"] == "UNION_BY_NAME":
            right = right._replace(
                columns={name: right.columns.get(name, {}) for name in (*left.columns, *right.columns)}
            )
            left = left._replace(columns={name: left.columns.get(name, {}) for name in right.columns})
        if node["setop_type"] in ("EXCEPT", "INTERSECT"):
            rows = frozenset(refs_of((*left.columns.values(), *right.columns.values()))) | left.rows | right.rows
            return Relation(left.columns, rows, left.keys)
        stacked = _stacked(left, right)
        # where nothing is said of it, all rows stay
        return stacked if node.get("setop_all", True) else _distinct(stacked)

    def _select(self, node: Node, around: Scope | None) -> Relation:
        sources, rows, keys = self._from(node.get("from_table", {"type": "EMPTY"}), around)
        scope = Scope(sources, around)
        items = list(self._expressions.items(node["select_list"], scope))
        columns = {name: inputs for name, inputs, _ in items}
        conditions = [node.get("where_clause"), node.get("having"), node.get("qualify")]
        groups = node.get("group_expressions", [])
        unnested = [part for _, _, item in items for part in nodes(item) if part.get("function_name") == "unnest"]
        rows |= self._refs([*conditions, *groups, *unnested], scope)
        plain = {tuple(item["column_names"]): name for name, _, item in items if item["class"] == "COLUMN_REF"}
        if node["aggregate_handling"] == "FORCE_AGGREGATES":
            by = [(name, inputs) for name, inputs, item in items if not self._expressions.aggregates_in(item)]
            rows |= frozenset(refs_of(inputs for _, inputs in by))
            keys = frozenset({frozenset(name for name, _ in by)})
        elif groups:
            keys = _grouped(node, items)
        elif any(self._expressions.aggregates_in(item) for _, _, item in items):
            keys = _ONE_ROW
        else:
            keys = _kept(keys | self._first_of_each(node, scope), plain, scope)
        if unnested:
            keys = frozenset()
        return self._modified(Relation(columns, rows, keys), node, scope)

    def _modified(self, relation: Relation, node: Node, scope: Scope) -> Relation:
        modifiers = node.get("modifiers", ())
        kinds = {modifier["type"] for modifier in modifiers}
        for modifier in modifiers:
            if modifier["type"] == "DISTINCT_MODIFIER":
                on = modifier.get("distinct_on_targets")
                rows = relation.rows | self._refs(on, scope) if on else relation.rows
                relation = relation._replace(rows=rows) if on else _distinct(relation)
            elif modifier["type"] == "ORDER_MODIFIER" and kinds & {"LIMIT_MODIFIER", "DISTINCT_MODIFIER"}:
                relation = relation._replace(rows=relation.rows | self._refs(modifier["orders"], scope))
        return relation

    def _refs(self, node: Any, scope: Scope) -> frozenset[Ref]:
        return frozenset(self._expressions.inputs(node, scope))

    def _from(self, node: Node, around: Scope | None) -> tuple[list[Source], frozenset[Ref], frozenset[frozenset[str]]]:
        """What is read, what decides its rows, and its keys as ``alias.column``."""
        reading = getattr(self, f"_from_{node['type'].lower()}", None)
        if reading is None:
            raise DeclarationError(f"lineage: {node['type']} in a from clause is not understood")
        part = reading(node, around)
        if isinstance(part, Relation):
            alias = node.get("alias") or node.get("table_name") or node.get("function", {}).get("function_name", "")
            relation = renamed(part, node.get("column_name_alias", ()))
            keys = frozenset(frozenset(f"{alias}.{name}" for name in key) for key in relation.keys)
            return [Source(alias, relation)], relation.rows, keys
        read: tuple[list[Source], frozenset[Ref], frozenset[frozenset[str]]] = part
        return read

    def _from_empty(self, node: Node, around: Scope | None) -> Relation:
        return Relation({}, frozenset(), _ONE_ROW)

    def _from_base_table(self, node: Node, around: Scope | None) -> Relation:
        schema = node.get("schema_name")
        if schema is None:
            return self._ctes[-1][node["table_name"]]
        return self._table(f"{schema}.{node['table_name']}")

    def _from_subquery(self, node: Node, around: Scope | None) -> Relation:
        return self._query(node["subquery"]["node"], around)

    def _from_expression_list(self, node: Node, around: Scope | None) -> Relation:
        values = [self._expressions.inputs(list(each), Scope([], around)) for each in zip(*node["values"], strict=True)]
        return Relation({f"col{number}": inputs for number, inputs in enumerate(values)}, frozenset())

    def _from_table_function(self, node: Node, around: Scope | None) -> Relation:
        function = node["function"]
        arguments = self._expressions.inputs(function.get("children", []), Scope([], around))
        if function.get("schema") in (*LAYERS, EXTRA):
            relation = self._table(f"{function['schema']}.{function['function_name']}")
            return relation._replace(rows=relation.rows | frozenset(arguments))
        # a series or a list: one column, named by its alias or its function
        names = node.get("column_name_alias") or [node.get("alias") or function["function_name"]]
        return Relation({name: at_least(arguments, Way.WORKED_OUT) for name in names}, frozenset(arguments))

    def _from_join(
        self, node: Node, around: Scope | None
    ) -> tuple[list[Source], frozenset[Ref], frozenset[frozenset[str]]]:
        left, left_rows, left_keys = self._from(node["left"], around)
        # a subquery or function on the right may name what stands on the left
        right, right_rows, right_keys = self._from(node["right"], Scope(left, around))
        scope = Scope([*left, *right], around)
        on = frozenset(self._refs(node.get("condition"), scope))
        using = node.get("using_columns", [])
        on |= frozenset(ref for name in using for ref in scope.inputs([name]))
        is_one = _finds_one(node, right, right_keys, using)
        keys = left_keys if is_one or node["join_type"] in ("SEMI", "ANTI") else _pairs(left_keys, right_keys)
        if node["join_type"] == "LEFT" and is_one:
            by = swaying(on | right_rows)
            return [*left, *(swayed(source, by) for source in right)], left_rows, keys
        rows = left_rows | right_rows | on
        if node["join_type"] in ("SEMI", "ANTI"):
            return left, rows, keys
        if node["join_type"] in ("RIGHT", "OUTER", "FULL"):
            keys = frozenset()
        return [*left, *right], rows, keys

    def _first_of_each(self, node: Node, scope: Scope) -> frozenset[frozenset[str]]:
        """The key that ``qualify row_number() over (partition by ...) = 1`` makes."""
        condition = node.get("qualify", {})
        window = condition.get("left", {})
        is_first = condition.get("type") == "COMPARE_EQUAL" and condition["right"].get("value", {}).get("value") == 1
        if not is_first or window.get("type") != "WINDOW_ROW_NUMBER":
            return frozenset()
        names = [_qualified(part, scope) for part in window.get("partitions", ())]
        return frozenset() if None in names else frozenset({frozenset(name for name in names if name)})


def _qualified(node: Node, scope: Scope) -> str | None:
    """A plain column as ``alias.column``; None for anything else."""
    names = node.get("column_names", ())
    if node.get("class") != "COLUMN_REF" or len(names) > 2:
        return None
    if len(names) == 2:
        return ".".join(names)
    having = [source.alias for source in scope.sources if names[0] in source.relation.columns]
    return f"{having[0]}.{names[0]}" if len(having) == 1 else None


def _kept(
    keys: frozenset[frozenset[str]], plain: dict[tuple[str, ...], str], scope: Scope
) -> frozenset[frozenset[str]]:
    """The keys all of whose columns are columns of the select, by their names there."""
    named: dict[str, str] = {}
    for names, name in plain.items():
        qualified = _qualified({"class": "COLUMN_REF", "column_names": list(names)}, scope)
        if qualified is not None:
            named[qualified] = name
    return frozenset(frozenset(named[name] for name in key) for key in keys if key <= named.keys())


def _grouped(node: Node, items: list[tuple[str, Inputs, Node]]) -> frozenset[frozenset[str]]:
    """The key that grouping makes: the groups' columns, where all are in the select."""
    sets = node.get("group_sets", [])
    if len(sets) != 1:
        return frozenset()
    by_text = {same(item): name for name, _, item in items}
    by_name = {name: name for name, _, _ in items}
    names = [
        by_text.get(same(group)) or by_name.get(str(group.get("column_names", [""])[-1]))
        for group in node["group_expressions"]
    ]
    return frozenset() if None in names else frozenset({frozenset(name for name in names if name)})


def _finds_one(node: Node, right: list[Source], keys: frozenset[frozenset[str]], using: list[str]) -> bool:
    """Whether a join finds at most one row on its right side: a key of that is asked for equality."""
    aliases = {source.alias: source for source in right}
    equal = {f"{source.alias}.{name}" for source in right for name in using}
    condition = node.get("condition", {})
    parts = condition["children"] if condition.get("type") == "CONJUNCTION_AND" else [condition]
    for part in parts:
        if part.get("type") in ("COMPARE_EQUAL", "COMPARE_NOT_DISTINCT_FROM"):
            sides = [side.get("column_names", []) for side in (part["left"], part["right"])]
            of_right = [side for side in sides if len(side) == 2 and side[0] in aliases]
            # a column of the right side compared with another of it finds none
            if len(of_right) == 1:
                equal.add(".".join(of_right[0]))
    return any(key <= equal for key in keys)


def _pairs(left: frozenset[frozenset[str]], right: frozenset[frozenset[str]]) -> frozenset[frozenset[str]]:
    return frozenset(a | b for a in left for b in right)


def _stacked(first: Relation, second: Relation) -> Relation:
    """The rows of both, by position, under the names of the first."""
    if len(first.columns) != len(second.columns):
        raise DeclarationError("lineage: the parts of a union have different columns")
    columns = {
        name: together([inputs, other])
        for (name, inputs), other in zip(first.columns.items(), second.columns.values(), strict=True)
    }
    return Relation(columns, first.rows | second.rows)


def _distinct(relation: Relation) -> Relation:
    rows = relation.rows | frozenset(refs_of(relation.columns.values()))
    return Relation(relation.columns, rows, relation.keys | {frozenset(relation.columns)})
