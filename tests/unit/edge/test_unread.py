"""Replies that clients do not read: how many bytes of them there may be, and for how long."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from services.scheduler.auth.gate import Gate
from services.scheduler.bounds import Bounds
from services.scheduler.edge import histories, intake, server
from services.scheduler.edge.server import ServerCall
from services.scheduler.edge.service import SERVICE, TaskHubService
from services.scheduler.engine.protos import pb
from services.scheduler.errors import OverloadError
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.store.database import DataDirectory
from tests.store.loops import on_a_loop
from tests.unit.edge.served import SECONDS, drained, served
from tests.unit.edge.test_intake import MIB, OWN_CONNECTION, Arriving, ends, refusal

# Nothing is read ahead.
UNREAD = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.http2.lookahead_bytes", 16 * 1024),
    ("grpc.http2.bdp_probe", 0),
    *OWN_CONNECTION,
)


def share_of(made: intake.Intake, connection: bytes, size: int = 0) -> tuple[Any, intake.Share]:
    """A call of a connection, with a request of so many bytes."""
    call: Any = Arriving(0, [])
    share = made.admit(call, connection)
    made.arrived(call, share, size)
    return call, share


def test_replies_are_not_sent_beyond_the_bound_but_one_always_is() -> None:
    made = intake.Intake(Bounds(call_bytes_max=100))
    one, other = share_of(made, b"a"), share_of(made, b"b")
    made.check_reply(one[1], 1_000)
    made.add_reply(*one, 60)
    made.check_reply(other[1], 40)
    with pytest.raises(OverloadError, match="CALL_BYTES_MAX"):
        made.check_reply(other[1], 41)
    made.end(*one)
    made.check_reply(other[1], 41)


def test_one_connection_leaves_a_quarter_of_the_bytes_to_the_others() -> None:
    made = intake.Intake(Bounds(call_bytes_max=100))
    call, share = share_of(made, b"a", 50)
    second = share_of(made, b"a", 25)
    with pytest.raises(OverloadError, match="this connection hold too many bytes"):
        share_of(made, b"a", 1)
    with pytest.raises(OverloadError, match="this connection hold too many bytes"):
        made.check_reply(second[1], 1)
    share_of(made, b"b", 25)
    made.end(call, share)
    share_of(made, b"a", 1)


def flooding(held: Callable[[], int], most: list[int]) -> Callable[[ServerCall], None]:
    """Answers each call as a read is, with a MiB where there is room; notes the most it held."""

    def take(call: ServerCall) -> None:
        try:
            call.check_reply(MIB)
        except OverloadError as error:
            call.refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        else:
            call.reply(b"x" * MIB)
        most.append(held())

    return take


@on_a_loop
async def test_many_small_calls_whose_replies_nobody_reads_hold_no_more_than_the_bound() -> None:
    most: list[int] = []
    made = intake.Intake(Bounds(call_bytes_max=8 * MIB))
    async with served(flooding(lambda: made.held, most), intake=made) as test:
        with grpc.insecure_channel(f"127.0.0.1:{test.port}", UNREAD) as channel:
            # Of a stream a client reads when it likes; to the server it is a call like any other.
            begin: Any = channel.unary_stream
            calls = [begin("/test/call")(b"", timeout=SECONDS) for _ in range(50)]
            async with asyncio.timeout(SECONDS):
                while len(most) < 50 - test.refused:  # noqa: ASYNC110 - what is waited for tells nobody
                    await asyncio.sleep(0)
            assert MIB < max(most) <= 8 * MIB
            assert len(await test.unary(b"")) == MIB
            for call in calls:
                call.cancel()


@on_a_loop
async def test_a_reply_that_is_not_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "READING_SECONDS", 0.1)
    monkeypatch.setattr(server, "_LOOK_SECONDS", 0.05)
    made = intake.Intake(Bounds(call_bytes_max=MIB))

    def take(call: ServerCall) -> None:
        call.reply(b"x" * 16 * MIB)

    async with served(take, intake=made) as test:
        with grpc.insecure_channel(f"127.0.0.1:{test.port}", UNREAD) as channel:
            begin: Any = channel.unary_stream
            client = begin("/test/call")(b"", timeout=SECONDS)
            async with asyncio.timeout(SECONDS):
                while not made.held:  # noqa: ASYNC110 - what is waited for tells nobody
                    await asyncio.sleep(0)
                while made.held:  # noqa: ASYNC110 - what is waited for tells nobody
                    await asyncio.sleep(0)
            assert await asyncio.to_thread(drained, client) == []
            assert "was not read after" in refusal(client)


@on_a_loop
async def test_a_read_finds_no_room_and_a_change_is_told_of(tmp_path: Path) -> None:
    failures: list[BaseException] = []
    hubs = TaskHubs(DataDirectory(tmp_path), ["default"], dynamic=False, on_failure=failures.append)
    made = intake.Intake(Bounds(call_bytes_max=100_000))
    start = pb.CreateInstanceRequest(name="echo", instanceId="a")
    start.input.value = json.dumps("x" * 50_000)
    ask = pb.GetInstanceRequest(instanceId="a", getInputsAndOutputs=True).SerializeToString()
    async with served(TaskHubService(hubs, Gate()).take, intake=made) as test:

        async def called(name: str, message: bytes) -> Any:
            method: Any = test.channel.unary_unary(f"/{SERVICE}/{name}")
            metadata = [("taskhub", "default")]
            return await ends(method.future(message, timeout=SECONDS, metadata=metadata))

        await called("StartInstance", start.SerializeToString())
        assert len(await called("GetInstance", ask)) > 50_000
        async with asyncio.timeout(SECONDS):
            while made.calls:  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0)
        # What somebody else has not read.
        unread = share_of(made, b"other", 99_000)
        assert "(SCHEDULER_CALL_BYTES_MAX)" in refusal(await called("GetInstance", ask))
        start = pb.CreateInstanceRequest(name="echo", instanceId="b" * 30)
        assert b"b" * 30 in await called("StartInstance", start.SerializeToString())
        made.end(*unread)
    hubs.close()
    assert failures == []


async def write_history(called: Callable[..., Any], channel: Any) -> None:
    """One that is longer than what a client takes in without reading."""
    for _ in range(50):
        event = pb.RaiseEventRequest(instanceId="a", name="large")
        event.input.value = json.dumps("x" * 95_000)
        raised = called("RaiseEvent", event.SerializeToString())
        assert len(await asyncio.to_thread(drained, raised)) == 1
    # The turn that takes them in has them written.
    work = pb.GetWorkItemsRequest(maxConcurrentOrchestrationWorkItems=1)
    worker = called("GetWorkItems", work.SerializeToString(), channel=channel)
    item = pb.WorkItem.FromString(await asyncio.to_thread(next, worker))
    turn = pb.OrchestratorResponse(instanceId="a", completionToken=item.completionToken)
    ended = called("CompleteOrchestratorTask", turn.SerializeToString())
    assert len(await asyncio.to_thread(drained, ended)) == 1
    worker.cancel()


@on_a_loop
async def test_a_history_that_is_not_read_leaves_its_place_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "READING_SECONDS", 0.5)
    failures: list[BaseException] = []
    hubs = TaskHubs(
        DataDirectory(tmp_path),
        ["default", "other"],
        dynamic=False,
        on_failure=failures.append,
        bounds=Bounds(history_readers_max=1),
    )
    service = TaskHubService(hubs, Gate())
    small = pb.CreateInstanceRequest(name="echo", instanceId="a").SerializeToString()
    ask = pb.StreamInstanceHistoryRequest(instanceId="a").SerializeToString()
    async with served(service.take) as test:

        def called(name: str, message: bytes, hub: str = "default", channel: Any = None) -> Any:
            method: Any = (channel or test.channel).unary_stream
            metadata = [("taskhub", hub)]
            return method(f"/{SERVICE}/{name}")(message, timeout=SECONDS, metadata=metadata)

        for hub in ("default", "other"):
            await asyncio.to_thread(drained, called("StartInstance", small, hub))
        with grpc.insecure_channel(f"127.0.0.1:{test.port}", UNREAD) as channel:
            await write_history(called, channel)
            unread = called("StreamInstanceHistory", ask, channel=channel)
            await asyncio.to_thread(unread.initial_metadata)
            full = called("StreamInstanceHistory", ask)
            await asyncio.to_thread(drained, full)
            assert "Too many histories" in refusal(full)
            # Of another hub there is one of its own.
            other = called("StreamInstanceHistory", ask, "other")
            assert await asyncio.to_thread(other.code) is grpc.StatusCode.OK
            while service.calls["StreamInstanceHistory", "RESOURCE_EXHAUSTED"] < 2:
                assert service.calls["StreamInstanceHistory", "OK"] == 1
                await asyncio.sleep(0)
            await asyncio.to_thread(drained, unread)
            assert "A history was not read" in refusal(unread)
    hubs.close()
    assert failures == []
