"""Schedulers and the directory of large payloads, as processes."""

from pathlib import Path

from scripts.local_stack import LocalStack
from services.shared.payload_files import PayloadFiles
from tests.e2e.conftest import StackMaker
from tests.e2e.processes import wait_for_line
from tests.e2e.schedulers import data_of, kill_and_start


def log_of(stack: LocalStack) -> Path:
    """What a stack's scheduler says."""
    return data_of(stack).parent / "scheduler.log"


def test_two_schedulers_that_share_a_directory_both_leave_it_alone(
    new_stack: StackMaker, tmp_path: Path
) -> None:
    payloads = tmp_path / "payloads"
    PayloadFiles(payloads).prepare()
    with new_stack(workers=0, PAYLOAD_STORE=str(payloads)) as first:
        log = log_of(first)
        assert "not collected" not in log.read_text()
        with new_stack(workers=0, PAYLOAD_STORE=str(payloads)) as second:
            told = f"payloads in {payloads} are not collected: {payloads} is also that of the data"
            wait_for_line(log_of(second), f"{told} directory {data_of(first).absolute()};")
        # It has seen the other come, and does not forget it.
        kill_and_start(first)
        wait_for_line(log, f"{told} directory {data_of(second).absolute()};")
        claims = sorted(path.read_text().strip() for path in (payloads / ".schedulers").iterdir())
        assert claims == sorted(str(data_of(stack).absolute()) for stack in (first, second))


def test_a_killed_scheduler_has_its_directory_again(new_stack: StackMaker, tmp_path: Path) -> None:
    payloads = tmp_path / "payloads"
    PayloadFiles(payloads).prepare()
    with new_stack(workers=0, PAYLOAD_STORE=str(payloads)) as stack:
        kill_and_start(stack)
        assert "not collected" not in log_of(stack).read_text()
        assert len(list((payloads / ".schedulers").iterdir())) == 1
