"""
Reading landed rows as text, by declaration.

A landed row has the shape of the wire. Every leaf is read as text and only then cast to its
declared type, so that a value that is not what it should be can be named and set aside
instead of stopping the load.
"""

from dataclasses import dataclass, field

from stockbook.declarations import Column, Table
from stockbook.errors import DeclarationError
from stockbook.landing.pages import REASON

_NO_REASON = "cast(null as varchar)"


@dataclass
class Node:
    """One level of a landed row: leaves are text, ``objects`` are nested, ``arrays`` hold rows of other tables."""

    leaves: set[str] = field(default_factory=set)
    objects: dict[str, "Node"] = field(default_factory=dict)
    arrays: dict[str, "Node"] = field(default_factory=dict)

    def leaf(self, path: str) -> None:
        """Declare a leaf at a dotted path below this node."""
        *above, name = path.split(".")
        node = self
        for step in above:
            node = node.objects.setdefault(step, Node())
        node.leaves.add(name)

    def array(self, path: str) -> "Node":
        """The node of an element of the array at ``path``; in ``a.b`` both ``a`` and its elements' ``b`` are arrays."""
        node = self
        for step in path.split("."):
            node = node.arrays.setdefault(step, Node())
        return node

    def members(self) -> dict[str, str]:
        """DuckDB type of each member: text, struct or list of struct."""
        members = dict.fromkeys(sorted(self.leaves), "varchar")
        members |= {name: node.struct() for name, node in sorted(self.objects.items())}
        return members | {name: f"{node.struct()}[]" for name, node in sorted(self.arrays.items())}

    def struct(self) -> str:
        """DuckDB struct type of this node."""
        return "struct(" + ", ".join(f'"{name}" {type_}' for name, type_ in self.members().items()) + ")"


def levels_up(path: str) -> tuple[int, str]:
    """How many arrays a path climbs out of (``^``), and the path from there."""
    climbed = len(path) - len(path.lstrip("^"))
    return climbed, path[climbed:].removeprefix(".")


def tree(tables: list[Table], with_reasons: bool = False) -> Node:
    """The shape of a listing's landed rows: what all tables fed by it read, with the reasons of what was set aside."""
    root = Node()
    for table in tables:
        for array in arrays_of(table):
            chain = [root, *(root.array(".".join(array[: depth + 1])) for depth in range(len(array)))]
            for path in (path for column in table.columns.values() for path in column.paths if path != "#"):
                climbed, rest = levels_up(path)
                if climbed >= len(chain):
                    raise DeclarationError(f"{table.name}: path {path!r} climbs above the listing's row.")
                chain[len(chain) - 1 - climbed].leaf(rest)
            if with_reasons:
                chain[-1].leaf(REASON)
    return root


def arrays_of(table: Table) -> list[list[str]]:
    """The arrays that hold a table's rows, each as the names that lead to it; one empty where a landed row is a row."""
    rows = table.source.rows if table.source else []
    return [path.split(".") for path in rows] or [[]]


def parent_of(table: Table) -> str | None:
    """The column with the key of the listing's own row that a row of an array lies in; None where rows lie in none."""
    outermost = {len(array) for array in arrays_of(table)}
    columns = (
        name
        for name, column in table.columns.items()
        if column.required and column.paths and {levels_up(path)[0] for path in column.paths} == outermost
    )
    return None if outermost == {0} else next(columns, None)


def rows_as_text(table: Table, relation: str, carried: tuple[str, ...] = (), with_reasons: bool = False) -> str:
    """
    A select that gives the table's rows from landed rows, every wire column as text.

    ``carried`` are columns of ``relation`` that every row takes along from its listing row.
    Columns that are not on the wire (``utc_of``, ``observed``) are left out. ``_refused`` says why a row is set aside.
    """
    selects = [_one_array(table, array, relation, carried, with_reasons) for array in arrays_of(table)]
    return "\nunion all by name\n".join(selects)


def _one_array(table: Table, array: list[str], relation: str, carried: tuple[str, ...], with_reasons: bool) -> str:
    depth = len(array)
    columns = list(carried)
    source = relation
    element = ""
    for level in range(depth):
        here = _columns_of_level(table, depth, level, element)
        listed = f'{element}"{array[level]}"'
        element_and_position = [f"unnest({listed}) as _e{level}", f"generate_subscripts({listed}, 1) as _n{level}"]
        source = f"(select {', '.join([*columns, *_named(here), *element_and_position])} from {source})"
        columns += list(here)
        element = f"_e{level}."
    last = _columns_of_level(table, depth, depth, element)
    for name, column in table.columns.items():
        if column.paths == ["#"]:
            last[name] = f"cast(_n{depth - 1} as varchar)"
        elif column.by_array is not None:
            last[name] = _constant(column.by_array, array)
    last[REASON] = f'{element}"{REASON}"' if with_reasons else _NO_REASON
    return f"select {', '.join([*columns, *_named(last)])} from {source}"


def rows_of_texts(table: Table, relations: list[str], with_reasons: bool = False) -> str:
    """
    The same select where every path is a column of its own, under its name: a relation for each array of the table,
    which has ``_row`` and, in ``_n``, the place in the array.
    """
    selects = []
    for array, relation in zip(arrays_of(table), relations, strict=True):
        columns = {}
        for name, column in table.columns.items():
            if column.paths == ["#"]:
                columns[name] = "cast(_n as varchar)"
            elif column.by_array is not None:
                columns[name] = _constant(column.by_array, array)
            elif column.paths:
                columns[name] = _first_of([f'"{path}"' for path in _read(column)])
        columns[REASON] = f'"{REASON}"' if with_reasons else _NO_REASON
        selects.append(f"select _row, {', '.join(_named(columns))} from {relation}")
    return "\nunion all by name\n".join(selects)


def size_of(table: Table) -> str:
    """An expression for how many rows of the table a landed row holds."""
    return " + ".join(_size(array, "") for array in arrays_of(table))


def _size(array: list[str], element: str) -> str:
    if not array:
        return "1"
    listed = f'{element}"{array[0]}"'
    if len(array) == 1:
        return f"coalesce(len({listed}), 0)"
    inner = _size(array[1:], f"e{len(array)}.")
    return f"coalesce(list_sum(list_transform({listed}, lambda e{len(array)}: {inner})), 0)"


def _named(expressions: dict[str, str]) -> list[str]:
    return [f"{text} as {name}" for name, text in expressions.items()]


def _columns_of_level(table: Table, depth: int, level: int, element: str) -> dict[str, str]:
    """Text expression of each column whose first path lies at this level of nesting."""
    texts = {}
    for name, column in table.columns.items():
        if not column.paths or column.paths == ["#"]:
            continue
        if depth - levels_up(column.paths[0])[0] == level:
            texts[name] = _text(column, element)
    return texts


def _text(column: Column, element: str) -> str:
    return _first_of(
        [element + ".".join(f'"{step}"' for step in levels_up(path)[1].split(".")) for path in _read(column)]
    )


def _read(column: Column) -> list[str]:
    # what is hashed lands at its first path only (brief of the landing)
    return column.paths[:1] if column.personal == "hash" else column.paths


def _first_of(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"coalesce({', '.join(texts)})"


def _constant(by_array: dict[str, str], array: list[str]) -> str:
    return "'" + by_array[".".join(array)].replace("'", "''") + "'"
