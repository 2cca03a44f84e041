"""
What was made of files that have not changed since, kept between processes: a cache that cannot be stale.

Everything kept here carries a digest of all that it was made of, the source of the code that made it included. It is
made anew where that differs, where it was damaged, and where nothing may be written: never an error, only time.
"""

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")

PACKAGE = Path(__file__).parent
_DIGEST_SIZE = hashlib.sha256().digest_size
# a text that only looks like an import is one file more; parsing the syntax takes a hundred times as long
_IMPORTS = re.compile(r"^\s*(?:from ([\w.]+) import (\([^)]*\)|.*)|import ([\w.]+))", re.MULTILINE)


def cached(name: str, sources: Iterable[bytes], type_: type[T], make: Callable[[], T]) -> T:
    """
    ``make()``, or what it returned when an earlier process asked with the same ``sources``.

    ``name`` is one use in the program, and its latest value the only one kept. What msgpack cannot hold unchanged is
    not kept. Raises what ``make`` raises.
    """
    key = hashlib.sha256(b"".join(b"%d " % len(source) + source for source in sources)).digest()
    file = root() / f"{name}.msgpack"
    with suppress(OSError, msgspec.MsgspecError):
        content = file.read_bytes()
        if content.startswith(key + hashlib.sha256(content[2 * _DIGEST_SIZE :]).digest()):
            return msgspec.msgpack.decode(content[2 * _DIGEST_SIZE :], type=type_)
    value = make()
    with suppress(OSError, msgspec.MsgspecError, TypeError):
        body = msgspec.msgpack.encode(value)
        if msgspec.msgpack.decode(body, type=type_) == value:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary = file.with_name(f".{file.name}.{os.getpid()}")
            temporary.write_bytes(key + hashlib.sha256(body).digest() + body)
            temporary.replace(file)
    return value


def root() -> Path:
    """The folder of caches: beside the package, or of this user where the package cannot be written."""
    from_environment = os.environ.get("NUMBA_CACHE_DIR")
    beside = PACKAGE / "__pycache__"
    if from_environment:
        return Path(from_environment)
    if os.access(beside if beside.exists() else PACKAGE, os.W_OK):
        return beside
    return _of_user(Path(tempfile.gettempdir()))


@cache
def _of_user(folder: Path) -> Path:
    own = folder / f"stockbook-compiled-{os.getuid()}"
    with suppress(FileExistsError):
        own.mkdir(mode=0o700)
    status = own.lstat()
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022:
        return own
    # what lies there is run: nobody else may have put it there
    return Path(tempfile.mkdtemp(prefix=f"{own.name}-"))


def code_of(file: Path) -> list[bytes]:
    """The source of a module and of all of ours that it imports."""
    return [source.read_bytes() for source in sources_of(file)]


def sources_of(file: Path, package: Path = PACKAGE) -> list[Path]:
    """A module's file and those of all modules of ``package`` that it imports, directly or through others, by path."""
    files, waiting = set[Path](), [file]
    while waiting:
        module = waiting.pop()
        if module not in files:
            files.add(module)
            waiting += _imported(module, package)
    return sorted(files)


@cache
def _imported(file: Path, package: Path) -> list[Path]:
    names = []
    for module, imported, plain in _IMPORTS.findall(file.read_text()):
        names += [plain or module, *(f"{module}.{name}" for name in re.findall(r"\w+", imported))]
    own = (name.split(".")[1:] for name in names if name.split(".")[0] == package.name)
    candidates = (package.joinpath(*parts).with_suffix(".py") for parts in own if parts)
    return [candidate for candidate in candidates if candidate.exists()]
