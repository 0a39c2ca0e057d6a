"""The fuzzers themselves: a short run of each, and that they find what is there."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.local_stack import ROOT
from services.scheduler.edge import methods
from services.scheduler.engine.protos import pb
from services.scheduler.errors import BadRequestError
from services.scheduler.hub.opened import OpenHub
from tests.fuzz import scheduler
from tests.fuzz.blind import fuzz
from tests.fuzz.scheduler import FuzzedScheduler
from tests.fuzz.violation import Violation

START = pb.CreateInstanceRequest(instanceId="a", name="main").SerializeToString()
GUIDED = ["rpc", "http", "orders-csv"]


def run(*arguments: str, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_short_run_finds_nothing(tmp_path: Path) -> None:
    ran = run("tests.fuzz", "--minutes", "0.1", "--seed", "7", cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.rstrip().endswith("seed 7")


@pytest.mark.parametrize("target", GUIDED)
def test_a_short_run_by_coverage_finds_nothing(atheris: None, target: str) -> None:  # noqa: ARG001 - a fixture is asked for by its name
    ran = run("tests.fuzz.guided", target, "--seconds", "2")
    assert ran.returncode == 0, ran.stderr[-3_000:]
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["findings"] == []
    assert told["executions"] > 100


def test_a_seed_makes_the_same_run() -> None:
    runs = [fuzz("orders-csv", executions=2_000, seconds=60, seed="3").outcomes for _ in range(2)]
    assert runs[0] == runs[1]
    assert fuzz("orders-csv", executions=2_000, seconds=60, seed="4").outcomes != runs[0]


def broken(monkeypatch: pytest.MonkeyPatch, name: str, use_case: methods.UseCase) -> None:
    """Has a method do something else."""
    monkeypatch.setitem(methods.USE_CASES, name, (methods.USE_CASES[name][0], use_case))


def test_an_error_of_ours_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(_hub: OpenHub, _request: Any) -> Any:
        raise KeyError("x")

    broken(monkeypatch, "StartInstance", fail)
    with (
        FuzzedScheduler(tmp_path) as fuzzed,
        pytest.raises(Violation, match="a traceback in the log: StartInstance failed"),
    ):
        fuzzed.call("StartInstance", START)


def test_a_refused_call_that_has_changed_something_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def start_and_refuse(hub: OpenHub, request: Any) -> Any:
        hub.hub.start(request)
        raise BadRequestError("no")

    broken(monkeypatch, "StartInstance", start_and_refuse)
    with (
        FuzzedScheduler(tmp_path) as fuzzed,
        pytest.raises(Violation, match="a refused call has changed the database"),
    ):
        fuzzed.call("StartInstance", START)


def test_a_call_that_never_ends_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def hang(_call: methods.Call) -> Any:
        await asyncio.Event().wait()

    request, _answer = methods.WAITING["Hello"]
    monkeypatch.setitem(methods.WAITING, "Hello", (request, hang))
    monkeypatch.setattr(scheduler, "SECONDS_MAX", 0.1)
    with FuzzedScheduler(tmp_path) as fuzzed, pytest.raises(Violation, match="no end within"):
        fuzzed.call("Hello", b"")
