"""When an answer of a worker has reached the scheduler."""

import threading
from typing import Any

import grpc

from tests.conformance.hub import SECONDS_MAX


class Deliveries(grpc.UnaryUnaryClientInterceptor):  # type: ignore[type-arg]  # generic in its stubs only
    """Counts the activity results that the scheduler has taken; for a worker's `interceptors`."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        """Lets the call pass, and counts it once it is answered."""
        call = continuation(details, request)
        if details.method.endswith("/CompleteActivityTask"):
            call.result()
            with self._changed:
                self._count += 1
                self._changed.notify_all()
        return call

    def wait_for(self, count: int) -> None:
        """Returns once this many results have been taken."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._count >= count, SECONDS_MAX)
