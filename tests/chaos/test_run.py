"""A run follows its schedule, and watches each fault until all is well."""

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

from tests.chaos import run as run_module
from tests.chaos.kinds import Kind
from tests.chaos.report import Report
from tests.chaos.run import Run
from tests.chaos.schedule import Planned

LANE = "worker-1"


class _QuietLoad:
    def start(self) -> None:
        """Submits nothing."""

    stop = start


def harmed(
    monkeypatch: pytest.MonkeyPatch, patience: float, **kinds: tuple[float, Callable[[], bool]]
) -> Report:
    """The report of one lane whose faults come at these seconds, and are over as these tell."""
    table = {
        name: Kind(
            name=name,
            lanes=(LANE,),
            inject=lambda _scene: None,
            is_over=lambda _scene, is_over=is_over: is_over(),  # type: ignore[misc]  # a default of a lambda
        )
        for name, (_at, is_over) in kinds.items()
    }
    plan = tuple(
        Planned(kind=name, lane=LANE, at=at, seconds=0.0) for name, (at, _is_over) in kinds.items()
    )
    monkeypatch.setattr(run_module, "KINDS", table)
    monkeypatch.setattr(run_module, "LANES", (LANE,))
    monkeypatch.setattr(run_module, "_RECOVERY_SECONDS_MAX", patience)
    monkeypatch.setattr(run_module, "schedule", lambda _seed, _seconds: plan)
    report = Report(seed=1, minutes=0.0)
    stack: Any = nullcontext()
    load: Any = _QuietLoad()
    Run(stack=stack, load=load, report=report, say=lambda _line: None).do_harm(1, 0.0)
    return report


def test_a_part_that_is_hit_again_has_its_time_again(monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    report = harmed(
        monkeypatch,
        1.0,
        first=(0.0, lambda: time.monotonic() > began + 1.3),
        second=(0.6, lambda: time.monotonic() > began + 1.3),
    )
    assert report.problems == []
    assert sorted(fault.kind for fault in report.faults) == ["first", "second"]
    # Both from the second on.
    assert all(0.0 <= (fault.recovery or -1.0) < 1.0 for fault in report.faults)


def test_a_part_that_is_never_well_again_is_a_problem_of_each_of_its_faults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    never = threading.Event()
    report = harmed(monkeypatch, 0.2, first=(0.0, never.is_set), second=(0.1, never.is_set))
    assert len(report.problems) == 2
    assert all("never well again" in problem for problem in report.problems)
    assert [fault.recovery for fault in report.faults] == [None, None]
