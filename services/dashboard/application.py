"""The dashboard's routes, its guards, and what it answers when something is wrong."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from services.dashboard import (
    entities_page,
    orchestration_page,
    orchestrations_page,
    workers_page,
)
from services.dashboard.addresses import orchestrations_url
from services.dashboard.desk import Desk, desk_of, error_response, hub_of, is_partial
from services.dashboard.errors import RefusedError
from services.dashboard.headers import SecurityHeaders
from services.dashboard.proxy import pass_on
from services.dashboard.rendering import FOLDER
from services.dashboard.static_files import StaticFiles
from services.shared.web import EncodedPaths, Guard

# Below this a packed answer is no smaller.
_GZIP_BYTES_MIN = 500
_OF_API: Final = re.compile(r"/hubs/[^/]+/api/")


def application(desk: Desk, hosts: Iterable[str]) -> ASGIApp:
    """The application of one dashboard."""
    app = Starlette(
        routes=[
            Route("/", _start),
            Route("/healthz", _healthz),
            Route("/favicon.ico", _favicon),
            Route("/hubs/{hub}", _start_of_hub),
            Route("/hubs/{hub}/orchestrations", orchestrations_page.show),
            Route("/hubs/{hub}/orchestrations/{id}", orchestration_page.show),
            Route("/hubs/{hub}/open", orchestrations_page.open_by_id),
            Route("/hubs/{hub}/entities", entities_page.show),
            Route("/hubs/{hub}/entities/{id}", entities_page.show_one),
            Route("/hubs/{hub}/workers", workers_page.show),
            Route("/hubs/{hub}/api/{path:path}", pass_on, methods=["GET", "POST", "DELETE"]),
            Route("/static/{path:path}", StaticFiles(FOLDER / "static").serve),
        ],
        exception_handlers={
            RefusedError: _on_refusal,
            HTTPException: _on_http_error,
            Exception: _on_failure,
        },
    )
    app.state.desk = desk
    packed = GZipMiddleware(app, minimum_size=_GZIP_BYTES_MIN)
    # Around everything: a refusal and an error of our own carry the headers too.
    return SecurityHeaders(Guard(EncodedPaths(packed), hosts, ("/healthz",)))


async def _start(request: Request) -> Response:
    return RedirectResponse(orchestrations_url(desk_of(request).task_hub), 302)


async def _start_of_hub(request: Request) -> Response:
    return RedirectResponse(orchestrations_url(hub_of(request)), 302)


async def _healthz(_request: Request) -> Response:
    return Response(status_code=204)


async def _favicon(_request: Request) -> Response:
    return RedirectResponse("/static/icon.svg", 308)


async def _on_refusal(request: Request, error: Exception) -> Response:
    if not isinstance(error, RefusedError):
        raise error
    if is_partial(request) or _OF_API.match(request.scope["path"]):
        return error_response(error.status, error.code, str(error))
    return desk_of(request).refuse(error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    text = "There is no such page" if error.status_code == HTTPStatus.NOT_FOUND else error.detail
    code = "NOT_FOUND" if error.status_code == HTTPStatus.NOT_FOUND else "INVALID_ARGUMENT"
    answer = await _on_refusal(request, RefusedError(error.status_code, code, text))
    answer.headers.update(error.headers or {})
    return answer


async def _on_failure(request: Request, _error: Exception) -> Response:
    """The traceback goes to the log, by itself; people get a page."""
    text = "The dashboard has met an error of its own; its log says which"
    return await _on_refusal(request, RefusedError(500, "INTERNAL", text))
