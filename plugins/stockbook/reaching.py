"""
Reaching a server: whose certificates are believed, and what to do where there was no answer.

The sentences quote nothing of an address, a certificate or a proxy, which may hold a password.
"""

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import certifi
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProxyError, SSLError

from stockbook.errors import ConfigError

TRUSTED = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that name a file or folder of authorities in place of the public ones; the first that is set counts."""

_OTHER_HOST, _TIME, _AUTHORITY = (62, 63, 64), (9, 10), (2, 18, 19, 20, 21)  # numbers of OpenSSL
_REFUSED_BY_PROXY = re.compile(r"Tunnel connection failed: (\d{3})")


def authorities(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """How urllib3 is told whose certificates are believed. Raises ConfigError for a file that holds none."""
    named = _named(environ)
    if not named:
        return {"cert_reqs": "CERT_REQUIRED", "ca_certs": certifi.where()}
    place = environ[named]
    if os.path.isdir(place):
        return {"cert_reqs": "CERT_REQUIRED", "ca_cert_dir": place}
    try:
        _read(place)
    except OSError as error:
        raise ConfigError(
            f"{named} must name a file of certificates in PEM, or a folder of them; {place} is none that can be read "
            f"({type(error).__name__}). Correct it, or unset it and the public authorities are believed."
        ) from None
    return {"cert_reqs": "CERT_REQUIRED", "ca_certs": place}


@cache
def _read(place: str) -> None:
    """Once per process: it takes as long as many requests. A file that cannot be read is tried again."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(place)


def _named(environ: Mapping[str, str]) -> str:
    return next((name for name in TRUSTED if environ.get(name)), "")


def was_sent(error: Exception) -> bool:
    """Whether the server may have heard the request; not where it was never reached, or not believed."""
    is_unproven = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))
    return not is_unproven and not isinstance(error, NewConnectionError | ConnectTimeoutError | ProxyError)


def advice(error: Exception, whose: str = "the connection") -> str:
    """What to do about an answer that did not come, as the beginning of a sentence; ``whose`` host was asked."""
    for cause in _causes(error):
        if isinstance(cause, ProxyError):
            return _of_proxy(cause)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _of_certificate(cause.verify_code, whose)
    if isinstance(error, SSLError):
        return (
            f"the server does not speak TLS there; write the scheme it speaks before the host of {whose} "
            "(http:// for a test server without TLS) or correct the host"
        )
    return f"check the host of {whose} and the network"


def _of_proxy(error: ProxyError) -> str:
    status = next((match for cause in _causes(error) if (match := _REFUSED_BY_PROXY.search(str(cause)))), None)
    if status is not None and status[1] == "407":
        return (
            "the proxy that the environment names (HTTPS_PROXY) asks who you are; write user and password into its "
            "address, or name the host in NO_PROXY"
        )
    did = "cannot be reached" if status is None else f"refused to connect to it ({status[1]})"
    return f"the proxy that the environment names (HTTPS_PROXY) {did}; correct it, or name the host in NO_PROXY"


def _of_certificate(code: int, whose: str) -> str:
    if code in _OTHER_HOST:
        return f"the server's certificate is of another host; correct the host of {whose}"
    if code in _TIME:
        return (
            "the server's certificate is not valid today; who runs the server has to renew it, or this machine's clock "
            "is wrong (`timedatectl` shows it). Wait for that"
        )
    if code in _AUTHORITY:
        return (
            "no authority that is believed here signed the server's certificate; where the network or the server has "
            f"an authority of its own, name the file with its certificate in {_named(os.environ) or 'SSL_CERT_FILE'}, "
            "else ask who runs the server whether it sends its whole chain. Do that"
        )
    return "the server's certificate is not accepted; ask who runs the server"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was made of: urllib3 hands on errors as arguments, and as causes."""
    seen: list[BaseException] = [error]
    for each in seen:
        yield each
        inner = (each.__cause__, each.__context__, getattr(each, "original_error", None), *each.args)
        seen += [cause for cause in inner if isinstance(cause, BaseException) and cause not in seen]
