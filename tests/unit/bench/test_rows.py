"""What rows make of runs."""

from pathlib import Path

import pytest

from scripts.bench.errors import BenchError
from scripts.bench.options import Sizes
from scripts.bench.readings import Measured
from scripts.bench.scale import Look, Scale, measure_cost, measure_memory
from scripts.bench.session import Session
from scripts.bench.tabs import measure_tabs
from scripts.bench.throughput import (
    measure_echo,
    measure_scheduler_cpu,
    measure_throughput,
    measure_worker_cpu,
)
from tests.unit.bench.sessions import run, session_with

MIB = 2**20


@pytest.fixture
def alternated() -> Session:
    """Three rounds of everything."""
    return session_with(
        {
            "throughput": {
                "in memory with the SDK's workers, 1": [run(2.0), run(1.0), run(1.0)],
                "in memory with the SDK's workers, 2": [run(1.0), run(1.1), run(1.0)],
                "in memory with our workers, 1": [run(1.0)] * 3,
                "in memory with our workers, 2": [run(1.0)] * 3,
                "durable with the SDK's workers, 1": [run(2.0), run(2.0), run(1.0)],
                "durable with the SDK's workers, 2": [run(0.8, server=0.3, workers=0.6, commits=50)]
                * 3,
                "durable with our workers, 1": [run(0.5)] * 3,
                "durable with our workers, 2": [run(0.4, server=0.1, workers=0.45)] * 3,
                "echo with the SDK's workers, 2": [run(0.5, server=0.2)] * 3,
                "echo with our workers, 2": [run(0.4, server=0.2)] * 3,
                "durable with our workers without a payload store, 2": [run(0.6, workers=0.3)] * 3,
            }
        }
    )


def values(measured: Measured) -> list[float]:
    return [round(reading.spread.value, 6) for reading in measured.readings]


def test_throughput_is_durable_over_in_memory_for_each_kind_and_number_of_workers(
    alternated: Session,
) -> None:
    one, two, one_of_ours, two_of_ours = measure_throughput(alternated).readings
    assert (one.label, two_of_ours.label) == ("the SDK's workers, 1", "our workers, 2")
    assert (one_of_ours.spread.value, two_of_ours.spread.value) == (2.0, 2.5)
    assert (one.spread.value, one.spread.low, one.spread.high) == (0.5, 0.5, 1.0)
    assert not one.met
    assert two.spread.value == pytest.approx(1.25)
    assert two.met
    assert two.detail == (
        "1,250 against 1,000 orders/s; 20 orders a commit, 25% of the time in commits"
    )


def test_the_other_rows_compare_what_they_say(alternated: Session) -> None:
    assert values(measure_echo(alternated)) == [0.625, 1.0]
    assert values(measure_scheduler_cpu(alternated)) == [1.5, 0.5]
    assert values(measure_worker_cpu(alternated)) == [0.75, 0.5]


def test_the_runs_are_among_the_figures(alternated: Session) -> None:
    runs = measure_throughput(alternated).series["runs"]
    assert len(runs) == 33
    assert runs[0] == {
        "variant": "in memory with the SDK's workers, 1",
        "workers": 1,
        "orders": 1_000,
        "seconds": 2.0,
        "server_cpu": 1.0,
        "workers_cpu": 2.0,
        "others": 0.0,
        "commits": 0,
        "commit_seconds": 0.0,
    }


def test_a_cost_is_that_of_the_large_run_over_the_small_ones() -> None:
    scale = Scale(
        few=[run(1.0, server=0.2), run(2.0, server=0.4), run(1.0, server=0.2)],
        many=run(110.0, server=30.0, orders=100_000),
        looks=[Look(seconds=1.0, orders=1_000, server_cpu=0.3, resident=80 * MIB)],
        peak=160 * MIB,
        after=90 * MIB,
        disk=1,
        largest_disk=2,
    )
    session = session_with({"scale": scale}, Sizes())
    wall, cpu = measure_cost(session).readings
    assert wall.spread.value == pytest.approx(1.1)
    assert wall.spread.low == pytest.approx(0.55)
    assert wall.met
    assert cpu.spread.value == pytest.approx(1.5)
    assert not cpu.met
    peak, after = measure_memory(session).readings
    assert (peak.spread.value, peak.met) == (160, False)
    assert (after.spread.value, after.met) == (90, True)


def test_what_rows_share_fails_once_for_all_of_them() -> None:
    session = session_with({})
    tries = []

    def measure() -> None:
        tries.append(1)
        raise BenchError("the scheduler did not start")

    for _ in range(2):
        with pytest.raises(BenchError, match="did not start"):
            session.shared("scale", measure)
    assert len(tries) == 1


def test_without_a_browser_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.bench.window.CHROMIUM", Path("/nowhere/chromium"))
    with pytest.raises(BenchError, match="there is no /nowhere/chromium to open tabs with"):
        measure_tabs(session_with({}))
