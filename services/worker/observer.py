"""Watches the call that is a worker's connection, because the SDK shows no connection state."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import grpc

from services.worker.state import StateKeeper

_GET_WORK_ITEMS: Final = "/GetWorkItems"


class LinkObserver(grpc.UnaryStreamClientInterceptor):  # type: ignore[type-arg]  # generic in its stubs only
    """Tells `keeper` when the stream of work items opens and ends.

    The SDK calls `Hello` and opens the stream only when that was answered, so an open stream is a
    connection; the initial metadata is no sign, as many servers send it with the first item. Other
    calls pass it by: an interceptor costs each of them a twentieth of what it takes in all.
    """

    def __init__(self, keeper: StateKeeper) -> None:
        self._keeper = keeper

    def intercept_unary_stream(
        self,
        continuation: Callable[[grpc.ClientCallDetails, Any], Any],
        client_call_details: grpc.ClientCallDetails,
        request: Any,  # noqa: ANN401 - gRPC's signature
    ) -> Any:  # noqa: ANN401 - gRPC's signature
        """Passes the call on; the stream of work items is the connection, from here to its end."""
        call = continuation(client_call_details, request)
        if not _method(client_call_details).endswith(_GET_WORK_ITEMS):
            return call
        self._keeper.connected()
        return _Stream(call, at_end=self._keeper.disconnected)


class _Stream:
    """A call as it is, whose end is told to who reads it and to `at_end`.

    What is called off on this side ends for its reader alone: gRPC tells no callback of it where
    the reader's thread is the only one.
    """

    def __init__(self, call: Any, *, at_end: Callable[[], None]) -> None:  # noqa: ANN401 - gRPC leaves it untyped
        self._call = call
        self._at_end = at_end

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:  # noqa: ANN401 - any message
        try:
            return next(self._call)
        except BaseException:
            self._at_end()
            raise

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - all else that a call can do
        return getattr(self._call, name)


def _method(details: grpc.ClientCallDetails) -> str:
    # gRPC hands the method over as bytes or text, by version.
    method: object = details.method
    return method.decode() if isinstance(method, bytes) else str(method)
