import subprocess
import sys

import pytest

from scripts.local_stack import ROOT
from tests.chaos.faults.table import KINDS, LANES
from tests.chaos.schedule import Planned, schedule
from tests.chaos.seeds import CI_MINUTES, CI_SEEDS

SEEDS = range(50)


def test_the_same_seed_gives_the_same_schedule_and_another_gives_another() -> None:
    assert schedule(7, 60.0) == schedule(7, 60.0)
    assert schedule(7, 60.0) != schedule(8, 60.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_faults_come_in_their_lanes_one_after_the_other_and_end_in_time(seed: int) -> None:
    for lane in LANES:
        planned = [one for one in schedule(seed, 40.0) if one.lane == lane]
        assert planned
        assert all(lane in KINDS[one.kind].lanes for one in planned)
        ends = [0.0, *(one.at + one.seconds for one in planned)]
        assert all(one.at >= end for one, end in zip(planned, ends, strict=False))
        assert ends[-1] <= 40.0


def test_every_kind_of_fault_occurs_in_the_seeds_of_ci() -> None:
    planned: list[Planned] = [one for seed in CI_SEEDS for one in schedule(seed, CI_MINUTES * 60)]
    assert {one.kind for one in planned} == set(KINDS)


@pytest.mark.parametrize("minutes", ["soon", "0", "-1", "nan", "1441"])
def test_minutes_that_cannot_be_are_refused_with_what_can(minutes: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.chaos", f"--minutes={minutes}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 2
    assert f"must be a number above 0 and at most 1440 (got '{minutes}')" in ran.stderr
