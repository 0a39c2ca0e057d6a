"""What the fuzzers call wrong is found: each of these breaks the scheduler in one way."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from services.scheduler.auth.identity import Access, Identity
from services.scheduler.edge import methods
from services.scheduler.engine.protos import pb
from services.scheduler.errors import BadRequestError, WrongStateError
from services.scheduler.hub.hub import Hub
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.hub.opened import OpenHub
from tests.fuzz import blind, scheduler
from tests.fuzz.blind import fuzz
from tests.fuzz.callers import READER
from tests.fuzz.routes import ROUTES, Request
from tests.fuzz.scheduler import GUARDED, HUB, FuzzedScheduler
from tests.fuzz.state import Allowed, Snapshot
from tests.fuzz.targets import TARGETS
from tests.fuzz.texts import Texts
from tests.fuzz.violation import Violation

START = pb.CreateInstanceRequest(instanceId="a", name="main").SerializeToString()
GET = pb.GetInstanceRequest(instanceId="a").SerializeToString()
CONTROL = next(route for route in ROUTES if route.path.endswith("{instanceId}/history"))
SUSPENSION = Request({"executionSuspended": {}}).to(CONTROL, HUB)


def broken(monkeypatch: pytest.MonkeyPatch, name: str, use_case: methods.UseCase) -> None:
    """Has a method do something else."""
    monkeypatch.setitem(methods.USE_CASES, name, (methods.USE_CASES[name][0], use_case))


def test_an_error_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(_hub: OpenHub, _request: Any) -> Any:
        raise KeyError("x")

    broken(monkeypatch, "StartInstance", fail)
    with (
        FuzzedScheduler(tmp_path) as fuzzed,
        pytest.raises(Violation, match="a traceback in the log: StartInstance failed"),
    ):
        fuzzed.call("StartInstance", START)


def test_a_refused_start_that_leaves_an_instance(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def start_and_refuse(hub: OpenHub, request: Any) -> Any:
        hub.hub.start(request)
        raise BadRequestError("no")

    broken(monkeypatch, "StartInstance", start_and_refuse)
    with (
        FuzzedScheduler(tmp_path) as fuzzed,
        pytest.raises(Violation, match="INVALID_ARGUMENT no: has changed the rows of task hub"),
    ):
        fuzzed.call("StartInstance", START)


def test_a_refused_call_that_makes_a_task_hub(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(TaskHubs, "existing", TaskHubs.find)
    request = pb.RaiseEventRequest(instanceId="a", name="event").SerializeToString()
    with (
        FuzzedScheduler(tmp_path) as fuzzed,
        pytest.raises(Violation, match=r"NOT_FOUND .* has changed the files data/fresh\.db"),
    ):
        fuzzed.call("RaiseEvent", request, "fresh")


def test_a_call_that_reads_and_changes_something(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def start(hub: OpenHub, _request: Any) -> Any:
        hub.hub.start(pb.CreateInstanceRequest(instanceId="a", name="main"))
        return pb.GetInstanceResponse()

    broken(monkeypatch, "GetInstance", start)
    with (
        FuzzedScheduler(tmp_path) as fuzzed,
        pytest.raises(Violation, match="GetInstance OK : has changed the rows of task hub"),
    ):
        fuzzed.call("GetInstance", GET)


def test_a_made_up_token_that_ends_a_lease(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def abandon(hub: OpenHub, _request: Any) -> Any:
        (stream,) = hub.dispatcher.streams
        (token,) = stream.leases
        hub.desk.abandon(token)
        return pb.AbandonOrchestrationTaskResponse()

    broken(monkeypatch, "AbandonTaskOrchestratorWorkItem", abandon)
    request = pb.AbandonOrchestrationTaskRequest(completionToken="i1.1-00000000-1")
    with FuzzedScheduler(tmp_path) as fuzzed:
        fuzzed.call("StartInstance", START)
        assert len(fuzzed.tokens) == 1
        with pytest.raises(Violation, match="has ended the leases"):
            fuzzed.call("AbandonTaskOrchestratorWorkItem", request.SerializeToString())


def test_a_made_up_token_that_decides_something(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def start(hub: OpenHub, _request: Any) -> Any:
        hub.hub.start(pb.CreateInstanceRequest(instanceId="a", name="main"))
        return pb.CompleteTaskResponse()

    broken(monkeypatch, "CompleteEntityTask", start)
    request = pb.EntityBatchResult(completionToken="e1.1-00000000-1")
    with (
        FuzzedScheduler(tmp_path) as fuzzed,
        pytest.raises(Violation, match="CompleteEntityTask OK : has changed the rows"),
    ):
        fuzzed.call("CompleteEntityTask", request.SerializeToString())


def test_a_caller_who_may_more_than_their_role(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def let_in(_identity: Identity, _hub: str, _access: Access) -> None:
        """Everybody."""

    monkeypatch.setattr(Identity, "check", let_in)
    with (
        FuzzedScheduler(tmp_path, GUARDED) as fuzzed,
        pytest.raises(Violation, match="OK: it should have been PERMISSION_DENIED"),
    ):
        fuzzed.call("StartInstance", START, caller=READER)


def test_a_refused_request_that_changes_a_status(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    suspend = Hub.suspend

    def suspend_and_refuse(hub: Hub, request: pb.SuspendRequest) -> pb.SuspendResponse:
        suspend(hub, request)
        raise WrongStateError("no")

    monkeypatch.setattr(Hub, "suspend", suspend_and_refuse)
    with FuzzedScheduler(tmp_path) as fuzzed:
        fuzzed.call("StartInstance", START)
        with pytest.raises(Violation, match="409: has changed the rows of task hub default"):
            fuzzed.request(SUSPENSION)


def test_a_call_that_never_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def hang(_call: methods.Call) -> Any:
        await asyncio.Event().wait()

    request, _answer = methods.WAITING["Hello"]
    monkeypatch.setitem(methods.WAITING, "Hello", (request, hang))
    monkeypatch.setattr(scheduler, "SECONDS_MAX", 0.1)
    with FuzzedScheduler(tmp_path) as fuzzed, pytest.raises(Violation, match="no end within"):
        fuzzed.call("Hello", b"")


def test_a_reader_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(_data: bytes) -> str:
        for _ in itertools.count():
            pass
        raise AssertionError

    monkeypatch.setitem(TARGETS, "hangs", (1, lambda: Texts(hang, [b"x"])))
    monkeypatch.setattr(blind, "SECONDS_MAX", 0.1)
    tally = fuzz("hangs", executions=1, seconds=60, seed="1")
    assert [finding.data for finding in tally.findings.values()] == [b"x"]


BEFORE = Snapshot(
    files=frozenset({"data/default.db"}),
    rows={"default": b"1", "other": b"1"},
    leases=frozenset({("default", "i1.1-0-1"), ("default", "i2.2-0-2")}),
    current=frozenset({("default", "i1.1-0-1")}),
)


def after(**fields: Any) -> Snapshot:
    """What there is when a call has changed some of it."""
    told = ("files", "rows", "leases", "current")
    return Snapshot(**({name: getattr(BEFORE, name) for name in told} | fields))


@pytest.mark.parametrize(
    ("changed", "allowed", "problem"),
    [
        (after(), Allowed(hub="default"), None),
        (after(rows={"default": b"2", "other": b"1"}), Allowed(hub="default", rows=True), None),
        (after(rows={"default": b"2", "other": b"1"}), Allowed(hub="default"), "the rows"),
        (
            after(rows={"default": b"1", "other": b"2"}),
            Allowed(hub="default", rows=True),
            "the rows",
        ),
        (after(files=frozenset()), Allowed(hub="default", makes_hub=True), "the files"),
        (after(files=BEFORE.files | {"data/new.db"}), Allowed(hub="new", makes_hub=True), None),
        (after(files=BEFORE.files | {"data/new.db"}), Allowed(hub="new", rows=True), "the files"),
        (
            after(files=BEFORE.files | {"data/new.db"}),
            Allowed(hub="x", makes_hub=True),
            "the files",
        ),
        (
            after(files=BEFORE.files | {"payloads/00/0"}),
            Allowed(hub="x", makes_hub=True),
            "the files",
        ),
        (after(files=frozenset({"data/default.db.deleted-1"})), Allowed(hub="x"), "the files"),
        (after(files=frozenset()), Allowed(hub="default", rows=True, files=True), None),
        (after(current=frozenset()), Allowed(hub="default"), "the leases"),
        (after(current=frozenset()), Allowed(hub="default", rows=True), None),
        (after(leases=frozenset()), Allowed(hub="default", rows=True), "the leases"),
        (
            after(leases=frozenset({("default", "i2.2-0-2")}), current=frozenset()),
            Allowed(hub="default", token="i1.1-0-1"),  # noqa: S106 - of no lease
            None,
        ),
        (
            after(leases=frozenset({("default", "i2.2-0-2")}), current=frozenset()),
            Allowed(hub="default", token="i2.2-0-2"),  # noqa: S106 - of no lease
            "the leases",
        ),
    ],
)
def test_what_has_changed_and_may_not(
    changed: Snapshot, allowed: Allowed, problem: str | None
) -> None:
    if problem is None:
        BEFORE.check(changed, allowed, "told")
        return
    with pytest.raises(Violation, match=f"^told: has (changed|ended) {problem}"):
        BEFORE.check(changed, allowed, "told")
