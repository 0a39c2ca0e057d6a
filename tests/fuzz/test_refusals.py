"""At a task hub that there is not, every call that is refused makes none, and no reader does.

What each call does there is compared by `FuzzedScheduler`, which raises `Violation`.
"""

import random
from collections.abc import Iterator
from dataclasses import replace

import grpc
import pytest

from services.scheduler.edge.access import MAKES_HUB
from services.scheduler.engine.protos import StringValue, pb
from tests.fuzz.answers import ANSWERED, token_for
from tests.fuzz.callers import CALLERS
from tests.fuzz.routes import ROUTES, Route, requests_of
from tests.fuzz.scheduler import GUARDED, FuzzedScheduler
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


@pytest.fixture
def scheduler() -> Iterator[FuzzedScheduler]:
    with FuzzedScheduler() as opened:
        yield opened


@pytest.fixture
def guarded() -> Iterator[FuzzedScheduler]:
    with FuzzedScheduler(make=GUARDED) as opened:
        yield opened


def test_requests_that_cannot_be_read(scheduler: FuzzedScheduler) -> None:
    for method in METHODS:
        wire = scheduler.call(method, UNREADABLE, f"fresh-{method}")
        assert wire.code is grpc.StatusCode.INVALID_ARGUMENT, method


@pytest.mark.parametrize("method", BAD_REQUESTS)
def test_requests_that_no_task_hub_takes(scheduler: FuzzedScheduler, method: str) -> None:
    wire = scheduler.call(method, BAD_REQUESTS[method].SerializeToString(), "fresh")
    assert wire.code is grpc.StatusCode.INVALID_ARGUMENT


def test_requests_about_what_can_only_be_in_a_task_hub(scheduler: FuzzedScheduler) -> None:
    for method in METHODS.keys() - MAKES_HUB - {"CreateTaskHub"}:
        for seed in seeds_of(method):
            wire = scheduler.call(method, seed.SerializeToString(), "fresh")
            assert wire.code is grpc.StatusCode.NOT_FOUND, method


def test_requests_of_those_who_may_not_make_one(guarded: FuzzedScheduler) -> None:
    for caller in CALLERS[1:]:
        for method in METHODS:
            for seed in seeds_of(method):
                wire = guarded.call(method, seed.SerializeToString(), "fresh", caller)
                assert wire.code not in {None, grpc.StatusCode.OK}, (method, caller)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_http_requests_that_are_refused_or_read(scheduler: FuzzedScheduler, route: Route) -> None:
    for request in requests_of(route):
        if not route.makes_hub:
            scheduler.request(request.to(route, "fresh"))
        for body in BAD_BODIES if request.body is not None else ():
            made = replace(request.to(route, "fresh"), body=body)
            status, _answer = scheduler.request(made)
            assert status == 400 or (status == 404 and not route.makes_hub)


def test_http_requests_of_those_who_may_not_make_one(guarded: FuzzedScheduler) -> None:
    for caller in CALLERS[1:]:
        for route in ROUTES:
            for request in requests_of(route):
                guarded.request(replace(request.to(route, "fresh"), caller=caller))


@pytest.mark.parametrize("seed", range(10))
def test_answers_with_made_up_tokens(scheduler: FuzzedScheduler, seed: int) -> None:
    """They may be answered, and decide nothing."""
    dice = random.Random(seed)  # noqa: S311 - a seed makes the same run
    start = pb.CreateInstanceRequest(instanceId="a", name="main")
    signal = pb.SignalEntityRequest(instanceId="@e@1", name="add")
    scheduler.call("StartInstance", start.SerializeToString())
    scheduler.call("SignalEntity", signal.SerializeToString())
    tokens = scheduler.tokens
    assert {token[0] for token in tokens} == {"i", "e"}
    for method in ANSWERED:
        for answer in seeds_of(method):
            token = token_for(method, "made up", tokens, "", dice)
            made = METHODS[method]()
            made.CopyFrom(answer)
            made.completionToken = token
            scheduler.call(method, made.SerializeToString())
    assert scheduler.tokens == tokens
