"""
Hold the floors: a room imports only rooms below it, and two rooms of one floor do not know each other.

``python tools/floors.py [PLUGINS]`` prints each import that breaks this, with its line, and ends with 1. The rooms are
described in docs/architecture.md. Imports inside functions count too.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# from the ground up; a module of the package itself that is no room lies on the ground
FLOORS = (
    ("landing", "inbox"),
    ("projection", "warehouse"),
    ("jsonscan", "runs", "metrics"),
    ("sources", "staging"),
    ("models", "checks"),
    ("valuation", "lineage"),
    ("alerts", "sla", "channels", "dictionary", "closing", "export", "health"),
    ("webhooks", "morning", "bi", "backup", "analyst", "contracts"),
    ("erasure",),
    ("night",),
    ("fleet",),
    ("orchestration",),
    ("stockbook_sandbox",),
    ("cli",),
    ("__main__", "__init__"),
)
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS, 1) for room in floor}
# the one module of a room that other rooms import
GATES = {"jsonscan": "stockbook.jsonscan.fast_path"}
# the sandbox imitates the APIs: it may know the ground and nothing of the pipeline
APART = "stockbook_sandbox"


class Import(NamedTuple):
    """One module imports another."""

    file: Path
    line: int
    importer: str
    imported: str


def room_of(module: str) -> str:
    """The room of a dotted module name; empty for the ground."""
    package, *rest = module.split(".")
    if package == APART:
        return APART
    if not rest:
        return "__init__"
    return rest[0] if rest[0] in FLOOR_OF else ""


def imports_of(plugins: Path) -> Iterator[Import]:
    """Every import of one of our modules by another."""
    files = {
        ".".join(file.relative_to(plugins).with_suffix("").parts).removesuffix(".__init__"): file
        for package in ("stockbook", APART)
        for file in sorted((plugins / package).rglob("*.py"))
    }
    for module, file in files.items():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [
                    name if (name := f"{node.module}.{alias.name}") in files else node.module for alias in node.names
                ]
            else:
                continue
            yield from (Import(file, node.lineno, module, name) for name in names if name in files)


def broken(plugins: Path) -> Iterator[str]:
    """Each import upwards or sideways, as a line for a person."""
    for file, line, importer, imported in imports_of(plugins):
        room, below = room_of(importer), room_of(imported)
        if room == below:
            continue
        if FLOOR_OF.get(below, 0) >= FLOOR_OF.get(room, 0):
            yield f"{file}:{line}: {importer} imports {imported}, which does not lie below it"
        elif below in GATES and imported not in (GATES[below], f"stockbook.{below}"):
            yield f"{file}:{line}: {importer} imports {imported}; other rooms import only {GATES[below]}"
        elif room == APART and below:
            yield f"{file}:{line}: {importer} imports {imported}; the sandbox knows nothing of the pipeline"


if __name__ == "__main__":
    lines = list(broken(Path(sys.argv[1] if len(sys.argv) > 1 else "plugins")))
    print("\n".join(lines) or "The floors hold.")
    sys.exit(bool(lines))
