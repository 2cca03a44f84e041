"""The folder of this checkout: tests read its documents, programs and declarations."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
