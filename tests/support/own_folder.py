"""A folder of a user's own, written by tests: models with their declarations."""

from pathlib import Path

COLUMNS = "account: {type: varchar, description: a}, pieces: {type: bigint, unit: pieces, description: a}"


def model(folder: Path, name: str, select: str, columns: str = COLUMNS, more: str = "", at: str = "reports") -> None:
    """A model of the folder, its select and its declaration; ``more`` are further lines of it."""
    place = folder / "sql" / at
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.sql").write_text(select)
    (place / f"{name}.yml").write_text(f"table: {name}\ndescription: A table.\ncolumns: {{{columns}}}\n{more}")


def write(folder: Path, path: str, text: str) -> None:
    """Any file of the folder."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text)
