"""
Hold that a figure has one definition: no aggregate over marts or reports stands outside ``include``.

``python tools/figures.py PLUGINS BI`` prints each query of Python, and each line of a YAML file that is not generated,
that adds up rows of ``marts`` or ``reports``, and ends with 1. A figure that somebody is shown is a metric of
``include/metrics``. Programs that make tables are models: what they add up is no figure yet.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

# whose programs make tables of marts and reports, or say in a note how many rows something is true of
MODELS = ("valuation", "sla", "closing")
GENERATED = "bundle"
_AGGREGATE = re.compile(
    r"\b(sum|count|avg|mean|min|max|median|quantile\w*|arg_(max|min)\w*|max_by|min_by|any_value)\s*\(", re.IGNORECASE
)
_PUBLISHED = re.compile(r"\b(from|join)\s+(marts|reports)\.", re.IGNORECASE)


def broken(paths: list[Path]) -> Iterator[str]:
    """Each figure that is no metric, as a line for a person."""
    for path in paths:
        for file in sorted(path.rglob("*.py")):
            if not set(MODELS) & set(file.parts):
                yield from _of_python(file)
        for file in sorted(path.rglob("*.y*ml")):
            if GENERATED not in file.parts:
                yield from _of_yaml(file)


def _of_python(file: Path) -> Iterator[str]:
    tree = ast.parse(file.read_text())
    filled_in = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for node in filled_in for part in node.values}
    whole = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in parts]
    for node in (*filled_in, *whole):
        text = ast.unparse(node)
        if _AGGREGATE.search(text) and _PUBLISHED.search(text):
            yield f"{file}:{node.lineno}: adds up rows of marts or reports; a figure is a metric"


def _of_yaml(file: Path) -> Iterator[str]:
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if _AGGREGATE.search(line.partition("#")[0]):
            yield f"{file}:{number}: an aggregate; a chart names a metric"


if __name__ == "__main__":
    lines = list(broken([Path(path) for path in sys.argv[1:]]))
    print("\n".join(lines) or "Every figure is a metric.")
    sys.exit(bool(lines))
