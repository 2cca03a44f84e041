"""Where the packs of closed months lie: beside the published file, named by the close they are of."""

import re
from pathlib import Path

PACKS = "packs"
# beside the published file: the closes whose packs were mailed
SENT = ".packs-sent"
_KINDS = {"Workbook": ("month", "xlsx"), "Journal": ("journal", "csv")}


def plain(text: str) -> str:
    """A text as a part of a file's name."""
    return re.sub(r"[^\w.-]", "-", text)


def names(close_id: str) -> dict[str, str]:
    """The names of the files of a close (``main/2026-10/1``) by what they are."""
    account, month, sequence = close_id.rsplit("/", 2)
    return {text: f"{kind}-{month}-{plain(account)}-{sequence}.{ending}" for text, (kind, ending) in _KINDS.items()}


def packs_of(published: Path, close_id: str) -> dict[str, str]:
    """The packs of a close that are there, as addresses below the folder of the published file."""
    there = {text: f"{PACKS}/{name}" for text, name in names(close_id).items()}
    return {text: address for text, address in there.items() if (published / address).is_file()}
