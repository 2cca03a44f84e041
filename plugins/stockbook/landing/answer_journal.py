"""
What a part of a listing was answered before it was complete.

Every answer is recorded beside the page that holds its rows, so that a walk that was cut off can be walked again
over what landed, and asks only for what did not.
"""

from collections.abc import Iterable

import msgspec

from stockbook.landing.manifest import PageFile, Refused, Undeclared


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag="answer"):
    """
    One answer: the offset asked for, a key for every row received, the promised total.

    ``page`` holds the rows that were fresh, None where none was; ``left_out`` are the positions of the others.
    ``body`` is a keyed digest of the answer as it came, empty where it stands for more than its body. ``requests`` and
    ``bytes_received`` are what the part had cost so far. ``refused`` is what of the rows that landed was set aside,
    ``mended`` are characters that were no text.
    """

    part: str
    offset: int
    keys: list[int | str | None]
    total: int | None
    page: PageFile | None = None
    left_out: list[int] = []
    body: str = ""
    requests: int = 0
    bytes_received: int = 0
    undeclared: list[Undeclared] = []
    refused: list[Refused] = []
    mended: int = 0


class Void(msgspec.Struct, frozen=True, kw_only=True, tag="void"):
    """The answers of a part so far prove nothing: it is read from its start."""

    part: str


Recorded = Answer | Void


def still_good(recorded: list[Recorded]) -> dict[str, list[Answer]]:
    """The answers of each part that were not made void, in their order."""
    answers: dict[str, list[Answer]] = {}
    for entry in recorded:
        if isinstance(entry, Void):
            answers.pop(entry.part, None)
        else:
            answers.setdefault(entry.part, []).append(entry)
    return answers


# made when the module is imported, as those of manifests are
RECORDED: msgspec.json.Decoder[Recorded] = msgspec.json.Decoder(Recorded)


def recorded_in(lines: Iterable[bytes]) -> list[Recorded]:
    """What stands in lines of a journal; lines of another kind are passed over."""
    return [RECORDED.decode(line) for line in lines if line.startswith(b'{"type":')]
