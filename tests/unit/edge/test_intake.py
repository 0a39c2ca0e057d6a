"""What the gRPC server refuses before anybody has taken it up, and whose turn it is."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from services.scheduler.bounds import Bounds
from services.scheduler.edge import intake, server
from services.scheduler.edge.post import Post
from services.scheduler.edge.server import ServerCall
from tests.store.loops import on_a_loop
from tests.unit.edge.served import SECONDS, drained, served

MIB = 1024 * 1024
BUSY = grpc.StatusCode.RESOURCE_EXHAUSTED
# Channels to one address share a connection otherwise.
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)


class Kept:
    """Calls that are answered when a test says so."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[ServerCall] = asyncio.Queue()

    def __call__(self, call: ServerCall) -> None:
        """Takes one up."""
        if call.message == b"at once":
            call.reply(b"well")
        else:
            self.calls.put_nowait(call)

    async def next(self) -> ServerCall:
        """The next one that waits for its answer."""
        async with asyncio.timeout(SECONDS):
            return await self.calls.get()


@dataclass(eq=False)
class Arriving:
    """What the intake asks of a call."""

    number: int
    began: list[int]
    method: str = "/test/call"

    def begin(self) -> None:
        """Reads its request."""
        self.began.append(self.number)


def begun(channel: Any, message: bytes = b"", method: str = "/test/call") -> Any:
    return channel.unary_unary(method).future(message, timeout=SECONDS)


def refusal(outcome: Any) -> str:
    assert outcome.code() is BUSY
    return str(outcome.details())


def sent_after(event: threading.Event) -> Iterator[bytes]:
    """A request that comes late, or never."""
    event.wait(SECONDS)
    yield b"at once"


async def ends(call: Any) -> Any:
    return await asyncio.to_thread(lambda: call.exception() or call.result())


@on_a_loop
async def test_a_connection_has_a_bound_of_its_own_and_room_again_with_every_answer() -> None:
    kept = Kept()
    async with served(kept, Bounds(connection_calls_max=2)) as test:
        waiting = [begun(test.channel) for _ in range(2)]
        taken = [await kept.next() for _ in waiting]
        told = refusal(await test.unary(b"at once"))
        assert "Too many calls of this connection" in told
        assert "the bound is 2 (SCHEDULER_CONNECTION_CALLS_MAX)" in told
        with grpc.insecure_channel(f"127.0.0.1:{test.port}", OWN_CONNECTION) as other:
            assert await ends(begun(other, b"at once")) == b"well"
        for call in taken:
            call.reply(b"late")
        assert [await ends(call) for call in waiting] == [b"late", b"late"]
        assert await test.unary(b"at once") == b"well"
    assert kept.calls.empty()


@on_a_loop
async def test_all_connections_together_have_a_bound() -> None:
    kept = Kept()
    async with served(kept, Bounds(calls_max=1)) as test:
        waiting = begun(test.channel)
        taken = await kept.next()
        with grpc.insecure_channel(f"127.0.0.1:{test.port}", OWN_CONNECTION) as other:
            assert "(SCHEDULER_CALLS_MAX)" in refusal(await ends(begun(other, b"at once")))
        taken.reply(b"late")
        assert await ends(waiting) == b"late"


@on_a_loop
async def test_what_requests_hold_is_bounded_and_one_is_always_taken() -> None:
    kept = Kept()
    async with served(kept, Bounds(call_bytes_max=100_000)) as test:
        waiting = [begun(test.channel, b"x" * 60_000)]
        taken = await kept.next()
        assert "(SCHEDULER_CALL_BYTES_MAX)" in refusal(await test.unary(b"x" * 60_000))
        taken.reply(b"late")
        assert await ends(waiting[0]) == b"late"
        waiting = [begun(test.channel, b"x" * 60_000)]
        (await kept.next()).reply(b"again")
        assert await ends(waiting[0]) == b"again"
    async with served(kept, Bounds(call_bytes_max=10)) as test:
        assert await test.unary(b"at once") == b"well"


@pytest.mark.parametrize(
    "metadata", [("long", "x" * 7_000), ("x" * 7_000, "")], ids=["value", "name"]
)
@on_a_loop
async def test_the_metadata_of_a_call_counts_as_its_request_does(metadata: tuple[str, str]) -> None:
    kept = Kept()
    async with served(kept, Bounds(call_bytes_max=10_000)) as test:
        first = test.channel.unary_unary("/test/call").future(
            b"", timeout=SECONDS, metadata=[metadata]
        )
        taken = await kept.next()
        assert "(SCHEDULER_CALL_BYTES_MAX)" in refusal(
            await test.unary(b"at once", metadata=[metadata])
        )
        taken.reply(b"late")
        assert await ends(first) == b"late"


@on_a_loop
async def test_a_reply_counts_until_its_client_has_read_it() -> None:
    kept = Kept()
    async with served(kept, Bounds(call_bytes_max=MIB)) as test:
        options = (("grpc.max_receive_message_length", -1), *OWN_CONNECTION)
        with grpc.insecure_channel(f"127.0.0.1:{test.port}", options) as channel:
            # Of a stream a client reads when it likes; to the server it is a call like any other.
            begin: Any = channel.unary_stream
            client = begin("/test/call")(b"", timeout=SECONDS)
            (await kept.next()).reply(b"x" * 16 * MIB)
            assert "(SCHEDULER_CALL_BYTES_MAX)" in refusal(await test.unary(b"at once"))
            # Before anything of its request is there, too.
            silent = threading.Event()
            late = test.channel.stream_unary("/test/call").future(sent_after(silent))
            assert "(SCHEDULER_CALL_BYTES_MAX)" in refusal(await ends(late))
            silent.set()
            assert [len(one) for one in await asyncio.to_thread(drained, client)] == [16 * MIB]
            async with asyncio.timeout(SECONDS):
                while await test.unary(b"at once") != b"well":
                    pass


@on_a_loop
async def test_answers_of_workers_are_spared_when_others_are_refused() -> None:
    kept = Kept()
    async with served(kept, Bounds(calls_max=1), {"/test/answer"}) as test:
        waiting = begun(test.channel)
        taken = await kept.next()
        assert await test.unary(b"at once") != b"well"
        assert await ends(begun(test.channel, b"at once", "/test/answer")) == b"well"
        taken.reply(b"late")
        assert await ends(waiting) == b"late"


@on_a_loop
async def test_a_request_that_never_comes_is_given_up_and_never_taken() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "REQUEST_SECONDS", 0.1)
        patch.setattr(server, "_LOOK_SECONDS", 0.05)
        silent = threading.Event()

        def nothing() -> Iterator[bytes]:
            silent.wait(SECONDS)
            yield b"too late"

        kept = Kept()
        async with served(kept) as test:
            call = test.channel.stream_unary("/test/call").future(nothing(), timeout=SECONDS)
            error = await asyncio.to_thread(call.exception)
            silent.set()
            assert "The request was not there after" in refusal(error)
            assert await test.unary(b"at once") == b"well"
        assert kept.calls.empty()


def test_a_reply_that_comes_after_the_end_of_its_call_holds_nothing() -> None:
    made = intake.Intake()
    call: Any = Arriving(0, [])
    share = made.admit(call, b"a")
    made.arrived(call, share, 5)
    made.add_reply(call, share, 7)
    assert made.held == 12
    made.end(call, share)
    made.add_reply(call, share, 7)
    assert (made.calls, made.held) == (0, 0)


@on_a_loop
async def test_a_stream_tells_what_its_client_has_not_read_and_when_it_has() -> None:
    read = asyncio.Event()
    kept = Kept()
    async with served(kept) as test:
        options = (("grpc.max_receive_message_length", -1),)
        with grpc.insecure_channel(f"127.0.0.1:{test.port}", options) as channel:
            begin: Any = channel.unary_stream
            client = begin("/test/call")(b"", timeout=SECONDS)
            call = await kept.next()
            call.when_cancelled(lambda: None)
            call.open()
            for _ in range(50):
                call.write(b"x" * MIB)
            assert call.unread() > 30 * MIB
            call.when_read(MIB, read.set)
            reading = asyncio.ensure_future(asyncio.to_thread(drained, client))
            await asyncio.wait_for(read.wait(), SECONDS)
            assert call.unread() < MIB
            call.finish()
            assert len(await reading) == 50


@on_a_loop
async def test_connections_take_turns_and_the_loop_has_its_own() -> None:
    post = Post(asyncio.get_running_loop())
    done: list[str] = []
    all_done = asyncio.Event()
    for n in range(1_000):
        post.in_turn(b"greedy", done.append, f"greedy {n}", 1)
    post.in_turn(b"other", done.append, "other", 1)
    post(done.append, "an end of something")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    # What is no call goes first; then one of each; and others on the loop before the rest.
    assert done[:3] == ["an end of something", "greedy 0", "other"]
    assert len(done) < 1_000
    post.in_turn(b"greedy", lambda _: all_done.set(), None, 1)
    await asyncio.wait_for(all_done.wait(), SECONDS)
    assert done[3:] == [f"greedy {n}" for n in range(1, 1_000)]


@on_a_loop
async def test_large_calls_leave_the_loop_to_others_sooner() -> None:
    post = Post(asyncio.get_running_loop())
    done: list[int] = []
    for n in range(10):
        post.in_turn(b"large", done.append, n, MIB // 2)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert done[:2] == [0, 1]
    assert len(done) < 10
