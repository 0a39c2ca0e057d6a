"""A scheduler of a few lines: what the dashboard asks it, and what it is made to answer."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.dashboard.application import application
from services.dashboard.desk import Desk
from services.dashboard.rendering import Templates
from services.dashboard.scheduler_api import SchedulerApi
from services.shared.bearer import TokenSource
from services.shared.web import EncodedPaths

ENDPOINT = "http://scheduler:8081"
MOMENT = "2026-11-25T18:44:45.973123Z"
NO_COUNTS: dict[str, Any] = {"total": 0, "byStatus": {}}


def orchestration(**changes: Any) -> dict[str, Any]:
    return {
        "instanceId": "orders-1",
        "executionId": "e" * 32,
        "name": "main_orchestration",
        "version": None,
        "status": "ORCHESTRATION_STATUS_COMPLETED",
        "createdAt": MOMENT,
        "lastUpdatedAt": MOMENT,
        "completedAt": MOMENT,
        "scheduledStartAt": None,
        "parentInstanceId": None,
        "tags": {},
        "customStatus": None,
        "error": None,
        "ancestors": [],
    } | changes


def page_of(*orchestrations: dict[str, Any]) -> dict[str, Any]:
    return {
        "orchestrations": list(orchestrations),
        "totalCount": len(orchestrations),
        "totalIsExact": True,
        "nextCursor": None,
        "counts": {"all": NO_COUNTS, "roots": NO_COUNTS},
        "names": [],
    }


@dataclass
class Asked:
    """One request that reached the scheduler."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Scheduler:
    """Answers every path with what `answers` holds for it, and 404 otherwise.

    An answer is a body, or a status and a body. With `is_away` there is no connection; one that is
    there ends with `breaks`, after the request has come.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    etag: str = '"7"'
    is_away: bool = False
    breaks: httpx.HTTPError | None = None
    # What the dashboard proves itself with.
    token: TokenSource | None = None
    asked: list[Asked] = field(default_factory=list)

    async def _answer(self, request: Request) -> Response:
        if self.is_away:
            raise httpx.ConnectError("refused")
        path = request.url.path.removeprefix("/v1/taskhubs")
        self.asked.append(
            Asked(
                method=request.method,
                path=path,
                query=request.url.query,
                headers=dict(request.headers),
                body=await request.body(),
            )
        )
        if self.breaks is not None:
            raise self.breaks
        if request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304, headers={"etag": self.etag})
        missing = (404, {"error": {"code": "NOT_FOUND", "message": f"There is no {path}"}})
        found = self.answers.get(path, missing)
        status, body = found if isinstance(found, tuple) else (200, found)
        return Response(
            json.dumps(body),
            status,
            media_type="application/json",
            headers={"etag": self.etag, "set-cookie": "a=b", "x-secret": "1"},
        )

    def ask(
        self,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """Asks a dashboard in front of this scheduler."""
        anything = ["GET", "POST", "PUT", "DELETE"]
        scheduler = EncodedPaths(
            Starlette(routes=[Route("/{path:path}", self._answer, methods=anything)])
        )

        async def exchange() -> httpx.Response:
            async with (
                httpx.AsyncClient(transport=httpx.ASGITransport(scheduler)) as inner,
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(
                        application(
                            Desk(
                                api=SchedulerApi(ENDPOINT, inner, self.token),
                                templates=Templates(),
                                task_hub="default",
                            ),
                            ["board.example.com"],
                        ),
                        raise_app_exceptions=False,
                    ),
                    base_url="http://localhost:8082",
                ) as outer,
            ):
                return await outer.request(method, path, headers=headers, content=content)

        return asyncio.run(exchange())
