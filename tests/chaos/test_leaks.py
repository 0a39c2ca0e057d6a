"""Nothing stays of what comes and goes, and the exercise would show it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from scripts.local_stack import LocalStack
from tests.chaos.exercise import Ports, exercise
from tests.chaos.leaks import Holding, gathered, holding
from tests.chaos.lone import lone_scheduler
from tests.e2e.conftest import FAST
from tests.e2e.processes import wait_until


def held(processes: Mapping[str, int]) -> dict[str, Holding]:
    return {name: holding(pid) for name, pid in processes.items()}


def test_what_comes_and_goes_leaves_nothing(tmp_path: Path) -> None:
    with LocalStack(
        workers=0, logs=tmp_path, environment=FAST, usual_ports=False, dashboard=True
    ) as stack:
        ports = Ports(grpc=stack.grpc_port, http=stack.http_port, dashboard=stack.dashboard_port)
        pids = {name: stack.process(name).pid for name in ("scheduler", "dashboard")}
        exercise(ports, "first")
        before = held(pids)
        exercise(ports, "second")
        wait_until(lambda: not list(gathered(before, held(pids))))


@pytest.mark.parametrize("what", ["files", "memory"])
def test_a_little_that_stays_of_each_call_is_found(tmp_path: Path, what: str) -> None:
    with lone_scheduler(tmp_path, "leaky", what) as scheduler:
        pids = {"scheduler": scheduler.process.pid}
        exercise(scheduler.ports, "first")
        before = held(pids)
        exercise(scheduler.ports, "second")
        [told] = gathered(before, held(pids))
        assert told.startswith("scheduler had ")
        assert f" {what}, and has " in told
