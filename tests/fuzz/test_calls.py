"""Every RPC and the HTTP port in this process: any bytes are answered, and nothing else happens."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.calls import RpcCalls
from tests.fuzz.requests import HttpCalls
from tests.fuzz.seeds import METHODS
from tests.fuzz.torn import torn

_NUMBERS = {name: number for number, name in enumerate(METHODS)}
DICE = st.randoms(use_true_random=False)


@pytest.fixture(scope="module")
def rpc() -> Iterator[RpcCalls]:
    with RpcCalls() as calls:
        yield calls


@pytest.fixture(scope="module")
def http() -> Iterator[HttpCalls]:
    with HttpCalls() as calls:
        yield calls


def seeds_for(calls: RpcCalls, method: str) -> list[bytes]:
    """Valid calls of a method."""
    return [seed for seed in calls.seeds() if seed[0] == _NUMBERS[method]]


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=12)
@given(data=st.data())
def test_a_method_answers_whatever_its_request_holds(
    rpc: RpcCalls, method: str, data: st.DataObject
) -> None:
    before = data.draw(st.lists(st.sampled_from(rpc.seeds()), max_size=4))
    for call in before:
        rpc.run(call)
    dice: random.Random = data.draw(DICE)
    seed = data.draw(st.sampled_from(seeds_for(rpc, method)))
    for _ in range(3):
        seed = rpc.mutate(seed, dice)
        rpc.run(seed)


@settings(max_examples=150)
@given(method=st.sampled_from(sorted(METHODS)), flags=st.integers(0, 255), message=st.binary())
def test_bytes_that_are_no_request_are_refused(
    rpc: RpcCalls, method: str, flags: int, message: bytes
) -> None:
    rpc.run(bytes((_NUMBERS[method], flags)) + message)


@settings(max_examples=150)
@given(data=st.data())
def test_the_http_port_answers_whatever_is_asked(http: HttpCalls, data: st.DataObject) -> None:
    dice: random.Random = data.draw(DICE)
    request = data.draw(st.sampled_from(http.seeds()))
    http.run(request)
    for _ in range(3):
        request = http.mutate(request, dice)
        http.run(request)
    http.run(torn(request, dice))


def test_valid_requests_of_every_method_come_to_something(rpc: RpcCalls) -> None:
    """Otherwise what is made of them would be refused before it is looked at."""
    rpc.renew()
    found: dict[str, set[str]] = {name: set() for name in METHODS}
    dice = random.Random(1)  # noqa: S311 - a seed makes the same run
    seeds = rpc.seeds()
    for _ in range(3_000):
        name, outcome = rpc.run(dice.choice(seeds)).split()
        found[name].add(outcome)
    good = {name for name, outcomes in found.items() if outcomes & {"OK", "open"}}
    # The one hub is among those that the scheduler was told to serve.
    assert set(METHODS) - good == {"DeleteTaskHub"}
