"""Counts what the HTTP port is asked, by method, route and status."""

from collections import Counter
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# By method, route and status code.
Requests = Counter[tuple[str, str, int]]
# A method is any word that a client makes up, and a path too: neither may make a new series.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER: Final = "other"
_NOTE: Final = "scheduler.route"


class CountedRequests:
    """Counts every answer, also those of the middleware inside it; the outermost one."""

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the request on, and counts its answer when that begins."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route: list[str] = []

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                method = scope["method"] if scope["method"] in _METHODS else _OTHER
                self._requests[method, route[0] if route else _OTHER, message["status"]] += 1
            await send(message)

        await self._app({**scope, _NOTE: route}, receive, counted)


class NotedRoutes:
    """Tells the outermost middleware which route a request has taken; the innermost one.

    What stands between them hands on copies of the request's scope.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the request on, and notes its route when the answer begins."""

        async def noted(message: Message) -> None:
            route = scope.get("route")
            if route is not None and message["type"] == "http.response.start":
                scope[_NOTE].append(route.path)
            await send(message)

        await self._app(scope, receive, noted if _NOTE in scope else send)
