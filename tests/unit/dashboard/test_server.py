import asyncio
import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from scripts.local_stack import ROOT
from services.dashboard.server import bind


async def no_delay_of_an_accepted_connection() -> int:
    option: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted: socket.socket = writer.get_extra_info("socket")
        option.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    listener = bind("127.0.0.1", 0)
    async with await asyncio.start_server(serve, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        found = await option
        writer.close()
        await writer.wait_closed()
    return found


def test_an_answer_never_waits_for_the_packet_before_it() -> None:
    assert asyncio.run(no_delay_of_an_accepted_connection()) == 1


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a dashboard in a process of its own, in front of nothing."""
    with subprocess.Popen(
        [sys.executable, "-m", "services.dashboard"],
        cwd=ROOT,
        env=os.environ | {"DASHBOARD_PORT": "0", "SCHEDULER_HTTP_ENDPOINT": "http://127.0.0.1:1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            ready = re.match(r"ready: dashboard on http://.*:(\d+),", process.stdout.readline())
            assert ready is not None
            yield int(ready[1])
        finally:
            process.terminate()


def asked(port: int, *headers: str, path: str = "/healthz") -> str:
    """The whole answer to a request; nothing where the connection is dropped."""
    lines = (f"GET {path} HTTP/1.1", "Host: localhost", *headers, "Connection: close", "", "")
    answer = b""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as connection,
        contextlib.suppress(ConnectionError),
    ):
        connection.sendall("\r\n".join(lines).encode())
        while part := connection.recv(65_536):
            answer += part
    return answer.decode()


def test_what_a_browser_sends_has_bounds_here_too(port: int) -> None:
    assert asked(port).startswith("HTTP/1.1 204")
    assert asked(port, f"X-Long: {'x' * 64 * 1024}").startswith("HTTP/1.1 431")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        # And without an end.
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 40_000)
        assert connection.recv(12) == b"HTTP/1.1 431"
    with contextlib.ExitStack() as idle:
        for _ in range(256):
            idle.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
        refused = asked(port, path="/static/icon.svg")
        assert refused.startswith("HTTP/1.1 503")
        assert "Too many connections: the bound is 256" in refused
        # Whoever watches must see that it lives.
        assert asked(port).startswith("HTTP/1.1 204")


def test_headers_that_do_not_end_are_not_gathered(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX-Long: " + b"x" * 64 * 1024)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 431")


def test_an_answer_says_nothing_of_what_it_is_served_by(port: int) -> None:
    head = asked(port, path="/static/icon.svg").partition("\r\n\r\n")[0].lower()
    assert head.startswith("http/1.1 200")
    assert "\nserver:" not in head


@pytest.mark.parametrize(
    "path",
    [
        # As no client writes them that folds paths.
        "/static/../settings.py",
        "/static/css/../../settings.py",
        "/static/./css/base.css",
        "/static//etc/hostname",
        f"/static/{ROOT / 'Makefile'}",
        "/static/..%2fsettings.py",
    ],
)
def test_no_address_leads_out_of_the_folder_of_files(port: int, path: str) -> None:
    assert asked(port, path=path).startswith("HTTP/1.1 404")
