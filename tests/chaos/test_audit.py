"""The audit finds what it is there to find: a run without a problem means something."""

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from durabletask import task
from durabletask.client import OrchestrationStatus

from tests.chaos import ledger
from tests.chaos.books import mistakes_of_hopeless
from tests.chaos.faults.table import LANES
from tests.chaos.leaks import Holding, gathered, leaks
from tests.chaos.stack import UNHARMED
from tests.conformance.hub import Steps
from tests.e2e.conftest import StackMaker
from tests.e2e.schedulers import data_of, hub_of

HELD = {"worker-1": Holding(pid=1, files=40, threads=20, memory=90_000)}


def echoes(_: task.ActivityContext, given: int) -> int:
    """Returns its input."""
    return given


def runs(ctx: task.OrchestrationContext, _: object) -> Steps:
    """Runs an activity a few times."""
    for number in range(3):
        yield ctx.call_activity(echoes, input=number)


@pytest.fixture(scope="module")
def used(new_stack: StackMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a hub in which everything has ended well."""
    with new_stack(workers=0) as stack:
        with hub_of(stack) as hub, hub.worker(orchestrators=[runs], activities=[echoes]):
            for _ in range(2):
                hub.ran(runs)
        stack.stop()
        return Path(shutil.copy(data_of(stack) / "default.db", tmp_path_factory.mktemp("used")))


@pytest.fixture
def file(used: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copy(used, tmp_path))


def change(*statements: str) -> Callable[[Path], None]:
    def spoil(file: Path) -> None:
        with sqlite3.connect(file) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    return spoil


SPOILED = {
    "a message that nobody took": (
        change("INSERT INTO messages VALUES (1, 1, x'00')"),
        "1 rows are left in messages",
    ),
    "a timer that never fired": (
        change("INSERT INTO alarms (due, instance, event) VALUES (1, 1, x'00')"),
        "1 rows are left in alarms",
    ),
    "an activity of an ended instance": (
        change("INSERT INTO activities VALUES (1, 1, 'e', 1, 'n', NULL, x'00', 0)"),
        "1 rows are left in activities",
    ),
    "a turn that is missing": (
        change("DELETE FROM histories WHERE instance = 1 AND turn = 1"),
        "has the turns [0, 2, 3]",
    ),
    "a result that stands twice": (
        change(
            "INSERT INTO histories SELECT 1, 4, events, chunk FROM histories"
            " WHERE instance = 1 AND turn = 1"
        ),
        "follows the end of",
    ),
    "an end that is missing": (
        change("DELETE FROM histories WHERE instance = 1 AND turn = 3"),
        "has no end",
    ),
    "a status that is another": (
        change("UPDATE instances SET status = 3 WHERE seq = 1"),
        "its history ends otherwise",
    ),
    "counts that drifted": (change("UPDATE counts SET number = 9"), "the counts say"),
}


def test_a_file_in_which_all_has_ended_well_has_no_mistakes(file: Path) -> None:
    assert ledger.unfinished(file) == []
    assert list(ledger.mistakes(file)) == []


@pytest.mark.parametrize("how", SPOILED)
def test_what_is_wrong_with_a_file_is_found(file: Path, how: str) -> None:
    spoil, told = SPOILED[how]
    spoil(file)
    assert told in "\n".join(ledger.mistakes(file))


def test_an_instance_that_goes_on_is_named(file: Path) -> None:
    change("UPDATE instances SET completed_at = NULL, instance_id = 'lost' WHERE seq = 1")(file)
    assert ledger.unfinished(file) == ["lost"]


@pytest.mark.parametrize("what", ["files", "threads", "memory"])
def test_what_leaks_is_named_by_its_process_and_kind(what: str) -> None:
    more = {"files": 41, "threads": 21, "memory": 91_000}
    assert list(leaks(HELD, {"worker-1": Holding(pid=2, **more)})) == []
    [leak] = leaks(HELD, {"worker-1": Holding(pid=2, **more | {what: 10_000_000})})
    assert leak.startswith("worker-1 had ")
    assert f" {what}, and has 10000000 after the faults" in leak


@pytest.mark.parametrize(("what", "has"), [("files", 60), ("threads", 60), ("memory", 170_000)])
def test_a_process_that_has_lived_through_it_may_have_less_more(what: str, has: int) -> None:
    held: dict[str, int] = {"files": 40, "threads": 20, "memory": 90_000, what: has}
    assert list(leaks(HELD, {"worker-1": Holding(pid=2, **held)})) == []
    [leak] = leaks(HELD, {"worker-1": Holding(pid=1, **held)})
    assert f" {what}, and has {has} after the faults" in leak


@pytest.mark.parametrize(("what", "has"), [("files", 60), ("threads", 60), ("memory", 110_000)])
def test_what_stays_of_an_exercise_is_found_sooner(what: str, has: int) -> None:
    held: dict[str, int] = {"files": 40, "threads": 20, "memory": 90_000}
    before = {"scheduler": Holding(pid=1, **held)}
    assert list(gathered(before, before)) == []
    [told] = gathered(before, {"scheduler": Holding(pid=1, **held | {what: has})})
    assert told == f"scheduler had {held[what]} {what}, and has {has} after an exercise"
    [ended] = gathered(before, {"scheduler": Holding(pid=2, **held)})
    assert ended == "scheduler has ended, and no fault hit it"


def test_a_worker_may_have_filled_its_pool_by_an_exercise_and_no_more() -> None:
    held = HELD["worker-1"]
    filled, leaked = replace(held, threads=60), replace(held, threads=61)
    assert list(gathered(HELD, {"worker-1": filled})) == []
    [told] = gathered(HELD, {"worker-1": leaked})
    assert told == "worker-1 had 20 threads, and has 61 after an exercise"


def test_a_process_that_no_fault_hits_is_the_same_in_the_end() -> None:
    held = {"files": 40, "threads": 20, "memory": 90_000}
    before = {UNHARMED: Holding(pid=1, **held)}
    assert list(leaks(before, before)) == []
    [restarted] = leaks(before, {UNHARMED: Holding(pid=2, **held)})
    assert restarted.startswith(UNHARMED)
    assert UNHARMED not in LANES


@pytest.mark.parametrize(
    ("status", "failure", "told"),
    [
        (OrchestrationStatus.COMPLETED, "", "has completed"),
        (OrchestrationStatus.TERMINATED, "", "has not given it up"),
        (OrchestrationStatus.FAILED, "something else", "has not given it up"),
    ],
)
def test_what_never_completes_has_to_be_given_up_by_the_scheduler_itself(
    status: OrchestrationStatus, failure: str, told: str
) -> None:
    [mistake] = mistakes_of_hopeless("poison", status, failure)
    assert told in mistake
    given_up = (
        "Activity task #1 failed: The work item of 9 bytes ended the worker's stream 10 times"
    )
    failed = OrchestrationStatus.FAILED
    assert list(mistakes_of_hopeless("poison", failed, f"{given_up} running: it kills")) == []
