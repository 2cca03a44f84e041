"""
Pages on disk: NDJSON, one projected row a line, compressed with zstd, immutable.

A page is written under a temporary name in its own folder and renamed: a file named ``page-*`` is whole. All
pages of a listing are synced together before its manifest is written: one by one it takes longer than
fetching them. A page is verified against its manifest before anything is loaded from it.
"""

import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import zstandard

from stockbook.errors import LandingDamaged
from stockbook.landing.manifest import Manifest, PageFile

REASON = "_refused"
"""The member of a landed row, or of a part of one, that says why it cannot be read; loading sets it aside."""

PAGES = "page-*.ndjson.zst"
"""Names of pages."""

# a third faster than the default (3), and the pages are as small within a few percent
_LEVEL = 1
_SYNCING_THREADS = 16
_local = threading.local()


def _compressor() -> zstandard.ZstdCompressor:
    # one for each thread: a compressor may not be shared, and making one costs more than a small page
    compressor: zstandard.ZstdCompressor | None = getattr(_local, "compressor", None)
    if compressor is None:
        compressor = _local.compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    return compressor


def write_page(folder: Path, number: int, lines: bytes, rows: int) -> PageFile:
    """Land ``lines`` (NDJSON of ``rows`` rows) as page ``number`` of a listing."""
    content = _compressor().compress(lines)
    name = _name(number)
    _write(folder / name, content)
    return PageFile(name, rows, len(content), hashlib.sha256(content).hexdigest())


def link_page(before: Path, page: PageFile, folder: Path, number: int) -> PageFile:
    """
    Land a page of another folder as page ``number``: the same file where the disk can name one twice, else a copy.

    Raises LandingDamaged when it is not what was written.
    """
    content = verified(before, page)
    name = _name(number)
    try:
        os.link(before / page.file, folder / name)
    except OSError:
        _write(folder / name, content)
    return msgspec.structs.replace(page, file=name)


def _name(number: int) -> str:
    return f"page-{number:05d}.ndjson.zst"


def _write(file: Path, content: bytes) -> None:
    temporary = file.with_name(f".{file.name}.tmp")
    temporary.write_bytes(content)
    temporary.replace(file)


def sync_pages(folder: Path, pages: list[PageFile]) -> None:
    """Make pages outlive a power cut; side by side, because a disk syncs many files in the time of one."""

    def sync(page: PageFile) -> None:
        descriptor = os.open(folder / page.file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    with ThreadPoolExecutor(_SYNCING_THREADS) as pool:
        list(pool.map(sync, pages))


def verified(folder: Path, page: PageFile) -> bytes:
    """The compressed bytes of a page. Raises LandingDamaged when they are not those that were written."""
    file = folder / page.file
    place = "/".join(file.parts[-4:])
    try:
        content = file.read_bytes()
    except OSError as error:
        raise LandingDamaged(
            f"The landed page {place} cannot be read ({error.strerror}): its manifest promises {page.rows} rows. "
            "Remove the listing's folder and run the night again."
        ) from None
    if len(content) != page.bytes or hashlib.sha256(content).hexdigest() != page.sha256:
        raise LandingDamaged(
            f"The landed page {place} was altered: expected {page.bytes} bytes with the checksum in its manifest, "
            f"found {len(content)} bytes. Remove the listing's folder and run the night again."
        )
    return content


def size_of_lines(file: Path) -> int:
    """Bytes of a page's NDJSON, as its first bytes tell."""
    with file.open("rb") as page:
        return int(zstandard.get_frame_parameters(page.read(18)).content_size)


def read_page(folder: Path, page: PageFile) -> bytes:
    """The NDJSON of a page. Raises LandingDamaged as ``verified`` does."""
    return zstandard.ZstdDecompressor().decompress(verified(folder, page))


def unverified(file: Path) -> bytes:
    """The NDJSON of a page of which no manifest tells. Raises LandingDamaged when it cannot be read."""
    try:
        return zstandard.ZstdDecompressor().decompress(file.read_bytes())
    except (OSError, zstandard.ZstdError):
        raise LandingDamaged(f"The landed page {'/'.join(file.parts[-4:])} cannot be read.") from None


def verify(folder: Path, manifest: Manifest) -> list[Path]:
    """The files of a complete listing, each checked. Raises LandingDamaged naming the first that is not as promised."""
    if not manifest.complete:
        raise LandingDamaged(
            f"The manifest of {manifest.api}.{manifest.listing} in night {manifest.night} does not say complete; "
            "run the night again."
        )
    for page in manifest.pages:
        verified(folder, page)
    return [folder / page.file for page in manifest.pages]


def lines_of(folder: Path, pages: list[PageFile]) -> Iterator[bytes]:
    """The rows of pages, a line each, page after page."""
    for page in pages:
        yield from read_page(folder, page).splitlines()
