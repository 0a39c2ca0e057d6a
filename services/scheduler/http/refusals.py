"""The shape of everything that is no success."""

import json
from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from services.scheduler.errors import CallError, UnauthenticatedError
from services.scheduler.http.faults import fault_of

_JSON: Final = "application/json"
# RFC 6750; the text of the body says more.
_CHALLENGE: Final = 'Bearer realm="scheduler"'


def refusal(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """A refusal with its code and a text for a person."""
    document = {"error": {"code": code, "message": message}}
    content = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(content, status, headers, _JSON)


def refused(error: CallError) -> Response:
    """What is answered to a call that is refused."""
    fault = fault_of(error)
    challenge = {"WWW-Authenticate": _CHALLENGE} if isinstance(error, UnauthenticatedError) else {}
    return refusal(fault.status, fault.code, str(error), challenge)
