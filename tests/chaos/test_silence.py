import json
import socket
import subprocess
import sys
from pathlib import Path

from scripts.local_stack import ROOT, LocalStack
from tests.chaos.leaks import holding
from tests.chaos.relay import Relay
from tests.e2e.conftest import FAST
from tests.e2e.processes import end, wait_until
from tests.e2e.schedulers import kill_and_start, metric

# A keepalive is 10 s and 5 s for its answer; a second of pauses, and a machine that is slow.
_FOUND_SECONDS_MAX = 45
_CROWD = 100
# A client has 10 s for its first words.
_SAYS_NOTHING = 15.0
# Of who asks for metrics meanwhile.
_FILES_OF_OTHERS = 2


def test_a_worker_finds_that_its_connection_is_dead_though_nobody_tells_it(tmp_path: Path) -> None:
    """Its scheduler was ended while the network was away: no end of the connection ever came."""
    with (
        LocalStack(workers=0, logs=tmp_path, environment=FAST, usual_ports=False) as stack,
        Relay(stack.grpc_port) as relay,
    ):
        direct = stack.environment["ENDPOINT"]
        stack.environment["ENDPOINT"] = f"http://{relay.address}"
        stack.start_worker(1)
        stack.environment["ENDPOINT"] = direct
        wait_until(lambda: metric(stack, "scheduler_workers") == 1)
        relay.fall_silent()
        kill_and_start(stack)
        stack.environment["ENDPOINT"] = direct
        assert metric(stack, "scheduler_workers") == 0
        state = json.loads((tmp_path / "worker-1.json").read_text())
        assert state["link"] == "connected"
        wait_until(lambda: metric(stack, "scheduler_workers") == 1, seconds=_FOUND_SECONDS_MAX)
        end(stack.process("worker-1"))


def test_a_crowd_that_vanishes_without_a_word_leaves_nothing(tmp_path: Path) -> None:
    """No end of any connection ever came: neither for those in a call, nor for one that worked."""
    with (
        LocalStack(workers=0, logs=tmp_path, environment=FAST, usual_ports=False) as stack,
        Relay(stack.grpc_port) as relay,
    ):
        scheduler = stack.process("scheduler").pid
        before = holding(scheduler).files
        direct = stack.environment["ENDPOINT"]
        stack.environment["ENDPOINT"] = f"http://{relay.address}"
        stack.start_worker(1)
        stack.environment["ENDPOINT"] = direct
        wait_until(lambda: metric(stack, "scheduler_workers") == 1)
        _host, port = relay.address.split(":")
        command = [sys.executable, "-m", "tests.chaos.crowd", "127.0.0.1", port, str(_CROWD)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as crowd:
            assert crowd.stdout is not None
            assert crowd.stdout.readline() == f"{_CROWD} are there\n".encode()
            wait_until(lambda: metric(stack, "scheduler_open_rpcs") > _CROWD)
            relay.fall_silent()
            crowd.kill()
        end(stack.process("worker-1"))
        wait_until(
            lambda: holding(scheduler).files <= before + _FILES_OF_OTHERS,
            seconds=_FOUND_SECONDS_MAX,
        )
        assert metric(stack, "scheduler_workers") == 0
        wait_until(lambda: metric(stack, "scheduler_open_rpcs") == 0)


def test_who_connects_and_says_nothing_is_let_go(tmp_path: Path) -> None:
    with (
        LocalStack(workers=0, logs=tmp_path, environment=FAST, usual_ports=False) as stack,
        socket.create_connection(("127.0.0.1", stack.grpc_port), timeout=_SAYS_NOTHING) as idle,
    ):
        # The scheduler says hello first, and then ends it.
        while idle.recv(4096):
            pass
