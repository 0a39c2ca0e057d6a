"""What the HTTP port answers: health, the emulator's ping, metrics, and the management API."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.scheduler.auth.gate import Gate
from services.scheduler.auth.identity import Access
from services.scheduler.errors import CallError
from services.scheduler.http import (
    bulk,
    control,
    entities,
    instances,
    orchestrations,
    payloads,
    task_hubs,
)
from services.scheduler.http.authentication import Authentication, identity_of
from services.scheduler.http.endpoint import refuse_unrouted, routes_of
from services.scheduler.http.faults import fault_of
from services.scheduler.http.metrics import Calls, OpenCalls, registry_of
from services.scheduler.http.openapi import document_of
from services.scheduler.http.operations import Operation, encoded
from services.scheduler.http.refusals import refused
from services.scheduler.http.requests import CountedRequests, NotedRoutes, Requests
from services.scheduler.hub.hubs import TaskHubs
from services.shared.web import EncodedPaths, Guard

# Probes and scrapers call a service by a name of their own. The ping is none of them: it may make a
# task hub.
_OF_ANY_NAME: Final = ("/healthz", "/metrics")
# A container's health check has no token, and an answer without a word tells nobody anything.
OF_ANYBODY: Final = ("/healthz",)
# In the order of the routes: what is named goes before `{instanceId}`.
OPERATIONS: Final[tuple[Operation, ...]] = (
    *task_hubs.OPERATIONS,
    *orchestrations.OPERATIONS,
    *bulk.OPERATIONS,
    *instances.OPERATIONS,
    *control.OPERATIONS,
    *entities.OPERATIONS,
    *payloads.OPERATIONS,
)


def application(
    hubs: TaskHubs,
    calls: Calls,
    gate: Gate,
    hosts: Sequence[str] = (),
    open_calls: OpenCalls = lambda: (0, 0),
) -> Starlette:
    """The application of one scheduler; `hosts` are further names that it is called by."""
    requests: Requests = Counter()
    registry = registry_of(hubs, calls, requests, open_calls)
    document = encoded(document_of(OPERATIONS))

    async def healthz(_request: Request) -> Response:
        return Response(status_code=503 if hubs.stopping else 204)

    async def ping(request: Request) -> Response:
        name = request.headers.get("x-taskhub", "")
        identity = identity_of(request.scope)
        try:
            identity.check(name, Access.READ)
        except CallError as error:
            return refused(error)
        try:
            # A reader makes no dynamic task hub.
            (hubs.find if identity.may_change else hubs.existing)(name)
        except CallError as error:
            return PlainTextResponse(str(error), status_code=fault_of(error).status)
        return Response(status_code=200)

    async def openapi(_request: Request) -> Response:
        return Response(document, media_type="application/json")

    app = Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/v1/taskhubs/ping", ping),
            Route("/metrics", _metrics_of(registry)),
            Route("/openapi.json", openapi),
            *routes_of(hubs, OPERATIONS),
        ],
        middleware=_middleware(gate, hosts, requests),
        exception_handlers={HTTPException: refuse_unrouted},
    )
    app.router.redirect_slashes = False
    return app


def _metrics_of(registry: CollectorRegistry) -> Callable[[Request], Awaitable[Response]]:
    async def metrics(request: Request) -> Response:
        try:
            # They tell of all task hubs at once.
            identity_of(request.scope).check_every_hub()
        except CallError as error:
            return refused(error)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return metrics


def _middleware(gate: Gate, hosts: Sequence[str], requests: Requests) -> list[Middleware]:
    """What every request goes through, the outermost first."""
    return [
        Middleware(CountedRequests, requests=requests),
        Middleware(Guard, hosts=hosts, open_paths=_OF_ANY_NAME),
        Middleware(Authentication, gate=gate, open_paths=OF_ANYBODY),
        Middleware(EncodedPaths),
        Middleware(NotedRoutes),
    ]
