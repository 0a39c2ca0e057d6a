"""Chooses the task hub of a call by its `taskhub` metadata; hubs never see one another."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import grpc
from durabletask.internal import orchestrator_service_pb2_grpc as service

from services.scheduler.edge.health_pings import with_health_pings

Backend = service.TaskHubSidecarServiceServicer

_METHODS: Final = tuple(name for name in vars(Backend) if not name.startswith("_"))


def _task_hub_of(metadata: Any) -> str:  # noqa: ANN401 - gRPC's own type is not public
    return next((str(value) for key, value in metadata if key == "taskhub"), "")


class TaskHubRouter(Backend):
    """Serves every hub of `backends`, one backend a hub, as one service."""

    def __init__(self, backends: Mapping[str, Backend]) -> None:
        for name in _METHODS:
            call = _routed(name, backends)
            setattr(self, name, with_health_pings(call) if name == "GetWorkItems" else call)


def _routed(name: str, backends: Mapping[str, Backend]) -> Callable[[Any, Any], Any]:
    def call(request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401 - any message of the service
        hub = _task_hub_of(context.invocation_metadata())
        return getattr(backends[hub], name)(request, context)

    return call


class UnknownTaskHubInterceptor(
    grpc.ServerInterceptor,  # type: ignore[type-arg]  # generic in its stubs only
):
    """Answers NOT_FOUND to every call for a hub that is not served."""

    def __init__(self, task_hubs: frozenset[str]) -> None:
        self._task_hubs = task_hubs

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:  # noqa: ANN401 - gRPC's signature
        """The call's own handler, or one that refuses it."""
        hub = _task_hub_of(handler_call_details.invocation_metadata)
        handler = continuation(handler_call_details)
        if hub in self._task_hubs or handler is None:
            return handler
        return _refusal(f"Task hub not found: {hub}", streaming=handler.response_streaming)


def _refusal(text: str, *, streaming: bool) -> Any:  # noqa: ANN401 - gRPC's own type is not public
    def refuse(_request: object, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.NOT_FOUND, text)

    if streaming:
        return grpc.unary_stream_rpc_method_handler(refuse)
    return grpc.unary_unary_rpc_method_handler(refuse)
