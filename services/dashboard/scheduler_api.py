"""The scheduler's management API: one call, its answer, and what can go wrong with it.

Knows the wire and nothing of pages. Connections are kept and used again; a question that gets no
answer in time is a `SchedulerAwayError`, and a change that gets none a `RefusedError`.
"""

import json
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from services.dashboard.errors import BadAddressError, RefusedError, SchedulerAwayError
from services.shared.bearer import TokenSource, TokenUnreadableError

# A scheduler on this machine takes a connection at once or not at all.
_TIMEOUT: Final = httpx.Timeout(15.0, connect=2.0, pool=5.0)
# The scheduler closes an idle connection after 5 s: ours is given up before that.
_LIMITS: Final = httpx.Limits(
    max_connections=64, max_keepalive_connections=16, keepalive_expiry=2.0
)
_ROOT: Final = "/v1/taskhubs"
_NOT_MODIFIED: Final = 304
_NO_ANSWER: Final = "The scheduler gave no answer in time; it may have been done all the same"
_NOTHING_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_QUESTIONS: Final = frozenset({"/orchestrations/query", "/entities/query"})
_REDIRECTED: Final = 300
_REFUSED: Final = 400
_UNAUTHENTICATED: Final = 401
_NOT_LET_IN: Final = (
    "The scheduler does not let the dashboard in: its ENDPOINT_TOKEN or ENDPOINT_TOKEN_FILE must"
    " give a token that the scheduler knows"
)
_PRINTABLE: Final = re.compile(r"[!-~]+")
_FOLDED: Final = re.compile(r"/(?:\.|%2[eE]){1,2}(?=/|$)")


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
        if self.status >= _REDIRECTED:
            raise self._refusal()
        content: dict[str, Any] = json.loads(self.body)
        return content

    def _refusal(self) -> RefusedError:
        try:
            error = json.loads(self.body)["error"]
            return RefusedError(self.status, str(error["code"]), str(error["message"]))
        except (ValueError, KeyError, TypeError):
            text = f"The scheduler answered {self.status} without saying why"
            status = self.status if self.status >= _REFUSED else 502
            return RefusedError(status, "UNKNOWN", text)


class SchedulerApi:
    """Calls of one scheduler."""

    def __init__(
        self, endpoint: str, client: httpx.AsyncClient, token: TokenSource | None = None
    ) -> None:
        self.endpoint: Final = endpoint
        self._token = token
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
        """Sends one request; `path` is below `/v1/taskhubs`, its segments are encoded already.

        Raises `SchedulerAwayError`, `RefusedError` for a change that may have been done all the
        same, and `BadAddressError` for an id that no path can hold.
        """
        if _FOLDED.search(path):
            raise BadAddressError("The ids . and .. cannot be opened: no address can hold them")
        target = f"{_ROOT}{path}?{query}" if query else f"{_ROOT}{path}"
        headers = {"accept": "application/json"} | self._authorization()
        if hub is not None:
            headers["x-taskhub"] = hub
        if body is not None:
            headers["content-type"] = "application/json"
        if etag is not None and _PRINTABLE.fullmatch(etag):
            headers["if-none-match"] = etag
        try:
            response = await self._client.request(
                method,
                self._base.copy_with(raw_path=target.encode("ascii")),
                headers=headers,
                content=body,
            )
        except httpx.LocalProtocolError:
            raise  # what we wrote is wrong, and not the scheduler away
        except httpx.HTTPError as error:
            # Without a connection nothing has been sent; with one, who knows.
            if isinstance(error, _NOTHING_SENT) or _only_asks(method, path):
                raise SchedulerAwayError(self.endpoint, _reason(error)) from error
            raise RefusedError(504, "DEADLINE_EXCEEDED", _NO_ANSWER) from error
        if response.status_code == _UNAUTHENTICATED:
            # It is the dashboard that was not let in: whoever asks it has nothing to prove.
            raise RefusedError(502, "UNAUTHENTICATED", _NOT_LET_IN)
        return Answer(
            status=response.status_code,
            etag=response.headers.get("etag"),
            headers=response.headers,
            body=response.content,
        )

    def _authorization(self) -> dict[str, str]:
        if self._token is None:
            return {}
        try:
            return {"authorization": f"Bearer {self._token.current()}"}
        except TokenUnreadableError as error:
            raise RefusedError(
                502, "UNAUTHENTICATED", f"The dashboard has no token: {error}"
            ) from error

    async def query(
        self, hub: str, path: str, body: Mapping[str, Any], *, etag: str | None = None
    ) -> Answer:
        """A read whose question is a body."""
        return await self.call(hub, path, method="POST", body=json.dumps(body).encode(), etag=etag)


def _reason(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "its certificate is not trusted: ENDPOINT_CA names what to trust"
    if "WRONG_VERSION_NUMBER" in str(error):
        return "it does not speak TLS: SCHEDULER_HTTP_ENDPOINT must begin with http://"
    if isinstance(error, httpx.RemoteProtocolError):
        if "illegal" in str(error):
            return (
                "it does not speak HTTP: SCHEDULER_HTTP_ENDPOINT must lead to its HTTP port, 8081"
            )
        # As a port does that waits for a handshake; or one whose process ends just now.
        return "it hung up; if it speaks TLS, SCHEDULER_HTTP_ENDPOINT must begin with https://"
    return "no connection"


def _only_asks(method: str, path: str) -> bool:
    return method == "GET" or (method == "POST" and path in _QUESTIONS)


@asynccontextmanager
async def connected(
    endpoint: str, *, ca: Path | None = None, token: TokenSource | None = None
) -> AsyncIterator[SchedulerApi]:
    """The API of the scheduler at `endpoint`, until the end of the block.

    No proxy of the environment is asked: the scheduler is close by.
    """
    trust = ssl.create_default_context(cafile=None if ca is None else str(ca))
    async with httpx.AsyncClient(
        timeout=_TIMEOUT, limits=_LIMITS, trust_env=False, verify=trust
    ) as client:
        yield SchedulerApi(endpoint, client, token)
