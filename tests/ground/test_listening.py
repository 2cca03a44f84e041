"""A socket of a server of ours: what is wrong with an address is told as that, and a taken port as that."""

import socket

import pytest

from stockbook.errors import ConfigError
from stockbook.listening import listening, url_of


def has_ipv6() -> bool:
    """Whether this machine has an address of that family: a container often has none."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6"))],
)
def test_a_free_port_is_had_in_both_families(host: str) -> None:
    """Its address is one that a client takes."""
    with listening(host, 0) as bound:
        shown = f"[{host}]" if ":" in host else host
        assert url_of(host, bound) == f"http://{shown}:{bound.getsockname()[1]}"


# a name that is nobody's, and an address kept for documents
@pytest.mark.parametrize("host", ["nobody.invalid", "192.0.2.1"])
def test_an_address_of_another_machine_is_no_taken_port(host: str) -> None:
    """Another port would not help."""
    with pytest.raises(ConfigError, match="expected to be an address of this machine"):
        listening(host, 0)


def test_a_taken_port_is_told() -> None:
    """Then another one does."""
    with listening("127.0.0.1", 0) as bound:
        bound.listen()
        with pytest.raises(ConfigError, match="was expected to be free"):
            listening("127.0.0.1", bound.getsockname()[1])
