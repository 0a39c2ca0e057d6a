"""What a browser may send to our ports."""

import asyncio
import logging
from collections.abc import Mapping

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message

from services.shared.web import EncodedPaths, Guard, segment


async def echo(request: Request) -> Response:
    return PlainTextResponse(segment(request.path_params["id"]))


PROBED = "/things/probe/parts"
APPLICATION = Starlette(
    routes=[Route("/things/{id}/parts", echo, methods=["GET", "POST"])],
    middleware=[
        Middleware(Guard, hosts=["Board.Example.com", "dotted.example.com."], open_paths=[PROBED]),
        Middleware(EncodedPaths),
    ],
)


def answer(
    method: str = "GET", path: str = "/things/a/parts", headers: Mapping[str, str] | None = None
) -> tuple[int, str]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    given = {"host": "localhost:8082"} | dict(headers or {})
    scope = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    asyncio.run(APPLICATION(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], body.decode()


def test_a_segment_may_hold_any_character() -> None:
    assert answer(path="/things/a%2Fb%20%3F%25/parts") == (200, "a/b ?%")


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:1", "127.0.0.1:8082", "[::1]:8082", "10.1.2.3", "scheduler:8081",
        "board.localhost:3", "host.docker.internal:8081", "board.example.com", "localhost.",
        "dotted.example.com", "dotted.example.com.:81",
    ],
)  # fmt: skip
def test_our_own_names_are_served(host: str) -> None:
    assert answer(headers={"host": host})[0] == 200


def test_a_path_that_is_open_is_read_under_any_name_and_changed_under_none() -> None:
    probe = {"host": "tasks.svc.cluster.example"}
    assert answer(path=PROBED, headers=probe) == (200, "probe")
    assert answer("POST", path=PROBED, headers=probe)[0] == 403
    assert answer(path=f"{PROBED}/", headers=probe)[0] == 403


def test_a_refusal_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    answer(headers={"host": "evil.example.com"})
    (record,) = caplog.records
    assert "evil.example.com" in record.getMessage()


@pytest.mark.parametrize(
    "host",
    [
        "evil.example.com:8082", "127.0.0.1.evil.net", "", "a b", "[::", "evilboard.example.com",
        "x.board.example.com", "board.example.com.evil.net", "evil.notlocalhost",
        "host.docker.internal.evil.net", "localhost.evil.net", "x@evil.example.com",
        "localhost@evil.example.com",
    ],
)  # fmt: skip
def test_a_name_that_somebody_else_had_resolve_to_us_is_refused(host: str) -> None:
    status, body = answer(headers={"host": host})
    assert status == 403
    assert "is not one that is served here" in body


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://localhost:9999"}, {"origin": "localhost:8082"},
        {"origin": "null"}, {"origin": "http://evil.example.com"},
        {"origin": "http://localhost"}, {"origin": "http://evil-localhost:8082"},
        {"origin": "http://localhost:8082.evil.example.com"}, {"origin": ""},
        {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
    ],
)  # fmt: skip
def test_another_sites_page_may_look_but_not_change(headers: dict[str, str]) -> None:
    assert answer(headers=headers)[0] == 200
    assert answer("POST", headers=headers)[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"origin": "http://localhost:8082", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"origin": "https://localhost:8082"},
    ],
)  # fmt: skip
def test_our_own_page_and_a_program_may_change(headers: dict[str, str]) -> None:
    assert answer("POST", headers=headers) == (200, "a")
