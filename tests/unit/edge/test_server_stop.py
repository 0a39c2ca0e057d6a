"""The gRPC server stops in the middle of whatever goes on; nothing is done to a call after that."""

import asyncio
from typing import Any

import grpc
import pytest

from services.scheduler.edge.server import ServerCall
from tests.store.loops import on_a_loop
from tests.unit.edge.served import SECONDS, served

# Calls that are on their way when a server stops, and how often one does.
CALLS = 500
STOPS = 8


@on_a_loop
async def test_a_stop_waits_for_calls_that_end_within_the_grace() -> None:
    taken = asyncio.Event()
    calls: list[ServerCall] = []

    def take(call: ServerCall) -> None:
        calls.append(call)
        taken.set()

    async with served(take) as test:
        asked = asyncio.ensure_future(test.unary())
        await asyncio.wait_for(taken.wait(), SECONDS)
        stopping = asyncio.ensure_future(test.stop(SECONDS))
        await asyncio.sleep(0)
        calls[0].reply(b"well")
        assert await asked == b"well"
        await stopping


@on_a_loop
async def test_a_stop_cancels_what_is_left_after_the_grace() -> None:
    cancelled, taken = asyncio.Event(), asyncio.Event()

    def take(call: ServerCall) -> None:
        call.when_cancelled(cancelled.set)
        taken.set()

    async with served(take) as test:
        asked = asyncio.ensure_future(test.unary())
        await asyncio.wait_for(taken.wait(), SECONDS)
        # Not by the client's own deadline.
        await asyncio.wait_for(test.stop(0.05), SECONDS / 3)
        await asyncio.wait_for(cancelled.wait(), SECONDS)
        assert isinstance(await asked, grpc.RpcError)


async def stopped_in_the_middle_of_calls() -> None:
    taken = asyncio.Event()

    def take(call: ServerCall) -> None:
        taken.set()
        call.reply(b"well")

    async with served(take) as test:
        begin = test.channel.unary_unary("/test/call").future

        def begin_all() -> list[Any]:
            return [begin(b"", timeout=SECONDS) for _ in range(CALLS)]

        calling = asyncio.get_running_loop().run_in_executor(None, begin_all)
        await asyncio.wait_for(taken.wait(), SECONDS)
        await asyncio.wait_for(test.stop(0.0), SECONDS)
        calls = await calling
        for call in calls:
            await asyncio.to_thread(call.exception)


@on_a_loop
async def test_a_stop_ends_whatever_comes_in_while_it_begins() -> None:
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context))
    for _ in range(STOPS):
        await stopped_in_the_middle_of_calls()
    # GRPC raises where a server that stops asks for another call.
    assert errors == []


@on_a_loop
async def test_what_is_done_to_calls_after_a_stop_is_lost_without_a_word() -> None:
    taken = asyncio.Event()
    calls: list[ServerCall] = []

    def take(call: ServerCall) -> None:
        calls.append(call)
        if call.message == b"stream":
            call.open()
        if len(calls) == 3:
            taken.set()

    async with served(take) as test:
        asked = [asyncio.ensure_future(test.unary()) for _ in range(2)]
        read = asyncio.ensure_future(test.stream(b"stream"))
        await asyncio.wait_for(taken.wait(), SECONDS)
        await test.stop(0.0)
        for call in calls:
            call.when_cancelled(taken.clear)
            if call.message == b"stream":
                call.write(b"too late")
                call.finish()
            else:
                call.reply(b"too late")
        assert all(isinstance(one, grpc.RpcError) for one in await asyncio.gather(*asked))
        assert (await read)[0] == []
    assert taken.is_set()


@on_a_loop
async def test_what_fails_on_the_pollers_thread_is_told_to_the_loop_and_others_are_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = asyncio.Event()
    errors: list[str] = []

    def on_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        errors.append(str(context["exception"]))
        told.set()

    def broken(*_arguments: Any) -> None:
        raise RuntimeError("no call")

    asyncio.get_running_loop().set_exception_handler(on_error)
    async with served(lambda call: call.reply(b"well")) as test:
        with monkeypatch.context() as patched:
            patched.setattr("services.scheduler.edge.server.ServerCall", broken)
            lost = test.channel.unary_unary("/test/call").future(b"", timeout=SECONDS)
            await asyncio.wait_for(told.wait(), SECONDS)
        lost.cancel()
        assert await test.unary() == b"well"
    assert errors == ["no call"]
