import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from scripts.local_stack import GRPC_PORT, ROOT
from tests.e2e.conftest import FAST, StackMaker
from tests.e2e.processes import (
    children_of,
    end,
    is_alive,
    kill_all,
    wait_for_line,
    wait_until,
)

OrdersFile = Callable[..., Path]


def make(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],  # noqa: S607 - make is found on PATH
        cwd=ROOT,
        env=os.environ | FAST | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def taken_port() -> Iterator[None]:
    """The usual gRPC port, held by somebody else (or by whoever holds it already)."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", GRPC_PORT))
        except OSError:
            pass
        else:
            holder.listen()
        yield


def test_make_prints_its_targets() -> None:
    printed = make().stdout
    for target in ("demo", "dev", "dashboard", "up", "submit", "scale", "down", "test", "check"):
        assert re.search(rf"^  make {target} +\S", printed, flags=re.MULTILINE)
    # A terminal has 80 columns.
    assert max(map(len, printed.splitlines())) <= 80


def test_the_demo_submits_the_sample_and_stops_everything() -> None:
    ran = make("demo")
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"orders +100 +in 10 batches", ran.stdout)
    assert "what next:" in ran.stdout


def test_the_demo_takes_other_ports_when_the_usual_ones_are_taken(taken_port: None) -> None:
    assert taken_port is None
    ran = make("demo", "WORKERS=1", "BATCH_SIZE=50")
    assert ran.returncode == 0, ran.stderr
    assert f"(port {GRPC_PORT} is taken)" in ran.stdout
    assert re.search(r"orders +100 +in 2 batches", ran.stdout)


def test_the_demo_takes_a_path_with_blanks_and_quotes(
    tmp_path: Path, orders_file: OrdersFile
) -> None:
    path = tmp_path / "Ada's orders.csv"
    shutil.copy(orders_file("blanks", 7), path)
    ran = make("demo", f"ORDERS={path}")
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"orders +7 +in 1 batch\b", ran.stdout)


@pytest.mark.parametrize("row", ["", "A1,Ada,book,none,1.00,EUR\n"], ids=["header", "row"])
def test_a_demo_of_bad_orders_tells_what_is_wrong_and_starts_nothing(
    tmp_path: Path, row: str
) -> None:
    path = tmp_path / "bad.csv"
    header = "order_id,customer,sku,quantity,unit_price,currency" if row else "order_id,customer"
    path.write_text(f"{header}\n{row}")
    ran = make("demo", f"ORDERS={path}")
    assert ran.returncode == 2
    told = "line 2: quantity must be a whole number" if row else "line 1: missing columns"
    assert told in ran.stderr
    assert "--skip-invalid" not in ran.stderr
    assert ran.stdout == ""


def test_a_demo_with_a_bad_batch_size_is_refused_before_anything_starts() -> None:
    ran = make("demo", "BATCH_SIZE=many")
    assert ran.returncode == 2
    assert "BATCH_SIZE must be a whole number from 1 to 1,000 (got 'many')" in ran.stderr
    assert ran.stdout == ""


@pytest.mark.parametrize("lines", [1, 4])
def test_a_reader_that_goes_away_ends_the_demo_quietly_and_all_of_it(lines: int) -> None:
    demo = subprocess.Popen(
        ["make", "--no-print-directory", "demo"],  # noqa: S607 - make is found on PATH
        cwd=ROOT,
        env=os.environ | FAST,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert demo.stdout is not None
        assert demo.stderr is not None
        for _ in range(lines):
            demo.stdout.readline()
        family = children_of(demo.pid)
        demo.stdout.close()
        told = demo.stderr.read()
        demo.stderr.close()
        assert demo.wait(30) == 0
        assert "Error" not in told
        assert "what the stack logged" not in told
        wait_until(lambda: not any(is_alive(pid) for pid in family))
    finally:
        end(demo)


def test_a_demo_with_a_bad_number_of_workers_is_refused() -> None:
    ran = make("demo", "WORKERS=none")
    assert ran.returncode == 2
    assert "WORKERS must be a whole number from 1 to 32" in ran.stderr


def test_a_demo_whose_workers_cannot_start_shows_their_logs() -> None:
    # One: of two, either may be the first to end, and the other has logged nothing then.
    ran = make("demo", FAILURE_RATE="2", WORKERS="1")
    assert ran.returncode == 2  # make's own; the demo's is 1
    assert "worker-1" in ran.stderr
    assert "FAILURE_RATE='2': a number from 0 to 1" in ran.stderr


def test_a_demo_whose_scheduler_cannot_start_shows_its_log() -> None:
    ran = make("demo", LOG_LEVEL="deafening")
    assert ran.returncode == 2
    assert "the scheduler did not start" in ran.stderr
    assert "LOG_LEVEL='deafening'" in ran.stderr


def command_of(pid: int) -> bytes:
    """A process's command line."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


@contextmanager
def demo_of_slow_orders(log: Path, orders: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A demo that waits for its orders, as the first of a process group."""
    with log.open("wb") as stream:
        demo = subprocess.Popen(
            [sys.executable, "-m", "scripts.demo", "--orders", str(orders)],
            cwd=ROOT,
            env=os.environ | {"PROCESSING_MS": "60000", "WORKER_GRACE_SECONDS": "2"},
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        wait_for_line(log, "of 5 orders")
        yield demo
    finally:
        end(demo)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("impatient", [False, True])
def test_a_demo_that_is_stopped_leaves_no_process_behind(
    tmp_path: Path, orders_file: OrdersFile, number: signal.Signals, *, impatient: bool
) -> None:
    with demo_of_slow_orders(tmp_path / "demo.log", orders_file("stopped", 5)) as demo:
        family = children_of(demo.pid)
        assert len(family) == 4  # a scheduler, two workers and the client
        os.killpg(demo.pid, number)
        if impatient:
            # The client is the first to go: then the demo is stopping the others.
            wait_until(lambda: not is_alive(family[-1]))
            os.killpg(demo.pid, number)
        assert demo.wait(20) == 130
        wait_until(lambda: not any(is_alive(pid) for pid in family))
    told = (tmp_path / "demo.log").read_text()
    assert told.endswith("the demo is over: nothing of it is kept\n")
    # There is no scheduler any more on which it could.
    assert "goes on without you" not in told
    assert "come back" not in told


def test_a_demo_that_is_killed_leaves_no_process_behind(
    tmp_path: Path, orders_file: OrdersFile
) -> None:
    with demo_of_slow_orders(tmp_path / "demo.log", orders_file("killed", 5)) as demo:
        family = children_of(demo.pid)
        try:
            demo.kill()
            wait_until(lambda: not any(is_alive(pid) for pid in family))
        finally:
            kill_all(family)


def look(url: str) -> str:
    """The page at an address of this machine."""
    with urlopen(url, timeout=10) as response:  # noqa: S310 - ours, on this machine
        assert response.status == 200
        return str(response.read().decode())


def test_a_demo_that_is_kept_leads_to_the_timeline_and_ends_well_on_ctrl_c(
    tmp_path: Path, orders_file: OrdersFile
) -> None:
    log = tmp_path / "demo.log"
    with log.open("wb") as stream:
        demo = subprocess.Popen(
            ["make", "demo", "KEEP=1", f"ORDERS={orders_file('kept', 300)}"],  # noqa: S607 - make is found on PATH
            cwd=ROOT,
            env=os.environ | FAST | {"FAILURE_RATE": "1"},
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        wait_for_line(log, "Ctrl-C ")
        hint = re.search(r"^results +(.*)$", log.read_text(), re.MULTILINE)
        assert hint is not None, log.read_text()
        results = subprocess.run(
            ["sh", "-c", hint[1]],  # noqa: S607 - as a person types it
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert "kept-300" in results.stdout
        link = re.search(
            r"^timeline +(http://\S+/(orders-\w+)\?tab=timeline)$", log.read_text(), re.MULTILINE
        )
        assert link is not None, log.read_text()
        assert link[2] in look(link[1])
        [python] = [pid for pid in children_of(demo.pid) if b"scripts.demo" in command_of(pid)]
        family = children_of(python)
        assert len(family) == 4  # a scheduler, two workers and the dashboard
        os.kill(python, signal.SIGINT)
        assert demo.wait(20) == 0
        wait_until(lambda: not any(is_alive(pid) for pid in family))
    finally:
        end(demo)


def test_a_kept_demo_ends_when_a_part_of_it_does(tmp_path: Path, orders_file: OrdersFile) -> None:
    log = tmp_path / "demo.log"
    command = [
        sys.executable,
        "-m",
        "scripts.demo",
        "--keep",
        "--orders",
        str(orders_file("part", 3)),
    ]
    with log.open("wb") as stream:
        demo = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | FAST, stdout=stream, stderr=stream
        )
    try:
        wait_for_line(log, "Ctrl-C ")
        [dashboard] = [
            pid for pid in children_of(demo.pid) if b"services.dashboard" in command_of(pid)
        ]
        os.kill(dashboard, signal.SIGKILL)
        assert demo.wait(20) == 1
        assert "dashboard ended, and the demo with it" in log.read_text()
    finally:
        end(demo)


def test_demos_at_the_same_time_have_a_scheduler_each() -> None:
    demos = [
        subprocess.Popen(
            [sys.executable, "-m", "scripts.demo", "--workers", "1"],
            cwd=ROOT,
            env=os.environ | FAST,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    outputs = [demo.communicate(timeout=60)[0] for demo in demos]
    assert [demo.returncode for demo in demos] == [0, 0, 0]
    schedulers = {re.search(r"scheduler +(\S+)", output)[1] for output in outputs}  # type: ignore[index]  # it is there
    assert len(schedulers) == 3


def test_make_worker_connects_to_endpoint_and_task_hub(
    tmp_path: Path, new_stack: StackMaker
) -> None:
    log = tmp_path / "worker.log"
    with new_stack(workers=0, DTS_TASK_HUB_NAMES="mine") as stack, log.open("wb") as stream:
        worker = subprocess.Popen(
            ["make", "worker"],  # noqa: S607 - make is found on PATH
            cwd=ROOT,
            env=os.environ | {"ENDPOINT": stack.endpoint, "TASKHUB": "mine"},
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
        try:
            wait_for_line(log, f"connected to {stack.endpoint} (task hub mine)")
            os.killpg(worker.pid, signal.SIGTERM)
            worker.wait(20)
        finally:
            end(worker)


def test_make_dashboard_asks_the_scheduler_that_it_is_told(
    tmp_path: Path, new_stack: StackMaker
) -> None:
    log = tmp_path / "dashboard.log"
    with new_stack(workers=0) as stack, log.open("wb") as stream:
        settings = {"SCHEDULER_HTTP_ENDPOINT": f"http://127.0.0.1:{stack.http_port}"}
        dashboard = subprocess.Popen(
            ["make", "dashboard"],  # noqa: S607 - make is found on PATH
            cwd=ROOT,
            env=os.environ | settings | {"DASHBOARD_PORT": "0"},
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
        try:
            wait_for_line(log, f"scheduler {settings['SCHEDULER_HTTP_ENDPOINT']}")
            link = re.search(r"ready: dashboard on (\S+),", log.read_text())
            assert link is not None
            assert "default" in look(f"{link[1]}/")
            os.killpg(dashboard.pid, signal.SIGTERM)
            dashboard.wait(20)
        finally:
            end(dashboard)


def test_a_second_setup_does_nothing() -> None:
    ran = make("setup")
    assert ran.returncode == 0
    assert "install" not in ran.stdout
