"""Who sent it: every vector of docs/apis, and what must not pass."""

import ast
import base64
import json
from pathlib import Path

import pytest

from stockbook.webhooks import verify

# docs/apis/shopline.md
SDK_SECRET, SDK_BODY = b"LDLLJJLflja2039203flaflaLLFLE", b'{"body_html":"BodyHtml","id":"32398389389389"}'
SDK_HEX = b"edf64f4c46a9cb2c8aaa6c7034b77899aca1b63ad0c461901417a42b1cf139b0"
OWN_SECRET, OWN_BODY = b"demo-app-secret", b'{"fulfillment_order":{"id":"4005","status":"open"}}'
OWN_HEX = b"62de50edc42f758171469f5fbc280d93ccf38a78d537e0533de72c5b21194ec5"
OWN_BASE64 = b"Yt5Q7cQvdYFxRp9fvCgNk8zzinjVN+BTPecsWyEZTsU="
RESERIALISED_HEX = b"0c3ca8f0a9b87a43a24bd597cbf49190cef46bf5a21cedc59395d3ea2ef6efcf"


@pytest.mark.parametrize(
    ("secret", "body", "header"),
    [
        (SDK_SECRET, SDK_BODY, SDK_HEX),
        (OWN_SECRET, OWN_BODY, OWN_HEX),
        (OWN_SECRET, OWN_BODY, OWN_HEX.upper()),
        (OWN_SECRET, OWN_BODY, OWN_BASE64),
    ],
)
def test_shoplines_vectors_pass_in_both_encodings(secret: bytes, body: bytes, header: bytes) -> None:
    """Hexadecimal as the vendor's SDK has it, Base64 as its pages have it."""
    assert verify.shopline_fits(header, body, [secret])


def test_a_reserialised_shopline_body_does_not_pass() -> None:
    """The same JSON with blanks as Python writes them has another signature, and each fits its own bytes only."""
    spaced = json.dumps(json.loads(OWN_BODY)).encode()

    assert verify.shopline_fits(RESERIALISED_HEX, spaced, [OWN_SECRET])
    assert not verify.shopline_fits(RESERIALISED_HEX, OWN_BODY, [OWN_SECRET])
    assert not verify.shopline_fits(OWN_HEX, spaced, [OWN_SECRET])
    assert not verify.shopline_fits(OWN_BASE64, spaced, [OWN_SECRET])


def test_two_shopline_secrets_pass_during_a_rotation() -> None:
    """Either secret fits; none, an empty or another one does not."""
    assert verify.shopline_fits(OWN_HEX, OWN_BODY, [b"newest", OWN_SECRET])
    assert verify.shopline_fits(OWN_HEX, OWN_BODY, [OWN_SECRET, b"previous"])
    assert not verify.shopline_fits(OWN_HEX, OWN_BODY, [])
    assert not verify.shopline_fits(OWN_HEX, OWN_BODY, [b"newest"])


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        OWN_HEX[:-1],
        OWN_HEX + b"0",
        OWN_BASE64[:-1],
        b"=" + OWN_BASE64[1:],
        base64.b64encode(bytes.fromhex(OWN_HEX.decode())[:31]),
        OWN_BASE64.replace(b"+", b"-"),
        b"sha256=" + OWN_HEX,
        b"\xff" * 44,
    ],
)
def test_a_header_of_another_shape_is_no_signature(header: bytes | None) -> None:
    """Neither 64 hexadecimal digits nor Base64 of 32 bytes."""
    assert verify.signature_bytes(header) is None
    assert not verify.shopline_fits(header, OWN_BODY, [OWN_SECRET])


def test_no_empty_secret_ever_fits() -> None:
    """An account without a secret is one nobody can speak for, whatever is sent."""
    import hashlib
    import hmac

    pairs = verify.ordered_pairs(b'{"a":"1","hash":"%s"}' % hashlib.sha256(b"a1").hexdigest().encode())
    assert not verify.token_fits(b"", [b""])
    assert not verify.token_fits(None, [b""])
    assert not verify.shopline_fits(hmac.digest(b"", OWN_BODY, "sha256").hex().encode(), OWN_BODY, [b""])
    assert not verify.flickrocket_fits(pairs, [b""])
    assert not verify.embedded_app_fits("1", "2", verify.embedded_app_hmac("1", "2", b""), [b""])


# docs/apis/flickrocket.md, the hash of an event
PAYLOAD = {
    "company_id": 1202,
    "producer": "shop",
    "scope": "order/create",
    "data": {"type": "order", "id": "267227"},
}
HASHES = {
    "pairs_salt_after": "6a560269b8a6076811088b61d3f686fc58a62dbc71d4f30cf488bc402550409b",
    "pairs_salt_before": "42cd5d391a387d1c8c50a7ec673e476c7c1c6d7f05c2c28bf67645e31f29000c",
    "pairs_hmac": "93505f9c3d19537f381b061e8299a5af964929f0e7cf9f460d397d65985db63f",
    "values_salt_after": "4e79a484aae000de40ed9bb6258b8c5c8b4d0e98a629676444fc8cde281766ba",
    "values_salt_before": "573f06199e3cebd3a242a16fba0157463b4e5ff3497780243d1ea9a23f65fd09",
    "values_hmac": "94bc7e43e8c8c75f7425ca09494050662b902704c0cdf2fdff7781864291979f",
    "all_pairs_salt_after": "4c9b3491a4c026dc74b747ee9254492d619f719d8e6a8fc84c742c24d5f8ffff",
    "all_pairs_salt_before": "fd5a681d4b6a3df9c48faf0d481cb67ab9152fa70fd3f52dbb765702c32acb5b",
    "all_pairs_hmac": "f30adf07f87f5d21f9bfd785acddce13f8d14744644fce32613c9789785384af",
}


def flickrocket(digest: str, **changes: object) -> verify.Pairs:
    return verify.ordered_pairs(json.dumps(PAYLOAD | changes | {"hash": digest}).encode())


def test_every_reading_of_flickrockets_rule_has_a_vector() -> None:
    """The nine rules are those of docs/apis/flickrocket.md, and the literal one is used when none is named."""
    assert sorted(verify.HASH_RULES) == sorted(HASHES)
    assert verify.flickrocket_fits(flickrocket(HASHES["pairs_salt_after"]), [b"demo-secret"])


@pytest.mark.parametrize("rule", HASHES)
def test_flickrockets_vectors_pass_under_their_rule_only(rule: str) -> None:
    """One rule is in force; a hash by another one does not pass."""
    passing = [name for name in HASHES if verify.flickrocket_fits(flickrocket(HASHES[name]), [b"demo-secret"], rule)]

    assert passing == [rule]


def test_flickrockets_key_order_counts() -> None:
    """The hash is of the pairs from first to last: the same members in another order do not pass."""
    digest = HASHES["pairs_salt_after"]
    turned = json.dumps({"hash": digest, **dict(reversed(PAYLOAD.items()))}).encode()
    moved = json.dumps({"hash": digest, **PAYLOAD}).encode()

    assert not verify.flickrocket_fits(verify.ordered_pairs(turned), [b"demo-secret"])
    assert verify.flickrocket_fits(verify.ordered_pairs(moved), [b"demo-secret"])


def test_the_hash_of_nothing_is_refused_whatever_the_secret() -> None:
    """The vendor's own sample carries it, so whoever hashes nothing would pass."""
    empty = verify.ordered_pairs(json.dumps({"hash": verify.EMPTY_TEXT_HASH}).encode())

    assert not verify.flickrocket_fits(flickrocket(verify.EMPTY_TEXT_HASH), [b"demo-secret"])
    assert not verify.flickrocket_fits(empty, [b""], "pairs_salt_after")
    assert not verify.flickrocket_fits(flickrocket(verify.EMPTY_TEXT_HASH.upper()), [b"demo-secret"])


@pytest.mark.parametrize(
    "change", [{"company_id": 1203}, {"scope": "order/created"}, {"data": {"type": "order", "id": "267228"}}]
)
def test_a_changed_flickrocket_value_does_not_pass(change: dict[str, object]) -> None:
    """Every value is hashed."""
    assert not verify.flickrocket_fits(flickrocket(HASHES["pairs_salt_after"], **change), [b"demo-secret"])


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"1",
        b"",
        b'{"a":1',
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":NaN}',
        b'{"a":"\xff"}',
        b"[" * 50_000,
    ],
)
def test_what_is_not_an_object_of_distinct_names_is_not_read(body: bytes) -> None:
    """A name that comes twice would be hashed as one thing and read as another."""
    with pytest.raises(verify.NotPairs):
        verify.ordered_pairs(body)


def test_numbers_are_hashed_as_they_were_sent() -> None:
    """No digit is lost on the way from the body to the hash."""
    assert verify.ordered_pairs(b'{"a":1202.10,"b":12345678901234567890123}') == [
        ("a", "1202.10"),
        ("b", "12345678901234567890123"),
    ]


# docs/apis/fulfillment_cz.md


@pytest.mark.parametrize("header", [None, b"", b"tok", b"token ", b"Token", b"Bearer token", b"token, token", b"\xff"])
def test_only_the_very_token_of_the_account_passes(header: bytes | None) -> None:
    """No scheme before it, nothing behind it, no other case."""
    assert verify.token_fits(b"token", [b"token"])
    assert verify.token_fits(b"token", [b"newer", b"token"])
    assert not verify.token_fits(header, [b"token", b"newer"])


# docs/apis/flickrocket.md, the embedded page


def test_the_embedded_apps_vector_passes_and_the_two_wrong_ones_do_not() -> None:
    """Over the Base64 text, UserID first."""
    right = "255da748909f42f8ca062d4831b4a754aa633f5d396ec4a9fb018577e506ca33"
    without_base64 = "31875f6e7f4eae3973f8dfefbbe0691b1bdd2e339e631c775d6eedf6718c4190"
    company_first = "30ad92eeb45309a2ca43cc4c8a7cfc47ee56600c20ee35da1eb248a0751cda61"

    assert verify.embedded_app_hmac("2543", "23128", b"demo-secret") == right
    assert verify.embedded_app_fits("2543", "23128", right, [b"other", b"demo-secret"])
    for wrong in (without_base64, company_first, right.upper(), "", right[:-1], "\ud800"):
        assert not verify.embedded_app_fits("2543", "23128", wrong, [b"demo-secret"])
    assert not verify.embedded_app_fits("2543", "23129", right, [b"demo-secret"])


def test_everything_secret_is_compared_in_constant_time() -> None:
    """The only equality signs are about lengths, names and what is published; the rest is compare_digest."""
    source = Path(verify.__file__).read_text()
    equal = ast.Eq | ast.NotEq | ast.In | ast.NotIn
    equalities = {
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Compare) and any(isinstance(op, equal) for op in node.ops)
    }
    assert equalities == {
        "len(signature) == 32",
        "len({name for name, _ in pairs}) != len(pairs)",
        "name != 'hash'",
        "'_salt_' in rule",
        "salt in ('after', 'before')",
        "signature.lower() == EMPTY_TEXT_HASH",
    }
    assert source.count("compare_digest(") == 1
