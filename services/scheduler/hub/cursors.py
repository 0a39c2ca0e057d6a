"""Continuation tokens: opaque, stable while rows come and go, and never `0` ("no more" to some)."""

import base64
import binascii
import json
from typing import Any

from services.scheduler.engine.limits import PAGE_SIZE_MAX
from services.scheduler.engine.protos import StringValue
from services.scheduler.errors import BadRequestError


def token(*position: Any) -> StringValue:  # noqa: ANN401 - numbers and texts
    """The token of the row that a page ends with."""
    text = json.dumps(position, separators=(",", ":"))
    return StringValue(value=base64.urlsafe_b64encode(text.encode()).decode())


def position(
    token: str, kinds: tuple[type, ...], *, what: str = "continuation token"
) -> list[Any] | None:
    """Where a page begins, None for the first; raises `BadRequestError` for no token of ours."""
    if not token:
        return None
    try:
        read = json.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise BadRequestError(f"Invalid {what}: {token[:80]!r}") from error
    if (
        not isinstance(read, list)
        or [type(part) for part in read] != list(kinds)
        or not all(map(_can_be_stored, read))
    ):
        raise BadRequestError(f"Invalid {what}: {token[:80]!r}")
    return read


def _can_be_stored(part: int | str) -> bool:
    """Whether SQLite can compare with it."""
    if isinstance(part, int):
        return abs(part) < 2**63
    try:
        part.encode()
    except UnicodeEncodeError:
        return False
    return True


def page_size(asked: int) -> int:
    """The rows of a page; 0 asks for as many as there may be. Raises `BadRequestError` below."""
    if asked < 0:
        raise BadRequestError(f"Page size must not be negative (got {asked})")
    return min(asked or PAGE_SIZE_MAX, PAGE_SIZE_MAX)
