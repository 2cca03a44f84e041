"""What a night needs of its machine, judged before it begins: room for the copy that it publishes, and memory."""

import re
import shutil
from pathlib import Path

import psutil

from stockbook.errors import DiskRefused
from stockbook.settings import Settings
from stockbook.warehouse.connect import log_of

_UNITS = {"K": 1, "M": 2, "G": 3, "T": 4}
_SIZE = re.compile(r"([0-9.]+) ?(?:([KMGT])(i?))?B", re.IGNORECASE)
# what a container may take, where the machine itself has more
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def disk_needed(settings: Settings) -> int:
    """Bytes: the writer's file is copied beside the published one, which goes only when the copy is proven."""
    files = (settings.warehouse, log_of(settings.warehouse))
    return sum(file.stat().st_size for file in files if file.exists())


def require_disk(settings: Settings) -> None:
    """Raise DiskRefused where a night could not publish in the end; nothing was begun then."""
    needed, free = disk_needed(settings), shutil.disk_usage(settings.home).free
    if free < needed:
        raise DiskRefused(
            f"A night copies the books to publish them: {needed / 1e6:,.0f} MB, and the disk of {settings.home} has "
            f"{free / 1e6:,.0f} MB left. Make room, then run it again; nothing was begun, readers keep what they have."
        )


def memory_warning(settings: Settings, cgroup: Path = _CGROUP) -> str | None:
    """A sentence where DuckDB may take more memory than there is: the system would kill a step in its midst."""
    there = psutil.virtual_memory().total
    if cgroup.exists() and (said := cgroup.read_text().strip()).isdigit():
        there = min(there, int(said))
    if bytes_of(settings.memory_limit) <= there:
        return None
    return (
        f"STOCKBOOK_MEMORY_LIMIT is {settings.memory_limit} and this machine has {there / 1e9:.1f} GB of memory: the "
        f"system would kill a step half-way. Set it to {there / 2e9:.1f}GB; what does not fit goes to the disk."
    )


def bytes_of(size: str) -> float:
    """A size as DuckDB writes it (2GB, 512MiB) in bytes."""
    parts = _SIZE.fullmatch(size.strip())
    if parts is None:
        raise ValueError(size)
    number, unit, is_binary = parts.groups()
    step = 1024 if is_binary else 1000
    return float(number) * float(step ** _UNITS.get((unit or "").upper(), 0))
