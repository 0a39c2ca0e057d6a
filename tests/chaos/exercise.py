"""What clients and workers do to a scheduler all day, many times over: what leaks once, leaks much.

Connections come and go with everything that can be open on them: calls, waits, streams of work
items, requests that are half sent. Nothing of them may stay.
"""

import http.client
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import grpc
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal import orchestrator_service_pb2_grpc as service

from tests.chaos.crowd import hello

# Of each sort. What stays of one, were it a file or 100 KB, shows among so many.
CONNECTIONS: Final = 150
CALLS_OF_A_CONNECTION: Final = 5
_AT_ONCE: Final = 4
_SECONDS: Final = 20.0
_NAME: Final = "exercise"
# One channel is one connection, also to one address.
_OPTIONS: Final = (("grpc.use_local_subchannel_pool", 1),)
_METADATA: Final = (("taskhub", "default"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the parts listen on this machine; `dashboard` is None where there is none."""

    grpc: int
    http: int
    dashboard: int | None = None


def exercise(ports: Ports, instance_id: str) -> None:
    """Everything once, `CONNECTIONS` times; an instance of this id is there meanwhile."""
    with _channel(ports) as channel:
        hub = _stub(channel)
        start = pb.CreateInstanceRequest(instanceId=instance_id, name=_NAME)
        hub.StartInstance(start, metadata=_METADATA, timeout=_SECONDS)
        acts = [partial(_comes_and_goes, ports, instance_id), partial(_says_half, ports.grpc)]
        acts += [partial(_asks, ports.http, path) for path in ("/healthz", "/v1/taskhubs/ping")]
        acts.append(partial(_says_half_of_http, ports.http))
        if ports.dashboard is not None:
            acts += [partial(_asks, ports.dashboard, "/hubs/default/orchestrations")]
            acts += [partial(_says_half_of_http, ports.dashboard)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for done in [pool.submit(act) for act in acts for _ in range(CONNECTIONS)]:
                done.result()
        end = pb.TerminateRequest(instanceId=instance_id)
        hub.TerminateInstance(end, metadata=_METADATA, timeout=_SECONDS)


def _comes_and_goes(ports: Ports, instance_id: str) -> None:
    """A client and worker that goes away with all that it has open."""
    request = pb.GetInstanceRequest(instanceId=instance_id)
    with _channel(ports) as channel:
        hub = _stub(channel)
        for _ in range(CALLS_OF_A_CONNECTION):
            hub.GetInstance(request, metadata=_METADATA, timeout=_SECONDS)
        waits = hub.WaitForInstanceCompletion.future(request, metadata=_METADATA)
        nothing = pb.GetWorkItemsRequest(workItemFilters=pb.WorkItemFilters())
        stream = hub.GetWorkItems(nothing, metadata=_METADATA)
        stream.initial_metadata()
        assert not waits.done()


def _says_half(port: int) -> None:
    """A call whose request never comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as connection:
        connection.sendall(hello())
        assert connection.recv(1)


def _asks(port: int, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", path, headers={"x-taskhub": "default"})
        assert connection.getresponse().read() is not None
    finally:
        connection.close()


def _says_half_of_http(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as connection:
        connection.sendall(b"POST /v1/taskhubs/orchestrations HTTP/1.1\r\ncontent-length: 9\r\n")


def _channel(ports: Ports) -> grpc.Channel:
    return grpc.insecure_channel(f"127.0.0.1:{ports.grpc}", _OPTIONS)


def _stub(channel: grpc.Channel) -> Any:
    return service.TaskHubSidecarServiceStub(channel)  # type: ignore[no-untyped-call]  # generated code
