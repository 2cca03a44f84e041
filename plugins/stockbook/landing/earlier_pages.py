"""
What an earlier night landed of a listing, found again by the digest of the answer it came in.

Most answers of a source are the same as the night before. The rows of such an answer were projected then: its page
is hard-linked, not parsed.
"""

from pathlib import Path
from typing import NamedTuple

import msgspec

from stockbook.errors import LandingDamaged
from stockbook.landing.answer_journal import Answer, recorded_in, still_good
from stockbook.landing.manifest import read_manifest

ANSWERED = "answered.ndjson"
"""The journal of a listing that was read completely."""

# what the rows of a page depend on besides the answer
_SAME = ("declarations", "hash_key", "projection")


class EarlierAnswer(NamedTuple):
    """An answer of an earlier night, and the folder its page lies in."""

    answer: Answer
    folder: Path


def earlier_answers(folder: Path, parameters: dict[str, str]) -> dict[str, EarlierAnswer]:
    """
    The answers of a listing's folder by digest; none where it was read for other declarations or with another key.

    A folder that is damaged or gone has none: every page is then projected.
    """
    try:
        manifest = read_manifest(folder)
        lines = (folder / ANSWERED).read_bytes().split(b"\n")
        recorded = recorded_in(lines)
    except (LandingDamaged, OSError, msgspec.MsgspecError):
        return {}
    if manifest is None or any(manifest.parameters.get(name) != parameters.get(name) for name in _SAME):
        return {}
    answers = (answer for part in still_good(recorded).values() for answer in part)
    return {answer.body: EarlierAnswer(answer, folder) for answer in answers if answer.body}


def reported_names(folder: Path) -> dict[str, str]:
    """The hidden forms of the undeclared names that a listing's folder reports in clear (``undeclared_names``)."""
    try:
        manifest = read_manifest(folder)
    except LandingDamaged:
        return {}
    return {} if manifest is None else {field.path: field.hidden for field in manifest.undeclared if field.hidden}
