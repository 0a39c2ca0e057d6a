"""What may be done to an instance depends on its state; whatever is refused has changed nothing.

What each call does is compared by `FuzzedScheduler`, which raises `Violation`.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from services.scheduler.auth.identity import Access
from services.scheduler.edge.access import ACCESS
from services.scheduler.engine.protos import pb
from tests.fuzz.answers import ANSWERED
from tests.fuzz.routes import ROUTES, Request, requests_of
from tests.fuzz.scheduler import HUB, FuzzedScheduler
from tests.fuzz.seeds import LATER, METHODS, seeds_of

CHANGES = [
    name
    for name, access in ACCESS.items()
    if access is Access.CHANGE
    and name not in ANSWERED
    and "instanceId" in METHODS[name].DESCRIPTOR.fields_by_name
]
CONTROLS = [
    route
    for route in ROUTES
    if route.access is Access.CHANGE and route.path.startswith("/v1/taskhubs/orchestrations")
]
TIMER = pb.OrchestratorAction(id=1, createTimer=pb.CreateTimerAction(fireAt=LATER))


def ending(status: pb.OrchestrationStatus) -> pb.OrchestratorAction:
    """What ends an orchestration."""
    ended = pb.CompleteOrchestrationAction(orchestrationStatus=status)
    return pb.OrchestratorAction(id=2, completeOrchestration=ended)


def answer(fuzzed: FuzzedScheduler, token: str, *actions: pb.OrchestratorAction) -> None:
    """Answers a turn."""
    response = pb.OrchestratorResponse(completionToken=token, actions=actions)
    fuzzed.call("CompleteOrchestratorTask", response.SerializeToString())


def started(fuzzed: FuzzedScheduler, instance_id: str, *actions: pb.OrchestratorAction) -> None:
    """Starts an instance and answers its first turn, after those that others wait for."""
    while tokens := fuzzed.tokens:
        answer(fuzzed, tokens[0], TIMER)
    start = pb.CreateInstanceRequest(instanceId=instance_id, name="main")
    fuzzed.call("StartInstance", start.SerializeToString())
    (token,) = fuzzed.tokens
    answer(fuzzed, token, *actions)


def delayed(fuzzed: FuzzedScheduler, instance_id: str) -> None:
    start = pb.CreateInstanceRequest(
        instanceId=instance_id, name="main", scheduledStartTimestamp=LATER
    )
    fuzzed.call("StartInstance", start.SerializeToString())


def suspended(fuzzed: FuzzedScheduler, instance_id: str) -> None:
    started(fuzzed, instance_id, TIMER)
    request = pb.SuspendRequest(instanceId=instance_id)
    fuzzed.call("SuspendInstance", request.SerializeToString())


def terminated(fuzzed: FuzzedScheduler, instance_id: str) -> None:
    started(fuzzed, instance_id, TIMER)
    request = pb.TerminateRequest(instanceId=instance_id)
    fuzzed.call("TerminateInstance", request.SerializeToString())


Way = Callable[[FuzzedScheduler, str], None]
# Each with the status that it has then; None for no instance.
STATES: Mapping[str, tuple[Way, "pb.OrchestrationStatus | None"]] = {
    "missing": (lambda _fuzzed, _key: None, None),
    "delayed": (delayed, pb.ORCHESTRATION_STATUS_PENDING),
    "running": (lambda fuzzed, key: started(fuzzed, key, TIMER), pb.ORCHESTRATION_STATUS_RUNNING),
    "suspended": (suspended, pb.ORCHESTRATION_STATUS_SUSPENDED),
    "completed": (
        lambda fuzzed, key: started(fuzzed, key, ending(pb.ORCHESTRATION_STATUS_COMPLETED)),
        pb.ORCHESTRATION_STATUS_COMPLETED,
    ),
    "failed": (
        lambda fuzzed, key: started(fuzzed, key, ending(pb.ORCHESTRATION_STATUS_FAILED)),
        pb.ORCHESTRATION_STATUS_FAILED,
    ),
    "terminated": (terminated, pb.ORCHESTRATION_STATUS_TERMINATED),
}


def make(fuzzed: FuzzedScheduler, state: str, key: str) -> None:
    """Has an instance be in a state."""
    way, status = STATES[state]
    way(fuzzed, key)
    asked = pb.GetInstanceRequest(instanceId=key).SerializeToString()
    (found,) = map(pb.GetInstanceResponse.FromString, fuzzed.call("GetInstance", asked).sent)
    assert found.exists == (status is not None)
    assert status in {None, found.orchestrationState.orchestrationStatus}


def requests_over_rpc(method: str) -> Iterator[Any]:
    """Requests about one instance: all that can be said, and as little as can be."""
    yield METHODS[method]()
    yield from seeds_of(method)


def requests_over_http(requests: Iterator[Request]) -> Iterator[Request]:
    """As they are, without one of their parts, and without all of them."""
    for request in requests:
        yield request
        for name, value in (request.body or {}).items():
            if isinstance(value, dict):
                yield Request({name: {}})
                for left_out in value:
                    yield Request({name: {key: value[key] for key in value.keys() - {left_out}}})


def about(request: Request, key: str) -> Request:
    """The same request about another instance."""
    body = request.body
    for name, value in {"instanceIds": [key], "instanceId": key}.items():
        if body and name in body:
            body = body | {name: value}
    return Request(body, key, request.second, request.query)


@pytest.mark.parametrize("state", STATES)
def test_a_change_over_rpc_is_made_or_changes_nothing(fuzzed: FuzzedScheduler, state: str) -> None:
    ids = itertools.count()
    for method in CHANGES:
        for request in requests_over_rpc(method):
            key = f"{state}-{next(ids)}"
            make(fuzzed, state, key)
            changed = METHODS[method]()
            changed.CopyFrom(request)
            changed.instanceId = key
            for _ in range(2):
                fuzzed.call(method, changed.SerializeToString())


@pytest.mark.parametrize("state", STATES)
def test_a_change_over_http_is_made_or_changes_nothing(fuzzed: FuzzedScheduler, state: str) -> None:
    ids = itertools.count()
    for route in CONTROLS:
        for request in requests_over_http(requests_of(route)):
            key = f"{state}-{next(ids)}"
            make(fuzzed, state, key)
            for _ in range(2):
                fuzzed.request(about(request, key).to(route, HUB))
