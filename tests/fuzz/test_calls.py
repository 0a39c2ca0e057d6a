"""Every RPC and the HTTP port in this process: any bytes are answered, and nothing else happens."""

import random
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.http_calls import HttpCalls
from tests.fuzz.rpc_calls import NAMES, RpcCalls
from tests.fuzz.scheduler import BOUNDED, GUARDED, OPEN, Make
from tests.fuzz.seeds import METHODS
from tests.fuzz.torn import torn

DICE = st.randoms(use_true_random=False)
MAKES: Mapping[str, Make] = {"open": OPEN, "tokens": GUARDED, "bounds": BOUNDED}


@pytest.fixture(scope="module")
def rpc() -> Iterator[Mapping[str, RpcCalls]]:
    with RpcCalls(OPEN) as a, RpcCalls(GUARDED) as b, RpcCalls(BOUNDED) as c:
        yield dict(zip(MAKES, (a, b, c), strict=True))


@pytest.fixture(scope="module")
def http() -> Iterator[Mapping[str, HttpCalls]]:
    with HttpCalls(OPEN) as a, HttpCalls(GUARDED) as b, HttpCalls(BOUNDED) as c:
        yield dict(zip(MAKES, (a, b, c), strict=True))


def seeds_for(calls: RpcCalls, method: str) -> list[bytes]:
    """Valid calls of a method."""
    return [seed for seed in calls.seeds() if NAMES[seed[0]] == method]


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=8)
@given(data=st.data())
def test_a_method_answers_whatever_its_request_holds(
    rpc: Mapping[str, RpcCalls], method: str, data: st.DataObject
) -> None:
    calls = rpc[data.draw(st.sampled_from(list(MAKES)))]
    before = data.draw(st.lists(st.sampled_from(calls.seeds()), max_size=4))
    for call in before:
        calls.run(call)
    dice: random.Random = data.draw(DICE)
    seed = data.draw(st.sampled_from(seeds_for(calls, method)))
    for _ in range(3):
        seed = calls.mutate(seed, dice)
        calls.run(seed)


@settings(max_examples=150)
@given(kind=st.sampled_from(list(MAKES)), data=st.binary(min_size=5))
def test_any_bytes_are_a_call_that_is_answered(
    rpc: Mapping[str, RpcCalls], kind: str, data: bytes
) -> None:
    rpc[kind].run(data)


@settings(max_examples=100)
@given(data=st.data())
def test_the_http_port_answers_whatever_is_asked(
    http: Mapping[str, HttpCalls], data: st.DataObject
) -> None:
    calls = http[data.draw(st.sampled_from(list(MAKES)))]
    dice: random.Random = data.draw(DICE)
    request = data.draw(st.sampled_from(calls.seeds()))
    calls.run(request)
    for _ in range(3):
        request = calls.mutate(request, dice)
        calls.run(request)
    calls.run(torn(request, dice))


def test_valid_requests_of_every_method_come_to_something() -> None:
    """Otherwise what is made of them would be refused before it is looked at."""
    found: dict[str, set[str]] = {name: set() for name in METHODS}
    dice = random.Random(1)
    with RpcCalls() as calls:
        seeds = calls.seeds()
        for _ in range(3_000):
            name, outcome = calls.run(dice.choice(seeds)).split()
            found[name].add(outcome)
    good = {name for name, outcomes in found.items() if outcomes & {"OK", "open"}}
    # The one hub is among those that the scheduler was told to serve.
    assert set(METHODS) - good == {"DeleteTaskHub"}


def test_valid_requests_of_every_route_come_to_something() -> None:
    found: dict[str, set[str]] = {}
    dice = random.Random(1)
    with HttpCalls() as calls:
        seeds = calls.seeds()
        for _ in range(1_500):
            method, path, status = calls.run(dice.choice(seeds)).split()
            found.setdefault(f"{method} {path}", set()).add(status[0])
    assert {route for route, classes in found.items() if "2" not in classes} == set()
