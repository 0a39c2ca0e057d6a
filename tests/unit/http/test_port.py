"""Connections of the HTTP port that have not even come to a request."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from services.scheduler.http.server import HttpServer
from services.shared import http_port
from tests.e2e.certificates import made
from tests.store.loops import on_a_loop

SECONDS = 20.0
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


class Port:
    """A port over TLS, and who trusts it."""

    def __init__(self, server: HttpServer, trust: ssl.SSLContext) -> None:
        self._port = server.port
        self._trust = trust

    async def idle(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection that says nothing."""
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def asked(self) -> bytes:
        """What is answered to a request; nothing where it is dropped."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._trust)
        except OSError:
            return b""
        writer.write(REQUEST)
        answer = await asyncio.wait_for(reader.read(), SECONDS)
        writer.close()
        return answer


@asynccontextmanager
async def served(folder: Path, connections: int) -> AsyncIterator[Port]:
    files = made(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.cert, files.key)
    server = HttpServer.bind("127.0.0.1", 0, connections)
    server.start(app, context)
    try:
        yield Port(server, ssl.create_default_context(cafile=files.ca))
    finally:
        await server.stop()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Waits until the other side has let go of a connection."""
    with contextlib.suppress(ConnectionResetError):
        return await asyncio.wait_for(reader.read(), SECONDS) == b""
    return True


@on_a_loop
async def test_connections_count_before_their_handshake(tmp_path: Path) -> None:
    async with served(tmp_path, 2) as port:
        assert (await port.asked()).startswith(b"HTTP/1.1 200")
        idle = [await port.idle() for _ in range(4)]
        reader, last = await port.idle()
        assert await ended(reader)
        assert await port.asked() == b""
        for _reader, writer in (*idle, (reader, last)):
            writer.close()
        async with asyncio.timeout(SECONDS):
            # They are gone once the server has seen their end.
            while not (await port.asked()).startswith(b"HTTP/1.1 200"):
                pass


@on_a_loop
async def test_headers_without_an_end_are_refused_while_they_come() -> None:
    server = HttpServer.bind("127.0.0.1", 0, 2)
    server.start(app)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 40_000)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n"), SECONDS)
    assert head.startswith(b"HTTP/1.1 431")
    writer.close()
    await server.stop()


@on_a_loop
async def test_a_handshake_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http_port, "HANDSHAKE_SECONDS", 0.1)
        async with served(tmp_path, 2) as port:
            reader, writer = await port.idle()
            assert await ended(reader)
            writer.close()


@on_a_loop
async def test_headers_that_do_not_end_are_not_gathered() -> None:
    server = HttpServer.bind("127.0.0.1", 0, 2)
    server.start(app)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 64 * 1024)
        status = await asyncio.wait_for(reader.readline(), SECONDS)
        assert status.startswith(b"HTTP/1.1 431")
        writer.close()
    finally:
        await server.stop()


def test_a_port_is_taken_again_while_connections_of_the_process_before_linger() -> None:
    before = http_port.listen("127.0.0.1", 0)
    port = before.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as client:
        accepted, _address = before.accept()
        # As a process that is killed does: its end of the connection is the first to go.
        accepted.close()
        before.close()
        assert client.recv(1) == b""
    with http_port.listen("127.0.0.1", port) as after:
        assert after.getsockname()[1] == port
