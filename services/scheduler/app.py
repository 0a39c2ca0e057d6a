"""The scheduler's composition root.

It serves the SDK's own testing backend, in memory, one for each task hub.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc
from durabletask.internal import orchestrator_service_pb2_grpc as service

from services.scheduler.backend import PatientBackend
from services.scheduler.edge.task_hubs import TaskHubRouter, UnknownTaskHubInterceptor
from services.scheduler.errors import PortInUseError
from services.scheduler.http.health import HttpServer
from services.scheduler.settings import SchedulerSettings
from services.shared.signals import StopSignals

log = logging.getLogger(__name__)

# A thread for each open stream and each waiting client: the backend blocks in both.
_THREADS: Final = 64
_STOP_GRACE_SECONDS: Final = 2.0
_SERVER_OPTIONS: Final = (
    # Without this two schedulers share a port, and each hides what the other holds.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Clients with short keepalives are welcome: the defaults cut them off (`too_many_pings`).
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
)


def run(settings: SchedulerSettings) -> int:
    """Serves until SIGTERM or SIGINT; returns 0. Raises `PortInUseError`."""
    signals = StopSignals()
    backends = {name: PatientBackend() for name in settings.task_hubs}
    http = HttpServer.bind(settings.host, settings.http_port)
    server, grpc_port = _bind_grpc(settings, backends)
    server.start()
    http.start()
    # For whoever started it, a person or a program, and so not a matter of the log's level.
    print(  # noqa: T201 - the line that tells of readiness
        f"ready: gRPC on {_address(settings.host, grpc_port)},"
        f" HTTP on {_address(settings.host, http.port)},"
        f" task hubs {', '.join(settings.task_hubs)}, state in memory",
        flush=True,
    )
    signals.wait()
    for backend in backends.values():
        backend.stop()
    server.stop(_STOP_GRACE_SECONDS).wait()
    for backend in backends.values():
        # It wakes the threads that wait for an instance: those outlive their calls.
        backend.reset()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    http.stop()
    log.info("stopped")
    return 0


def _bind_grpc(
    settings: SchedulerSettings, backends: dict[str, PatientBackend]
) -> tuple[grpc.Server, int]:
    server = grpc.server(
        ThreadPoolExecutor(_THREADS, thread_name_prefix="grpc"),
        interceptors=[UnknownTaskHubInterceptor(frozenset(backends))],
        options=_SERVER_OPTIONS,
    )
    service.add_TaskHubSidecarServiceServicer_to_server(  # type: ignore[no-untyped-call]  # generated code
        TaskHubRouter(backends), server
    )
    address = _address(settings.host, settings.grpc_port)
    try:
        return server, server.add_insecure_port(address)
    except RuntimeError as error:
        raise PortInUseError(address, "SCHEDULER_GRPC_PORT") from error


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
