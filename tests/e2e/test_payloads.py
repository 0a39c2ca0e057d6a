import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from durabletask.client import OrchestrationState
from durabletask.entities import EntityInstanceId
from google.protobuf.wrappers_pb2 import StringValue

from scripts.local_stack import ROOT, LocalStack
from services.shared.payload_files import TOKEN, PayloadFiles, PayloadMissingError, token_of
from services.shared.payload_store import DirectoryPlace
from tests.conformance.hub import Hub
from tests.e2e.conftest import StackMaker
from tests.e2e.payload_programs import (
    STATUS,
    asks_box,
    begins_again,
    echo,
    files_of,
    hub_with,
    kinds_of,
    measures,
    passes_on,
    store_of,
    swell,
    waits,
    working,
)
from tests.e2e.processes import end

# Beyond what the service takes for one payload.
LARGE = {"text": "é" * 1_000_000}
TEXT = "é" * 20_000


@pytest.fixture(scope="module")
def stack(new_stack: StackMaker) -> Iterator[LocalStack]:
    """A scheduler without workers: each test brings its own."""
    with new_stack(workers=0) as stack:
        yield stack


@pytest.fixture
def hub(stack: LocalStack) -> Iterator[Hub]:
    with hub_with(stack.endpoint, DirectoryPlace(files_of(stack))) as hub:
        yield hub


@pytest.fixture
def files(stack: LocalStack) -> PayloadFiles:
    return files_of(stack)


def token_for(value: Any) -> str:
    return token_of(json.dumps(value, separators=(",", ":")).encode())


def assert_failed(state: OrchestrationState, *texts: str) -> None:
    assert state.runtime_status.name == "FAILED"
    assert state.failure_details is not None
    for text in texts:
        assert text in state.failure_details.message


def test_large_inputs_and_outputs_come_back_as_they_were(hub: Hub, stack: LocalStack) -> None:
    with working(hub, store_of(stack)):
        state = hub.ran(passes_on, input=LARGE)
    assert state.runtime_status.name == "COMPLETED"
    assert state.get_output() == LARGE
    assert state.get_input() == LARGE


def test_only_tokens_travel(hub: Hub, stack: LocalStack) -> None:
    with working(hub, store_of(stack)):
        instance_id = hub.ran(passes_on, input=LARGE).instance_id
    with hub_with(stack.endpoint, None) as bare:
        state = bare.client.get_orchestration_state(instance_id)
        history = bare.client.get_orchestration_history(instance_id)
    assert state is not None
    assert state.serialized_input == state.serialized_output == token_for(LARGE)
    payloads = [
        getattr(event, name)
        for event in history
        for name in ("input", "result")
        if getattr(event, name, None)
    ]
    assert payloads == [token_for(LARGE)] * 4


def test_a_large_custom_status_and_the_data_of_an_event_arrive(hub: Hub, stack: LocalStack) -> None:
    with working(hub, store_of(stack)):
        instance_id = hub.client.schedule_new_orchestration(waits)
        hub.until_status(instance_id, STATUS)
        hub.client.raise_orchestration_event(instance_id, "go", data=LARGE)
        assert hub.ended(instance_id).get_output() == LARGE
    with hub_with(stack.endpoint, None) as bare:
        state = bare.client.get_orchestration_state(instance_id)
        assert state is not None
        assert TOKEN.fullmatch(state.serialized_custom_status or "")


def test_a_large_state_of_an_entity_is_kept_and_asked_for(hub: Hub, stack: LocalStack) -> None:
    key = Hub.fresh("box")
    with working(hub, store_of(stack)):
        put = {"key": key, "operation": "put", "value": LARGE}
        assert hub.ran(asks_box, input=put).runtime_status.name == "COMPLETED"
        assert hub.ran(asks_box, input={"key": key, "operation": "get"}).get_output() == LARGE
    entity = hub.client.get_entity(EntityInstanceId("box", key))
    assert entity is not None
    assert entity.get_typed_state() == LARGE


def test_a_large_input_goes_from_generation_to_generation(hub: Hub, stack: LocalStack) -> None:
    with working(hub, store_of(stack)):
        state = hub.ran(begins_again, input={"text": LARGE["text"], "left": 2})
    assert state.get_output() == "1000000 in the end"


@pytest.mark.parametrize("damage", [None, b"", b"something else"])
def test_an_input_that_cannot_be_read_fails_its_orchestration_and_is_named(
    hub: Hub, stack: LocalStack, files: PayloadFiles, damage: bytes | None
) -> None:
    given = [TEXT, Hub.fresh()]
    instance_id = hub.client.schedule_new_orchestration(passes_on, input=given)
    spoil(files, token_for(given), damage)
    with working(hub, store_of(stack)):
        state = hub.ended(instance_id)
    assert_failed(state, token_for(given), "cannot be read: ")
    assert state.failure_details is not None
    assert state.failure_details.error_type.endswith("PayloadMissingError")
    with pytest.raises(PayloadMissingError, match=token_for(given)):
        state.get_input()


@pytest.mark.parametrize("damage", [None, b"something else"])
def test_an_activitys_input_that_cannot_be_read_fails_the_activity_and_is_named(
    hub: Hub, stack: LocalStack, files: PayloadFiles, damage: bytes | None
) -> None:
    given = [TEXT, Hub.fresh()]
    with working(hub, store_of(stack), activities=()):
        instance_id = hub.client.schedule_new_orchestration(passes_on, input=given)
        hub.until(lambda: "TaskScheduledEvent" in kinds_of(hub, instance_id))
    spoil(files, token_for(given), damage)
    # Only the activity: the same content is the orchestration's input.
    store = store_of(stack)
    with working(hub, store, orchestrators=(), activities=[echo]):
        hub.until(lambda: str(files.path(token_for(given))) in store.reason(token_for(given)))
    files.write(json.dumps(given, separators=(",", ":")).encode())
    with working(hub, store_of(stack)):
        assert_failed(hub.ended(instance_id), token_for(given), "cannot be read: ")


def test_a_result_that_cannot_be_read_fails_who_waits_for_it(
    hub: Hub, stack: LocalStack, files: PayloadFiles
) -> None:
    size = 33_333
    with working(hub, store_of(stack), activities=()):
        instance_id = hub.client.schedule_new_orchestration(measures, input=size)
        hub.until(lambda: "TaskScheduledEvent" in kinds_of(hub, instance_id))
    with working(hub, store_of(stack), orchestrators=(), activities=[swell]):
        hub.until(lambda: files.size(token_for("x" * size)) is not None)
    spoil(files, token_for("x" * size), b"")
    with working(hub, store_of(stack)):
        assert_failed(hub.ended(instance_id), token_for("x" * size), "damaged (0 bytes")


def test_a_state_that_cannot_be_read_fails_the_operation_and_is_not_lost(
    hub: Hub, stack: LocalStack, files: PayloadFiles
) -> None:
    key, kept = Hub.fresh("box"), [TEXT, Hub.fresh()]
    ask = {"key": key, "operation": "get"}
    with working(hub, store_of(stack)):
        hub.ran(asks_box, input={"key": key, "operation": "put", "value": kept})
    spoil(files, token_for(kept), None)
    with working(hub, store_of(stack)):
        assert_failed(hub.ran(asks_box, input=ask), token_for(kept))
    files.write(json.dumps(kept, separators=(",", ":")).encode())
    with working(hub, store_of(stack)):
        assert hub.ran(asks_box, input=ask).get_output() == kept


def test_a_worker_without_the_store_fails_what_it_cannot_read_and_says_what_to_set(
    hub: Hub,
) -> None:
    given = [TEXT, Hub.fresh()]
    with working(hub, None):
        state = hub.ran(passes_on, input=given)
    assert_failed(state, token_for(given), "PAYLOAD_STORE says where large payloads are kept")


TOKENS_OF_NOBODY = [
    f"file:v1:{'0' * 64}",
    f"file:v1:{'A' * 64}",
    f"file:v1:{'a' * 63}",
    "file:v1:../../../../../../../../etc/passwd",
    f"file:v1:{'a' * 64}/../../x",
    "blob:v1:orders:0123",
]


@pytest.mark.parametrize("text", [*TOKENS_OF_NOBODY, token_for(LARGE)])
def test_a_text_of_a_program_that_looks_like_a_token_is_a_text(
    hub: Hub, stack: LocalStack, text: str
) -> None:
    with working(hub, store_of(stack)):
        state = hub.ran(passes_on, input=text)
    assert state.runtime_status.name == "COMPLETED"
    assert state.get_output() == text


@pytest.mark.parametrize("text", TOKENS_OF_NOBODY)
def test_a_token_of_nothing_on_the_wire_fails_its_orchestration(
    hub: Hub, stack: LocalStack, text: str
) -> None:
    instance_id = Hub.fresh()
    with hub.stub() as stub, working(hub, store_of(stack)):
        stub.StartInstance(
            pb.CreateInstanceRequest(
                instanceId=instance_id, name="passes_on", input=StringValue(value=text)
            )
        )
        assert hub.ended(instance_id).runtime_status.name == "FAILED"


def test_a_worker_that_is_killed_in_the_middle_of_an_upload_loses_nothing(
    hub: Hub, stack: LocalStack, files: PayloadFiles
) -> None:
    size = 44_444
    instance_id = hub.client.schedule_new_orchestration(measures, input=size)
    command = [sys.executable, "-m", "tests.e2e.payload_programs"]
    killed = subprocess.Popen(
        [*command, stack.endpoint, str(files.directory)], cwd=ROOT, stderr=subprocess.PIPE
    )
    try:
        _, said = killed.communicate(timeout=60)
    finally:
        end(killed)
    assert killed.returncode == -9, said
    assert files.size(token_for("x" * size)) is None
    with working(hub, store_of(stack)):
        assert hub.ended(instance_id).get_output() == size


def test_the_program_of_the_documentation_is_as_ours_are(stack: LocalStack) -> None:
    text = (ROOT / "docs" / "payloads.md").read_text()
    [program] = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    ran = subprocess.run(
        [sys.executable, "-c", f"{program}\nworker.start(); worker.stop()"],
        cwd=ROOT,
        env=stack.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr


def spoil(files: PayloadFiles, token: str, damage: bytes | None) -> None:
    path: Path = files.path(token)
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
