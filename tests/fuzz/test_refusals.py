"""At a task hub that there is not, every call that is refused makes none, and no reader does.

What each call does there is compared by `FuzzedScheduler`, which raises `Violation`.
"""

import random
from dataclasses import replace

import grpc
import pytest

from services.scheduler.edge.access import MAKES_HUB
from services.scheduler.engine.protos import StringValue, pb
from tests.fuzz.answers import ANSWERED, token_for, with_token
from tests.fuzz.callers import CALLERS
from tests.fuzz.routes import ROUTES, Route, requests_of
from tests.fuzz.scheduler import FuzzedScheduler
from tests.fuzz.seeds import METHODS, seeds_of

# A field without its end.
UNREADABLE = b"\x0a\xff"
# What can be read and is refused, of calls that make task hubs; to the others anything can be said.
BAD_REQUESTS = {
    "StartInstance": pb.CreateInstanceRequest(instanceId="@e@1", name="main"),
    "SignalEntity": pb.SignalEntityRequest(instanceId="a", name="add"),
    "QueryInstances": pb.QueryInstancesRequest(
        query=pb.InstanceQuery(continuationToken=StringValue(value="x"))
    ),
    "ListInstanceIds": pb.ListInstanceIdsRequest(pageSize=-1),
    "QueryEntities": pb.QueryEntitiesRequest(
        query=pb.EntityQuery(continuationToken=StringValue(value="x"))
    ),
}
BAD_BODIES = (b"", b"{", b"[]", b'{"unknown": 1}')


def test_requests_that_cannot_be_read(fuzzed: FuzzedScheduler) -> None:
    for method in METHODS:
        wire = fuzzed.call(method, UNREADABLE, f"fresh-{method}")
        assert wire.code is grpc.StatusCode.INVALID_ARGUMENT, method


@pytest.mark.parametrize("method", BAD_REQUESTS)
def test_requests_that_no_task_hub_takes(fuzzed: FuzzedScheduler, method: str) -> None:
    wire = fuzzed.call(method, BAD_REQUESTS[method].SerializeToString(), "fresh")
    assert wire.code is grpc.StatusCode.INVALID_ARGUMENT


def test_requests_about_what_can_only_be_in_a_task_hub(fuzzed: FuzzedScheduler) -> None:
    for method in METHODS.keys() - MAKES_HUB - {"CreateTaskHub"}:
        for seed in seeds_of(method):
            wire = fuzzed.call(method, seed.SerializeToString(), "fresh")
            assert wire.code is grpc.StatusCode.NOT_FOUND, method


def test_requests_of_those_who_may_not_make_one(guarded: FuzzedScheduler) -> None:
    for caller in CALLERS[1:]:
        for method in METHODS:
            for seed in seeds_of(method):
                wire = guarded.call(method, seed.SerializeToString(), "fresh", caller)
                assert wire.code not in {None, grpc.StatusCode.OK}, (method, caller)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_http_requests_that_are_refused_or_read(fuzzed: FuzzedScheduler, route: Route) -> None:
    for request in requests_of(route):
        if not route.makes_hub:
            fuzzed.request(request.to(route, "fresh"))
        for body in BAD_BODIES if request.body is not None else ():
            made = replace(request.to(route, "fresh"), body=body)
            status, _answer = fuzzed.request(made)
            assert status == 400 or (status == 404 and not route.makes_hub)


def test_http_requests_of_those_who_may_not_make_one(guarded: FuzzedScheduler) -> None:
    for caller in CALLERS[1:]:
        for route in ROUTES:
            for request in requests_of(route):
                guarded.request(replace(request.to(route, "fresh"), caller=caller))


@pytest.mark.parametrize("seed", range(10))
def test_answers_with_made_up_tokens(fuzzed: FuzzedScheduler, seed: int) -> None:
    """They may be answered, and decide nothing."""
    dice = random.Random(seed)
    start = pb.CreateInstanceRequest(instanceId="a", name="main")
    signal = pb.SignalEntityRequest(instanceId="@e@1", name="add")
    fuzzed.call("StartInstance", start.SerializeToString())
    fuzzed.call("SignalEntity", signal.SerializeToString())
    tokens = fuzzed.tokens
    assert {token[0] for token in tokens} == {"i", "e"}
    for method in ANSWERED:
        for answer in seeds_of(method):
            token = token_for(method, "made up", tokens, "", dice) or ""
            fuzzed.call(method, with_token(answer, token))
    assert fuzzed.tokens == tokens


def test_answers_with_the_token_of_another_kind_of_work(fuzzed: FuzzedScheduler) -> None:
    for key in ("a", "b"):
        start = pb.CreateInstanceRequest(instanceId=key, name="main")
        fuzzed.call("StartInstance", start.SerializeToString())
    signal = pb.SignalEntityRequest(instanceId="@e@1", name="add")
    fuzzed.call("SignalEntity", signal.SerializeToString())
    schedule = pb.OrchestratorAction(id=1, scheduleTask=pb.ScheduleTaskAction(name="echo"))
    turn = pb.OrchestratorResponse(completionToken=fuzzed.tokens[0], actions=[schedule])
    fuzzed.call("CompleteOrchestratorTask", turn.SerializeToString())
    tokens = fuzzed.tokens
    assert {token[0] for token in tokens} == {"i", "e", "a"}
    for method, kind in ANSWERED.items():
        for token in tokens if method.startswith("Complete") else ():
            if token[0] != kind.value[0]:
                for answer in seeds_of(method):
                    fuzzed.call(method, with_token(answer, token))
    assert fuzzed.tokens == tokens
