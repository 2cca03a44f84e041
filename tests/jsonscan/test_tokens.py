"""Bytes that are looked at eight at a time: where a text stops being plain, and where a name ends."""

from typing import Any

import numpy as np
import pytest

from stockbook.jsonscan import tokens


def buffer(content: bytes) -> Any:
    """Bytes as the scanner gets them."""
    return np.frombuffer(content + tokens.ZEROS, np.uint8)


def test_a_text_is_plain_up_to_the_first_byte_that_is_not() -> None:
    """Whatever stands in whichever place of a word, and whatever stands behind it."""
    for byte in range(256):
        is_plain = 32 <= byte < 128 and byte not in b'"\\'
        for place in range(17):
            for behind in (b"", b"\x21\x1f", b"\x5d\x80"):
                content = b"#" * place + bytes([byte]) + behind
                first = next((at for at, own in enumerate(content) if own in b'\x1f\x80"\\'), len(content))
                expected = first if is_plain else place
                assert tokens.after_plain(buffer(content), 0) == expected, content


@pytest.mark.parametrize("name", [b"", b"id", b"created", b"quantity", b"movement_id", b"fulfillment_order", b"n" * 33])
def test_a_name_is_the_one_given_only_as_a_whole(name: bytes) -> None:
    """Its quote follows; one that is longer, shorter or other by a byte anywhere is another name."""
    names, end = buffer(b"before" + name), 6 + len(name)
    wrong = [name[:at] + b"?" + name[at + 1 :] for at in range(len(name))]
    wrong += [name[:-1], b"?" + name] if name else [b"?"]

    assert tokens.after_name(buffer(b'"' + name + b'":1'), 1, names, 6, end) == len(name) + 2
    assert tokens.after_name(buffer(b'"' + name + b'x"'), 1, names, 6, end) == -1
    assert tokens.after_name(buffer(b'"' + name), 1, names, 6, end) == -1
    for other in wrong:
        assert tokens.after_name(buffer(b'"' + other + b'":1'), 1, names, 6, end) == -1, other
