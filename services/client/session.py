"""A session with the scheduler: the SDK's public client, with errors that a person understands.

Owns patience: a scheduler that does not answer is asked again until `connect_seconds` are over.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import grpc
from azure.core.exceptions import ClientAuthenticationError
from durabletask.client import OrchestrationQuery, OrchestrationState, TaskHubGrpcClient

from services.client.errors import NoSuchOrchestrationError, RefusedError
from services.client.settings import ClientSettings
from services.shared.errors import SchedulerUnavailableError
from services.shared.json_text import JsonText
from services.shared.payload_place import PayloadSettings
from services.shared.payload_store import CachingPayloadStore, place_of
from services.shared.sdk import as_unavailable, new_client, status_code, status_details
from services.shared.tracing import Tracing, open_tracing

Result = TypeVar("Result")
Notice = Callable[[str], None]

_RETRY_SECONDS: Final = 0.5


class Session:
    """Calls to one task hub. Every call raises `SchedulerUnavailableError` or `RefusedError`.

    One that sends a large payload raises `PayloadStoreError` where that cannot be stored.
    """

    def __init__(
        self,
        client: TaskHubGrpcClient,
        settings: ClientSettings,
        notice: Notice,
        tracing: Tracing,
    ) -> None:
        self._client = client
        self._settings = settings
        self._notice = notice
        self._tracing = tracing

    @property
    def task_hub(self) -> str:
        """The task hub's name."""
        return self._settings.connection.taskhub

    @property
    def invocation(self) -> str | None:
        """What a person types to run the client again."""
        return self._settings.invocation

    def start(self, name: str, payload: JsonText, instance_id: str) -> bool:
        """Starts an orchestration; False when the id is taken."""

        def schedule() -> bool:
            try:
                self._client.schedule_new_orchestration(
                    name, input=payload, instance_id=instance_id
                )
            except grpc.RpcError as error:
                if status_code(error) is grpc.StatusCode.ALREADY_EXISTS:
                    return False
                raise
            return True

        # One span for all tries: however often it is asked, it is one submission and one trace.
        with self._tracing.span("submit", {"durabletask.task.instance_id": instance_id}):
            return self.patiently(schedule)

    def find(self, instance_id: str, *, payloads: bool) -> OrchestrationState | None:
        """The orchestration's state, or None."""
        try:
            instance_id.encode()
        except UnicodeEncodeError:
            return None  # bytes of the command line that are no text: nothing can have this id
        return self.patiently(
            lambda: self._client.get_orchestration_state(instance_id, fetch_payloads=payloads)
        )

    def get(self, instance_id: str, *, payloads: bool) -> OrchestrationState:
        """The orchestration's state; raises `NoSuchOrchestrationError`."""
        state = self.find(instance_id, payloads=payloads)
        if state is None:
            raise NoSuchOrchestrationError(instance_id, self.task_hub)
        return state

    def query(self, query: OrchestrationQuery) -> list[OrchestrationState]:
        """All states that `query` matches."""
        return self.patiently(lambda: self._client.get_all_orchestration_states(query))

    def is_finished_within(self, instance_id: str, seconds: float) -> bool:
        """Waits for the orchestration to end, for so long; raises `NoSuchOrchestrationError`."""

        def wait() -> bool:
            try:
                state = self._client.wait_for_orchestration_completion(
                    instance_id, fetch_payloads=False, timeout=seconds
                )
            except TimeoutError:
                return False
            if state is None:
                raise NoSuchOrchestrationError(instance_id, self.task_hub)
            return True

        return self.patiently(wait)

    def send(self, operation: Callable[[TaskHubGrpcClient], Result]) -> Result:
        """Any other call of the SDK's client."""
        return self.patiently(lambda: operation(self._client))

    def patiently(self, call: Callable[[], Result]) -> Result:
        """Makes a call again while the scheduler does not answer, until the patience is over."""
        patience = self._settings.connect_seconds
        deadline: float | None = None
        while True:
            try:
                return self._once(call)
            except SchedulerUnavailableError as error:
                if not error.retryable:
                    raise
                # From the first failure on: a call may have waited long for a good reason.
                if deadline is None:
                    deadline = time.monotonic() + patience
                    endpoint = self._settings.connection.endpoint
                    self._notice(f"no answer from {endpoint}, trying for {patience} s ...")
                elif time.monotonic() > deadline:
                    raise
            time.sleep(_RETRY_SECONDS)

    def _once(self, call: Callable[[], Result]) -> Result:
        try:
            return call()
        except (grpc.RpcError, ClientAuthenticationError) as error:
            unavailable = as_unavailable(error, self._settings.connection)
            if unavailable is not None:
                raise unavailable from error
            raise RefusedError(f"the scheduler refused: {status_details(error)}") from error


@contextmanager
def open_session(settings: ClientSettings, notice: Notice) -> Iterator[Session]:
    """A session that ends with the block; `notice` tells a person what it waits for."""
    logging.getLogger("durabletask").setLevel(logging.ERROR)
    logging.getLogger("azure").setLevel(logging.ERROR)
    # The errors that a missing payload is logged with are told where it is read.
    logging.getLogger("services.shared.payload_store").setLevel(logging.CRITICAL)
    payloads = _payload_store(settings.payloads)
    tracing = open_tracing(
        settings.tracing,
        service="durable-task-client",
        taskhub=settings.connection.taskhub,
        warn=notice,
    )
    try:
        with new_client(
            settings.connection, call_seconds=settings.call_seconds, payloads=payloads
        ) as client:
            yield Session(client, settings, notice, tracing)
    finally:
        tracing.close()


def _payload_store(settings: PayloadSettings) -> CachingPayloadStore | None:
    place = place_of(settings)
    if place is None:
        return None
    # A client reads a payload once.
    return CachingPayloadStore(place, bytes_max=settings.bytes_max, cache_bytes=0)
