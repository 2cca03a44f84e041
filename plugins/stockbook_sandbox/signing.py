"""The bodies and headers of events, signed as each of the three systems signs them."""

import hashlib
import hmac
import json
from base64 import b64encode

from stockbook_sandbox.events import Event
from stockbook_sandbox.shopline_bodies import SHOP_ID

DEFAULT_SECRET = "sandbox-app-secret"  # noqa: S105 - of an invented shop


class Signer:
    """Signs with the token of fulfillment.cz and the app secret of FlickRocket and SHOPLINE."""

    def __init__(self, token: str, secret: str) -> None:
        self._token, self._secret = token, secret

    def signed(self, event: Event, encoding: str, forged: bool = False) -> tuple[bytes, dict[str, str]]:
        """
        Body and headers of an event; ``forged`` with a secret that was never issued.

        ``encoding`` of SHOPLINE's signature is base64, hex or mixed.
        """
        token, secret = ("forged", "forged") if forged else (self._token, self._secret)
        if event.source == "fulfillment_cz":
            headers = {"Content-Type": "application/json", "Authorization": token}
            return json.dumps(event.body, ensure_ascii=False).encode(), headers
        if event.source == "flickrocket":
            text = "".join(f"{name}{value}" for name, value in _flat(event.body))
            digest = hashlib.sha256((text + secret).encode()).hexdigest()
            return json.dumps({**event.body, "hash": digest}).encode(), {"Content-Type": "application/json"}
        body = json.dumps(event.body, ensure_ascii=False, separators=(",", ":")).encode()
        mac = hmac.digest(secret.encode(), body, "sha256")
        is_hex = encoding == "hex" or (encoding == "mixed" and int(event.key[0], 16) % 2)
        return body, {
            "Content-Type": "application/json; charset=utf-8",
            "X-Shopline-Topic": event.topic,
            "X-Shopline-Hmac-Sha256": mac.hex() if is_hex else b64encode(mac).decode(),
            "X-Shopline-Shop-Domain": "sandbox.myshopline.com",
            "X-Shopline-Shop-Id": SHOP_ID,
            "X-Shopline-Merchant-Id": "2000001234",
            "X-Shopline-API-Version": "v20240601",
            "X-Shopline-Webhook-Id": event.key,
        }


def _flat(body: dict[str, object]) -> list[tuple[str, object]]:
    """Keys and values from first to last, of an object its own pairs: ``pairs`` of docs/apis/flickrocket.md."""
    pairs: list[tuple[str, object]] = []
    for name, value in body.items():
        pairs += _flat(value) if isinstance(value, dict) else [(name, value)]
    return pairs
