"""Stockbook: the nightly books of a shop that outsources its warehouse."""

from stockbook.version import VERSION
from stockbook.warehouse.read_published import read

__all__ = ["__version__", "read"]
__version__ = VERSION
