"""The worker's shortcut finds what the SDK's search finds, and asks much less."""

from collections.abc import Callable, Iterator
from pathlib import Path

import durabletask.internal.orchestrator_service_pb2 as pb
import durabletask.worker
import pytest
from durabletask.payload import LargePayloadStorageOptions, PayloadStore, helpers
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue

from services.shared.payload_files import PayloadFiles, token_of
from services.shared.payload_store import CachingPayloadStore, DirectoryPlace
from services.worker.payload_search import search_where_needed
from services.worker.payloads import WorkerPayloadStore
from tests.unit.engine.given import NOW

LARGE = "l" * 20_000
THRESHOLD = 16 * 1024


class Asked(CachingPayloadStore):
    """Counts what it is asked."""

    times = 0

    def is_known_token(self, value: str) -> bool:
        """As ever."""
        self.times += 1
        return super().is_known_token(value)


class Foreign(PayloadStore):
    """A store that is none of ours: whatever begins with `!` is a token of it."""

    options = LargePayloadStorageOptions(threshold_bytes=10)

    def upload(self, data: bytes, *, instance_id: str | None = None) -> str:  # noqa: ARG002 - the SDK's signature
        """Marks it."""
        return f"!{data.decode()}"

    def download(self, token: str) -> bytes:
        """Takes the mark away."""
        return token[1:].encode()

    async def upload_async(self, data: bytes, *, instance_id: str | None = None) -> str:
        """The same."""
        return self.upload(data, instance_id=instance_id)

    async def download_async(self, token: str) -> bytes:
        """The same."""
        return self.download(token)

    def is_known_token(self, value: str) -> bool:
        """Whether it has the mark."""
        return value.startswith("!")


@pytest.fixture(autouse=True)
def _shortcut() -> Iterator[None]:
    """The shortcut, for one test: other tests run in this process too."""
    before = helpers.externalize_payloads, helpers.deexternalize_payloads
    search_where_needed()
    yield
    helpers.externalize_payloads, helpers.deexternalize_payloads = before


@pytest.fixture
def store(tmp_path: Path) -> Asked:
    place = DirectoryPlace(PayloadFiles(tmp_path / "payloads"))
    return Asked(place, bytes_max=1_000_000, cache_bytes=0)


def text(value: str) -> StringValue:
    return StringValue(value=value)


def turn(*values: str) -> pb.OrchestratorRequest:
    """A turn with these results in its history."""
    request = pb.OrchestratorRequest(instanceId="i")
    for number, value in enumerate(values):
        event = request.pastEvents.add(eventId=-1)
        event.timestamp.FromDatetime(NOW)
        event.taskCompleted.taskScheduledId = number
        event.taskCompleted.result.value = value
    return request


MESSAGES: dict[str, Callable[[], Message]] = {
    "nothing": pb.OrchestratorRequest,
    "a small result": lambda: pb.ActivityResponse(result=text("1")),
    "a large result": lambda: pb.ActivityResponse(result=text(LARGE)),
    "a result at the threshold": lambda: pb.ActivityResponse(result=text("x" * THRESHOLD)),
    "a result just above it": lambda: pb.ActivityResponse(result=text("x" * (THRESHOLD + 1))),
    "many small ones": lambda: turn(*(["s" * 1_000] * 50)),
    "a large one among small ones": lambda: turn("1", LARGE, "2"),
    "an operation's input": lambda: pb.EntityBatchRequest(
        operations=[pb.OperationRequest(operation="o", input=text(LARGE))]
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_comes_and_goes_as_it_does_with_the_sdks_own_search(
    store: Asked, name: str
) -> None:
    ours, theirs = MESSAGES[name](), MESSAGES[name]()
    helpers.externalize_payloads(ours, store, instance_id="i")
    helpers._walk_and_externalize(theirs, store, THRESHOLD, 2**63, "i")  # noqa: SLF001 - the SDK's own search
    assert ours == theirs
    helpers.deexternalize_payloads(ours, store)
    assert ours == MESSAGES[name]()


def test_a_token_is_found_wherever_it_stands(store: Asked) -> None:
    store.upload(LARGE.encode())
    message = turn(*(["1"] * 200), token_of(LARGE.encode()), *(["2"] * 200))
    helpers.deexternalize_payloads(message, store)
    assert message.pastEvents[200].taskCompleted.result.value == LARGE


def test_where_nothing_can_be_found_nothing_is_asked(store: Asked) -> None:
    message = turn(*(["1"] * 200))
    helpers.deexternalize_payloads(message, store)
    helpers.externalize_payloads(pb.ActivityResponse(result=text("1")), store)
    assert store.times == 0


def test_an_answer_that_cannot_be_stored_leaves_as_a_failure(tmp_path: Path) -> None:
    # A file in the directory's place: nobody can write below it, root neither.
    (tmp_path / "taken").write_text("")
    place = DirectoryPlace(PayloadFiles(tmp_path / "taken"))
    store = WorkerPayloadStore(place, bytes_max=1_000_000)
    answer = pb.ActivityResponse(instanceId="i", taskId=7, result=text(LARGE), completionToken="t")
    helpers.externalize_payloads(answer, store, instance_id="i")
    assert not answer.HasField("result")
    assert "PAYLOAD_STORE" in answer.failureDetails.errorMessage
    assert (answer.instanceId, answer.taskId, answer.completionToken) == ("i", 7, "t")
    following = pb.ActivityResponse(result=text("l" * 17_000 + "other"))
    helpers.externalize_payloads(following, place_of_another(tmp_path), instance_id="i")
    assert following.HasField("result")


def place_of_another(tmp_path: Path) -> WorkerPayloadStore:
    return WorkerPayloadStore(
        DirectoryPlace(PayloadFiles(tmp_path / "payloads")), bytes_max=1_000_000
    )


def test_another_store_is_asked_as_ever() -> None:
    message = pb.ActivityResponse(result=text("more than ten"))
    helpers.externalize_payloads(message, Foreign())
    assert message.result.value == "!more than ten"
    helpers.deexternalize_payloads(message, Foreign())
    assert message.result.value == "more than ten"


def test_the_sdks_worker_looks_its_search_up_where_the_shortcut_is_put() -> None:
    assert vars(durabletask.worker)["payload_helpers"] is helpers
