"""
The declared fields of a listing's rows, as a tree.

Built from the staging tables a listing feeds: every path a column comes from is kept, every
path under ``drops`` is known and left out, anything else is undeclared.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

from stockbook.declarations import Table
from stockbook.errors import DeclarationError

Action = Literal["keep", "typed", "decimal", "presence", "count", "prefix", "digits", "hash"]
Path = tuple[str, ...]

PERSONAL: tuple[Action, ...] = ("presence", "count", "prefix", "digits", "hash")
"""Of such a leaf the value itself does not land."""
TALLIED: tuple[Action, ...] = ("presence", "count")
"""Of such a leaf any value may come, a container too."""
# of two columns from one field the stricter one decides how it lands
_STRICTER: tuple[Action, ...] = get_args(Action)


@dataclass
class Shape:
    """
    The fields of one JSON object.

    ``hashes`` are groups of paths inside this object: the first that is not empty is hashed and
    stored at the first path of its group. Of leaves in ``emptied`` nothing stays when their person is forgotten.
    ``learned`` are undeclared fields seen on the wire, dropped
    like declared drops but counted. ``is_row`` says that a table has a row for each such object, ``keys`` are the
    leaves that name it.
    """

    leaves: dict[str, Action] = field(default_factory=dict)
    objects: dict[str, "Shape"] = field(default_factory=dict)
    arrays: dict[str, "Shape"] = field(default_factory=dict)
    drops: set[str] = field(default_factory=set)
    learned: set[str] = field(default_factory=set)
    hashes: list[tuple[Path, ...]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)
    is_row: bool = False

    def inner(self, name: str) -> "Shape | None":
        """The shape of a nested object or of an array's elements."""
        return self.objects.get(name) or self.arrays.get(name)

    def knows(self, name: str) -> bool:
        """Whether a field is declared, dropped or learned."""
        return (
            name in self.leaves
            or name in self.objects
            or name in self.arrays
            or name in self.drops
            or name in self.learned
        )

    def learn(self, path: Path) -> bool:
        """Take an undeclared field for one to be dropped and counted; False for one that is known."""
        shape = self
        for name in path[:-1]:
            inner = shape.inner(name)
            if inner is None:
                return False
            shape = inner
        if shape.knows(path[-1]):
            return False
        shape.learned.add(path[-1])
        return True


def build(tables: Iterable[Table], key: Iterable[str] = ()) -> Shape:
    """
    The shape of a listing's rows.

    ``tables`` are those the listing feeds, ``key`` its key fields, kept whatever is declared.
    Raises DeclarationError when declarations contradict each other.
    """
    root = Shape(leaves=dict.fromkeys(key, "keep"))
    root.keys.update(root.leaves)
    tables = list(tables)
    for table in tables:
        for rows in (table.source.rows if table.source else []) or [""]:
            arrays = tuple(rows.split(".")) if rows else ()
            for name in arrays:
                _array(root, arrays[: arrays.index(name) + 1], table)
            _array(root, arrays, table).is_row = True
            _columns(root, arrays, table)
    for table in tables:
        for rows in (table.source.rows if table.source else []) or [""]:
            arrays = tuple(rows.split(".")) if rows else ()
            for path in table.drops:
                _drop(_array(root, arrays, table), tuple(path.split(".")))
    return root


def _columns(root: Shape, arrays: Path, table: Table) -> None:
    for name, column in table.columns.items():
        paths = [path for path in column.paths if path != "#"]
        places = [_place(path, arrays, table) for path in paths]
        if not places:
            continue
        if column.personal == "hash":
            level, *other_levels = {level for level, _ in places}
            if other_levels:
                raise DeclarationError(f"{table.name}.{name}: the paths of a hashed column must lie in one object.")
            group = tuple(path for _, path in places)
            shape = _array(root, level, table)
            if group not in shape.hashes:
                shape.hashes.append(group)
        for level, path in places:
            action: Action = "keep"
            if column.personal != "none":
                action = column.personal
            elif column.type.lower().startswith("decimal"):
                action = "decimal"
            elif column.type.lower() != "varchar":
                action = "typed"
            _leaf(_array(root, level, table), path, action, f"{table.name}.{name}", column.when_erased == "emptied")
            if name in table.grain and len(path) == 1 and action != "hash":
                _array(root, level, table).keys.add(path[0])


def _place(path: str, arrays: Path, table: Table) -> tuple[Path, Path]:
    """(arrays down to the object the path starts in, path inside it)."""
    ups, rest = 0, path
    if path.startswith("^"):
        ups = len(path) - len(path.lstrip("^"))
        rest = path[ups:].removeprefix(".")
    if ups > len(arrays):
        raise DeclarationError(f"{table.name}: path {path!r} climbs above the row of the listing.")
    return arrays[: len(arrays) - ups], tuple(rest.split("."))


def _array(root: Shape, arrays: Path, table: Table) -> Shape:
    shape = root
    for name in arrays:
        if name in shape.leaves or name in shape.objects:
            raise DeclarationError(f"{table.name}: {name!r} is declared both as an array and as something else.")
        shape = shape.arrays.setdefault(name, Shape())
    return shape


def _leaf(shape: Shape, path: Path, action: Action, column: str, is_emptied: bool) -> None:
    for name in path[:-1]:
        if name in shape.leaves or name in shape.arrays:
            raise DeclarationError(f"{column}: {name!r} is declared both as an object and as something else.")
        shape = shape.objects.setdefault(name, Shape())
    name = path[-1]
    if name in shape.objects or name in shape.arrays:
        raise DeclarationError(f"{column}: {'.'.join(path)!r} is declared both as a value and as something else.")
    before = shape.leaves.get(name, "keep")
    personal = {before, action} & {*PERSONAL}
    if name in shape.leaves and before != action and personal:
        # one path lands once: what is personal for one column must not land in clear for another
        raise DeclarationError(f"{column}: {'.'.join(path)!r} is personal for one column and not for another.")
    shape.leaves[name] = max(before, action, key=_STRICTER.index)
    if is_emptied:
        shape.emptied.add(name)


def _drop(shape: Shape, path: Path) -> None:
    for name in path[:-1]:
        if name in shape.drops:
            return
        inner = shape.inner(name)
        shape = inner if inner is not None else shape.objects.setdefault(name, Shape())
    if not shape.knows(path[-1]):
        shape.drops.add(path[-1])
