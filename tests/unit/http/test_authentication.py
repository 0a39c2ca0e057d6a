"""Every route of the HTTP port, by callers who may and callers who may not."""

import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from services.scheduler.auth.identity import Access
from services.scheduler.engine.protos import pb
from services.scheduler.http.routes import OF_ANYBODY, OPERATIONS, application
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.store.database import DataDirectory
from tests.store.loops import on_a_loop
from tests.unit.auth.callers import (
    CONTRIBUTOR,
    EVERYWHERE,
    EVERYWHERE_READER,
    LINES,
    OTHER,
    READER,
    UNKNOWN,
    bearer,
    gate_of_file,
    token_file,
)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
BY_ROUTE = {(operation.method, operation.path): operation for operation in OPERATIONS}


def routes_of(app: Starlette) -> Iterator[tuple[str, str]]:
    """Every method of every route."""
    for route in app.routes:
        assert isinstance(route, Route)
        for method in sorted(route.methods or ()):
            yield method, route.path


def path_of(template: str) -> str:
    return re.sub(r"{\w+}", "x", template)


class Port:
    """The port of a scheduler with two task hubs."""

    def __init__(self, app: Starlette, hubs: TaskHubs, client: httpx.AsyncClient) -> None:
        self.routes = tuple(routes_of(app))
        self.hubs = hubs
        self._client = client

    async def ask(
        self, method: str, path: str, token: str | None, hub: str | None = "default"
    ) -> httpx.Response:
        """One request, with a body that no operation takes."""
        headers = {} if token is None else bearer(token)
        headers |= {} if hub is None else {"x-taskhub": hub}
        return await self.ask_with(method, path, list(headers.items()))

    async def ask_with(
        self, method: str, path: str, headers: list[tuple[str, str]]
    ) -> httpx.Response:
        """The same with these headers, whatever they are."""
        return await self._client.request(method, path_of(path), headers=headers, content="{]")

    async def send(
        self, method: str, path: str, headers: dict[str, str], body: AsyncIterator[bytes]
    ) -> httpx.Response:
        """One request whose body comes bit by bit."""
        return await self._client.request(method, path, headers=headers, content=body)


@asynccontextmanager
async def port(folder: Path, *, dynamic: bool = False) -> AsyncIterator[Port]:
    failures: list[BaseException] = []
    hubs = TaskHubs(
        DataDirectory(folder / "data"),
        ["default", "other"],
        dynamic=dynamic,
        on_failure=failures.append,
    )
    app = application(hubs, {}, gate_of_file(folder))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield Port(app, hubs, client)
    hubs.close()
    assert failures == []


def test_what_a_reader_may_ask_is_what_only_asks() -> None:
    for operation in OPERATIONS:
        only_asks = operation.method == "GET" or operation.path.endswith("/query")
        assert (operation.access is Access.READ) == only_asks, operation.name


@on_a_loop
async def test_what_is_no_operation_with_a_role_and_a_hub_only_asks(tmp_path: Path) -> None:
    beside = ("/healthz", "/metrics", "/openapi.json", "/v1/taskhubs/ping")
    async with port(tmp_path) as test:
        others = {
            (method, path)
            for method, path in test.routes
            if ("GET" if method == "HEAD" else method, path) not in BY_ROUTE
        }
        assert others == {(method, path) for method in ("GET", "HEAD") for path in beside}


@on_a_loop
async def test_no_route_but_health_answers_without_a_token_that_is_known(tmp_path: Path) -> None:
    async with port(tmp_path) as test:
        everything = {*test.routes}
        everything |= {(method, "/nowhere") for method in METHODS}
        everything |= {(method, path) for method in METHODS for _, path in test.routes}
        assert len(everything) > 100
        for method, path in sorted(everything):
            for token in (None, UNKNOWN):
                answer = await test.ask(method, path, token)
                if path in OF_ANYBODY:
                    assert answer.status_code in {204, 405}
                    continue
                assert answer.status_code == 401, (method, path)
                assert answer.headers["www-authenticate"] == 'Bearer realm="scheduler"'
                if method != "HEAD":
                    assert answer.json()["error"]["code"] == "UNAUTHENTICATED"
                assert UNKNOWN not in answer.text
        for odd in ("/healthz/", "/healthz/x", "/healthz%2F", "/HEALTHZ", "/%2568ealthz"):
            assert (await test.ask("GET", odd, None)).status_code == 401, odd
        # It reads as the open one, and leads nowhere.
        assert (await test.ask("GET", "/%68ealthz", None)).status_code == 404


@on_a_loop
async def test_callers_without_a_token_do_not_fill_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with port(tmp_path) as test:
        with caplog.at_level(logging.INFO):
            for _ in range(20):
                assert (await test.ask("GET", "/v1/taskhubs", None)).status_code == 401
    [told] = [text for text in caplog.messages if "refused" in text]
    assert "127.0.0.1" in told


@on_a_loop
async def test_the_log_says_who_was_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with port(tmp_path) as test:
        with caplog.at_level(logging.INFO):
            await test.ask("GET", "/v1/taskhubs/orchestrations/{instanceId}", READER, "other")
    [told] = [each for each in caplog.records if "refused" in each.message]
    assert vars(told).get("caller") == "reader"


@on_a_loop
async def test_a_token_for_one_hub_cannot_tell_whether_there_is_another(tmp_path: Path) -> None:
    async with port(tmp_path) as test:
        for (method, path), operation in BY_ROUTE.items():
            if not operation.is_of_hub:
                continue
            told = set()
            for hub in ("other", "nowhere", "../x"):
                answer = await test.ask(method, path, CONTRIBUTOR, hub)
                assert answer.status_code == 403, (method, path, hub)
                told.add(answer.json()["error"]["message"].replace(repr(hub), "HUB"))
            assert told == {"This token gives no access to task hub HUB"}
        for hub in ("other", "nowhere", ""):
            assert (await test.ask("GET", "/v1/taskhubs/ping", READER, hub)).status_code == 403
        assert (await test.ask("GET", "/v1/taskhubs/ping", OTHER, "missing")).status_code == 404
        shown = (await test.ask("GET", "/v1/taskhubs", CONTRIBUTOR)).json()
        assert [hub["name"] for hub in shown["taskHubs"]] == ["default"]
        everything = (await test.ask("GET", "/v1/taskhubs", EVERYWHERE)).json()
        assert [hub["name"] for hub in everything["taskHubs"]] == ["default", "other"]


@on_a_loop
async def test_what_is_said_twice_is_not_read_in_two_ways(tmp_path: Path) -> None:
    own, other = ("x-taskhub", "default"), ("x-taskhub", "other")
    token = ("authorization", f"Bearer {CONTRIBUTOR}")
    async with port(tmp_path) as test:
        for second in (token, ("authorization", f"Bearer {EVERYWHERE}"), ("authorization", "x")):
            for tokens in ([token, second], [second, token]):
                answer = await test.ask_with("GET", "/v1/taskhubs/workers", [*tokens, own])
                assert answer.status_code == 401
                assert "more than one authorization" in answer.json()["error"]["message"]
        answer = await test.ask_with("GET", "/v1/taskhubs/workers", [token, other, own])
        assert answer.status_code == 403
        missing = ("x-taskhub", "missing")
        # The hub that is looked at is the one that is used.
        answer = await test.ask_with("GET", "/v1/taskhubs/workers", [token, own, missing])
        assert answer.status_code == 200


@on_a_loop
async def test_a_list_of_hubs_is_tagged_by_what_its_caller_sees(tmp_path: Path) -> None:
    async with port(tmp_path) as test:

        async def tag(token: str) -> str:
            return (await test.ask("GET", "/v1/taskhubs", token)).headers["etag"]

        await test.hubs.durable()
        before = [await tag(token) for token in (READER, EVERYWHERE)]
        test.hubs.existing("other").hub.start(pb.CreateInstanceRequest(name="echo"))
        await test.hubs.durable()
        assert await tag(READER) == before[0]
        assert await tag(EVERYWHERE) != before[1]


@on_a_loop
async def test_a_reader_can_change_nothing_and_is_refused_before_the_body_is_read(
    tmp_path: Path,
) -> None:
    async with port(tmp_path) as test:
        for (method, path), operation in BY_ROUTE.items():
            answer = await test.ask(method, path, READER)
            refused = operation.access is Access.CHANGE
            assert (answer.status_code == 403) == refused, (method, path)
            if refused:
                told = answer.json()["error"]
                assert told == {
                    "code": "PERMISSION_DENIED",
                    "message": "The role reader may not change anything",
                }


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (LINES, 201),
        (f"reader reader default {READER}\n", 401),
        (f"contributor reader default {CONTRIBUTOR}\n", 403),
        (f"contributor contributor other {CONTRIBUTOR}\n", 403),
    ],
    ids=["as it was", "no token", "another role", "another hub"],
)
@on_a_loop
async def test_who_may_no_longer_when_the_body_is_whole_has_changed_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, status: int
) -> None:
    # Whatever its time, a body is sent for too long.
    monkeypatch.setattr("services.scheduler.http.endpoint.RECHECK_SECONDS", 0.0)

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"instanceId": "late",'
        token_file(tmp_path, lines)
        yield b'"name": "n"}'

    async with port(tmp_path) as test:
        fields = {"x-taskhub": "default", "content-type": "application/json"} | bearer(CONTRIBUTOR)
        answer = await test.send("POST", "/v1/taskhubs/orchestrations", fields, slowly())
        assert answer.status_code == status, answer.text
        found = test.hubs.find("default").hub.get(pb.GetInstanceRequest(instanceId="late"))
        assert found.exists == (status == 201)


@on_a_loop
async def test_a_contributor_is_let_through_to_every_route(tmp_path: Path) -> None:
    async with port(tmp_path) as test:
        for method, path in test.routes:
            answer = await test.ask(method, path, EVERYWHERE)
            assert answer.status_code not in {401, 403}, (method, path)


@on_a_loop
async def test_metrics_are_for_those_who_see_all_hubs(tmp_path: Path) -> None:
    async with port(tmp_path) as test:
        for token in (READER, CONTRIBUTOR):
            assert (await test.ask("GET", "/metrics", token)).status_code == 403
        for token in (EVERYWHERE, EVERYWHERE_READER):
            assert (await test.ask("GET", "/metrics", token)).status_code == 200
        # What there is to ask is no secret of any hub.
        assert (await test.ask("GET", "/openapi.json", READER)).status_code == 200


@on_a_loop
async def test_a_reader_makes_no_dynamic_hub(tmp_path: Path) -> None:
    async with port(tmp_path, dynamic=True) as test:
        for (method, path), operation in BY_ROUTE.items():
            if operation.is_of_hub:
                await test.ask(method, path, EVERYWHERE_READER, "fresh")
        ping = await test.ask("GET", "/v1/taskhubs/ping", EVERYWHERE_READER, "fresh")
        assert ping.status_code == 404
        assert [hub.name for hub in test.hubs.opened] == ["default", "other"]
        ping = await test.ask("GET", "/v1/taskhubs/ping", EVERYWHERE, "fresh")
        assert ping.status_code == 200
