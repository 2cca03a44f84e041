"""
Landed closes: what people signed, as observed history beside the landed pages, never dropped.

A close is two files, `closes/<account>/<month>.<sequence>.parquet` with its lines and the same name with `.json`, which
is written last: without it there is no close. Tables of signed months are made of these files, so that they come out of
a replay, a full refresh and a restored home as they were signed.
"""

import io
import shutil
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from stockbook.atomic_files import is_whole, sealed, sync_folder, write_atomically
from stockbook.errors import LandingDamaged

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "closes"
"""The folder inside the landing."""


class Close(msgspec.Struct, frozen=True, kw_only=True):
    """
    A signed close, as ``fct_period_close`` has it. ``as_of`` and ``known_at`` are local, ``closed_at`` UTC, all naive.

    ``known_at`` is the as_of of the night that was signed; closes of earlier versions do not say it.
    """

    account: str
    month: date
    sequence: int
    as_of: datetime
    known_on: date
    run_id: str
    closed_at: datetime
    closed_by: str
    note: str | None
    reason: str | None
    valuation_currency: str
    day_zone: str
    settings: str
    signed_columns: str
    line_count: int
    lines_digest: str
    previous_digest: str | None
    known_at: datetime | None = None
    digest: str = ""

    @property
    def close_id(self) -> str:
        """Its name everywhere, as main/2026-10/1."""
        return f"{self.account}/{self.stem.replace('.', '/')}"

    @property
    def stem(self) -> str:
        """The name of its files, as 2026-10.1."""
        return f"{self.month:%Y-%m}.{self.sequence}"


def read_all(closes: Path) -> list[Close]:
    """
    All closes in the order in which they were signed, account by account.

    Raises LandingDamaged for one that is not as it was signed on the disk.
    """
    closes_landed = [read_close(file) for file in files_of(closes)]
    return sorted(closes_landed, key=lambda close: (close.account, close.month, close.sequence))


def files_of(closes: Path) -> list[Path]:
    """The files that say what was signed; an unfinished one is none."""
    return sorted(file for file in closes.glob("*/*.json") if not file.name.startswith("."))


def read_close(file: Path) -> Close:
    """The close of a file. Raises LandingDamaged."""
    try:
        content = file.read_bytes()
        close = msgspec.json.decode(content, type=Close)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LandingDamaged(_damaged(file, f"it cannot be read ({type(error).__name__})")) from error
    if not is_whole(content) or b'"seal"' not in content:
        raise LandingDamaged(_damaged(file, "it does not have its own checksum"))
    if (file.parent.name, file.stem) != (close.account, close.stem):
        raise LandingDamaged(_damaged(file, f"it holds the close {close.close_id}"))
    return close


def lines_file(closes: Path, close: Close) -> Path:
    """The file with the lines of a close."""
    return closes / close.account / f"{close.stem}.parquet"


def write_lines(closes: Path, close: Close, lines: "pa.Table") -> None:
    """Land the lines of a close. They count for nothing until ``write_close``."""
    import pyarrow.parquet as pq

    file = lines_file(closes, close)
    file.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    # most of it are amounts, each another: a dictionary of them makes the file larger and takes longer to read
    pq.write_table(lines, content, compression="zstd", use_dictionary=False)
    write_atomically(file, content.getvalue())


def write_close(closes: Path, close: Close) -> None:
    """Land the close itself: from here on it is signed."""
    file = lines_file(closes, close).with_suffix(".json")
    write_atomically(file, sealed(msgspec.json.format(msgspec.json.encode(close))))


def discard(closes: Path, drafts: Sequence[Close]) -> None:
    """Remove lines that were landed for closes that nobody signed."""
    for close in drafts:
        file = lines_file(closes, close)
        if not file.with_suffix(".json").exists():
            file.unlink(missing_ok=True)


def bring(source: Path, closes: Path) -> int:
    """Copy the closes of another landing that are not here yet; how many there are."""
    files = files_of(source)
    for file in files if source.resolve() != closes.resolve() else []:
        target = closes / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        # the lines first, as when they were signed
        for name in (file.with_suffix(".parquet"), file):
            if name.exists():
                shutil.copyfile(name, target.with_name(name.name))
        sync_folder(target.parent)
    return len(files)


def _damaged(file: Path, how: str) -> str:
    return (
        f"{'/'.join(file.parts[-3:])} is not as it was signed, {how}: bring it back from a backup of the landing. "
        "`stockbook close verify` says what else differs."
    )
