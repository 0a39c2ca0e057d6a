"""An error of our own is nobody's to read but the operator's."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from services.scheduler.auth.gate import Gate
from services.scheduler.auth.identity import ANYONE, Identity
from services.scheduler.edge import open_calls
from services.scheduler.edge import service as service_module
from services.scheduler.edge.methods import USE_CASES, WAITING
from services.scheduler.engine.protos import pb
from services.scheduler.errors import UnauthenticatedError
from tests.store.loops import on_a_loop
from tests.unit.auth.callers import CONTRIBUTOR
from tests.unit.edge.served import until
from tests.unit.edge.test_access import scheduler


@on_a_loop
async def test_an_error_of_our_own_is_told_of_in_the_log_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("what nobody is told")

    request, _use_case = USE_CASES["RaiseEvent"]
    waits, _answer = WAITING["WaitForInstanceStart"]
    monkeypatch.setattr(service_module, "USE_CASES", {**USE_CASES, "RaiseEvent": (request, fail)})
    monkeypatch.setattr(
        service_module, "WAITING", {**WAITING, "WaitForInstanceStart": (waits, fail)}
    )
    async with scheduler(tmp_path) as test:
        for name in ("RaiseEvent", "WaitForInstanceStart"):
            message = pb.GetInstanceRequest(instanceId="a").SerializeToString()
            told = await test.call(name, CONTRIBUTOR, message=message)
            assert told == (
                grpc.StatusCode.UNKNOWN,
                f"{name} failed unexpectedly: the scheduler's log says why",
            )
    assert caplog.text.count("RuntimeError: what nobody is told") == 2


class Failing:
    """Knows the one token there is, or says what is wrong now."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked = 0

    def verify(self, _token: str) -> Identity:
        """Whose token it is."""
        self.asked += 1
        if self.error is not None:
            raise self.error
        return ANYONE

    async def renewed(self) -> None:
        """There is nothing to wait for."""


@on_a_loop
async def test_open_calls_are_asked_again_after_an_error_of_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(open_calls, "RECHECK_SECONDS", 0.01)
    verifier = Failing()
    async with scheduler(tmp_path, gate=Gate(verifier)) as test:
        work = pb.GetWorkItemsRequest(maxConcurrentOrchestrationWorkItems=1)
        stream = test.open("GetWorkItems", CONTRIBUTOR, work.SerializeToString())
        [hub, _] = test.hubs.opened
        await until(lambda: bool(hub.dispatcher.streams))
        recheck = asyncio.create_task(test.service.open_calls.recheck())
        verifier.error, asked = RuntimeError("what nobody is told"), verifier.asked
        await until(lambda: verifier.asked > asked + 1)
        # Nobody could tell whether it may go on.
        assert not stream.done()
        assert "RuntimeError: what nobody is told" in caplog.text
        verifier.error = UnauthenticatedError("The token is not known")
        assert await asyncio.to_thread(stream.code) is grpc.StatusCode.UNAUTHENTICATED
        recheck.cancel()
