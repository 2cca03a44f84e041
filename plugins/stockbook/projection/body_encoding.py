"""
Bodies whose bytes or texts are not what JSON in UTF-8 may hold, brought to what they mean.

A byte order mark says nothing and goes. Half of a surrogate pair, the character NUL, bytes that are no UTF-8 and
control characters that nobody escaped are no text: each becomes U+FFFD, the replacement character, and is counted.
What is around it stays, so that one bad text costs neither its row nor its page.
"""

import codecs
import re

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# of two or four bytes a character: what lies between tokens looks like UTF-8 with NUL in it
_WIDE = ("utf-16", "utf-32")
_REPLACED = "�"
# white space but for these lies between tokens only
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ODD_ESCAPE = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)")
# escapes in their order, so that a backslash that is escaped itself begins none; the group is what stands for no text
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u(?:[dD][89a-fA-F][0-9a-fA-F]{2}|0000))"
    rb"|\\.",
    re.DOTALL,
)
# half of a surrogate pair as bytes: one character, though no UTF-8
_HALF = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_LINE = re.compile(rb"[\t\n\r]")


def unmarked(body: bytes) -> bytes:
    """The body without the byte order mark in front of it."""
    return body.removeprefix(BYTE_ORDER_MARK)


def in_utf8(body: bytes, charset: str) -> bytes:
    """
    A body whose sender named its charset, in UTF-8.

    JSON is UTF-8, and servers name a charset by habit: what is UTF-8 stays, whatever was named. Raises LookupError for
    a charset there is not, UnicodeError where the bytes are of neither.
    """
    if not charset.startswith(_WIDE):
        try:
            body.decode()
        except UnicodeDecodeError:
            # bytes of UTF-8 that are none are mended, as ever
            name = codecs.lookup(charset).name
            return body if name in ("utf-8", "ascii") else body.decode(name).encode()
        return body
    return body.decode(charset).encode()


def mended(body: bytes) -> tuple[bytes, int]:
    """(the body in UTF-8 without a mark and without characters that are no text, how many of them it had)."""
    body, count = unmarked(body), 0
    try:
        body.decode()
    except UnicodeDecodeError:
        text = _HALF.sub(_REPLACED.encode(), body).decode(errors="replace")
        count = text.count(_REPLACED) - body.count(_REPLACED.encode())
        body = text.encode()
    body, controls = _CONTROL.subn(_REPLACED.encode(), body)
    count += controls
    if _ODD_ESCAPE.search(body) is None:
        return body, count
    odd = sum(match[1] is not None for match in _ESCAPE.finditer(body))
    return _ESCAPE.sub(lambda match: rb"\ufffd" if match[1] is not None else match[0], body), count + odd


def unbroken(body: bytes) -> tuple[bytes, int]:
    """(the body with tabs and line ends inside its texts replaced, how many): JSON has them escaped there."""
    count = 0

    def replaced(match: re.Match[bytes]) -> bytes:
        nonlocal count
        text, here = _LINE.subn(_REPLACED.encode(), match[0])
        count += here
        return text

    return _TEXT.sub(replaced, body), count
