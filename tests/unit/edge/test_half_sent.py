"""Requests of which a part comes, over real sockets: what is read of them, for whom, how long."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from services.scheduler.auth.gate import Gate
from services.scheduler.auth.json_web_tokens import JsonWebTokens
from services.scheduler.auth.key_sources import KeyAddress
from services.scheduler.edge import intake, server, turns
from services.scheduler.edge.intake import Intake
from services.scheduler.edge.server import ServerCall
from services.scheduler.edge.service import SERVICE, TaskHubService
from services.scheduler.engine.protos import pb
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.store.database import DataDirectory
from tests.store.loops import on_a_loop
from tests.unit.auth.callers import (
    CONTRIBUTOR,
    READER,
    UNKNOWN,
    bearer,
    gate_of_file,
    token_file,
)
from tests.unit.auth.key_server import key_server
from tests.unit.auth.signers import Signer, published, rules_for
from tests.unit.edge.half_sent import HalfSender
from tests.unit.edge.served import SECONDS, Served, served, until
from tests.unit.edge.test_intake import OWN_CONNECTION, Kept, begun, ends

# More than a client may send unasked, and less than the server's largest.
UNASKED = 16 * 1024
PROMISED = 90_000
MOST = PROMISED - 1
# Of the eight places, what those may have that have not proved themselves.
FOR_NEW = 4
BUSY = b"grpc-status\x018"
UNAUTHENTICATED = b"grpc-status\x0216"
DENIED = b"grpc-status\x017"
START = f"/{SERVICE}/StartInstance"
Calls = list[tuple[HalfSender, int]]


def push(calls: Calls, is_over: Callable[[], bool]) -> None:
    """Has all send as much as they may, until something is so."""
    limit = time.monotonic() + SECONDS
    while not is_over():
        if time.monotonic() > limit:
            raise TimeoutError
        for sender, call in calls:
            sender.send(call, MOST)
            sender.hear(0.001)


def full(calls: Calls) -> int:
    """How many have sent all but the last byte, and are open."""
    return sum(one.sent[call] == MOST and call not in one.ended for one, call in calls)


def are_all_ended(calls: Calls) -> bool:
    return all(call in sender.ended for sender, call in calls)


def hear_out(sender: HalfSender, call: int) -> None:
    """Takes in a reply to its end."""
    while b"grpc-status" not in sender.ended.get(call, b""):
        assert sender.hear(SECONDS)


@asynccontextmanager
async def looked_after(
    grace: float, made: Intake, take: Callable[[ServerCall], None] | None = None
) -> AsyncIterator[Served]:
    """A server that looks often, and has patience for so many seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "GRACE_SECONDS", grace)
        patch.setattr(server, "_LOOK_SECONDS", 0.02)
        patch.setattr(turns, "_LOOKS_DOUBTED", 100_000)
        async with served(take or Kept(), intake=made) as test:
            yield test


@on_a_loop
async def test_half_sent_requests_have_few_places_and_whoever_is_known_is_served() -> None:
    made = Intake()
    # Nobody is given up.
    async with looked_after(1_000, made) as test:
        assert await test.unary(b"at once") == b"well"
        with ExitStack() as stack:
            senders = [stack.enter_context(HalfSender(test.port)) for _ in range(8)]
            calls = [(one, one.call("/test/call", PROMISED)) for one in senders for _ in range(5)]
            await asyncio.to_thread(push, calls, lambda: full(calls) == FOR_NEW)
            # They live on meanwhile.
            is_over = threading.Event()
            pushing = asyncio.create_task(asyncio.to_thread(push, calls, is_over.is_set))
            for _ in range(20):
                assert await test.unary(b"at once") == b"well"
            is_over.set()
            await pushing
            assert full(calls) == FOR_NEW == made.reading
            # Of the others comes what gRPC lets anybody send.
            assert max(one.sent[call] for one, call in calls if one.sent[call] != MOST) <= UNASKED
        await until(lambda: made.reading == made.calls == 0)


@on_a_loop
async def test_a_request_that_comes_slowly_makes_room_for_others_after_a_grace() -> None:
    made, kept = Intake(), Kept()
    async with looked_after(0.2, made, kept) as test:
        with ExitStack() as stack:
            senders = [stack.enter_context(HalfSender(test.port)) for _ in range(FOR_NEW)]
            calls = [(one, one.call("/test/call", PROMISED)) for one in senders]
            await asyncio.to_thread(push, calls, lambda: full(calls) == FOR_NEW)
            # Somebody new, for whom there is no place.
            assert await test.unary(b"at once") == b"well"
            await asyncio.to_thread(
                push, calls, lambda: any(call in sender.ended for sender, call in calls)
            )
            [told] = [one.ended[call] for one, call in calls if call in one.ended]
            assert BUSY in told
            assert b"The request was not there after 0 s, and others wait to send theirs" in told
            assert test.refused == 1
            # Nobody waits: the others may take their time.
            assert made.reading == FOR_NEW - 1
            [sender, call] = next(each for each in calls if each[1] not in each[0].ended)
            await asyncio.to_thread(sender.send, call, PROMISED)
            sender.finish(call)
            taken = await kept.next()
            assert len(taken.message) == PROMISED
            taken.reply(b"well")


@on_a_loop
async def test_who_was_too_slow_is_not_in_the_way_of_others_again() -> None:
    made = Intake()
    async with looked_after(0.2, made) as test:
        with ExitStack() as stack:
            senders = [stack.enter_context(HalfSender(test.port)) for _ in range(20)]
            calls = [(one, one.call("/test/call", PROMISED)) for one in senders]
            # Each has its turn, and is too slow.
            await asyncio.to_thread(push, calls, lambda: len(calls) - ended(calls) == FOR_NEW)
            for sender, call in calls:
                if call not in sender.ended:
                    sender.close()
            calls = [each for each in calls if each[1] in each[0].ended]
            calls = [(one, one.call("/test/call", PROMISED)) for one, _ in calls for _ in range(3)]
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(intake, "GRACE_SECONDS", 1_000)
                await asyncio.to_thread(push, calls, lambda: full(calls) == FOR_NEW // 2)
                address = f"127.0.0.1:{test.port}"
                for _ in range(3):
                    with grpc.insecure_channel(address, OWN_CONNECTION) as channel:
                        assert await ends(begun(channel, b"at once")) == b"well"
                assert full(calls) == FOR_NEW // 2 == made.reading
        # What is left of them goes with their connections, those in line too.
        await until(lambda: made.reading == made.calls == made.held == 0)


def ended(calls: Calls) -> int:
    return sum(call in sender.ended for sender, call in calls)


@on_a_loop
async def test_what_never_comes_is_given_up_and_so_is_what_waits_behind_it() -> None:
    made = Intake()
    with pytest.MonkeyPatch.context() as patch:
        async with looked_after(1_000, made) as test:
            with HalfSender(test.port) as sender:
                calls = [(sender, sender.call("/test/call", PROMISED)) for _ in range(5)]
                await asyncio.to_thread(push, calls, lambda: made.calls == full(calls) + 4 == 5)
                # All at once: what is not late has its turn as soon as others are given up.
                patch.setattr(intake, "REQUEST_SECONDS", 0.0)
                await asyncio.to_thread(push, calls, lambda: ended(calls) == len(calls))
                told = sender.ended.values()
                assert all(BUSY in each for each in told)
                # What was never asked for did not come too late.
                assert sum(b"The request was not there after 0 s" in each for each in told) == 1
                late = b"The request had not had its turn after 0 s: others are read before it"
                assert sum(late in each for each in told) == 4
                # Of one alone more has come than is sent unasked.
                assert sum(size > UNASKED for size in sender.sent.values()) == 1
                await until(lambda: made.reading == made.calls == made.held == 0)
                assert test.refused == 5


class Slow:
    """A lock before which the loop does something, once: the poller waits meanwhile."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.meanwhile: Callable[[], object] | None = None

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            meanwhile, self.meanwhile = self.meanwhile, None
            if meanwhile is not None:
                meanwhile()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@on_a_loop
async def test_what_is_whole_as_it_is_given_up_is_not_taken_all_the_same() -> None:
    lock: Any = Slow()
    made, kept = Intake(_lock=lock), Kept()
    with pytest.MonkeyPatch.context() as patch:
        async with looked_after(1_000, made, kept) as test:
            with HalfSender(test.port) as sender:
                call = sender.call("/test/call", PROMISED)
                await asyncio.to_thread(push, [(sender, call)], lambda: sender.sent[call] == MOST)

                def comes_now() -> None:
                    patch.setattr(intake, "REQUEST_SECONDS", 0.0)
                    sender.send(call, PROMISED)
                    sender.finish(call)
                    # GRPC has it by then, and its event waits for the look to be over.
                    time.sleep(0.2)

                lock.meanwhile = comes_now
                told = await asyncio.to_thread(sender.until_ended, call, SECONDS)
                assert BUSY in told
                await until(lambda: made.calls == made.reading == made.held == 0)
            assert kept.calls.empty()


@on_a_loop
async def test_what_is_given_up_is_let_go_whether_or_not_its_client_listens() -> None:
    made, kept = Intake(), Kept()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "REQUEST_SECONDS", 0.2)
        async with looked_after(1_000, made, kept) as test:
            with HalfSender(test.port) as sender:
                whole = sender.call("/test/call", 5)
                assert await asyncio.to_thread(sender.send_all, whole, b"large", SECONDS)
                sender.finish(whole)
                sender.let_answer(whole, 2**30)
                # More than the network holds: nothing else leaves the server before it.
                (await kept.next()).reply(b"x" * 2**26)
                sender.call("/test/call", PROMISED)
                await until(lambda: made.calls == 2 and made.reading == 1)
                await until(lambda: made.reading == 0)
                assert test.refused == 1
                # It has not, and it can: its connection was not closed for that.
                assert made.held >= 2**26
                await asyncio.to_thread(hear_out, sender, whole)


@on_a_loop
async def test_a_stop_ends_what_is_half_sent_and_what_waits_for_its_turn() -> None:
    made = Intake()
    async with looked_after(1_000, made) as test:
        with ExitStack() as stack:
            senders = [stack.enter_context(HalfSender(test.port)) for _ in range(6)]
            calls = [(one, one.call("/test/call", PROMISED)) for one in senders for _ in range(3)]
            await asyncio.to_thread(push, calls, lambda: full(calls) == FOR_NEW)
            await asyncio.wait_for(test.stop(0.0), SECONDS)


# Where callers are asked who they are


@asynccontextmanager
async def guarded(folder: Path, gate: Gate, made: Intake) -> AsyncIterator[Served]:
    hubs = TaskHubs(DataDirectory(folder / "data"), ["default"], dynamic=False, on_failure=_fail)
    service = TaskHubService(hubs, gate)
    async with served(service.take, intake=made, meet=service.meets) as test:
        yield test
    hubs.close()


def _fail(error: BaseException) -> None:
    raise error


@on_a_loop
async def test_no_call_is_taken_whose_caller_was_not_asked_for(tmp_path: Path) -> None:
    hubs = TaskHubs(DataDirectory(tmp_path / "data"), [], dynamic=False, on_failure=_fail)
    service = TaskHubService(hubs, gate_of_file(tmp_path))
    refused: list[str] = []

    def take(call: ServerCall) -> None:
        with pytest.raises(RuntimeError, match="whose caller was not asked for"):
            service.take(call)
        refused.append(call.method)
        call.reply(b"")

    # As a server would that knows of nobody to meet its calls.
    async with served(take) as test:
        await test.unary()
    hubs.close()
    assert refused == ["/test/call"]


@on_a_loop
async def test_nothing_is_read_of_what_a_caller_may_not_send(tmp_path: Path) -> None:
    made = Intake()
    refused: list[tuple[dict[str, str], bytes, bytes]] = [
        ({}, UNAUTHENTICATED, b"The call carries no token"),
        (bearer(UNKNOWN), UNAUTHENTICATED, b"The token is not known"),
        (bearer(READER), DENIED, b"The role reader may not change anything"),
        (
            bearer(CONTRIBUTOR) | {"taskhub": "other"},
            DENIED,
            b"gives no access to task hub 'other'",
        ),
    ]
    async with guarded(tmp_path, gate_of_file(tmp_path), made) as test:
        with HalfSender(test.port) as sender:
            for headers, code, text in refused:
                fields = {"taskhub": "default"} | headers
                call = sender.call(START, PROMISED, *fields.items())
                # Its request is not waited for.
                told = await asyncio.to_thread(sender.until_ended, call, SECONDS)
                assert code in told
                assert text in told
                assert made.reading == 0
            unknown = sender.call(f"/{SERVICE}/NoSuchCall", PROMISED, *bearer(READER).items())
            told = await asyncio.to_thread(sender.until_ended, unknown, SECONDS)
            assert b"Method not found!" in told
            # Whoever may is asked for it.
            call = sender.call(
                START, PROMISED, *bearer(CONTRIBUTOR).items(), ("taskhub", "default")
            )
            await asyncio.to_thread(push, [(sender, call)], lambda: full([(sender, call)]) == 1)
            assert made.reading == 1


@on_a_loop
async def test_who_may_no_longer_when_the_request_is_whole_has_changed_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever its time, a request is sent for too long.
    monkeypatch.setattr("services.scheduler.edge.service.RECHECK_SECONDS", 0.0)
    made = Intake()
    start = pb.CreateInstanceRequest(instanceId="a", name="b")
    start.input.value = "x" * PROMISED
    message = start.SerializeToString()
    async with guarded(tmp_path, gate_of_file(tmp_path), made) as test:
        with HalfSender(test.port) as sender:
            fields = (bearer(CONTRIBUTOR) | {"taskhub": "default"}).items()
            first, second = (sender.call(START, len(message), *fields) for _ in range(2))
            for call, code in ((first, b"grpc-status\x010"), (second, UNAUTHENTICATED)):
                assert await asyncio.to_thread(sender.send_all, call, message, SECONDS)
                sender.finish(call)
                told = await asyncio.to_thread(sender.until_ended, call, SECONDS)
                assert code in told
                token_file(tmp_path, f"reader reader default {READER}\n")


@on_a_loop
async def test_nothing_is_read_while_the_key_of_a_token_is_on_its_way(tmp_path: Path) -> None:
    signer = Signer("one")
    allowed = frozenset({"RS256"})
    rules = rules_for(algorithms=allowed)
    made = Intake()
    with key_server() as keys:
        keys.document = published(signer)
        keys.answers.clear()
        gate = Gate(JsonWebTokens(rules, KeyAddress(keys.url, allowed)))
        async with guarded(tmp_path, gate, made) as test:
            with HalfSender(test.port) as sender:
                fields = bearer(signer.token()) | {"taskhub": "default"}
                start = pb.CreateInstanceRequest(instanceId="a", name="b")
                start.input.value = "x" * PROMISED
                message = start.SerializeToString()
                call = sender.call(START, len(message), *fields.items())
                await until(lambda: keys.asked > 0)
                # No window is opened for it before it is known whose it is.
                assert not await asyncio.to_thread(sender.send_all, call, message, 0.5)
                assert sender.sent[call] <= UNASKED
                assert (made.calls, made.reading) == (1, 0)
                keys.answers.set()
                assert await asyncio.to_thread(sender.send_all, call, message, SECONDS)
                sender.finish(call)
                told = await asyncio.to_thread(sender.until_ended, call, SECONDS)
                assert b"grpc-status\x010" in told
