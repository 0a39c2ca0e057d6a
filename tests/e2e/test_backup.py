import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from durabletask import task
from durabletask.internal import orchestrator_service_pb2 as pb

from scripts.local_stack import LocalStack
from services.shared.batches import child_instance_id
from tests.conformance.cell import cell, cell_id, value_of
from tests.conformance.hub import Hub, Steps
from tests.conformance.raw_worker import text
from tests.conformance.waiting import GO, waits_for_go
from tests.e2e.conftest import CommandLine, StackMaker
from tests.e2e.keeping import furnish, run_command
from tests.e2e.processes import end
from tests.e2e.schedulers import (
    assert_every_task_ended_once,
    data_of,
    hub_of,
    wait_for_metric,
)

OrdersFile = Callable[..., Path]
DONE = {"method": "CompleteActivityTask", "code": "OK"}
ORDERS = 80
BATCH = 20
FILLING = '"' + "x" * 4_000 + '"'


@contextmanager
def restored(
    new_stack: StackMaker, file: Path, data: Path, **settings: str
) -> Iterator[LocalStack]:
    """A scheduler on a new data directory that a backup was restored into."""
    ran = run_command(data, "restore", file)
    assert ran.code == 0, ran.err
    sound = run_command(data, "check")
    assert sound.code == 0, sound.out
    with new_stack(workers=0, SCHEDULER_DATA_DIR=str(data), **settings) as stack:
        yield stack


def test_a_copy_made_in_the_middle_comes_to_the_same_books(
    new_stack: StackMaker, orders_file: OrdersFile, tmp_path: Path
) -> None:
    slow = {"PROCESSING_MS": "80", "WORKER_ACTIVITIES_MAX": "4"}
    with new_stack(workers=1, **slow) as stack:
        client = CommandLine(stack.environment)
        submit = ("submit", orders_file("middle", ORDERS), "--batch-size", BATCH)
        client(*submit, "--no-wait", "--instance-id", "middle")
        wait_for_metric(stack, 20, "scheduler_rpcs_total", **DONE)
        ran = run_command(data_of(stack), "backup", tmp_path / "middle.backup")
        assert ran.code == 0, ran.err
        client("wait", "middle", "--timeout", 60)
        expected = client("results", "middle", "--format", "csv").out
    assert expected.count("\n") == ORDERS + 1

    where = tmp_path / "elsewhere"
    with (
        restored(new_stack, tmp_path / "middle.backup", where) as stack,
        hub_of(stack) as hub,
    ):
        hub.until_it_is("RUNNING", "middle")
        stack.start_worker(1)
        client = CommandLine(stack.environment)
        ran_there = client("wait", "middle", "--timeout", 60, "--json")
        assert ran_there.document["orders"] == ORDERS
        assert client("results", "middle", "--format", "csv").out == expected
        batches = [child_instance_id("middle", n) for n in range(1, ORDERS // BATCH + 1)]
        for instance_id in ["middle", *batches]:
            assert_every_task_ended_once(hub.client.get_orchestration_history(instance_id))


def naps_and_waits(ctx: task.OrchestrationContext, _: object) -> Steps:
    """A timer, then an event, and a call of an entity with it."""
    ctx.set_custom_status("naps")
    yield ctx.create_timer(timedelta(seconds=4))
    said = yield ctx.wait_for_external_event(GO)
    return (yield ctx.call_entity(cell_id("kept"), "append", said))


def test_timers_events_and_entities_of_a_copy_go_on(new_stack: StackMaker, tmp_path: Path) -> None:
    file = tmp_path / "hub.backup"
    with (
        new_stack(workers=0) as stack,
        hub_of(stack) as hub,
        hub.worker(orchestrators=[naps_and_waits], entities=[cell]),
    ):
        hub.client.signal_entity(cell_id("kept"), "append", "before")
        hub.until(lambda: value_of(hub, "kept"))
        hub.client.schedule_new_orchestration(naps_and_waits, instance_id="nap")
        hub.until_status("nap", "naps")
        hub.client.raise_orchestration_event("nap", GO, data="during")
        assert run_command(data_of(stack), "backup", file).code == 0
        hub.client.signal_entity(cell_id("kept"), "append", "after")
        hub.until(lambda: value_of(hub, "kept") == ["before", "after"])
        # As if the machine were lost.
        end(stack.process("scheduler"))
    with (
        restored(new_stack, file, tmp_path / "new") as stack,
        hub_of(stack) as hub,
        hub.worker(orchestrators=[naps_and_waits], entities=[cell]),
    ):
        # What came after the backup is forgotten, and nothing else.
        assert hub.ended("nap").get_output() == ["before", "during"]
        assert value_of(hub, "kept") == ["before", "during"]


class Flood:
    """Starts instances on a thread until it is stopped; `number` of them were acknowledged."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._stopped = threading.Event()
        self.number = 0

    def run(self) -> None:
        """Until `stop`."""
        with self._hub.stub() as stub:
            while not self._stopped.is_set():
                instance_id = f"n-{self.number}"
                stub.StartInstance(
                    pb.CreateInstanceRequest(
                        instanceId=instance_id, name="waits_for_go", input=text(FILLING)
                    ),
                    timeout=20,
                )
                self.number += 1

    def stop(self) -> None:
        """Ends `run`."""
        self._stopped.set()


def test_backups_under_heavy_writes_are_whole_and_hold_what_was_acknowledged(
    new_stack: StackMaker, tmp_path: Path
) -> None:
    counted: list[tuple[int, int]] = []
    with (
        new_stack(workers=0) as stack,
        hub_of(stack) as hub,
        ThreadPoolExecutor(1) as pool,
    ):
        flood = Flood(hub)
        flooding = pool.submit(flood.run)
        try:
            for number in range(2):
                before = flood.number
                ran = run_command(data_of(stack), "backup", tmp_path / f"{number}.backup")
                assert ran.code == 0, ran.err
                counted.append((before, flood.number))
        finally:
            flood.stop()
        flooding.result()
        # It serves on, and neither did it wait for a backup.
        hub.client.schedule_new_orchestration(waits_for_go, instance_id="after")
    assert counted[-1][1] > counted[0][0]
    for number, (before, after) in enumerate(counted):
        with (
            restored(new_stack, tmp_path / f"{number}.backup", tmp_path / str(number)) as stack,
            hub_of(stack) as hub,
        ):
            found = [it.instance_id for it in hub.client.get_all_orchestration_states()]
            assert set(found) == {f"n-{n}" for n in range(len(found))}
            # One more may have been acknowledged, and not counted yet.
            assert before <= len(found) <= after + 1


def test_every_hub_is_in_it_served_or_not(new_stack: StackMaker, tmp_path: Path) -> None:
    file, names = tmp_path / "all.backup", "default,other"
    with new_stack(workers=0, DTS_TASK_HUB_NAMES=names) as stack:
        furnish(stack)
        with hub_of(stack, "other") as other:
            other.client.schedule_new_orchestration(waits_for_go, instance_id="of other")
        end(stack.process("scheduler"))
        # Only one of them is served when it is made.
        stack.environment["DTS_TASK_HUB_NAMES"] = "default"
        stack.start_scheduler()
        ran = run_command(data_of(stack), "backup", file)
        assert ran.code == 0, ran.err
        told = [line.split()[0] for line in ran.err.splitlines()[1:]]
        assert told == ["default", "other", "payloads"]
    with restored(new_stack, file, tmp_path / "new", DTS_TASK_HUB_NAMES=names) as stack:
        with hub_of(stack, "other") as other, other.worker(orchestrators=[waits_for_go]):
            other.client.raise_orchestration_event("of other", GO, data=7)
            assert other.ended("of other").get_output() == 7
        with hub_of(stack) as hub:
            state = hub.client.get_orchestration_state("waits")
            assert state is not None
            assert state.runtime_status.name == "PENDING"


def test_a_backup_of_a_scheduler_that_was_killed_holds_what_it_acknowledged(
    new_stack: StackMaker, tmp_path: Path
) -> None:
    with new_stack(workers=0) as stack:
        furnish(stack)
        end(stack.process("scheduler"))
        assert run_command(data_of(stack), "backup", tmp_path / "killed.backup").code == 0
    with (
        restored(new_stack, tmp_path / "killed.backup", tmp_path / "new") as stack,
        hub_of(stack) as hub,
    ):
        names = {it.instance_id for it in hub.client.get_all_orchestration_states()}
        assert names >= {"done-0", "holds", "sleeps", "runs", "waits"}


def test_nothing_is_restored_under_a_scheduler(new_stack: StackMaker, tmp_path: Path) -> None:
    with new_stack(workers=0) as stack, hub_of(stack) as hub:
        assert run_command(data_of(stack), "backup", tmp_path / "hub.backup").code == 0
        ran = run_command(data_of(stack), "restore", tmp_path / "hub.backup")
        assert ran.code == 2
        assert "is in use by another scheduler" in ran.err
        assert hub.client.get_orchestration_state("none") is None
