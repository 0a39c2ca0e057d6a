import json
import os
import shutil
import time
from pathlib import Path

import pytest

from services.worker.state import BEAT_AGE_SECONDS_MAX, StateKeeper, WorkerState, read_state


def state(*, link: str = "connected", activities: int = 0, age: float = 0.0) -> WorkerState:
    return WorkerState(pid=1, link=link, activities=activities, beat=100.0 - age)  # type: ignore[arg-type]  # any link


@pytest.mark.parametrize(
    ("reading", "healthy"),
    [
        (state(), True),
        (state(link="draining"), True),
        (state(link="connecting"), False),
        (state(link="connecting", activities=1), True),
        (state(age=BEAT_AGE_SECONDS_MAX + 1), False),
        (state(age=-1), False),
    ],
)
def test_a_worker_is_healthy_while_it_is_connected_or_working(
    reading: WorkerState, *, healthy: bool
) -> None:
    assert reading.verdict(100.0)[0] is healthy


def test_the_file_tells_what_the_keeper_was_told(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    keeper = StateKeeper(path, scheduler="somewhere")
    keeper.beat()
    assert read_state(path).link == "connecting"
    keeper.connected()
    before = time.monotonic()
    assert read_state(path).link == "connected"
    assert read_state(path).pid == os.getpid()
    keeper.disconnected()
    assert read_state(path).link == "connecting"
    keeper.beat()
    assert read_state(path).beat >= before


def test_a_worker_goes_on_when_its_state_can_no_longer_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    keeper = StateKeeper(folder / "state.json", scheduler="somewhere")
    keeper.start()
    shutil.rmtree(folder)
    keeper.beat()
    keeper.connected()
    folder.mkdir()
    keeper.beat()
    assert read_state(folder / "state.json").link == "connected"


def test_what_is_no_file_is_never_replaced_by_one(tmp_path: Path) -> None:
    pipe = tmp_path / "state.json"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, Path("/")):
        with pytest.raises(OSError, match="is no regular file"):
            StateKeeper(path, scheduler="somewhere").start()
    assert pipe.is_fifo()


def test_a_draining_worker_stays_draining_when_its_stream_ends(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    keeper = StateKeeper(path, scheduler="somewhere")
    keeper.connected()
    keeper.draining()
    keeper.disconnected()
    assert read_state(path).link == "draining"


def test_activities_are_counted_while_they_run_and_keep_their_names(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    keeper = StateKeeper(path, scheduler="somewhere")

    def process_order(fail: bool) -> int:  # noqa: FBT001 - an activity takes one positional input
        keeper.beat()
        if fail:
            raise ValueError("no luck")
        return read_state(path).activities

    counted = keeper.counted(process_order)
    assert counted.__name__ == "process_order"
    assert counted(False) == 1  # noqa: FBT003 - an activity takes one positional input
    with pytest.raises(ValueError, match="no luck"):
        counted(True)  # noqa: FBT003 - an activity takes one positional input
    assert keeper.activities == 0


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", json.dumps({"pid": 1})])
def test_a_file_without_a_state_is_told_apart_from_a_state(tmp_path: Path, content: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(content)
    with pytest.raises((ValueError, OSError)):
        read_state(path)
