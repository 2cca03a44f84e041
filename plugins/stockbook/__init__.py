"""Stockbook: the nightly books of a shop that outsources its warehouse."""

__version__ = "0.1.0"
