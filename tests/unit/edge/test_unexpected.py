"""An error of our own is nobody's to read but the operator's."""

from pathlib import Path
from typing import Any

import grpc
import pytest

from services.scheduler.edge import service as service_module
from services.scheduler.edge.methods import USE_CASES, WAITING
from services.scheduler.engine.protos import pb
from tests.store.loops import on_a_loop
from tests.unit.auth.callers import CONTRIBUTOR
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
