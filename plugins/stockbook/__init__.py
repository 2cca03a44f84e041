"""Stockbook: the nightly books of a shop that outsources its warehouse."""

from stockbook.metrics.ask import metric
from stockbook.version import VERSION
from stockbook.warehouse.read_published import read

__all__ = ["__version__", "metric", "read"]
__version__ = VERSION
