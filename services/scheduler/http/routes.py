"""What the HTTP port answers: health, the emulator's ping, and metrics."""

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.scheduler.errors import CallError
from services.scheduler.http.metrics import Calls, registry_of
from services.scheduler.hub.hubs import TaskHubs


def application(hubs: TaskHubs, calls: Calls) -> Starlette:
    """The application of one scheduler."""
    registry = registry_of(hubs, calls)

    async def healthz(_request: Request) -> Response:
        return Response(status_code=503 if hubs.stopping else 204)

    async def ping(request: Request) -> Response:
        name = request.headers.get("x-taskhub", "")
        try:
            hubs.find(name)
        except CallError as error:
            return PlainTextResponse(str(error), status_code=404)
        return Response(status_code=200)

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/v1/taskhubs/ping", ping),
            Route("/metrics", metrics),
        ]
    )
