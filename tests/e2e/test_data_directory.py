import hashlib
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb

from scripts.local_stack import LocalStack
from tests.conformance.cell import cell, cell_id
from tests.conformance.hub import Hub
from tests.conformance.raw_worker import raw_worker, schedules, start, text
from tests.conformance.waiting import echo
from tests.e2e.conftest import StackMaker
from tests.e2e.schedulers import data_of, hub_of, run_scheduler

LARGE = '"' + "x" * 200_000 + '"'


@pytest.fixture(scope="module")
def used(new_stack: StackMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a scheduler leaves behind that had finished, waiting and running instances."""
    with new_stack(workers=0) as stack:
        names = ["runs", "continues"]
        with hub_of(stack) as hub, raw_worker(hub, orchestrations=names) as worker:
            with hub.worker(orchestrators=[echo], entities=[cell]):
                for number in range(20):
                    hub.ran(echo, input="x" * 3_000, instance_id=f"done-{number}")
                hub.client.signal_entity(cell_id("kept"), "set", 1)
                hub.until(lambda: hub.client.get_entity(cell_id("kept")))
            start(hub, "runs", "runs")
            worker.decide(worker.item(), schedules(1, "nobody"))
            start(hub, "continues", "continues")
            worker.decide(worker.item())
            hub.client.raise_orchestration_event("continues", "go")
        stack.stop()
        return Path(shutil.copytree(data_of(stack), tmp_path_factory.mktemp("used") / "data"))


@pytest.fixture
def data(used: Path, tmp_path: Path) -> Path:
    """A data directory of a test's own, with things in it."""
    return Path(shutil.copytree(used, tmp_path / "data"))


def digests(data: Path) -> dict[str, str]:
    """What every file holds, by name; files that hold no data are left out."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in data.iterdir()
        if path.stat().st_size and not path.name.endswith(("-shm", ".lock"))
    }


def assert_told_in_one_line(ran: "subprocess.CompletedProcess[str]", pattern: str) -> None:
    """The exit code of what cannot start, and one line that says why."""
    assert ran.returncode == 2, ran.stderr
    # gRPC itself logs a port that is taken, in a line of its own format.
    told = [line for line in ran.stderr.splitlines() if " add_port.cc:" not in line]
    heading, *lines = told
    assert heading == "the scheduler cannot start:"
    assert len(lines) == 1, ran.stderr
    assert re.search(pattern, lines[0])
    assert ran.stdout == ""


def change(file: Path, statement: str) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute(statement)
    connection.close()


def overwrite(file: Path, at: int, what: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(what)


def be_foreign(file: Path) -> None:
    file.unlink()
    change(file, "CREATE TABLE mine (id INTEGER)")


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "newer": (
        lambda file: change(file, "PRAGMA user_version = 99"),
        r"default\.db: a newer version of the scheduler made it \(schema 99, this one knows \d+\)",
    ),
    "damaged header": (
        lambda file: overwrite(file, 0, b"\xff" * 100),
        r"default\.db: it is damaged, or no SQLite file",
    ),
    "cut off": (
        lambda file: os.truncate(file, 60),
        r"default\.db: it is damaged, or no SQLite file",
    ),
    "no database": (
        lambda file: file.write_text("Dear diary, " * 100),
        r"default\.db: it is damaged, or no SQLite file",
    ),
    "foreign": (be_foreign, r"default\.db: it is not a task hub's file"),
    "missing table": (
        lambda file: change(file, "DROP TABLE alarms"),
        r"default\.db: its tables are not those of a task hub",
    ),
    "missing index": (
        lambda file: change(file, "DROP INDEX alarms_by_due"),
        r"default\.db: its tables are not those of a task hub",
    ),
    "damaged schema": (
        lambda file: overwrite(file, 100, b"\xff" * 2_000),
        r"default\.db: (database disk image is malformed|file is not a database)",
    ),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_file_that_cannot_be_trusted_is_refused_and_left_as_it_is(data: Path, how: str) -> None:
    spoil, pattern = SPOILED[how]
    spoil(data / "default.db")
    before = digests(data)
    assert_told_in_one_line(run_scheduler(data), pattern)
    assert digests(data) == before


def test_one_bad_file_keeps_the_others_as_they_are(data: Path) -> None:
    (data / "other.db").write_text("Dear diary, " * 100)
    before = digests(data)
    ran = run_scheduler(data, DTS_TASK_HUB_NAMES="default,other")
    assert_told_in_one_line(ran, r"other\.db: it is damaged, or no SQLite file")
    assert digests(data) == before


def test_a_directory_in_use_is_refused_and_its_user_goes_on(new_stack: StackMaker) -> None:
    with new_stack(workers=0) as stack, hub_of(stack) as hub:
        start(hub, "kept", "kept")
        before = digests(data_of(stack))
        ran = run_scheduler(data_of(stack))
        assert_told_in_one_line(
            ran, r"the data directory \S+ is in use by another scheduler; .*SCHEDULER_DATA_DIR"
        )
        assert digests(data_of(stack)) == before
        start(hub, "kept", "as well")


def test_a_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for path in (file, file / "below"):
        ran = run_scheduler(path)
        assert_told_in_one_line(ran, rf"cannot use the data directory {re.escape(str(path))}: ")
    assert file.read_text() == "mine"


def mounted(path: Path, options: str) -> bool:
    """Mounts a file system that lives in memory, where this process may."""
    path.mkdir(exist_ok=True)
    if os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def remount(path: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(path)], check=True)  # noqa: S607 - mount is found on PATH


def small_disk(path: Path, size: str, *, in_ci: bool) -> Iterator[Path]:
    """A disk for the time of a test."""
    if not mounted(path, f"size={size}"):
        if in_ci:
            pytest.fail("this process may not mount a file system")
        pytest.skip("only root can mount a small disk")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)  # noqa: S607 - umount is found on PATH


@pytest.fixture
def disk(tmp_path: Path, *, in_ci: bool) -> Iterator[Path]:
    """A disk of 14 MiB; only root can make one."""
    yield from small_disk(tmp_path / "disk", "14m", in_ci=in_ci)


def test_a_directory_that_cannot_be_written_is_refused(disk: Path, used: Path) -> None:
    data = Path(shutil.copytree(used, disk / "data"))
    before = digests(data)
    remount(disk, "ro")
    assert_told_in_one_line(run_scheduler(data), r"cannot use the data directory \S+: Read-only")
    assert digests(data) == before
    ran = run_scheduler(disk / "new")
    assert_told_in_one_line(ran, r"cannot use the data directory \S+: Read-only")


@pytest.mark.parametrize("setting", ["SCHEDULER_GRPC_PORT", "SCHEDULER_HTTP_PORT"])
def test_a_port_in_use_is_refused_and_the_data_are_left_as_they_are(
    data: Path, setting: str
) -> None:
    before = digests(data)
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        ran = run_scheduler(data, **{setting: str(port)})
    assert_told_in_one_line(ran, rf"cannot listen on 127\.0\.0\.1:{port}: .*set {setting}")
    assert digests(data) == before


# Damage that shows only when something is read


def damage(file: Path, table: str) -> None:
    """Makes a table unreadable; the schema, which is on the first page, stays."""
    with sqlite3.connect(file) as connection:
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        page = connection.execute(query, (table,)).fetchone()[0]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert page > 1
    overwrite(file, (page - 1) * size, b"\xff" * size)


MET_AT_THE_START = [
    "activities",
    "alarms_by_due",
    "instances",
    "messages",
]


@pytest.mark.parametrize("table", MET_AT_THE_START)
def test_damage_that_the_start_meets_is_told_like_any_other(data: Path, table: str) -> None:
    damage(data / "default.db", table)
    before = digests(data)
    ran = run_scheduler(data)
    assert ran.returncode == 2, ran.stderr
    heading, line = ran.stderr.splitlines()[-2:]
    assert heading == "the scheduler cannot start:"
    assert re.search(r"cannot use \S+default\.db: .*malformed", line)
    assert "Traceback" not in ran.stderr
    assert digests(data) == before


def _get(hub: Hub) -> object:
    return hub.client.get_orchestration_state("done-7")


def _query(hub: Hub) -> object:
    return hub.client.get_all_orchestration_states()


def _history(hub: Hub) -> object:
    return hub.client.get_orchestration_history("done-7")


def _start(hub: Hub) -> object:
    return start(hub, "new")


def _list(hub: Hub) -> object:
    return hub.client.list_instance_ids()


def _turn(hub: Hub) -> object:
    names = {"orchestrations": ["runs"], "activities": ["nobody"]}
    with raw_worker(hub, **names) as worker:
        worker.answer(worker.item(seconds=10), "1")
        return worker.item(seconds=5)


def _connection(hub: Hub) -> object:
    with raw_worker(hub, orchestrations=["continues"]) as worker:
        return worker.item(seconds=5)


READS: dict[str, tuple[str, Callable[[Hub], object]]] = {
    "a list": ("instances_by_completion", _list),
    "a history": ("histories", _history),
    "a start": ("sqlite_autoindex_instances_1", _start),
    "a turn": ("histories", _turn),
    "a worker's connection": ("histories", _connection),
}


def assert_stopped_by(stack: LocalStack, pattern: str) -> None:
    """Exit code 2, and a last line that says why."""
    assert stack.process("scheduler").wait(10) == 2
    lines = [line.split(" | ", 1)[1] for line in stack.log_tail("scheduler").splitlines()]
    assert lines[-2] == "the scheduler has stopped:"
    assert re.search(pattern, lines[-1])


def caused(call: Callable[[Hub], object], hub: Hub) -> BaseException | None:
    try:
        call(hub)
    except Exception as error:  # noqa: BLE001 - whatever the client makes of a lost scheduler
        return error
    return None


@pytest.mark.parametrize("read", READS)
def test_damage_that_is_met_later_stops_the_scheduler(
    new_stack: StackMaker, data: Path, read: str
) -> None:
    table, call = READS[read]
    damage(data / "default.db", table)
    settings = {"SCHEDULER_DATA_DIR": str(data), "SCHEDULER_RETENTION_DAYS": "never"}
    with new_stack(workers=0, **settings) as stack, hub_of(stack) as hub:
        caused(call, hub)
        assert_stopped_by(stack, r"malformed")


@pytest.mark.parametrize("call", [_get, _query])
def test_damage_done_while_it_runs_stops_the_scheduler(
    new_stack: StackMaker, data: Path, call: Callable[[Hub], object]
) -> None:
    settings = {"SCHEDULER_DATA_DIR": str(data), "SCHEDULER_RETENTION_DAYS": "never"}
    with new_stack(workers=0, **settings) as stack, hub_of(stack) as hub:
        file = data / "default.db"
        overwrite(file, 4_096, b"\xff" * (file.stat().st_size - 4_096))
        assert isinstance(caused(call, hub), grpc.RpcError)
        assert_stopped_by(stack, r"malformed")


# A disk that is full


def starts_until(hub: Hub, enough: Callable[[], bool]) -> list[str]:
    """Starts instances with large inputs until one is not acknowledged; those that were."""
    ids: list[str] = []
    with hub.stub() as stub:
        while not enough():
            request = pb.CreateInstanceRequest(
                instanceId=f"large-{len(ids)}", name="large", input=text(LARGE)
            )
            try:
                stub.StartInstance(request, timeout=20)
            except grpc.RpcError:
                break
            ids.append(request.instanceId)
    return ids


def assert_all_there(hub: Hub, ids: list[str]) -> None:
    for instance_id in ids:
        state = hub.client.get_orchestration_state(instance_id)
        assert state is not None
        assert state.serialized_input == LARGE


def test_a_full_disk_stops_the_scheduler_and_costs_nothing(
    new_stack: StackMaker, disk: Path
) -> None:
    with new_stack(workers=0, SCHEDULER_DATA_DIR=str(disk)) as stack, hub_of(stack) as hub:
        ids = starts_until(hub, lambda: False)
        assert len(ids) > 10
        assert_stopped_by(stack, r"full|disk I/O")
        remount(disk, "size=100m")
        stack.start_scheduler()
        assert_all_there(hub, ids)
        with raw_worker(hub, orchestrations=["large"]) as worker:
            items = worker.items(len(ids))
        assert {item.orchestratorRequest.instanceId for item in items} >= set(ids)


def test_a_log_that_cannot_be_moved_into_its_file_stops_the_scheduler(
    new_stack: StackMaker, disk: Path
) -> None:
    with new_stack(workers=0, SCHEDULER_DATA_DIR=str(disk)) as stack, hub_of(stack) as hub:
        # As much as a log may hold, and less than the disk does: only the file finds no room.
        log = disk / "default.db-wal"
        ids = starts_until(hub, lambda: log.stat().st_size > 8 * 2**20)
        assert_stopped_by(stack, r"full|disk I/O")
        remount(disk, "size=100m")
        stack.start_scheduler()
        assert_all_there(hub, ids)


def test_a_stop_without_room_to_move_the_log_is_no_crash(new_stack: StackMaker, disk: Path) -> None:
    with new_stack(workers=0, SCHEDULER_DATA_DIR=str(disk)) as stack, hub_of(stack) as hub:
        log = disk / "default.db-wal"
        ids = starts_until(hub, lambda: log.stat().st_size > 4 * 2**20)
        (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - 2**20))
        scheduler = stack.process("scheduler")
        scheduler.send_signal(signal.SIGTERM)
        # What is acknowledged is in the log, whatever becomes of the file.
        assert scheduler.wait(10) in {0, 2}
        assert "Traceback" not in stack.log_tail("scheduler")
        remount(disk, "size=100m")
        stack.start_scheduler()
        assert_all_there(hub, ids)
