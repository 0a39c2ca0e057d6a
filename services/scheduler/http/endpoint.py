"""From a request to an operation and back: reads, checks, answers, and says what is wrong.

Whatever fails, the caller is told in one shape, and never with a traceback.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from services.scheduler.auth.gate import RECHECK_SECONDS
from services.scheduler.errors import BadRequestError, CallError, StoppingError
from services.scheduler.http.authentication import ask_again, identity_of
from services.scheduler.http.faults import (
    INTERNAL,
    WRONG_METHOD,
    BodyTooLargeError,
    ContentTypeError,
    NoRouteError,
    fault_of,
)
from services.scheduler.http.models import Model
from services.scheduler.http.operations import Ask, Operation
from services.scheduler.http.refusals import refusal, refused
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.hub.opened import OpenHub
from services.shared.web import segment

log = logging.getLogger(__name__)

# What a client of four mebibytes can send over gRPC; each payload in it has its own limit.
BODY_BYTES_MAX: Final = 4 * 1024 * 1024
HUB_HEADER: Final = "x-taskhub"
_JSON: Final = "application/json"
_DIGEST_BYTES: Final = 16
_PROBLEMS_MAX: Final = 5
_EXTRA: Final = "extra_forbidden"


def routes_of(hubs: TaskHubs, operations: Iterable[Operation]) -> list[Route]:
    """One route a path, so that a wrong method is told which ones there are."""
    paths: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = operation
    return [
        Route(path, _Endpoint(hubs, by_method).answer, methods=list(by_method))
        for path, by_method in paths.items()
    ]


class _Endpoint:
    """The operations of one path."""

    def __init__(self, hubs: TaskHubs, operations: Mapping[str, Operation]) -> None:
        self._hubs = hubs
        self._operations = operations

    async def answer(self, request: Request) -> Response:
        """What an operation says, or what is wrong."""
        method = "GET" if request.method == "HEAD" else request.method
        operation = self._operations[method]
        try:
            with self._hubs.failing():
                return await self._answered(operation, request)
        except CallError as error:
            fault = fault_of(error)
            extra = {"code": fault.code, "caller": identity_of(request.scope).name}
            log.info("%s refused: %s", operation.name, error, extra=extra)
            return refused(error)
        except ClientDisconnect:
            log.info("%s: the client went away", operation.name)
            return Response(status_code=400)
        except asyncio.CancelledError:
            # The scheduler ends under it: a disk that has failed is waited for in vain.
            log.info("%s: the scheduler ended before it was done", operation.name)
            return refused(StoppingError())
        except Exception:
            log.exception("%s failed", operation.name)
            text = "The scheduler failed at this request; its log says more"
            return refusal(INTERNAL.status, INTERNAL.code, text)

    async def _answered(self, operation: Operation, request: Request) -> Response:
        find_hub = self._finder(operation, request)
        parameters = _checked(operation.parameters, _parameters(request))
        sent = b""
        if operation.takes is not None:
            since = time.monotonic()
            sent = await _body(request)
            if time.monotonic() - since >= RECHECK_SECONDS:
                await ask_again(request.scope)
                find_hub = self._finder(operation, request)
        ask = Ask(
            hubs=self._hubs,
            identity=identity_of(request.scope),
            find_hub=find_hub,
            path={name: segment(value) for name, value in request.path_params.items()},
            parameters=parameters,
            body=None if operation.takes is None else _read(operation.takes, sent),
        )
        known = {tag.strip() for tag in request.headers.get("if-none-match", "").split(",")}
        headers = {"Cache-Control": "no-cache"}
        if operation.revision is not None:
            headers["ETag"] = _etag(operation.revision(ask), request, sent)
            if headers["ETag"] in known:
                return Response(status_code=304, headers=headers)
        try:
            given = await operation.answer(ask)
        except CallError as error:
            # What a tagged one reads is committed.
            if operation.is_of_hub and not operation.is_tagged:
                await self._hubs.settle(_hub_name(request), error)
            raise
        headers |= given.headers
        if operation.is_tagged_by_body:
            headers["ETag"] = f'W/"{_digest(given.body)}"'
            if headers["ETag"] in known:
                return Response(status_code=304, headers=headers)
        return Response(given.body, operation.status, headers, _JSON)

    def _finder(self, operation: Operation, request: Request) -> Callable[[], OpenHub]:
        """What finds the hub, for who may ask.

        An unknown one is refused now, and one to be made is not made yet.
        """
        identity = identity_of(request.scope)
        if not operation.is_of_hub:
            identity.check_role(operation.access)
            return _no_hub
        name = _hub_name(request)
        # Before all else: what is not the caller's looks the same whether it is there or not.
        identity.check(name, operation.access)
        if operation.makes_hub:
            self._hubs.check_findable(name)
            return lambda: self._hubs.find(name)
        hub = self._hubs.existing(name)
        return lambda: hub


def _no_hub() -> OpenHub:
    raise AssertionError("an operation of no task hub asks for one")


def _hub_name(request: Request) -> str:
    name = request.headers.get(HUB_HEADER, "")
    if not name:
        raise BadRequestError(f"The header {HUB_HEADER} must name a task hub, such as default")
    return name


def _parameters(request: Request) -> dict[str, str]:
    pairs = request.query_params.multi_items()
    given = dict(pairs)
    if len(given) != len(pairs):
        raise BadRequestError("A parameter must be given once")
    return given


async def _body(request: Request) -> bytes:
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != _JSON:
        raise ContentTypeError(given)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise BodyTooLargeError(BODY_BYTES_MAX)
    return bytes(body)


def _read(model: type[Model], sent: bytes) -> Model:
    try:
        return model.model_validate_json(sent)
    except ValidationError as error:
        raise BadRequestError(_problems(error)) from error


def _checked(model: type[Model], given: Mapping[str, Any]) -> Model:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise BadRequestError(_problems(error)) from error


def _problems(error: ValidationError) -> str:
    """Each problem with the name of its field."""
    told = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(map(str, problem["loc"]))[:200]
        what = "unknown field" if problem["type"] == _EXTRA else problem["msg"]
        told.append(f"{where}: {what}" if where else what)
    more = len(told) - _PROBLEMS_MAX
    return "; ".join(told[:_PROBLEMS_MAX]) + (f"; and {more} more" if more > 0 else "")


def _etag(revision: str, request: Request, body: bytes) -> str:
    """Of this address and body: a query is asked with POST, and every one has the same path."""
    asked = f"{request.url.path}?{request.url.query}#{request.headers.get(HUB_HEADER, '')}"
    told = f"{revision}\n{asked}\n".encode() + body
    return f'W/"{_digest(told)}"'


def _digest(what: bytes) -> str:
    return hashlib.blake2s(what, digest_size=_DIGEST_BYTES).hexdigest()


async def refuse_unrouted(request: Request, error: Exception) -> Response:
    """A path that there is not, or a method that it does not have."""
    if isinstance(error, HTTPException) and error.status_code == WRONG_METHOD.status:
        allowed = (error.headers or {}).get("Allow", "")
        text = f"{request.method} is not possible here, only {allowed}"
        log.info("no method: %s %s", request.method, request.url.path[:200])
        return refusal(WRONG_METHOD.status, WRONG_METHOD.code, text, error.headers)
    path = request.url.path[:200]
    fault = fault_of(NoRouteError())
    log.info("no route: %s %s", request.method, path)
    return refusal(fault.status, fault.code, f"There is nothing at {path}")
