"""A socket to listen on, for servers of ours."""

import errno
import socket

from stockbook.errors import ConfigError


def listening(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 is a free one. Raises ConfigError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off only for sockets that say TCP; with it every answer takes 40 ms
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise ConfigError(
                f"{host} was expected to be an address of this machine, and is none: listen on 127.0.0.1 behind a "
                "proxy here, on 0.0.0.0 or :: for other machines."
            ) from None
        raise ConfigError(
            f"Port {port} of {host} was expected to be free; {error.strerror}: choose another or 0."
        ) from None
    return bound


def url_of(host: str, bound: socket.socket) -> str:
    """The address under which a socket is reached."""
    return f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}"
