"""
Whether a public address of the receiver reaches it: asked as a browser would, which a receiver answers in its own way.

Nothing is sent that could be taken for an event, and no secret.
"""

from typing import NamedTuple

from urllib3.exceptions import HTTPError

from stockbook.bounded_http import OverLimit, ask
from stockbook.reaching import advice

_REFUSED, _REFUSAL = 405, b'{"status":"refused"}'
_NOBODY_BEHIND = (502, 503, 504)


class Reached(NamedTuple):
    """Whether a receiver answered, and a sentence."""

    good: bool
    sentence: str


def reach(address: str) -> Reached:
    """Ask the address of an account's events, ``https://<host>/stockbook/hooks/<source>/<account>``."""
    try:
        answer = ask("GET", address, {}, connect=5.0, read=10.0)
    except (HTTPError, OSError, OverLimit) as error:
        return Reached(
            False,
            f"{address} gave this machine no answer: {advice(error, 'the address')}. Where a machine cannot reach its "
            "own public address, ask it from another network: a receiver answers 405.",
        )
    if answer.status == _REFUSED and answer.body == _REFUSAL:
        return Reached(True, f"{address} reaches a receiver")
    what = _what(answer.status)
    return Reached(False, f"{address} answers {answer.status}, and a receiver would answer 405: {what}.")


def _what(status: int) -> str:
    if 300 <= status < 400:
        return "a redirect is a failure for every sender, so give them the address it leads to"
    if status in _NOBODY_BEHIND:
        return "the proxy is there and no receiver behind it, so start that, or correct where the proxy passes it on to"
    if status == 404:
        return "the proxy does not pass this path on, or passes it on changed (docs/webhooks.md has one that does)"
    return "something else listens there, or asks who you are"
