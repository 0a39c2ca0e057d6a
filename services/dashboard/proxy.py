"""The scheduler's API for the page's own modules, passed on as it is: nothing else gets through.

`/hubs/{hub}/api/...` is `/v1/taskhubs/...` with that task hub. Paths keep their encoding; bodies,
ETags and errors pass unread.
"""

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.desk import desk_of, error_response, hub_of
from services.dashboard.errors import SchedulerAwayError

# The scheduler's own bound.
BODY_BYTES_MAX: Final = 4 * 1024 * 1024

_ID: Final = r"(?!(?:\.|%2[eE]){1,2}(?:/|$))[^/]+"
_ORCHESTRATION: Final = rf"/orchestrations/{_ID}"
_EXECUTION: Final = rf"{_ORCHESTRATION}/executions/{_ID}"
_ALLOWED: Final = tuple(
    (method, re.compile(pattern))
    for method, pattern in (
        ("POST", r"/orchestrations/query"),
        ("POST", r"/orchestrations/bulk"),
        ("POST", r"/orchestrations/forceterminate"),
        ("DELETE", r"/orchestrations/purge"),
        ("POST", r"/orchestrations"),
        ("GET", _ORCHESTRATION),
        ("DELETE", _ORCHESTRATION),
        ("GET", rf"{_ORCHESTRATION}/payloads"),
        ("GET", r"/payloads/file(?::|%3[aA])v1(?::|%3[aA])[0-9a-f]{64}"),
        ("POST", rf"{_ORCHESTRATION}/history"),
        ("POST", rf"{_ORCHESTRATION}/restart"),
        ("GET", rf"{_EXECUTION}/history"),
        ("GET", rf"{_EXECUTION}/history/[0-9]+"),
        ("POST", r"/entities/query"),
        ("GET", rf"/entities/{_ID}"),
        ("POST", rf"/entities/{_ID}/signal"),
        ("GET", r"/workers"),
    )
)
_PASSED_BACK: Final = ("content-type", "etag", "location")


def is_allowed(method: str, path: str) -> bool:
    """Whether this path (encoded, below the API's address) may be asked in this way."""
    return any(method == one and pattern.fullmatch(path) for one, pattern in _ALLOWED)


async def pass_on(request: Request) -> Response:
    """Asks the scheduler in the browser's place."""
    path = "/" + request.path_params["path"]
    if not is_allowed(request.method, path):
        return error_response(404, "NOT_FOUND", f"There is no {request.method} {path[:200]} here")
    body = await _body(request)
    if isinstance(body, Response):
        return body
    try:
        answer = await desk_of(request).api.call(
            hub_of(request),
            path,
            method=request.method,
            query=request.url.query,
            body=body or None,
            etag=request.headers.get("if-none-match"),
        )
    except SchedulerAwayError as error:
        return error_response(503, "UNAVAILABLE", str(error))
    headers = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
    return Response(answer.body, answer.status, headers=headers)


async def _body(request: Request) -> bytes | Response:
    """The body, or the refusal of one that is too large or is not JSON."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            text = f"The body is larger than {BODY_BYTES_MAX} bytes"
            return error_response(413, "INVALID_ARGUMENT", text)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/json":
        text = f"The content type {kind[:100]!r} is not application/json"
        return error_response(415, "INVALID_ARGUMENT", text)
    return bytes(body)
