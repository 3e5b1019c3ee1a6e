"""Ports: each viewer gets its own, though two start at once."""

import pytest

from prunescope.errors import ConfigError
from prunescope.viewer.serve import FIRST_PORT, PORTS_TRIED, bind, new_token


def test_two_that_start_at_once_get_two_ports():
    with bind("127.0.0.1", None) as one, bind("127.0.0.1", None) as other:
        ports = {one.getsockname()[1], other.getsockname()[1]}
        assert len(ports) == 2
        assert all(FIRST_PORT <= port < FIRST_PORT + PORTS_TRIED for port in ports)


def test_a_port_that_is_taken_is_told():
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"127\.0\.0\.1 port {port} cannot be served"):
            bind("127.0.0.1", port)


@pytest.mark.parametrize("host", ["", " "])
def test_an_empty_host_is_not_every_address(host):
    with pytest.raises(ConfigError, match="--host is empty"):
        bind(host, None)


def test_tokens_differ_and_are_long():
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) >= 32
