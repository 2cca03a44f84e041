"""
The folder of a user's own, ``STOCKBOOK_EXTRA_DIR``: declarations and selects, metrics, policies and dashboards.

What is declared in it is of the layer, and schema, ``extra``: no name of ours can ever be one of theirs. Whatever is
wrong with a file of theirs is a ``Problem`` that says which file and line; the declarations that are right are read.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from stockbook.caches import cached, code_of
from stockbook.declaration_files import SHARED_TEXTS, load, read_file, shared_texts
from stockbook.declarations import EXTRA, Table
from stockbook.errors import ConfigError
from stockbook.policy_file import Path_, PolicyFile
from stockbook.settings import POLICIES

MODELS, METRICS, DASHBOARDS = "sql", "metrics", "dashboards"
# of what it holds nothing else is read: a repository that it is in differs from machine to machine
_READ = (MODELS, METRICS, DASHBOARDS, POLICIES)
KINDS = ("table", "view", "macro")
_SELECTS = (".sql", ".sql.jinja")
# the path of a field in what msgspec says of it, and the line that a message may have already
_FIELD = re.compile(r"`\$\.?([\w.\[\]]*)`")
_LINE = re.compile(r"\bline (\d+)", re.IGNORECASE)
_QUOTED = re.compile(r"'([^']+)'")


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with a file of theirs; ``file`` is its path below the folder."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        """As a report, a page or a command says it."""
        return f"{self.file} line {self.line}: {self.text}"


class Extra(msgspec.Struct, frozen=True):
    """The declarations of a folder that can be read, by qualified name, and what is wrong with the others."""

    tables: dict[str, Table] = {}
    problems: tuple[Problem, ...] = ()


def read(folder: Path | None, models_dir: Path) -> Extra:
    """The declarations of a folder; none without one. ``models_dir`` has the texts that columns share with ours."""
    if folder is None:
        return Extra()
    sources = [*code_of(Path(__file__)), *contents(folder), *contents(models_dir, SHARED_TEXTS)]
    return cached("extra", sources, Extra, lambda: _read(folder, models_dir))


def with_extra(models_dir: Path, folder: Path | None) -> dict[str, Table]:
    """Our declarations and those of a folder that can be read."""
    return load(models_dir) | read(folder, models_dir).tables if folder is not None else load(models_dir)


def contents(folder: Path, pattern: str = "**/*") -> Iterator[bytes]:
    """The names and contents of the files of a folder, and where it is."""
    yield str(folder.absolute()).encode()
    for file in sorted(folder.glob(pattern)):
        if file.is_file():
            yield str(file.relative_to(folder)).encode()
            yield file.read_bytes()


def digest_of(folder: Path | None) -> str:
    """What a folder says, wherever it lies: two machines with the same one have the same. Empty without a folder."""
    if folder is None:
        return ""
    digest = hashlib.sha256()
    for file in sorted(file for part in _READ for file in (folder / part).rglob("*") if file.is_file()):
        name = file.relative_to(folder)
        if not any(step.startswith(".") for step in name.parts):
            content = file.read_bytes()
            digest.update(f"{name.as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def files_of(folder: Path, part: str) -> list[Path]:
    """The YAML files of a part of the folder that has some by themselves: metrics or dashboards."""
    return sorted((folder / part).glob("*.yml"))


def problem(folder: Path, file: Path, text: str, needle: str = "") -> Problem:
    """A problem of a file, at the line its text names or else the first one with ``needle`` in it."""
    named = _LINE.search(text)
    line = int(named[1]) if named else line_with(file, needle) if needle else 1
    # the file and its line stand in front
    sentence = re.sub(rf"^{re.escape(file.name)}( in {EXTRA})?(:? line \d+,?)? ?", "", text).removeprefix(": ")
    return Problem(str(file.relative_to(folder)), line, sentence)


def line_with(file: Path, text: str) -> int:
    """The first line of a file with a text in it; 1 where none has it."""
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return 1
    return next((number for number, line in enumerate(lines, 1) if text in line), 1)


def select_file(table: Table) -> Path:
    """The file with the select of a table of theirs, or the one that would have it."""
    files = [Path(table.folder) / f"{table.table}{end}" for end in _SELECTS]
    return next((file for file in files if file.exists()), files[0])


def yaml_file(table: Table) -> Path:
    """The file with the declaration of a table of theirs."""
    return Path(table.folder) / f"{table.table}.yml"


def _read(folder: Path, models_dir: Path) -> Extra:
    models = folder.absolute() / MODELS
    problems: list[Problem] = []
    texts = shared_texts(models_dir)
    try:
        texts |= shared_texts(models)
    except ConfigError as error:
        problems.append(problem(folder.absolute(), models / SHARED_TEXTS, str(error)))
    files = [file for file in sorted(models.rglob("*.yml")) if file != models / SHARED_TEXTS]
    tables: dict[str, Table] = {}
    copies = Counter(file.stem for file in files)
    for file in files:
        try:
            if copies[file.stem] > 1:
                twins = ", ".join(str(twin.relative_to(folder)) for twin in files if twin.stem == file.stem)
                raise ConfigError(f"{EXTRA}.{file.stem} is declared twice ({twins}): rename one.")
            table = _declared(file, texts)
        except ConfigError as error:
            problems += [_at_field(folder.absolute(), file, text) for text in error.problems]
        else:
            tables[table.name] = table
    declared = {file.stem for file in files}
    for end in _SELECTS:
        for file in sorted(models.rglob(f"*{end}")):
            if file.name.removesuffix(end) not in declared:
                sentence = f"it has no declaration: expected {file.name.removesuffix(end)}.yml beside it."
                problems.append(Problem(str(file.relative_to(folder)), 1, sentence))
    return Extra(tables, tuple(problems))


def _declared(file: Path, texts: dict[str, str]) -> Table:
    # what YAML itself refuses, with the line
    PolicyFile(file)
    table = read_file(file, EXTRA, texts)
    table.folder = str(file.absolute().parent)
    refused: Iterable[tuple[bool, str]] = (
        (table.kind not in KINDS, f"kind must be one of {', '.join(KINDS)}; got {table.kind!r}"),
        (table.source is not None or bool(table.history), "source and history are of tables that sources fill"),
        (bool(table.parameters) != (table.kind == "macro"), "a macro, and nothing else, has parameters"),
    )
    if wrong := [text for is_wrong, text in refused if is_wrong]:
        raise ConfigError(*(f"{text}." for text in wrong))
    return table


def _at_field(folder: Path, file: Path, text: str) -> Problem:
    """A problem of a declaration, at the line of the field that its text names."""
    field, word = _FIELD.search(text), _QUOTED.search(text)
    if field is not None and not _LINE.search(text):
        path: Path_ = tuple(int(step) if step.isdigit() else step for step in re.findall(r"\w+", field[1]))
        place = PolicyFile(file).place(path)
        return problem(folder, file, f"{text} ({place})")
    return problem(folder, file, text, word[1] if word else "")
