"""The thread and the loop take turns at gRPC's queue, and nothing is missed between them."""

import asyncio
import random
import threading
import time
from typing import Any

import grpc
import pytest

from services.scheduler.edge.server import ServerCall
from tests.store.loops import on_a_loop
from tests.unit.edge.served import SECONDS, served, until

CLIENTS = 4
CALLS = 400
# Around what the loop is patient for: the queue changes hands all the time.
PAUSE_SECONDS_MAX = 0.006


def echoed(call: ServerCall) -> None:
    call.reply(call.message)


@on_a_loop
async def test_the_loop_waits_for_more_of_what_has_come_and_then_the_thread_does() -> None:
    threads: list[bool] = []

    def take(call: ServerCall) -> None:
        threads.append(test.is_quiet)
        call.reply(b"well")

    async with served(take) as test:
        for _ in range(3):
            assert await test.unary() == b"well"
            await until(lambda: test.is_quiet)
    # While a call is taken, and a while after, the loop has it.
    assert threads == [False, False, False]


def have_patience(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """How long the loop looks for more after the last event."""
    monkeypatch.setattr("services.scheduler.edge.poller._PATIENCE_SECONDS", seconds)


@on_a_loop
async def test_who_else_waits_for_the_loop_is_served_while_it_waits_for_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    have_patience(monkeypatch, SECONDS)
    async with served(echoed) as test:
        assert await test.unary(b"first") == b"first"
        rung = asyncio.Event()
        asyncio.get_running_loop().call_later(0.001, rung.set)
        await asyncio.wait_for(rung.wait(), SECONDS)
        for _ in range(20):
            assert await asyncio.to_thread(threading.get_ident) != threading.get_ident()
        assert not test.is_quiet


async def turns_of_the_loop(number: int) -> float:
    """How many seconds so many of them take."""
    begun = time.monotonic()
    for _ in range(number):
        await asyncio.sleep(0)
    return time.monotonic() - begun


@pytest.mark.parametrize(
    ("at_work", "awake", "sleeps"),
    [
        (0, SECONDS, True),
        (1, SECONDS, False),
        (3, SECONDS, False),
        (4, SECONDS, True),
        # No answer has come in time.
        (1, 0.0, True),
    ],
)
@on_a_loop
async def test_the_loop_stays_awake_for_a_while_for_the_answers_to_little_work(
    monkeypatch: pytest.MonkeyPatch, *, at_work: int, awake: float, sleeps: bool
) -> None:
    have_patience(monkeypatch, SECONDS)
    monkeypatch.setattr("services.scheduler.edge.poller._AWAKE_SECONDS", awake)
    # So long a sleep is seen.
    monkeypatch.setattr("services.scheduler.edge.poller._MOMENT_SECONDS", 0.1)
    async with served(echoed, at_work=lambda: at_work) as test:
        assert await test.unary(b"first") == b"first"
        if sleeps:
            # The ends of the call come meanwhile, and wake it a few times.
            assert await turns_of_the_loop(40) > 1.0
        else:
            # Ten minutes, if it slept.
            await asyncio.wait_for(turns_of_the_loop(6_000), SECONDS)


@pytest.mark.parametrize("patience", [0.0, SECONDS])
@on_a_loop
async def test_a_stop_ends_the_thread_whoever_has_the_queue(
    monkeypatch: pytest.MonkeyPatch, *, patience: float
) -> None:
    have_patience(monkeypatch, patience)
    async with served(echoed) as test:
        assert await test.unary(b"first") == b"first"
        if patience:
            assert not test.is_quiet
        else:
            await until(lambda: test.is_quiet)
        # That its thread has ended is what every test of a server looks at last.
        await asyncio.wait_for(test.stop(SECONDS), SECONDS)


@on_a_loop
async def test_no_call_is_missed_while_the_queue_changes_hands() -> None:
    async with served(echoed) as test:
        begin = test.channel.unary_unary("/test/call")

        def call(seed: int) -> list[bytes]:
            luck = random.Random(seed)  # noqa: S311 - pauses are no secret
            answers = []
            for number in range(CALLS // CLIENTS):
                time.sleep(luck.uniform(0, PAUSE_SECONDS_MAX))
                answers.append(begin(b"%d" % number, timeout=SECONDS))
            return answers

        found = await asyncio.gather(*(asyncio.to_thread(call, n) for n in range(CLIENTS)))
    assert found == [[b"%d" % n for n in range(CALLS // CLIENTS)]] * CLIENTS


@on_a_loop
async def test_what_fails_on_the_loop_is_told_and_others_are_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    have_patience(monkeypatch, SECONDS)
    errors: list[str] = []

    def on_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        errors.append(str(context["exception"]))

    def take(call: ServerCall) -> None:
        if call.message == b"bad":
            call.refuse(grpc.StatusCode.INTERNAL, "no")
            raise RuntimeError("no call")
        call.reply(call.message)

    asyncio.get_running_loop().set_exception_handler(on_error)
    async with served(take) as test:
        for _ in range(3):
            assert isinstance(await test.unary(b"bad"), grpc.RpcError)
            assert not test.is_quiet
            assert await test.unary(b"good") == b"good"
    assert errors == ["no call"] * 3
