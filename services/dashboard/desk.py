"""What every page goes through: it is looked up, rendered whole or in part, or told why not.

A part (`X-Partial: 1`) is what the browser polls: the region of the page that changes. Its ETag is
the scheduler's, so that an unchanged page costs neither a query nor a rendering.
"""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from services.dashboard.errors import MissingError, RefusedError, SchedulerAwayError
from services.dashboard.rendering import Templates
from services.dashboard.scheduler_api import SchedulerApi
from services.dashboard.settings import HUB_NAME
from services.shared.web import segment

# A newer dashboard may render the same state in another way.
_BOOT: Final = secrets.token_hex(4)
_ETAG_HEAD: Final = f'W/"{_BOOT}.'


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a page shows: its template, the template of its changing region, and their values.

    `etag` is the scheduler's; None when it gave none.
    """

    title: str
    template: str
    region: str
    etag: str | None = None
    status: int = HTTPStatus.OK
    values: Mapping[str, Any] = field(default_factory=dict)


# Looks up what a page shows; None when nothing has changed. Raises `DashboardError`.
Look = Callable[[Request], Awaitable[Content | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where pages are made: the scheduler's API, the templates, and the task hub shown first."""

    api: SchedulerApi
    templates: Templates
    task_hub: str

    async def page(self, request: Request, active: str, look: Look) -> Response:
        """The answer to one request for a page, or for its region."""
        hub = hub_of(request)
        if is_partial(request):
            return await self._part(request, hub, look)
        found, hubs = await asyncio.gather(look(request), self._hubs(hub), return_exceptions=True)
        base = self._base(hub, active)
        base["hubs"] = [] if isinstance(hubs, BaseException) else hubs
        if isinstance(found, SchedulerAwayError):
            return self._away(base, str(found))
        if isinstance(found, RefusedError):
            return self._refused(base, found)
        if isinstance(found, BaseException):
            raise found
        assert found is not None, "a whole page is asked without an ETag"  # noqa: S101 - see `etag_of`
        values = {**base, "title": found.title, "region": found.region, **found.values}
        text = self.templates.render(found.template, values)
        return HTMLResponse(text, found.status, headers={"x-now": _now()})

    def refuse(self, error: RefusedError) -> Response:
        """The page of an address that leads nowhere."""
        return self._refused({**self._base(self.task_hub, ""), "hubs": []}, error)

    def _base(self, hub: str, active: str) -> dict[str, Any]:
        return {"hub": hub, "active": active, "away": None, "region": None}

    async def _part(self, request: Request, hub: str, look: Look) -> Response:
        try:
            found = await look(request)
        except SchedulerAwayError as error:
            return error_response(503, "UNAVAILABLE", str(error))
        except RefusedError as error:
            return error_response(error.status, error.code, str(error))
        if found is None:
            return Response(status_code=304, headers={"x-now": _now()})
        text = self.templates.render(found.region, {"hub": hub, **found.values})
        headers = {"vary": "X-Partial", "x-now": _now()}
        if found.etag is not None:
            headers["etag"] = f'{_ETAG_HEAD}{quote(found.etag, safe="")}"'
        return HTMLResponse(text, found.status, headers=headers)

    async def _hubs(self, current: str) -> list[dict[str, Any]]:
        hubs: list[dict[str, Any]] = (await self.api.call(None, "")).json()["taskHubs"]
        return [{**hub, "is_current": hub["name"] == current} for hub in hubs]

    def _away(self, base: Mapping[str, Any], text: str) -> Response:
        values = {**base, "title": "Waiting for the scheduler", "away": text}
        return HTMLResponse(self.templates.render("away.html", values), 503)

    def _refused(self, base: Mapping[str, Any], error: RefusedError) -> Response:
        values = {
            **base,
            "title": HTTPStatus(error.status).phrase,
            "status": error.status,
            "text": str(error),
            "first_hub": self.task_hub,
        }
        return HTMLResponse(self.templates.render("error.html", values), error.status)


def _now() -> str:
    """What browsers set their clocks of the page by."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def desk_of(request: Request) -> Desk:
    """The desk of the application that got the request."""
    desk: Desk = request.app.state.desk
    return desk


def hub_of(request: Request) -> str:
    """The task hub of the address; raises `MissingError` when no hub can have such a name."""
    hub = segment(request.path_params["hub"])
    if re.fullmatch(HUB_NAME, hub) is None:
        raise MissingError(f"Task hub not found: {hub[:100]}")
    return hub


def id_of(request: Request) -> str:
    """The instance id of the address."""
    return segment(request.path_params["id"])


def is_partial(request: Request) -> bool:
    """Whether only the changing region is asked for."""
    return request.headers.get("x-partial") == "1"


def etag_of(request: Request) -> str | None:
    """The scheduler's ETag of what the browser has; None when a whole page is asked for."""
    etag = request.headers.get("if-none-match", "")
    if not is_partial(request) or not etag.startswith(_ETAG_HEAD):
        return None
    return unquote(etag.removeprefix(_ETAG_HEAD).removesuffix('"'))


def error_response(status: int, code: str, message: str) -> JSONResponse:
    """An error as the API writes it."""
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=status)
