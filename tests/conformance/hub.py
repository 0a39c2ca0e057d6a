"""A task hub under test, reached as users reach it: with the SDK, or on the bare wire."""

import logging
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import grpc
from durabletask import client as sdk
from durabletask import task
from durabletask.azuremanaged.worker import DurableTaskSchedulerWorker
from durabletask.internal import orchestrator_service_pb2_grpc as service
from durabletask.worker import ConcurrencyOptions

# A bound for what takes milliseconds: only a broken scheduler reaches it.
SECONDS_MAX: Final = 30
# What an orchestrator function returns: it yields tasks, is sent their results, returns anything.
Steps = Generator[task.Task[Any], Any, Any]
_QUIET: Final = logging.getLogger("conformance.sdk")
_QUIET.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """One task hub of one scheduler. On a shared hub only fresh names keep tests apart."""

    endpoint: str
    name: str
    client: sdk.TaskHubGrpcClient

    @staticmethod
    def fresh(prefix: str = "it") -> str:
        """A name that no other test uses, for instances, entities and events."""
        return f"{prefix}-{uuid.uuid4().hex[:12]}"

    @property
    def address(self) -> str:
        """`host:port`."""
        return self.endpoint.rsplit("://", maxsplit=1)[-1]

    @contextmanager
    def worker(
        self,
        *,
        orchestrators: Sequence[Callable[..., Any]] = (),
        activities: Sequence[Callable[..., Any]] = (),
        entities: Sequence[Any] = (),
        configure: Callable[[DurableTaskSchedulerWorker], object] | None = None,
        concurrency: ConcurrencyOptions | None = None,
        **options: Any,
    ) -> Iterator[DurableTaskSchedulerWorker]:
        """A real SDK worker with these functions, from the start of the block to its end."""
        worker = DurableTaskSchedulerWorker(
            host_address=self.address,
            taskhub=self.name,
            token_credential=None,
            secure_channel=False,
            concurrency_options=concurrency,
            **{"logger": _QUIET, **options},
        )
        for orchestrator in orchestrators:
            worker.add_orchestrator(orchestrator)
        for activity in activities:
            worker.add_activity(activity)
        for entity in entities:
            worker.add_entity(entity)
        if configure is not None:
            configure(worker)
        worker.start()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
        try:
            yield worker
        finally:
            worker.stop()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

    @contextmanager
    def stub(
        self, *options: tuple[str, Any], task_hub: str | None = None
    ) -> Iterator[service.TaskHubSidecarServiceStub]:
        """The bare wire, with this hub's metadata (or another's; "" sends none)."""
        name = self.name if task_hub is None else task_hub
        metadata = (("taskhub", name),) if name else ()
        with grpc.insecure_channel(self.address, options=options) as channel:
            yield service.TaskHubSidecarServiceStub(  # type: ignore[no-untyped-call]  # generated code
                grpc.intercept_channel(channel, _WithMetadata(metadata))
            )

    def ended(self, instance_id: str, *, seconds: float = SECONDS_MAX) -> sdk.OrchestrationState:
        """The instance once it has ended, however it did."""
        state = self.client.wait_for_orchestration_completion(instance_id, timeout=int(seconds))
        assert state is not None
        return state

    def until_status(self, instance_id: str, custom_status: Any) -> sdk.OrchestrationState:
        """The instance once it shows this custom status; raises `TimeoutError`."""
        deadline = time.monotonic() + SECONDS_MAX
        while time.monotonic() < deadline:
            state = self.client.get_orchestration_state(instance_id)
            if state is not None and state.get_custom_status() == custom_status:
                return state
            time.sleep(0.02)
        raise TimeoutError(f"{instance_id} never showed the custom status {custom_status!r}")

    def ran(self, orchestrator: Callable[..., Any] | str, **options: Any) -> sdk.OrchestrationState:
        """Starts an orchestration and gives it once it has ended."""
        return self.ended(self.client.schedule_new_orchestration(orchestrator, **options))

    def until(self, true: Callable[[], object]) -> None:
        """Looks again and again until it is true: for what nothing on the wire announces."""
        deadline = time.monotonic() + SECONDS_MAX
        while not true():
            assert time.monotonic() < deadline, "it never came true"
            time.sleep(0.01)

    def until_it_is(self, status: str, instance_id: str) -> None:
        """Waits until the instance has this status."""

        def has_it() -> bool:
            state = self.client.get_orchestration_state(instance_id)
            return state is not None and state.runtime_status.name == status

        self.until(has_it)


class _WithMetadata(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[type-arg]  # generic in its stubs only
    grpc.UnaryStreamClientInterceptor,  # type: ignore[type-arg]  # generic in its stubs only
    grpc.StreamUnaryClientInterceptor,  # type: ignore[type-arg]  # generic in its stubs only
):
    def __init__(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self._metadata = metadata

    def _with(self, details: Any) -> Any:
        return details._replace(metadata=[*(details.metadata or ()), *self._metadata])

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._with(details), request)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._with(details), request)

    def intercept_stream_unary(self, continuation: Any, details: Any, requests: Any) -> Any:
        return continuation(self._with(details), requests)
