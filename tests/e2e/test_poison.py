import queue
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from scripts.local_stack import LocalStack
from tests.conformance.hub import Hub
from tests.conformance.raw_worker import (
    IDLE_SECONDS,
    RawWorker,
    asks_for,
    finishes,
    raw_worker,
    schedules,
    seconds_since,
    start,
)
from tests.e2e.conftest import StackMaker
from tests.e2e.odd_worker import runs_all
from tests.e2e.processes import wait_until
from tests.e2e.schedulers import data_of, hub_of, kill_and_start, metric
from tests.e2e.test_durability import notes_of, odd_worker
from tests.sdk_worker import LARGE_PARTS, grows

# The delays between ten deliveries add up to 64 s: 0.5 s after the third, then twice as long each.
# The SDK pauses too, up to 30 s, before it opens a stream again that it has lost.
GIVEN_UP_SECONDS = 240
DELIVERIES = 10


@contextmanager
def respawned(stack: LocalStack, folder: Path) -> Iterator[None]:
    """A worker that is started again whenever it ends, as a container is."""
    over = threading.Event()

    def keep() -> None:
        while not over.is_set():
            with odd_worker(stack, folder) as worker:
                while worker.poll() is None and not over.wait(0.05):
                    pass

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()


def failure_of(hub: Hub, instance_id: str) -> str:
    """How an instance failed."""
    state = hub.ended(instance_id, seconds=GIVEN_UP_SECONDS)
    assert state.runtime_status.name == "FAILED"
    assert state.failure_details is not None
    return state.failure_details.message


@pytest.mark.slow  # 64 s of growing delays between the deliveries
@pytest.mark.timeout(300)
def test_an_activity_that_kills_its_worker_is_given_up_and_the_others_complete(
    new_stack: StackMaker, tmp_path: Path
) -> None:
    with new_stack(workers=0) as stack, hub_of(stack) as hub, respawned(stack, tmp_path):
        run = hub.client.schedule_new_orchestration
        poison = run(runs_all, input={"activity": "dies", "inputs": ["poison"]})
        others = [
            run(runs_all, input={"activity": "works", "inputs": list(range(10))}) for _ in range(20)
        ]
        for instance_id in others:
            assert hub.ended(instance_id).get_output() == list(range(10))
        message = failure_of(hub, poison)
        assert f"ended the worker's stream {DELIVERIES} times running" in message
        notes = (tmp_path / "notes").read_text().splitlines()
        assert sum(line.startswith("begin poison ") for line in notes) == DELIVERIES
        # Whoever comes after it finds a worker that is as good as new.
        again = run(runs_all, input={"activity": "works", "inputs": [1]})
        assert hub.ended(again).get_output() == [1]


@pytest.mark.slow  # 64 s of growing delays between the deliveries
@pytest.mark.timeout(300)
def test_a_work_item_that_is_too_large_for_its_worker_is_given_up_and_the_others_complete(
    new_stack: StackMaker, tmp_path: Path
) -> None:
    with new_stack(workers=0) as stack, hub_of(stack) as hub, odd_worker(stack, tmp_path) as worker:
        run = hub.client.schedule_new_orchestration
        poison = run(grows)
        began, count = time.monotonic(), 0
        while hub.client.get_orchestration_state(poison).runtime_status.name != "FAILED":  # type: ignore[union-attr]  # it is there
            assert seconds_since(began) < GIVEN_UP_SECONDS
            other = run(runs_all, input={"activity": "works", "inputs": [count]})
            # As long as the SDK may pause before it opens its stream again.
            assert hub.ended(other, seconds=60).get_output() == [count]
            count += 1
            time.sleep(0.2)  # others come and go all the time, but do not fill the machine
        assert seconds_since(began) > 30
        message = failure_of(hub, poison)
        assert "GrpcChannelOptions(max_receive_message_length=-1)" in message
        size = int(message.split("The work item of ")[1].split(" bytes")[0])
        assert 4 * 2**20 < size < (LARGE_PARTS + 1) * 2**20
        assert worker.poll() is None
        assert notes_of(tmp_path, "begin") == count


def lose(hub: Hub, activity: str, times: int) -> None:
    """Takes an activity and vanishes, so often."""
    for _ in range(times):
        with raw_worker(hub, activities=[activity]) as worker:
            worker.item()


def start_activity(hub: Hub, activity: str, count: int = 1) -> str:
    """An orchestration that has scheduled activities, and waits for them; its id."""
    with raw_worker(hub, orchestrations=["poisoned"]) as worker:
        instance_id = start(hub, "poisoned")
        worker.decide(worker.item(), *(schedules(n, activity) for n in range(1, count + 1)))
    return instance_id


def test_what_ended_its_streams_is_delayed_longer_and_longer(new_stack: StackMaker) -> None:
    with new_stack(workers=0) as stack, hub_of(stack) as hub:
        start_activity(hub, "poison")
        lose(hub, "poison", 3)
        for least in (0.4, 0.9):
            began = time.monotonic()
            lose(hub, "poison", 1)
            assert seconds_since(began) > least


def deliveries_in(database: Path) -> int:
    """What the row of the one open activity counts."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT deliveries FROM activities").fetchone()[0])


def test_the_count_survives_the_scheduler(new_stack: StackMaker) -> None:
    with new_stack(workers=0) as stack:
        with hub_of(stack) as hub:
            start_activity(hub, "poison")
            lose(hub, "poison", 4)
            # The stream is lost here before the scheduler has noticed and written it down.
            wait_until(lambda: deliveries_in(data_of(stack) / "default.db") == 4)
        kill_and_start(stack)
        with hub_of(stack) as hub:
            lose(hub, "poison", 1)
            began = time.monotonic()
            lose(hub, "poison", 1)
            # As after five running; were they forgotten, it would come at once.
            assert seconds_since(began) > 1.8


def test_the_count_of_an_orchestration_ends_with_a_turn(new_stack: StackMaker) -> None:
    with new_stack(workers=0) as stack, hub_of(stack) as hub:
        instance_id = start(hub, "poisoned")
        for turn in range(3):
            for _ in range(2):
                with raw_worker(hub, orchestrations=["poisoned"]) as worker:
                    worker.item()
            began = time.monotonic()
            with raw_worker(hub, orchestrations=["poisoned"]) as worker:
                worker.decide(worker.item())
            # Two are no reason for suspicion, however many there were before a good answer.
            assert seconds_since(began) < 0.4, turn
            hub.client.raise_orchestration_event(instance_id, "go on")


def test_what_is_under_suspicion_is_delivered_alone(new_stack: StackMaker) -> None:
    with new_stack(workers=0) as stack, hub_of(stack) as hub:
        start_activity(hub, "poison")
        lose(hub, "poison", 3)
        start_activity(hub, "good", 3)
        with raw_worker(hub, activities=["poison", "good"], limits=(1, 3, 1)) as worker:
            goods = worker.items(3)
            assert {item.activityRequest.name for item in goods} == {"good"}
            worker.answer(goods[0], "1")
            worker.answer(goods[1], "1")
            with pytest.raises(queue.Empty):
                worker.item(1)  # longer than its delay
            worker.answer(goods[2], "1")
            assert worker.item().activityRequest.name == "poison"


@pytest.mark.parametrize("ending", ["a late result", "a termination"])
def test_a_worker_kept_free_for_a_suspect_that_is_no_more_works_on(
    new_stack: StackMaker, ending: str
) -> None:
    """A worker that drains ends its stream first and sends its results after."""
    with new_stack(workers=0) as stack, hub_of(stack) as hub, ExitStack() as opened:
        instance_id = start_activity(hub, "poison")
        lose(hub, "poison", 2)
        draining = RawWorker(opened.enter_context(hub.stub()), asks_for(activities=["poison"]))
        late = draining.item()
        start_activity(hub, "held")
        names = {"activities": ["poison", "held", "new"]}
        worker = opened.enter_context(raw_worker(hub, **names))
        assert worker.item().activityRequest.name == "held"
        draining.close()
        # The suspect waits for the worker to finish what it holds: it must not be given more.
        with pytest.raises(queue.Empty):
            worker.item(2 * IDLE_SECONDS)
        if ending == "a late result":
            draining.answer(late, "1")
        else:
            hub.client.terminate_orchestration(instance_id)
        start_activity(hub, "new")
        assert worker.item(5).activityRequest.name == "new"
        assert metric(stack, "scheduler_work_items_waiting", kind="activity") == 0


def test_a_late_result_clears_the_count_and_counts_once(new_stack: StackMaker) -> None:
    with new_stack(workers=0) as stack, hub_of(stack) as hub, hub.stub() as stub:
        instance_id = start_activity(hub, "poison")
        lose(hub, "poison", 3)
        draining = RawWorker(stub, asks_for(activities=["poison"]))
        late = draining.item()
        draining.close()
        draining.answer(late, '"late"')
        draining.answer(late, '"later"')
        with raw_worker(hub, orchestrations=["poisoned"], activities=["poison"]) as worker:
            item = worker.item()
            assert item.orchestratorRequest.newEvents[-1].taskCompleted.result.value == '"late"'
            worker.decide(item, finishes(2))
            hub.ended(instance_id)
            with pytest.raises(queue.Empty):
                worker.item(2)  # longer than its delay
