import json
from pathlib import Path

from scripts.local_stack import LocalStack
from tests.chaos.relay import Relay
from tests.e2e.conftest import FAST
from tests.e2e.processes import end, wait_until
from tests.e2e.schedulers import kill_and_start, metric

# A keepalive is 10 s and 5 s for its answer; a second of pauses, and a machine that is slow.
_FOUND_SECONDS_MAX = 45


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
