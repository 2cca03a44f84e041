"""
Until when the receiver's certificate is accepted: that of a PEM file, or the one an ``https`` address shows.

Asked over the network it is judged as a sender would: by its name, its chain and its time.
"""

import socket
import ssl
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from stockbook.errors import ConfigError

SECONDS = 2.0
"""A receiver often cannot reach its own public address, and its health must not wait for that."""


@lru_cache(maxsize=4)
def certificate_of(place: str, _: int) -> tuple[datetime | None, str]:
    """
    When the certificate of a file or an address expires (aware), or None and why it is not accepted.

    The second argument is the hour: within one it is looked at once.
    """
    try:
        return (_of_address(place) if place.startswith("https://") else _of_file(Path(place))), ""
    except ssl.SSLCertVerificationError as error:
        return None, error.verify_message
    except OSError as error:
        return None, error.strerror or type(error).__name__
    except ValueError:
        return None, "no certificate in PEM"


def _of_address(address: str) -> datetime:
    where = urlsplit(address)
    host, port = where.hostname or "", where.port or 443
    context = ssl.create_default_context()
    with (
        socket.create_connection((host, port), timeout=SECONDS) as line,
        context.wrap_socket(line, server_hostname=host) as talk,
    ):
        shown = talk.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)


def _of_file(file: Path) -> datetime:
    from cryptography import x509

    # the first is the receiver's own; those behind it are its chain
    return min(each.not_valid_after_utc for each in x509.load_pem_x509_certificates(file.read_bytes()))


def check_place(place: str) -> None:
    """Raise ConfigError for what is neither an address nor the absolute path of a file."""
    if not (place.startswith("https://") and urlsplit(place).hostname) and not place.startswith("/"):
        raise ConfigError(
            "STOCKBOOK_HOOKS_CERTIFICATE must be https://<host>, as senders reach it, or the path of a PEM file."
        )
