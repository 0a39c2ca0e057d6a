"""The one table of errors and gRPC status codes."""

from collections.abc import Mapping
from typing import Final

import grpc

from services.scheduler.errors import (
    AuthenticationAwayError,
    BadRequestError,
    CallError,
    ForbiddenError,
    InstanceExistsError,
    LateRequestError,
    NotFoundError,
    OverloadError,
    StoppingError,
    UnauthenticatedError,
    WrongStateError,
)

_CODES: Final[Mapping[type[CallError], grpc.StatusCode]] = {
    BadRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    InstanceExistsError: grpc.StatusCode.ALREADY_EXISTS,
    WrongStateError: grpc.StatusCode.FAILED_PRECONDITION,
    LateRequestError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    OverloadError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    StoppingError: grpc.StatusCode.UNAVAILABLE,
    UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    ForbiddenError: grpc.StatusCode.PERMISSION_DENIED,
    AuthenticationAwayError: grpc.StatusCode.UNAVAILABLE,
}


def code_of(error: CallError) -> grpc.StatusCode:
    """The status code of a refusal, by the nearest class that has one."""
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)
