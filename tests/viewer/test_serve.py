"""Ports: each viewer gets its own, though two start at once."""

import socket
import time

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


HEAD = b"GET /api/samples?size=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /api/review/undo HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Prunescope-Token: %s\r\n"


class TestWhoKeepsTheViewerWaiting:
    """Connections of clients that are slow on purpose, with a wait that is short."""

    @pytest.fixture
    def connect(self, monkeypatch, serving):
        monkeypatch.setattr("prunescope.viewer.connection.LONGEST_WAIT", 0.3)
        with serving() as viewer:
            sockets = []

            def connect():
                sockets.append(socket.create_connection(viewer.socket.getsockname(), timeout=20))
                return sockets[-1]

            yield connect
            for one in sockets:
                one.close()

    @staticmethod
    def closed(connection):
        """Wait until the viewer has closed a connection; return what it said before."""
        said = b""
        try:
            while part := connection.recv(65536):
                said += part
        except ConnectionResetError:
            pass
        return said

    @pytest.mark.parametrize(
        "begun",
        [
            b"",
            b"G",
            HEAD,
            HEAD + b"X-Long: " + b"x" * 1000,
            POST % b"a-token-of-the-tests" + b"Content-Length: 50\r\n\r\n{",
            POST % b"a-token-of-the-tests" + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
        ],
    )
    def test_half_a_request_is_not_waited_for(self, connect, begun):
        connection = connect()
        connection.sendall(begun)
        assert self.closed(connection) == b""

    def test_nor_is_one_that_drips_in(self, connect):
        connection = connect()
        connection.sendall(HEAD)
        for _ in range(1000):
            try:
                connection.sendall(b"X: y\r\n")
            except OSError:  # it was closed meanwhile
                return
            time.sleep(0.02)
        pytest.fail("it was waited for")

    def test_nor_is_the_second_of_a_connection(self, connect):
        connection = connect()
        connection.sendall(HEAD + b"\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(HEAD)
        assert self.closed(connection).count(b"HTTP/1.1") == 0

    def test_a_refused_write_that_goes_on_is_not_waited_for(self, connect):
        connection = connect()
        connection.sendall(POST % b"wrong" + b"Content-Length: 50\r\n\r\n{")
        assert self.closed(connection).startswith(b"HTTP/1.1 403 ")

    def test_an_answer_that_is_not_read_is_given_up(self, connect, monkeypatch, collection):
        page = "<!doctype html>" + "x" * 30_000_000
        monkeypatch.setattr("prunescope.viewer.site.to_html", lambda _: page)
        connection = connect()
        connection.sendall(b"GET /report HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        time.sleep(1.0)
        assert len(self.closed(connection)) < len(page)

    def test_who_takes_his_time_between_requests_is_waited_for(self, connect):
        connection = connect()
        for _ in range(2):
            connection.sendall(HEAD + b"\r\n")
            time.sleep(0.7)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
