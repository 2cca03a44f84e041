"""
Whether a request is signed by the sender it names: one pure function per source.

Every comparison takes the same time whatever was sent, and all secrets of an account are tried even after one
fits: during a rotation there are two. For an account without a secret every request is refused.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from stockbook.webhooks.request import text_of, whole_characters

Pairs = list[tuple[str, Any]]

_HEX = re.compile(r"[0-9a-fA-F]{64}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{43}=")
EMPTY_TEXT_HASH = hashlib.sha256(b"").hexdigest()


def _equals_any(received: bytes, expected: Iterable[bytes]) -> bool:
    is_equal = False
    for digest in expected:
        is_equal |= hmac.compare_digest(received, digest)
    return is_equal


# fulfillment.cz


def token_fits(header: bytes | None, tokens: Iterable[bytes]) -> bool:
    """Whether the ``Authorization`` header is, byte for byte, one of the account's hook tokens (it has no scheme)."""
    # digests have one length: comparing the tokens themselves would tell theirs
    digest = hashlib.sha256(header or b"").digest()
    return _equals_any(digest, (hashlib.sha256(token).digest() for token in tokens if token))


# SHOPLINE


def signature_bytes(header: bytes | None) -> bytes | None:
    """
    The 32 bytes of an ``X-Shopline-Hmac-Sha256`` header, None when it has neither of the two shapes.

    64 hexadecimal digits are hexadecimal, 43 characters and ``=`` are Base64: the vendor's page shows one, its own
    SDK the other (docs/apis/shopline.md).
    """
    text = (header or b"").decode("latin-1")
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    if not _BASE64.fullmatch(text):
        return None
    try:
        signature = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return signature if len(signature) == 32 else None


def shopline_fits(header: bytes | None, body: bytes, secrets: Iterable[bytes]) -> bool:
    """Whether the header is the HMAC-SHA256 of the raw body under one of the app secrets."""
    signature = signature_bytes(header)
    return _equals_any(signature or bytes(32), (hmac.digest(key, body, "sha256") for key in secrets if key)) and bool(
        signature
    )


# FlickRocket


class NotPairs(ValueError):
    """The body is not a JSON object of distinct names. Carries nothing of it."""


def ordered_pairs(body: bytes) -> Pairs:
    """
    The members of a JSON object in the order they were sent, numbers as the text they were sent as.

    Objects inside are pairs again. Raises NotPairs for anything else, and for a name that comes twice: a reader
    that takes the last one would see another event than the hash was made of.
    """
    try:
        pairs = json.loads(
            text_of(body),
            object_pairs_hook=_distinct,
            parse_int=str,
            parse_float=str,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError):
        raise NotPairs from None
    if not isinstance(pairs, _Object):
        raise NotPairs
    return pairs


class _Object(Pairs):
    """An object, which ``isinstance`` can tell from a list."""


def _distinct(pairs: Pairs) -> _Object:
    if len({name for name, _ in pairs}) != len(pairs):
        raise NotPairs
    return _Object(pairs)


def _no_constant(_: str) -> None:
    raise NotPairs  # NaN and Infinity are not JSON


def _with_names(pairs: Pairs, containers: bool) -> Iterable[str]:
    for name, value in pairs:
        if containers or not isinstance(value, list):
            yield name
        yield from _value(value, lambda inner: _with_names(inner, containers))


def _values(pairs: Pairs) -> Iterable[str]:
    for _, value in pairs:
        yield from _value(value, _values)


def _value(value: Any, inside: Callable[[Pairs], Iterable[str]]) -> Iterable[str]:
    if isinstance(value, _Object):
        yield from inside(value)
    elif isinstance(value, list):
        for member in value:
            yield from _value(member, inside)
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif value is not None:
        yield value


_TEXTS: dict[str, Callable[[Pairs], Iterable[str]]] = {
    "pairs": lambda pairs: _with_names(pairs, containers=False),
    "values": _values,
    "all_pairs": lambda pairs: _with_names(pairs, containers=True),
}
_SALTS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "salt_after": lambda text, secret: hashlib.sha256(text + secret).digest(),
    "salt_before": lambda text, secret: hashlib.sha256(secret + text).digest(),
    "hmac": lambda text, secret: hmac.digest(secret, text, "sha256"),
}
HASH_RULES = tuple(f"{text}_{salt}" for text in _TEXTS for salt in _SALTS)
"""
Readings of FlickRocket's hash rule (docs/apis/flickrocket.md): which text is hashed, and where the app secret goes.

``pairs``: names and values, an object inside adds its own but not its name. ``values``: values only.
``all_pairs``: names of objects too.
"""
LITERAL_READING = "pairs_salt_after"


def flickrocket_hash(pairs: Pairs, secret: bytes, rule: str = LITERAL_READING) -> bytes:
    """The hash of a body's pairs without ``hash`` itself, by one of HASH_RULES."""
    text, _, salt = rule.rpartition("_salt_") if "_salt_" in rule else rule.rpartition("_")
    joined = whole_characters("".join(_TEXTS[text]([(name, value) for name, value in pairs if name != "hash"])))
    return _SALTS[f"salt_{salt}" if salt in ("after", "before") else salt](joined.encode(), secret)


def flickrocket_fits(pairs: Pairs, secrets: Iterable[bytes], rule: str = LITERAL_READING) -> bool:
    """
    Whether the body's ``hash`` is the one an account's app secret gives, by the account's rule.

    The SHA-256 of the empty text is refused outright: the vendor's own sample has it, so a sender that hashes
    nothing would pass.
    """
    signature = dict(pairs).get("hash")
    if not isinstance(signature, str) or not _HEX.fullmatch(signature) or signature.lower() == EMPTY_TEXT_HASH:
        return False
    return _equals_any(
        bytes.fromhex(signature), (flickrocket_hash(pairs, secret, rule) for secret in secrets if secret)
    )


def embedded_app_hmac(user_id: str, company_id: str, secret: bytes) -> str:
    """FlickRocket's ``hmac`` of a start URL, over the Base64 text of its parameters (docs/apis/flickrocket.md)."""
    text = base64.b64encode(f"?UserID={user_id}&CompanyID={company_id}".encode())
    return hmac.new(secret, text, "sha256").hexdigest()


def embedded_app_fits(user_id: str, company_id: str, signature: str, secrets: Iterable[bytes]) -> bool:
    """Whether a start URL was signed with one of the app secrets."""
    expected = (embedded_app_hmac(user_id, company_id, secret).encode() for secret in secrets if secret)
    return _equals_any(signature.encode(errors="replace"), expected)
