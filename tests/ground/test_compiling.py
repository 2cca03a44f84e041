"""Compiled functions: what their caches depend on, and the same functions for the interpreter."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.errors import TypingError

from stockbook.caches import PACKAGE, sources_of
from stockbook.compiling import interpreted
from stockbook.valuation import fixed_point

MODULES = [file for file in sorted(PACKAGE.rglob("*.py")) if "import compiled" in file.read_text()]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package in which ``kernel`` imports ``words``, which imports ``sizes``; ``page`` imports neither."""
    folder = tmp_path / "shop"
    (folder / "stock").mkdir(parents=True)
    (folder / "stock" / "kernel.py").write_text("from shop.stock import words\n")
    (folder / "stock" / "words.py").write_text("import numpy\n\nfrom shop.sizes import WORD\n")
    (folder / "sizes.py").write_text("WORD = 32\n")
    (folder / "page.py").write_text("TITLE = 'Stock'\n")
    return folder


def test_a_cache_depends_on_everything_its_module_imports(package: Path) -> None:
    """A new import is covered without being listed, and so is what that imports; other modules are not."""
    (package / "stock" / "new.py").write_text("")
    kernel = package / "stock" / "kernel.py"
    kernel.write_text(kernel.read_text() + "from shop.stock.new import rate\n")

    files = sources_of(kernel, package)

    assert [file.relative_to(package).as_posix() for file in files] == [
        "sizes.py",
        "stock/kernel.py",
        "stock/new.py",
        "stock/words.py",
    ]


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.stem)
def test_the_cache_of_each_compiled_module_covers_every_function_it_calls(file: Path) -> None:
    """No compiled function calls one whose source is not part of its cache's digest."""
    module = importlib.import_module(".".join(("stockbook", *file.relative_to(PACKAGE).with_suffix("").parts)))
    functions = [value.py_func for value in vars(module).values() if hasattr(value, "py_func")]
    called = {
        inspect.getfile(value.py_func)
        for function in functions
        for name in function.__code__.co_names
        if hasattr(value := function.__globals__.get(name), "py_func")
    }

    assert functions
    assert called <= {str(source) for source in sources_of(file)}


def test_compiled_code_is_loaded_without_the_linear_algebra_of_scipy() -> None:
    """Numba imports it when the first function runs, unless told not to; who wants it afterwards gets it."""
    code = """
import sys
from stockbook.jsonscan import scan
scan.warm_up()
print("scipy.linalg" in sys.modules)
import scipy.linalg
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (run.stdout, run.stderr) == ("False\n", "")


def test_interpreted_functions_call_interpreted_functions() -> None:
    """What 64 bits cannot hold is exact for the interpreter, through every call."""
    table = np.array([[1, 0]], object)
    # numba says so in one way while it compiles and in another once it has
    with pytest.raises((OverflowError, TypingError)):
        fixed_point.grow(table.astype(np.int64), 0, 0, 1, 2**70, 0)

    interpreted(fixed_point.grow)(table, 0, 0, 1, 2**70, 2**70)

    assert table.tolist() == [[1 + 2**70 + 2 ** (70 - fixed_point.WORD_BITS), 0]]
