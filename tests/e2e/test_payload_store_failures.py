import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts.local_stack import ROOT, LocalStack
from services.shared.payload_files import PayloadFiles
from services.shared.payload_store import DirectoryPlace
from tests.conformance.hub import Hub
from tests.e2e.conftest import CommandLine, StackMaker
from tests.e2e.payload_programs import (
    BYTES_MAX,
    asks_box,
    files_of,
    grows,
    hub_with,
    kinds_of,
    measures,
    measures_again,
    store_of,
    waits,
    working,
)


@pytest.fixture(scope="module")
def stack(new_stack: StackMaker) -> Iterator[LocalStack]:
    """A scheduler without workers: each test brings its own."""
    with new_stack(workers=0) as stack:
        yield stack


@pytest.fixture
def hub(stack: LocalStack) -> Iterator[Hub]:
    with hub_with(stack.endpoint, DirectoryPlace(files_of(stack))) as hub:
        yield hub


@contextmanager
def without_room(files: PayloadFiles) -> Iterator[None]:
    """Nothing can be written: a file is where unfinished ones go, as permissions stop no root."""
    partial = files.directory / ".partial"
    if partial.exists():
        partial.rename(files.directory / "aside")
    partial.write_text("")
    try:
        yield
    finally:
        partial.unlink()
        if (files.directory / "aside").exists():
            (files.directory / "aside").rename(partial)


def failure_of(hub: Hub, instance_id: str) -> str:
    state = hub.ended(instance_id)
    assert state.runtime_status.name == "FAILED"
    assert state.failure_details is not None
    return f"{state.failure_details.error_type}: {state.failure_details.message}"


def test_a_result_that_cannot_be_stored_fails_its_activity_and_says_why(
    hub: Hub, stack: LocalStack
) -> None:
    files = files_of(stack)
    files.prepare()
    with working(hub, store_of(stack)), without_room(files):
        failure = failure_of(hub, hub.client.schedule_new_orchestration(measures, input=20_001))
    assert f"the payload store {files.directory} cannot be used: File exists" in failure
    with working(hub, store_of(stack)):
        assert hub.ran(measures, input=20_001).get_output() == 20_001


def test_another_try_finds_room_again(hub: Hub, stack: LocalStack) -> None:
    files = files_of(stack)
    files.prepare()
    with working(hub, store_of(stack)):
        with without_room(files):
            instance_id = hub.client.schedule_new_orchestration(measures_again, input=20_002)
            hub.until(lambda: "TaskFailedEvent" in kinds_of(hub, instance_id))
        assert hub.ended(instance_id).get_output() == 20_002


def test_an_output_that_cannot_be_stored_fails_its_orchestration_and_says_why(
    hub: Hub, stack: LocalStack
) -> None:
    files = files_of(stack)
    files.prepare()
    with working(hub, store_of(stack)), without_room(files):
        failure = failure_of(hub, hub.client.schedule_new_orchestration(grows, input=20_003))
    assert failure.startswith("services.shared.errors.PayloadStoreError: the payload store ")


def test_a_status_that_cannot_be_stored_fails_its_orchestration(
    hub: Hub, stack: LocalStack
) -> None:
    files = files_of(stack)
    files.prepare()
    with working(hub, store_of(stack)), without_room(files):
        failure = failure_of(hub, hub.client.schedule_new_orchestration(waits))
    assert failure.startswith("services.shared.errors.PayloadStoreError: the payload store ")


def test_a_state_that_cannot_be_stored_fails_the_operation_and_the_old_one_stays(
    hub: Hub, stack: LocalStack
) -> None:
    files = files_of(stack)
    files.prepare()
    key = Hub.fresh("box")
    with working(hub, store_of(stack)):
        hub.ran(asks_box, input={"key": key, "operation": "put", "value": "old"})
        with without_room(files):
            fill = {"key": key, "operation": "fill", "value": 20_004}
            failure = failure_of(hub, hub.client.schedule_new_orchestration(asks_box, input=fill))
        assert "cannot be used: File exists" in failure
        assert hub.ran(asks_box, input={"key": key, "operation": "get"}).get_output() == "old"


@pytest.mark.parametrize("program", [measures, grows])
def test_what_is_larger_than_the_store_takes_fails_with_size_limit_and_setting(
    hub: Hub, stack: LocalStack, program: Callable[..., Any]
) -> None:
    with working(hub, store_of(stack)):
        failure = failure_of(hub, hub.client.schedule_new_orchestration(program, input=BYTES_MAX))
    assert "the payload has 8,000,002 bytes and the limit is 8,000,000 bytes" in failure
    assert "PAYLOAD_STORE_BYTES_MAX allows larger ones" in failure


def test_a_worker_that_cannot_use_its_store_says_so_and_does_not_start(
    stack: LocalStack, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("")
    ran = subprocess.run(
        [sys.executable, "-m", "services.worker"],
        cwd=ROOT,
        env=stack.environment | {"PAYLOAD_STORE": str(tmp_path / "taken")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 2
    assert f"the worker cannot start:\nthe payload store {tmp_path / 'taken'} cannot" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_outcome_that_is_missing_is_told_by_the_client_in_one_line(
    new_stack: StackMaker, tmp_path: Path
) -> None:
    with new_stack(workers=1) as stack:
        client = CommandLine(stack.environment)
        orders = tmp_path / "orders.csv"
        orders.write_text(client("generate", 600).out)
        ran = client("submit", orders, "--batch-size", 600, "--json")
        assert ran.code == 0
        results = client("results", ran.document["instance_id"], "--format", "csv")
        assert len(results.out.splitlines()) == 601
        files = files_of(stack)
        tokens = list(files.tokens())
        assert tokens
        for token in tokens:
            files.path(token).unlink()
        ran = client("results", ran.document["instance_id"], "--format", "csv")
    assert ran.code == 1
    assert "cannot be read: there is no file" in ran.err
