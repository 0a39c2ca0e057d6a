"""Every call of the protocol, by callers who may and callers who may not."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from services.scheduler.auth.gate import Gate
from services.scheduler.auth.identity import Access
from services.scheduler.auth.json_web_tokens import JsonWebTokens
from services.scheduler.auth.key_sources import KeyAddress
from services.scheduler.bounds import DEFAULTS, Bounds
from services.scheduler.edge import open_calls
from services.scheduler.edge.access import ACCESS
from services.scheduler.edge.methods import USE_CASES, WAITING
from services.scheduler.edge.service import SERVICE, TaskHubService
from services.scheduler.engine.protos import pb
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.store.database import DataDirectory
from tests.store.loops import on_a_loop
from tests.unit.auth.callers import (
    CONTRIBUTOR,
    EVERYWHERE,
    EVERYWHERE_READER,
    OTHER,
    READER,
    UNKNOWN,
    gate_of_file,
    token_file,
)
from tests.unit.auth.key_server import key_server
from tests.unit.auth.signers import Signer, published, rules_for
from tests.unit.edge.served import SECONDS, Served, served, until

METHODS = {method.name: method for method in pb.DESCRIPTOR.services_by_name[SERVICE].methods}
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
DENIED = grpc.StatusCode.PERMISSION_DENIED
# No message of the protocol: whoever reads it refuses it with INVALID_ARGUMENT.
UNREADABLE = b"\xff"


class Scheduler:
    """The service of two task hubs behind a gate, called over gRPC."""

    def __init__(self, served: Served, hubs: TaskHubs, service: TaskHubService) -> None:
        self._served = served
        self.hubs = hubs
        self.service = service

    async def call(
        self,
        name: str,
        token: str | None,
        hub: str | None = "default",
        message: bytes = UNREADABLE,
    ) -> tuple[grpc.StatusCode, str]:
        """How a call ends: its code, and the text of a refusal."""
        metadata = [] if token is None else [("authorization", f"Bearer {token}")]
        metadata += [] if hub is None else [("taskhub", hub)]
        return await self.call_with(name, metadata, message)

    async def call_with(
        self, name: str, metadata: list[tuple[str, str]], message: bytes
    ) -> tuple[grpc.StatusCode, str]:
        """The same with this metadata, whatever it is."""
        return await asyncio.to_thread(self._ended, name, metadata, message)

    def _ended(
        self, name: str, metadata: list[tuple[str, str]], message: bytes
    ) -> tuple[grpc.StatusCode, str]:
        method = self._served.channel.unary_stream(f"/{SERVICE}/{name}")
        call = method(message, timeout=SECONDS, metadata=metadata)
        try:
            for _ in call:
                pass
        except grpc.RpcError as error:
            ended: Any = error
            return ended.code(), ended.details()
        return grpc.StatusCode.OK, ""

    def open(self, name: str, token: str, message: bytes) -> Any:
        """A call that goes on."""
        method = self._served.channel.unary_stream(f"/{SERVICE}/{name}")
        metadata = [("authorization", f"Bearer {token}"), ("taskhub", "default")]
        return method(message, timeout=SECONDS, metadata=metadata)


@asynccontextmanager
async def scheduler(
    folder: Path, *, dynamic: bool = False, gate: Gate | None = None, bounds: Bounds = DEFAULTS
) -> AsyncIterator[Scheduler]:
    failures: list[BaseException] = []
    hubs = TaskHubs(
        DataDirectory(folder / "data"),
        ["default", "other"],
        dynamic=dynamic,
        on_failure=failures.append,
    )
    service = TaskHubService(hubs, gate or gate_of_file(folder))
    async with served(service.take, bounds, meet=service.meets) as wire:
        wire.told = service.refused
        yield Scheduler(wire, hubs, service)
    hubs.close()
    assert failures == []


def test_every_call_of_the_protocol_is_classified() -> None:
    assert set(ACCESS) <= set(METHODS)
    assert set(ACCESS) == {*USE_CASES, *WAITING, "GetWorkItems", "StreamInstanceHistory"}
    readers = {name for name, access in ACCESS.items() if access is Access.READ}
    verbs = ("Get", "Query", "List", "Wait", "Stream", "Hello")
    assert all(name.startswith(verbs) for name in readers)
    changing = {name for name in METHODS if name.startswith(verbs)} & set(ACCESS) - readers
    assert changing == {"GetWorkItems"}


@on_a_loop
async def test_no_call_is_served_without_a_token_that_is_known(tmp_path: Path) -> None:
    async with scheduler(tmp_path) as test:
        for name in [*METHODS, "NoSuchCall"]:
            for token in (None, UNKNOWN, "ü", ""):
                sent = None if token is None else token.encode("ascii", "replace").decode()
                code, text = await test.call(name, sent)
                assert code is UNAUTHENTICATED, (name, token)
                assert not token or token not in text
        code, _ = await test.call("NoSuchCall", EVERYWHERE)
        assert code is grpc.StatusCode.UNIMPLEMENTED


@on_a_loop
async def test_callers_without_a_token_do_not_fill_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scheduler(tmp_path) as test:
        with caplog.at_level(logging.INFO):
            for _ in range(20):
                assert (await test.call("Hello", None))[0] is UNAUTHENTICATED
    [told] = [text for text in caplog.messages if "refused" in text]
    assert "Hello" in told
    assert "127.0.0.1" in told


@on_a_loop
async def test_the_log_says_who_was_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    missing = pb.RaiseEventRequest(instanceId="a", name="e").SerializeToString()
    async with scheduler(tmp_path) as test:
        with caplog.at_level(logging.INFO):
            await test.call("StartInstance", READER)
            await test.call("StartInstance", CONTRIBUTOR)
            await test.call("RaiseEvent", CONTRIBUTOR, message=missing)
            await test.call("QueryInstances", READER)
            await test.call("GetWorkItems", CONTRIBUTOR)
    callers = [vars(each).get("caller") for each in caplog.records if "refused" in each.message]
    assert callers == ["reader", "contributor", "contributor", "reader", "contributor"]


@on_a_loop
async def test_a_token_for_one_hub_cannot_tell_whether_there_is_another(tmp_path: Path) -> None:
    async with scheduler(tmp_path) as test:
        for name in ACCESS:
            told = set()
            # One that there is, one that there is not, one that cannot be, and none.
            for hub in ("other", "nowhere", "../x", None):
                code, text = await test.call(name, CONTRIBUTOR, hub)
                assert code is DENIED, (name, hub)
                told.add(text.replace(repr(hub or ""), "HUB"))
            assert told == {"This token gives no access to task hub HUB"}
        assert (await test.call("Hello", OTHER, "missing", b""))[0] is grpc.StatusCode.NOT_FOUND


@on_a_loop
async def test_what_is_said_twice_is_not_read_in_two_ways(tmp_path: Path) -> None:
    own, other = ("taskhub", "default"), ("taskhub", "other")
    token = ("authorization", f"Bearer {CONTRIBUTOR}")
    start = pb.CreateInstanceRequest(instanceId="a", name="echo").SerializeToString()
    async with scheduler(tmp_path) as test:
        for second in (token, ("authorization", f"Bearer {EVERYWHERE}"), ("authorization", "x")):
            for tokens in ([token, second], [second, token]):
                code, text = await test.call_with("StartInstance", [*tokens, own], start)
                assert (code, text) == (
                    UNAUTHENTICATED,
                    "The call carries more than one authorization",
                )
        assert (await test.call_with("StartInstance", [token, other, own], start))[0] is DENIED
        # The hub that is looked at is the one that is used.
        assert (await test.call_with("StartInstance", [token, own, other], start))[0].name == "OK"
        counts = {hub.name: hub.journal.started_count for hub in test.hubs.opened}
        assert counts == {"default": 1, "other": 0}


@on_a_loop
async def test_a_reader_can_change_nothing_and_is_refused_before_the_request_is_read(
    tmp_path: Path,
) -> None:
    async with scheduler(tmp_path) as test:
        for name, access in ACCESS.items():
            code, text = await test.call(name, READER)
            if access is Access.CHANGE:
                assert (code, text) == (DENIED, "The role reader may not change anything"), name
            elif name != "Hello":
                assert code is grpc.StatusCode.INVALID_ARGUMENT, name


@on_a_loop
async def test_a_contributor_is_let_through_to_every_call(tmp_path: Path) -> None:
    async with scheduler(tmp_path) as test:
        for name in ACCESS:
            for token in (CONTRIBUTOR, EVERYWHERE):
                code, _ = await test.call(name, token)
                assert code is grpc.StatusCode.INVALID_ARGUMENT, name


@on_a_loop
async def test_a_reader_makes_no_dynamic_hub(tmp_path: Path) -> None:
    async with scheduler(tmp_path, dynamic=True) as test:
        for name, access in ACCESS.items():
            if access is Access.READ:
                code, _ = await test.call(name, EVERYWHERE_READER, "fresh", b"")
                assert code is grpc.StatusCode.NOT_FOUND, name
        assert [hub.name for hub in test.hubs.opened] == ["default", "other"]
        assert (await test.call("Hello", EVERYWHERE, "fresh", b""))[0] is grpc.StatusCode.OK


def refused_calls() -> dict[str, bytes]:
    """What is refused in an empty task hub, whatever its contents could be."""
    policy = pb.OrchestrationIdReusePolicy(replaceableStatus=[pb.ORCHESTRATION_STATUS_RUNNING])
    asked = pb.InstanceQuery(maxInstanceCount=-1)
    return {name: pb.GetInstanceRequest(instanceId="a").SerializeToString() for name in ACCESS} | {
        "GetWorkItems": pb.GetWorkItemsRequest(
            maxConcurrentActivityWorkItems=-1
        ).SerializeToString(),
        "SignalEntity": pb.SignalEntityRequest(instanceId="no entity").SerializeToString(),
        "StartInstance": pb.CreateInstanceRequest(
            name="main", orchestrationIdReusePolicy=policy
        ).SerializeToString(),
        "QueryInstances": pb.QueryInstancesRequest(query=asked).SerializeToString(),
        "ListInstanceIds": pb.ListInstanceIdsRequest(pageSize=-1).SerializeToString(),
    }


@on_a_loop
async def test_a_refused_call_makes_no_dynamic_hub(tmp_path: Path) -> None:
    token = "completionToken"  # noqa: S105 - the name of a field
    field = pb.ActivityResponse.DESCRIPTOR.fields_by_name[token].number
    unreadable = bytes([field << 3 | 2, 1, ord("t")]) + UNREADABLE
    async with scheduler(tmp_path, dynamic=True) as test:
        # Who waits for an instance of a hub that is to come is not refused.
        waits = ("WaitForInstanceStart", "WaitForInstanceCompletion")
        calls = [call for call in refused_calls().items() if call[0] not in waits]
        calls += [(name, unreadable) for name in ACCESS]
        calls += [
            ("StartInstance", pb.CreateInstanceRequest(instanceId="a").SerializeToString()),
            ("StartInstance", b""),
        ]
        served_ones = set()
        for number, (name, message) in enumerate(calls):
            hub = f"fresh-{number}"
            code, text = await test.call(name, EVERYWHERE, hub, message)
            made = [hub.name for hub in test.hubs.opened]
            if code is grpc.StatusCode.OK:
                served_ones.add(name)
            else:
                assert hub not in made, (name, code, text)
        assert served_ones == {"Hello", "GetInstance", "GetEntity", "CreateTaskHub"}


@on_a_loop
async def test_calls_that_are_open_end_when_their_token_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_calls, "RECHECK_SECONDS", 0.01)
    async with scheduler(tmp_path) as test:
        start = pb.CreateInstanceRequest(instanceId="a", name="echo").SerializeToString()
        assert (await test.call("StartInstance", CONTRIBUTOR, message=start))[0].name == "OK"
        work = pb.GetWorkItemsRequest(maxConcurrentOrchestrationWorkItems=1)
        wait = pb.GetInstanceRequest(instanceId="a").SerializeToString()
        stays = test.open("WaitForInstanceCompletion", EVERYWHERE, wait)
        ends = [
            test.open("GetWorkItems", CONTRIBUTOR, work.SerializeToString()),
            test.open("WaitForInstanceCompletion", CONTRIBUTOR, wait),
        ]
        [hub, _] = test.hubs.opened
        item = await asyncio.to_thread(next, ends[0])
        assert pb.WorkItem.FromString(item).HasField("orchestratorRequest")
        await until(lambda: len(hub.waiters) == 2)
        # What cannot be read is no reason to end what goes on.
        file = token_file(tmp_path, "what is this")
        assert (await test.call("Hello", EVERYWHERE))[0] is grpc.StatusCode.UNAVAILABLE
        await test.service.open_calls.ask_again()
        assert {key for key in test.service.calls if key[1] != "OK"} == {("Hello", "UNAVAILABLE")}
        recheck = asyncio.create_task(test.service.open_calls.recheck())
        token_file(tmp_path, f"everywhere contributor * {EVERYWHERE}\n")
        for call in ends:
            assert await asyncio.to_thread(call.code) is UNAUTHENTICATED
        # The work goes back, to whoever comes next.
        await until(lambda: not hub.dispatcher.streams)
        assert sum(hub.dispatcher.in_air().values()) == 0
        assert not stays.done()
        # One that is good, but no longer for this.
        token_file(tmp_path, f"everywhere contributor other {EVERYWHERE}\n")
        assert await asyncio.to_thread(stays.code) is DENIED
        assert file.exists()
        recheck.cancel()


@on_a_loop
async def test_others_are_served_while_thousands_of_open_calls_are_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_calls, "_RECHECKED_AT_ONCE", 2)
    async with scheduler(tmp_path) as test:
        start = pb.CreateInstanceRequest(instanceId="a", name="echo").SerializeToString()
        await test.call("StartInstance", CONTRIBUTOR, message=start)
        wait = pb.GetInstanceRequest(instanceId="a").SerializeToString()
        calls = [test.open("WaitForInstanceCompletion", CONTRIBUTOR, wait) for _ in range(20)]
        [hub, _] = test.hubs.opened
        await until(lambda: len(hub.waiters) == len(calls))
        await test.service.open_calls.ask_again()
        assert len(hub.waiters) == len(calls)
        token_file(tmp_path, f"everywhere contributor * {EVERYWHERE}\n")
        asking = asyncio.create_task(test.service.open_calls.ask_again())
        refused = "WaitForInstanceCompletion", "UNAUTHENTICATED"
        seen = set()
        while test.service.calls[refused] < len(calls):
            seen.add(test.service.calls[refused])
            await asyncio.sleep(0)
        # Some at a time: the loop has had its turns between them.
        assert len(seen) > len(calls) // 4
        for call in calls:
            assert await asyncio.to_thread(call.code) is UNAUTHENTICATED
        await asking


@on_a_loop
async def test_a_call_waits_for_the_key_of_its_token_and_not_for_a_server_that_is_away(
    tmp_path: Path,
) -> None:
    signer = Signer("one")
    allowed = frozenset({"RS256"})
    rules = rules_for(algorithms=allowed)
    with key_server() as server:
        now = [0.0]
        source = KeyAddress(server.url, allowed, seconds=lambda: now[0])
        async with scheduler(tmp_path, gate=Gate(JsonWebTokens(rules, source))) as test:
            server.status = 500
            for _ in range(2):
                code, _text = await test.call("Hello", signer.token(), message=b"")
                assert code is grpc.StatusCode.UNAVAILABLE
            assert server.asked == 1
            now[0] += 60
            server.status, server.document = 200, published(signer)
            codes = await asyncio.gather(
                *(test.call("Hello", signer.token(sub=f"s{n}"), message=b"") for n in range(5))
            )
            assert {code for code, _ in codes} == {grpc.StatusCode.OK}
            assert server.asked == 2
            assert (await test.call("NoSuchCall", signer.token()))[0].name == "UNIMPLEMENTED"
            expired = await test.call("Hello", signer.token(exp=1), message=b"")
            assert expired == (UNAUTHENTICATED, "The token has expired")
