"""The gRPC server under the service, called by gRPC's own client."""

import asyncio
import gc
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from services.scheduler.edge.intake import Intake
from services.scheduler.edge.server import GrpcServer, ServerCall
from tests.store.loops import on_a_loop
from tests.unit.edge.served import OPTIONS, SECONDS, drained, quiet, served

# What a stream holds that nobody reads: gRPC's windows are smaller.
MANY = 200
CHUNK = b"x" * 1_000_000


@on_a_loop
async def test_a_call_comes_with_method_metadata_and_request_and_gets_its_reply() -> None:
    seen = []

    def take(call: ServerCall) -> None:
        metadata = dict(call.metadata)
        seen.append((call.method, metadata["taskhub"], metadata["raw-bin"], call.message))
        assert call.peer().startswith("ipv4:127.0.0.1:")
        assert threading.current_thread() is threading.main_thread()
        call.reply(b"answer")

    async with served(take) as test:
        metadata = (("taskhub", "default"), ("raw-bin", b"\x00\xff"))
        assert await test.unary(b"ask", metadata=metadata) == b"answer"
    assert seen == [("/test/call", "default", b"\x00\xff", b"ask")]


@on_a_loop
async def test_empty_requests_and_replies_are_messages_too() -> None:
    async with served(lambda call: call.reply(call.message)) as test:
        assert await test.unary(b"") == b""


@on_a_loop
async def test_a_refusal_carries_its_code_and_text() -> None:
    def take(call: ServerCall) -> None:
        call.refuse(grpc.StatusCode.NOT_FOUND, "Task hub not found: ä")

    async with served(take) as test:
        error = await test.unary()
        assert error.code() is grpc.StatusCode.NOT_FOUND
        assert error.details() == "Task hub not found: ä"


# Percent-encoded, each of the second ones is three bytes, and each of the last ones six.
@pytest.mark.parametrize("char", ["a", "%", "ä"])
@on_a_loop
async def test_a_text_that_is_too_long_for_a_header_is_cut_and_the_code_is_told(char: str) -> None:
    def take(call: ServerCall) -> None:
        call.refuse(grpc.StatusCode.NOT_FOUND, char * 20_000)

    async with served(take) as test:
        error = await test.unary()
        assert error.code() is grpc.StatusCode.NOT_FOUND
        told, end = error.details()[:-4], error.details()[-4:]
        assert (set(told), end) == ({char}, " ...")


@on_a_loop
async def test_a_thousand_calls_at_once_all_get_their_own_answer() -> None:
    taken: list[ServerCall] = []

    def take(call: ServerCall) -> None:
        taken.append(call)
        if len(taken) == 1_000:
            for one in reversed(taken):
                one.reply(one.message)

    def call_all(channel: Any) -> list[bytes]:
        call = channel.unary_unary("/test/call")
        futures = [call.future(str(n).encode(), timeout=SECONDS) for n in range(1_000)]
        return [future.result() for future in futures]

    async with served(take) as test:
        answers = await asyncio.to_thread(call_all, test.channel)
    assert answers == [str(n).encode() for n in range(1_000)]


@on_a_loop
async def test_a_stream_sends_all_in_order_and_ends() -> None:
    def take(call: ServerCall) -> None:
        call.open()
        for n in range(1_000):
            call.write(str(n).encode())
        call.finish()

    async with served(take) as test:
        found, code = await test.stream()
    assert found == [str(n).encode() for n in range(1_000)]
    assert code is grpc.StatusCode.OK


@on_a_loop
async def test_a_stream_is_open_for_its_client_before_anything_is_written() -> None:
    calls: list[ServerCall] = []

    def take(call: ServerCall) -> None:
        call.open()
        calls.append(call)

    async with served(take) as test:
        client = test.channel.unary_stream("/test/call")(b"", timeout=SECONDS)
        assert await asyncio.to_thread(client.initial_metadata) == ()
        calls[0].write(b"later")
        assert await asyncio.to_thread(next, client) == b"later"
        calls[0].finish()


@on_a_loop
async def test_a_stream_that_fails_ends_with_its_code_after_what_was_written() -> None:
    def take(call: ServerCall) -> None:
        call.open()
        call.write(b"one")
        call.refuse(grpc.StatusCode.DATA_LOSS, "no more")

    async with served(take) as test:
        assert await test.stream() == ([b"one"], grpc.StatusCode.DATA_LOSS)


def calls_in_memory() -> int:
    gc.collect()
    return sum(type(one) is ServerCall for one in gc.get_objects())


@on_a_loop
async def test_only_the_first_end_of_a_call_counts() -> None:
    before = calls_in_memory()

    def take(call: ServerCall) -> None:
        if call.message == b"stream":
            call.open()
            call.write(b"one")
            call.finish()
        else:
            call.reply(b"well")
        call.refuse(grpc.StatusCode.DATA_LOSS, "too late")

    async with served(take) as test:
        assert await test.stream(b"stream") == ([b"one"], grpc.StatusCode.OK)
        assert await test.unary() == b"well"
        assert await test.unary() == b"well"
    # What gRPC is told of a call that has ended it refuses, and keeps for ever.
    assert calls_in_memory() <= before


@on_a_loop
async def test_flushed_waits_for_a_client_that_does_not_read() -> None:
    calls: list[ServerCall] = []

    def take(call: ServerCall) -> None:
        call.open()
        for _ in range(MANY):
            call.write(CHUNK)
        calls.append(call)

    async with served(take) as test:
        options = (("grpc.max_receive_message_length", -1),)
        with grpc.insecure_channel(f"127.0.0.1:{test.port}", options) as channel:
            begin: Any = channel.unary_stream
            client = begin("/test/call")(b"", timeout=SECONDS)
            await asyncio.to_thread(next, client)
            flushed = asyncio.ensure_future(calls[0].flushed())
            # An answer to another call: everything that was on its way has been done by then.
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(flushed), 0.2)
            reading = asyncio.ensure_future(asyncio.to_thread(drained, client))
            await asyncio.wait_for(flushed, SECONDS)
            calls[0].finish()
            assert len(await reading) == MANY - 1


@on_a_loop
async def test_who_watches_a_call_learns_that_the_client_gave_up() -> None:
    cancelled, taken = asyncio.Event(), asyncio.Event()

    def take(call: ServerCall) -> None:
        call.when_cancelled(cancelled.set)
        taken.set()

    async with served(take) as test:
        client = test.channel.unary_unary("/test/call").future(b"", timeout=SECONDS)
        await asyncio.wait_for(taken.wait(), SECONDS)
        assert not cancelled.is_set()
        client.cancel()
        await asyncio.wait_for(cancelled.wait(), SECONDS)


@on_a_loop
async def test_a_deadline_that_passes_cancels_the_call_and_the_late_reply_is_lost() -> None:
    cancelled = asyncio.Event()
    calls: list[ServerCall] = []

    def take(call: ServerCall) -> None:
        if call.message == b"late":
            call.when_cancelled(cancelled.set)
            calls.append(call)
        else:
            call.reply(b"well")

    async with served(take) as test:
        call = test.channel.unary_unary("/test/call")
        error = await asyncio.to_thread(lambda: call.future(b"late", timeout=0.1).exception())
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await asyncio.wait_for(cancelled.wait(), SECONDS)
        calls[0].reply(b"too late")
        assert await test.unary(b"another") == b"well"


@on_a_loop
async def test_a_stream_whose_client_is_gone_takes_what_is_written_without_a_word() -> None:
    cancelled, taken = asyncio.Event(), asyncio.Event()
    calls: list[ServerCall] = []

    def take(call: ServerCall) -> None:
        call.when_cancelled(cancelled.set)
        call.open()
        calls.append(call)
        taken.set()

    async with served(take) as test:
        client = test.channel.unary_stream("/test/call")(b"", timeout=SECONDS)
        await asyncio.wait_for(taken.wait(), SECONDS)
        client.cancel()
        await asyncio.wait_for(cancelled.wait(), SECONDS)
        for _ in range(MANY):
            calls[0].write(CHUNK)
        await asyncio.wait_for(calls[0].flushed(), SECONDS)
        calls[0].finish()


@on_a_loop
async def test_a_call_that_ends_well_is_not_told_of_as_cancelled() -> None:
    cancelled = []

    def take(call: ServerCall) -> None:
        call.when_cancelled(lambda: cancelled.append(call))
        call.reply(b"well")

    async with served(take) as test:
        for _ in range(20):
            assert await test.unary() == b"well"
    assert cancelled == []


@on_a_loop
async def test_a_request_above_the_limit_is_refused_and_never_taken() -> None:
    taken = []

    def take(call: ServerCall) -> None:
        taken.append(len(call.message))
        call.reply(b"well")

    async with served(take) as test:
        error = await test.unary(b"x" * 100_001)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await test.unary(b"x" * 100_000) == b"well"
    assert taken == [100_000]


@on_a_loop
async def test_a_call_without_a_request_is_refused() -> None:
    def nothing() -> Iterator[bytes]:
        return iter(())

    async with served(lambda call: call.reply(b"")) as test:
        call = test.channel.stream_unary("/test/call")
        error = await asyncio.to_thread(lambda: call.future(nothing(), timeout=SECONDS).exception())
        assert error.code() is grpc.StatusCode.INTERNAL
        assert error.details() == "The call has no request"


@on_a_loop
async def test_a_port_that_is_taken_is_an_error() -> None:
    async with served(lambda call: call.reply(b"")) as test:
        other = GrpcServer(lambda call: call.reply(b""), OPTIONS, Intake(), quiet)
        with pytest.raises(OSError, match=str(test.port)):
            other.listen(f"127.0.0.1:{test.port}")
        other.start()
        await other.stop(0.0)
