"""What an HTTP port of ours holds, on a real port, asked by bare sockets."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from scripts.local_stack import ROOT
from services.scheduler.app import SERVER_OPTIONS
from services.scheduler.edge.intake import REQUEST_SECONDS
from services.scheduler.http.endpoint import BODY_BYTES_MAX
from services.shared import http_bounds
from services.shared.http_bounds import HEADER_BYTES_MAX, bounded
from services.shared.http_port import HANDSHAKE_SECONDS, Server, listen
from tests.store.loops import on_a_loop

SECONDS = 20.0
LARGE = 64 * 1024 * 1024
GET = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"
SMALL = b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads all, then answers with a little or with very much."""
    message = await receive()
    while message.get("more_body"):
        message = await receive()
    if message["type"] == "http.disconnect":
        return
    body = b"x" * (LARGE if scope["path"] == "/large" else 4)
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    # Waits until most of it has left, or never will.
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def served(
    connections: int = 100, application: ASGIApp = app
) -> AsyncIterator[tuple[str, int]]:
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        application,
        http=bounded(connections, "Too many: SCHEDULER_HTTP_CONNECTIONS_MAX"),
        h11_max_incomplete_event_size=HEADER_BYTES_MAX,
        log_config=None,
        lifespan="off",
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()
    finally:
        server.stop()
        server.force_exit = True
        await serving
        listener.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Status and body of what comes until the connection ends."""
    async with asyncio.timeout(SECONDS):
        told = (await reader.read()).decode()
    found = re.match(r"HTTP/1.1 (\d+) ", told)
    return (int(found[1]) if found else 0), told.partition("\r\n\r\n")[2]


async def bytes_until_the_end(reader: asyncio.StreamReader) -> int:
    read = 0
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(SECONDS):
            while some := await reader.read(1_000_000):
                read += len(some)
    return read


async def asked(port: tuple[str, int], *parts: bytes) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection(*port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    found = await answer(reader)
    writer.close()
    return found


def code(body: str) -> str:
    return str(json.loads(body)["error"]["code"])


def message(body: str) -> str:
    return str(json.loads(body)["error"]["message"])


@on_a_loop
async def test_one_connection_too_many_is_told_so_health_is_not_and_far_more_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Nothing else is to end a connection here.
    monkeypatch.setattr(http_bounds, "HEADER_SECONDS", 1_000.0)
    async with served(2) as port:
        idle = [await asyncio.open_connection(*port) for _ in range(2)]
        status, body = await asked(port, SMALL)
        assert (status, message(body)) == (503, "Too many: SCHEDULER_HTTP_CONNECTIONS_MAX")
        assert code(body) == "RESOURCE_EXHAUSTED"
        health = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        assert (await asked(port, health))[0] == 200
        more = [await asyncio.open_connection(*port) for _ in range(2)]
        reader, last = await asyncio.open_connection(*port)
        assert await bytes_until_the_end(reader) == 0
        for _reader, writer in (*idle, *more, (reader, last)):
            writer.close()
        # Its connections are gone once the server has seen their end.
        async with asyncio.timeout(SECONDS):
            while (await asked(port, SMALL.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")))[
                0
            ] != 200:
                pass


@on_a_loop
async def test_headers_that_are_too_large_are_refused_as_such() -> None:
    async with served() as port:
        head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: "
        status, body = await asked(port, head + b"x" * 2 * HEADER_BYTES_MAX)
        assert (status, message(body)) == (431, "The headers have more than 32768 bytes")
        assert code(body) == "RESOURCE_EXHAUSTED"
        # Also where they come whole, at once, in whatever place, and behind another request.
        end = b"\r\nConnection: close\r\n\r\n"
        assert (await asked(port, head + b"x" * (HEADER_BYTES_MAX - 200) + end))[0] == 200
        large = b"x" * HEADER_BYTES_MAX
        for whole in (
            head + large + end,
            b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 20_000 + end[2:],
            b"GET /" + large + b" HTTP/1.1\r\nHost: localhost" + end,
            b"GET /?" + large + b" HTTP/1.1\r\nHost: localhost" + end,
        ):
            status, body = await asked(port, whole)
            assert (status, message(body)) == (431, "The headers have more than 32768 bytes")
        _status, body = await asked(port, SMALL + head + large + end)
        assert "HTTP/1.1 431" in body
        status, body = await asked(port, b"nonsense\r\n\r\n")
        assert (status, message(body)) == (400, "Invalid HTTP request received.")
        assert code(body) == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("bound", "sent", "status"),
    [
        ("HEADER_SECONDS", b"", 0),
        ("HEADER_SECONDS", b"GET / HTTP/1.1\r\nHost: local", 408),
        ("BODY_SECONDS", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{", 408),
    ],
    ids=["nothing", "half of the headers", "half of the body"],
)
def test_what_is_half_sent_is_not_waited_for(bound: str, sent: bytes, status: int) -> None:
    @on_a_loop
    async def run() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(http_bounds, bound, 0.1)
            async with served() as port:
                found, body = await asked(port, sent)
                assert found == status
                assert not body or code(body) == "RESOURCE_EXHAUSTED"

    run()


@pytest.mark.parametrize(
    ("bound", "begun"),
    [
        ("HEADER_SECONDS", b"GET / HTTP/1.1\r\nHost: "),
        ("BODY_SECONDS", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n"),
    ],
    ids=["headers", "body"],
)
def test_what_comes_drop_by_drop_is_not_waited_for_either(bound: str, begun: bytes) -> None:
    @on_a_loop
    async def run() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(http_bounds, bound, 0.3)
            async with served() as port:
                reader, writer = await asyncio.open_connection(*port)
                writer.write(begun)
                # What comes after the end resets the connection, and may take the answer with it.
                ending = asyncio.create_task(bytes_until_the_end(reader))
                for _ in range(100):
                    writer.write(b"x")
                    await asyncio.wait([ending], timeout=0.05)
                    if ending.done():
                        break
                assert ending.done()
                await ending
                writer.close()

    run()


def test_the_bounds_are_those_that_operators_are_told() -> None:
    page = " ".join((ROOT / "docs" / "operations.md").read_text().split())
    assert (http_bounds.HEADER_BYTES_MAX, BODY_BYTES_MAX) == (32 * 1024, 4 * 1024 * 1024)
    assert "HTTP headers (32 KiB, status 431) and bodies (4 MiB, 413)" in page
    assert (HANDSHAKE_SECONDS, http_bounds.HEADER_SECONDS) == (10, 10)
    assert (http_bounds.BODY_SECONDS, http_bounds.UNREAD_SECONDS) == (30, 30)
    told = (
        "ten seconds for a handshake of TLS on the HTTP port, as many for the headers of a request,"
        " and thirty for its body (408) or for a gRPC request, thirty for an answer over HTTP that"
        " nobody reads"
    )
    assert told in page
    options = dict(SERVER_OPTIONS)
    metadata = ("grpc.max_metadata_size", "grpc.absolute_max_metadata_size")
    assert [options[name] for name in metadata] == [16 * 1024, 16 * 1024]
    assert "metadata of a call (16 KiB)" in page
    assert (REQUEST_SECONDS, options["grpc.server_handshake_timeout_ms"]) == (30, 10_000)


@on_a_loop
async def test_an_answer_that_nobody_reads_is_given_up() -> None:
    let_go = asyncio.Event()

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        if scope["path"] == "/large":
            let_go.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http_bounds, "UNREAD_SECONDS", 0.1)
        async with served(application=watched) as port:
            # Beyond its limit a reader takes nothing from the socket.
            reader, writer = await asyncio.open_connection(*port, limit=1024)
            writer.write(GET)
            other = await asked(port, SMALL.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            assert other[0] == 200
            await asyncio.wait_for(let_go.wait(), SECONDS)
            read = await bytes_until_the_end(reader)
            assert read < LARGE
            writer.close()


@on_a_loop
async def test_a_connection_that_is_used_well_lives_on_from_request_to_request() -> None:
    async with served() as port:
        reader, writer = await asyncio.open_connection(*port)
        for _ in range(3):
            for part in (SMALL[:10], SMALL[10:]):
                writer.write(part)
                await writer.drain()
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)
            assert head.startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(4) == b"xxxx"
        writer.close()
