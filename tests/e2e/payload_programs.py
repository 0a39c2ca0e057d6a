"""Programs whose payloads are large, and workers of the SDK that run them with our payload store.

As `python -m tests.e2e.payload_programs ENDPOINT DIRECTORY`: a worker that is killed in the middle
of its first upload.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from durabletask import entities, task
from durabletask.azuremanaged.client import DurableTaskSchedulerClient

from scripts.local_stack import LocalStack
from services.shared.payload_files import PayloadFiles
from services.shared.payload_store import CachingPayloadStore, DirectoryPlace, Place
from services.shared.sdk import new_converter
from services.worker.payload_search import search_where_needed
from services.worker.payloads import WorkerPayloadStore
from tests.conformance.hub import Hub, Steps
from tests.e2e.schedulers import QUIET

BYTES_MAX: Final = 8_000_000
STATUS: Final = "waiting " * 10_000


def echo(_: task.ActivityContext, given: Any) -> Any:
    """Returns its input."""
    return given


def swell(_: task.ActivityContext, size: int) -> str:
    """Returns a text of this size."""
    return "x" * size


def passes_on(ctx: task.OrchestrationContext, given: Any) -> Steps:
    """Its input, through an activity and out again."""
    return (yield ctx.call_activity(echo, input=given))


def measures(ctx: task.OrchestrationContext, size: int) -> Steps:
    """The size of what an activity returns."""
    return len((yield ctx.call_activity(swell, input=size)))


def measures_again(ctx: task.OrchestrationContext, size: int) -> Steps:
    """The same, with two more tries."""
    policy = task.RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=3)
    return len((yield ctx.call_activity(swell, input=size, retry_policy=policy)))


def grows(_: task.OrchestrationContext, size: int) -> str:
    """Returns a text of this size."""
    return "x" * size


def waits(ctx: task.OrchestrationContext, _: Any) -> Steps:
    """Shows a large status, and returns the data of the event that it waits for."""
    ctx.set_custom_status(STATUS)
    return (yield ctx.wait_for_external_event("go"))


def begins_again(ctx: task.OrchestrationContext, given: dict[str, Any]) -> str:
    """Two more generations with the same large input; returns its size."""
    if given["left"]:
        ctx.continue_as_new({**given, "left": given["left"] - 1})
        return ""
    return f"{len(given['text'])} in the end"


def asks_box(ctx: task.OrchestrationContext, given: dict[str, Any]) -> Steps:
    """What a box answers to an operation."""
    box = entities.EntityInstanceId("box", given["key"])
    return (yield ctx.call_entity(box, given["operation"], given.get("value")))


def box(ctx: entities.EntityContext, given: Any) -> Any:
    """Keeps what it is given, and gives it back."""
    if ctx.operation == "put":
        ctx.set_state(given)
    if ctx.operation == "fill":
        ctx.set_state("x" * given)
    return ctx.get_state() if ctx.operation == "get" else None


ORCHESTRATORS: Final = (
    passes_on, measures, measures_again, grows, waits, begins_again, asks_box,
)  # fmt: skip


def kinds_of(hub: Hub, instance_id: str) -> set[str]:
    """The kinds of events that an orchestration's history has."""
    history = hub.client.get_orchestration_history(instance_id)
    return {type(event).__name__ for event in history}


def store_of(stack: LocalStack) -> WorkerPayloadStore:
    """A worker's store in the directory of a stack."""
    return worker_store(DirectoryPlace(files_of(stack)))


def worker_store(place: Place) -> WorkerPayloadStore:
    """A worker's store in a place."""
    return WorkerPayloadStore(place, bytes_max=BYTES_MAX)


def files_of(stack: LocalStack) -> PayloadFiles:
    """The large payloads of a stack."""
    return PayloadFiles(Path(stack.environment["PAYLOAD_STORE"]))


@contextmanager
def hub_with(
    endpoint: str, place: Place | None, name: str = "default", *, converter_of: Any = new_converter
) -> Iterator[Hub]:
    """A task hub, and a client with our payload store."""
    payloads = (
        None if place is None else CachingPayloadStore(place, bytes_max=BYTES_MAX, cache_bytes=0)
    )
    with DurableTaskSchedulerClient(
        host_address=endpoint,
        taskhub=name,
        token_credential=None,
        secure_channel=False,
        payload_store=payloads,
        data_converter=converter_of(payloads),
        logger=QUIET,
    ) as client:
        yield Hub(endpoint=endpoint, name=name, client=client)


@contextmanager
def working(
    hub: Hub,
    store: WorkerPayloadStore | None,
    *,
    orchestrators: Sequence[Callable[..., Any]] = ORCHESTRATORS,
    activities: Sequence[Callable[..., Any]] = (echo, swell),
) -> Iterator[None]:
    """A worker with these programs, as ours are: store, converter and search."""
    search_where_needed()
    with hub.worker(
        orchestrators=orchestrators,
        activities=activities,
        entities=[box],
        configure=lambda worker: worker.use_work_item_filters(),
        payload_store=store,
        data_converter=new_converter(store),
    ):
        yield


def _die(_handle: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Works until it is killed."""
    endpoint, directory = sys.argv[1:]
    place = DirectoryPlace(PayloadFiles(Path(directory)))
    place.prepare()
    # What has been written is not on disk yet, and has no name.
    os.fsync = _die  # type: ignore[assignment]  # a descriptor is all that it is given
    with hub_with(endpoint, place) as hub, working(hub, worker_store(place)):
        signal.pause()


if __name__ == "__main__":
    main()
