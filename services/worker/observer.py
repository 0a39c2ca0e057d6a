"""Watches the call that is a worker's connection, because the SDK shows no connection state."""

from collections.abc import Callable
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
        if _method(client_call_details).endswith(_GET_WORK_ITEMS):
            self._keeper.connected()
            if not call.add_callback(self._keeper.disconnected):
                self._keeper.disconnected()
        return call


def _method(details: grpc.ClientCallDetails) -> str:
    # gRPC hands the method over as bytes or text, by version.
    method: object = details.method
    return method.decode() if isinstance(method, bytes) else str(method)
