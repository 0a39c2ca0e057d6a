"""A disk that fails under a scheduler that serves: it says so and ends, and has lied to nobody."""

from pathlib import Path

import grpc
import pytest
from durabletask.internal import orchestrator_service_pb2 as pb

from tests.chaos.lone import Lone, lone_scheduler
from tests.conformance.hub import Hub

# No clock is wrong here, and nothing is a suspect.
ARGUMENTS = ("scheduler", "0", "0.5")
BEFORE = 20
_SECONDS = 20


def started_until_it_fails(
    hub: Hub, scheduler: Lone, command: str
) -> tuple[list[str], grpc.StatusCode]:
    """Starts one after the other, and breaks the disk after some.

    Those that were acknowledged, and what was said of the one that was not.
    """
    acknowledged: list[str] = []
    with hub.stub() as stub:
        while True:
            name = f"n-{len(acknowledged)}"
            try:
                request = pb.CreateInstanceRequest(instanceId=name, name="nobody")
                stub.StartInstance(request, timeout=_SECONDS)
            except grpc.RpcError as error:
                return acknowledged, error.code()
            acknowledged.append(name)
            if len(acknowledged) == BEFORE:
                scheduler.tell(command)


@pytest.mark.parametrize("command", ["disk fails", "disk turns read-only"])
def test_a_disk_that_fails_ends_the_scheduler_and_what_was_acknowledged_is_there(
    tmp_path: Path, command: str
) -> None:
    with lone_scheduler(tmp_path, *ARGUMENTS) as scheduler, scheduler.hub() as hub:
        acknowledged, told = started_until_it_fails(hub, scheduler, command)
        # Nobody is left to wait for what will never come.
        assert told is grpc.StatusCode.UNAVAILABLE
        assert scheduler.process.wait(_SECONDS) == 2
        *_, title, reason = scheduler.log.read_text().splitlines()
        assert title == "the scheduler has stopped:"
        assert "disk I/O error" in reason
    assert len(acknowledged) >= BEFORE
    with lone_scheduler(tmp_path, *ARGUMENTS) as scheduler, scheduler.hub() as hub:
        for name in acknowledged:
            assert hub.client.get_orchestration_state(name) is not None, name
