"""The scheduler's management API: one call, its answer, and what can go wrong with it.

Knows the wire and nothing of pages. Connections are kept and used again; a call that gets no answer
in time is a `SchedulerAwayError`.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx

from services.dashboard.errors import RefusedError, SchedulerAwayError

# A scheduler on this machine takes a connection at once or not at all.
_TIMEOUT: Final = httpx.Timeout(15.0, connect=2.0, pool=5.0)
_LIMITS: Final = httpx.Limits(max_connections=64, max_keepalive_connections=16)
_ROOT: Final = "/v1/taskhubs"
_NOT_MODIFIED: Final = 304
_REFUSED: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: a status, an ETag to ask with again, and bytes of JSON."""

    status: int
    etag: str | None
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_unchanged(self) -> bool:
        """Whether what the ETag stands for is still so."""
        return self.status == _NOT_MODIFIED

    def json(self) -> dict[str, Any]:
        """The body of a good answer; raises `RefusedError` with the scheduler's text otherwise."""
        if self.status >= _REFUSED:
            raise self._refusal()
        content: dict[str, Any] = json.loads(self.body)
        return content

    def _refusal(self) -> RefusedError:
        try:
            error = json.loads(self.body)["error"]
            return RefusedError(self.status, str(error["code"]), str(error["message"]))
        except (ValueError, KeyError, TypeError):
            text = f"The scheduler answered {self.status} without saying why"
            return RefusedError(self.status, "UNKNOWN", text)


class SchedulerApi:
    """Calls of one scheduler."""

    def __init__(self, endpoint: str, client: httpx.AsyncClient) -> None:
        self.endpoint: Final = endpoint
        self._base = httpx.URL(endpoint)
        self._client = client

    async def call(  # noqa: PLR0913 - a request has these parts
        self,
        hub: str | None,
        path: str,
        *,
        method: str = "GET",
        query: str = "",
        body: bytes | None = None,
        etag: str | None = None,
    ) -> Answer:
        """Sends one request; `path` is below `/v1/taskhubs`, its segments are encoded already."""
        target = f"{_ROOT}{path}?{query}" if query else f"{_ROOT}{path}"
        headers = {"accept": "application/json"}
        if hub is not None:
            headers["x-taskhub"] = hub
        if body is not None:
            headers["content-type"] = "application/json"
        if etag is not None:
            headers["if-none-match"] = etag
        try:
            response = await self._client.request(
                method,
                self._base.copy_with(raw_path=target.encode("ascii")),
                headers=headers,
                content=body,
            )
        except httpx.TimeoutException as error:
            raise SchedulerAwayError(self.endpoint, "no answer in time") from error
        except httpx.HTTPError as error:
            raise SchedulerAwayError(self.endpoint, "no connection") from error
        return Answer(
            status=response.status_code,
            etag=response.headers.get("etag"),
            headers=response.headers,
            body=response.content,
        )

    async def query(
        self, hub: str, path: str, body: Mapping[str, Any], *, etag: str | None = None
    ) -> Answer:
        """A read whose question is a body."""
        return await self.call(hub, path, method="POST", body=json.dumps(body).encode(), etag=etag)


@asynccontextmanager
async def connected(endpoint: str) -> AsyncIterator[SchedulerApi]:
    """The API of the scheduler at `endpoint`, until the end of the block.

    No proxy of the environment is asked: the scheduler is close by.
    """
    async with httpx.AsyncClient(timeout=_TIMEOUT, limits=_LIMITS, trust_env=False) as client:
        yield SchedulerApi(endpoint, client)
