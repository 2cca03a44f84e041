"""What SQLite says of its file, by its codes and not its words."""

import sqlite3

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it cannot be written",
    sqlite3.SQLITE_IOERR: "the disk does not read or write",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_BUSY: "another process is at it",
}


def is_damaged(error: BaseException | None) -> bool:
    """Whether the file is not what was written to it."""
    return _code(error) in _DAMAGED


def reason(error: BaseException | None) -> str:
    """Why, in words; the kind of the error where SQLite gave no code."""
    code = _code(error)
    return "it is damaged" if code in _DAMAGED else _REASONS.get(code, type(error).__name__)


def _code(error: BaseException | None) -> int:
    # of an extended code the low byte is the code
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
