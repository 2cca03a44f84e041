"""Stockbook: the nightly books of a shop that outsources its warehouse."""

from stockbook.reading import read

__all__ = ["__version__", "read"]
__version__ = "0.1.0"
