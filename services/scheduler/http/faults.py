"""The one table of errors and what HTTP says to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.scheduler.errors import (
    AuthenticationAwayError,
    BadRequestError,
    CallError,
    ForbiddenError,
    InstanceExistsError,
    NotFoundError,
    OverloadError,
    StoppingError,
    UnauthenticatedError,
    WrongStateError,
)


class BodyTooLargeError(BadRequestError):
    """The body is above the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body has more than {limit} bytes")


class ContentTypeError(BadRequestError):
    """The body is not said to be JSON."""

    def __init__(self, given: str) -> None:
        super().__init__(f"Content-Type must be application/json (got {given[:80]!r})")


class NoRouteError(NotFoundError):
    """There is nothing under this path."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The name of a gRPC status code, and the HTTP status that stands for it."""

    code: str
    status: int


_FAULTS: Final[Mapping[type[CallError], Fault]] = {
    BadRequestError: Fault("INVALID_ARGUMENT", 400),
    BodyTooLargeError: Fault("INVALID_ARGUMENT", 413),
    ContentTypeError: Fault("INVALID_ARGUMENT", 415),
    NotFoundError: Fault("NOT_FOUND", 404),
    InstanceExistsError: Fault("ALREADY_EXISTS", 409),
    WrongStateError: Fault("FAILED_PRECONDITION", 409),
    OverloadError: Fault("RESOURCE_EXHAUSTED", 429),
    StoppingError: Fault("UNAVAILABLE", 503),
    UnauthenticatedError: Fault("UNAUTHENTICATED", 401),
    ForbiddenError: Fault("PERMISSION_DENIED", 403),
    AuthenticationAwayError: Fault("UNAVAILABLE", 503),
}
WRONG_METHOD: Final = Fault("UNIMPLEMENTED", 405)
INTERNAL: Final = Fault("INTERNAL", 500)


def fault_of(error: CallError) -> Fault:
    """What HTTP says to a refusal, by the nearest class that the table has."""
    return next(_FAULTS[kind] for kind in type(error).__mro__ if kind in _FAULTS)
