"""
Hold the words: a local says what it holds, not what was done to it.

``python tools/words.py PATH...`` prints each local or argument that is named by one of ``WORDS``, and ends with 1.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

WORDS = frozenset(
    "found made given told kept known one asked held mine theirs others nobody thing things".split()  # noqa: SIM905  # read as a list of words
)


def locals_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The line and name of everything a function, lambda or comprehension binds."""
    for scope in ast.walk(tree):
        if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.comprehension):
            continue
        for node in ast.walk(scope):
            if isinstance(node, ast.arg):
                yield node.lineno, node.arg
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.lineno, node.id
            elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
                yield node.lineno, node.name


def broken(paths: list[Path]) -> Iterator[str]:
    """Each local with a name that says nothing, as a line for a person."""
    for path in paths:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            named = {(line, name) for line, name in locals_of(ast.parse(file.read_text())) if name in WORDS}
            yield from (f"{file}:{line}: a local is called {name!r}; say what it holds" for line, name in sorted(named))


if __name__ == "__main__":
    lines = list(broken([Path(path) for path in sys.argv[1:]]))
    print("\n".join(lines) or "No local is named by a word that says nothing.")
    sys.exit(bool(lines))
