"""The two ways to read a source's JSON: as if a process never gets warm, and as if it is warm at once."""

from stockbook.jsonscan.fast_path import Thresholds, Warmth

PLAIN = Warmth(Thresholds(pages_from=10**12, columns_from=10**12))
"""msgspec decodes every page, DuckDB parses every landed row."""
FAST = Warmth(Thresholds(pages_from=0, columns_from=0))
"""Compiled code reads whatever it is sure of."""
