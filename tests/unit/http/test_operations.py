"""What holds for every operation of the management API, those to come included."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from services.scheduler.auth.identity import Access
from services.scheduler.http.authentication import Authentication
from services.scheduler.http.endpoint import routes_of
from services.scheduler.http.models import Model
from services.scheduler.http.operations import Ask, Operation, Reply, reply
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.store.database import DataDirectory
from tests.store.loops import on_a_loop
from tests.unit.auth.callers import CONTRIBUTOR, OTHER, READER, bearer, gate_of_file


async def answered(_ask: Ask) -> Reply:
    return reply({})


async def failing(_ask: Ask) -> Reply:
    raise RuntimeError("what nobody is told")


def operation(
    method: str,
    access: Access,
    *,
    is_of_hub: bool,
    answer: Callable[[Ask], Awaitable[Reply]] = answered,
) -> Operation:
    return Operation(
        method=method,
        path="/of-a-hub" if is_of_hub else "/of-none",
        name="anything",
        summary="",
        access=access,
        answer=answer,
        gives=Model,
        is_of_hub=is_of_hub,
    )


@asynccontextmanager
async def served(folder: Path, *operations: Operation) -> AsyncIterator[httpx.AsyncClient]:
    failures: list[BaseException] = []
    hubs = TaskHubs(
        DataDirectory(folder / "data"), ["default"], dynamic=False, on_failure=failures.append
    )
    app = Starlette(
        routes=routes_of(hubs, operations),
        middleware=[Middleware(Authentication, gate=gate_of_file(folder), open_paths=())],
    )
    headers = {"x-taskhub": "default"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost", headers=headers
    ) as client:
        yield client
    hubs.close()
    assert failures == []


@on_a_loop
async def test_what_an_operation_declares_is_what_its_callers_are_held_to(tmp_path: Path) -> None:
    declared = [
        operation(method, access, is_of_hub=is_of_hub)
        for method, access in (("GET", Access.READ), ("DELETE", Access.CHANGE))
        for is_of_hub in (True, False)
    ]
    async with served(tmp_path, *declared) as client:
        for one in declared:

            async def status(token: str | None, one: Operation = one) -> int:
                headers = {} if token is None else bearer(token)
                return (await client.request(one.method, one.path, headers=headers)).status_code

            assert await status(None) == 401
            assert await status(READER) == (403 if one.access is Access.CHANGE else 200)
            assert await status(CONTRIBUTOR) == 200
            assert await status(OTHER) == (403 if one.is_of_hub else 200)


@on_a_loop
async def test_an_error_of_our_own_is_told_of_in_the_log_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fails = operation("GET", Access.READ, is_of_hub=True, answer=failing)
    async with served(tmp_path, fails) as client:
        answer = await client.get("/of-a-hub", headers=bearer(READER))
    assert answer.status_code == 500
    assert answer.json()["error"] == {
        "code": "INTERNAL",
        "message": "The scheduler failed at this request; its log says more",
    }
    assert "RuntimeError: what nobody is told" in caplog.text
