"""The worker's composition root: waits for the scheduler, serves, and drains when asked to stop."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from durabletask.azuremanaged.worker import DurableTaskSchedulerWorker
from durabletask.grpc_options import GrpcChannelOptions, GrpcWorkerResiliencyOptions
from durabletask.worker import ConcurrencyOptions
from grpc.experimental import ChannelOptions

from services.shared.connection import Connection
from services.shared.errors import SchedulerUnavailableError
from services.shared.payload_place import PayloadSettings
from services.shared.payload_store import place_of
from services.shared.sdk import (
    channel_options,
    check_scheduler,
    credential_for,
    new_client,
    new_converter,
)
from services.shared.signals import StopSignals
from services.shared.tracing import Tracing, open_tracing
from services.worker.activities import OrderProcessor
from services.worker.loop import collect_rarely, use_worker_loop
from services.worker.observer import LinkObserver
from services.worker.orchestrators import main_orchestration, process_order_batch
from services.worker.outages import OutageFilter, Outages
from services.worker.payload_search import search_where_needed
from services.worker.payloads import WorkerPayloadStore
from services.worker.settings import WorkerSettings
from services.worker.state import HEARTBEAT_SECONDS, StateKeeper

if TYPE_CHECKING:
    from services.worker.metrics import WorkerMetrics

log = logging.getLogger(__name__)

_CHECK_SECONDS: Final = 5.0
# A scheduler that starts beside its workers is ready within a second or two; another may take long.
_RETRY_SECONDS: Final = 0.5
_RETRY_SECONDS_MAX: Final = 4.0
_QUIET_TRIES: Final = 2
# A scheduler on the same machine is back within seconds of its restart; so is its worker.
_RESILIENCY: Final = GrpcWorkerResiliencyOptions(
    hello_timeout_seconds=5.0, reconnect_backoff_base_seconds=0.5, reconnect_backoff_cap_seconds=5.0
)
_SDK_LOGGER: Final = "durabletask.worker"
# A signal's number is added to this, as a shell reports a process that a signal ended.
_SIGNAL_EXIT: Final = 128


def run(settings: WorkerSettings) -> int:
    """Runs a worker until SIGTERM or SIGINT; returns the exit code of its process.

    Raises `OSError` when the state file cannot be written, and `PayloadStoreError` when the payload
    store cannot be used.
    """
    signals = StopSignals()
    payloads = open_payload_store(settings.payloads)
    scheduler = f"{settings.connection.endpoint} (task hub {settings.connection.taskhub})"
    keeper = StateKeeper(settings.state_file, scheduler=scheduler)
    keeper.start()
    outages = Outages()
    logging.getLogger(_SDK_LOGGER).addFilter(OutageFilter(outages))
    if not _wait_for_scheduler(settings, signals, keeper, outages):
        return 0
    tracing = open_tracing(
        settings.tracing,
        service="durable-task-worker",
        taskhub=settings.connection.taskhub,
        warn=log.warning,
    )
    use_worker_loop()
    collect_rarely()
    metrics = _open_metrics(settings, keeper)
    worker = new_worker(settings, keeper, payloads)
    for orchestrator in (main_orchestration, process_order_batch):
        worker.add_orchestrator(orchestrator)  # type: ignore[arg-type]  # "generator or result" is beyond mypy
    process_order: Callable[..., Any] = OrderProcessor(settings.processing).process_order
    if metrics is not None:
        process_order = metrics.timed(process_order)
        metrics.watch_turns(worker)
    worker.add_activity(keeper.counted(process_order))
    # Only what is registered here: other programs share the hub with workers of their own.
    worker.use_work_item_filters()
    worker.start()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    while signals.wait(HEARTBEAT_SECONDS) is None:
        keeper.beat()
    keeper.draining()
    return _drain(worker, keeper, signals, tracing, grace_seconds=settings.grace_seconds)


def _wait_for_scheduler(
    settings: WorkerSettings, signals: StopSignals, keeper: StateKeeper, outages: Outages
) -> bool:
    """Waits for ever, with a line now and then; False when asked to stop meanwhile.

    The first two tries say nothing: who starts with its scheduler is often the faster one.
    """
    pause, failed = _RETRY_SECONDS, 0
    with new_client(settings.connection, call_seconds=_CHECK_SECONDS) as client:
        while True:
            try:
                check_scheduler(client, settings.connection)
            except SchedulerUnavailableError as error:
                failed += 1
                if failed > _QUIET_TRIES and outages.is_due(str(error)):
                    log.warning("waiting: %s", error)
            else:
                return True
            keeper.beat()
            if signals.wait(pause) is not None:
                return False
            pause = min(2 * pause, _RETRY_SECONDS_MAX)


def open_payload_store(settings: PayloadSettings) -> WorkerPayloadStore | None:
    """The store that the settings name, if any; raises `PayloadStoreError`."""
    place = place_of(settings)
    if place is None:
        log.info("no payload store: payloads of at most 1 MiB, in place")
        return None
    # Now, when somebody looks, and not with the first large payload.
    place.prepare()
    log.info("large payloads are kept in %s", settings.place)
    return WorkerPayloadStore(place, bytes_max=settings.bytes_max)


def _open_metrics(settings: WorkerSettings, keeper: StateKeeper) -> "WorkerMetrics | None":
    """Serves the worker's metrics, where that is wanted; raises `SettingsError`."""
    if settings.metrics_port is None:
        return None
    from services.worker.metrics import WorkerMetrics  # noqa: PLC0415 - only where somebody reads them
    from services.worker.metrics_port import serve_metrics  # noqa: PLC0415 - only where somebody reads them

    metrics = WorkerMetrics(keeper, settings)
    serve_metrics(metrics.registry, settings.metrics_host, settings.metrics_port)
    return metrics


def new_worker(
    settings: WorkerSettings, keeper: StateKeeper, payloads: WorkerPayloadStore | None = None
) -> DurableTaskSchedulerWorker:
    """A worker with all of our options and nothing registered; `start` it yourself."""
    search_where_needed()
    return DurableTaskSchedulerWorker(
        host_address=settings.connection.endpoint,
        taskhub=settings.connection.taskhub,
        token_credential=credential_for(settings.connection),
        secure_channel=settings.connection.secure,
        interceptors=[LinkObserver(keeper)],
        channel_options=_channel_options(settings.connection),
        resiliency_options=_RESILIENCY,
        concurrency_options=ConcurrencyOptions(
            maximum_concurrent_activity_work_items=settings.activities_max,
            maximum_concurrent_orchestration_work_items=settings.orchestrations_max,
            maximum_concurrent_entity_work_items=settings.orchestrations_max,
            maximum_thread_pool_workers=settings.activities_max + settings.orchestrations_max,
        ),
        payload_store=payloads,
        data_converter=new_converter(payloads),
        logger=logging.getLogger(_SDK_LOGGER),
    )


def _channel_options(connection: Connection) -> GrpcChannelOptions:
    """Those that all share, and work items that are read on the thread that takes them.

    Otherwise a second thread of gRPC's hands each item over: a fifth of a worker's CPU.
    """
    options = channel_options(connection)
    options.raw_options.append((ChannelOptions.SingleThreadedUnaryStream, 1))
    return options


def _drain(
    worker: DurableTaskSchedulerWorker,
    keeper: StateKeeper,
    signals: StopSignals,
    tracing: Tracing,
    *,
    grace_seconds: float,
) -> int:
    """Finishes what runs, within the grace; a second signal ends the process at once.

    The SDK's `stop()` joins without a bound and its threads outlive `sys.exit`, hence the hard end.
    """
    stopped = threading.Event()

    def stop() -> None:
        worker.stop()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
        stopped.set()
        signals.wake()

    threading.Thread(target=stop, name="drain", daemon=True).start()
    deadline = time.monotonic() + grace_seconds
    while not stopped.is_set() and (left := deadline - time.monotonic()) > 0:
        number = signals.wait(min(left, HEARTBEAT_SECONDS))
        if number is not None:
            log.warning("asked to stop again: ending now")
            _end_process(_SIGNAL_EXIT + number)
        keeper.beat()
    if not stopped.is_set():
        log.warning(
            "the grace of %g s is over with %d activities running; what is unfinished is left for "
            "another worker",
            grace_seconds,
            keeper.activities,
        )
        tracing.close()
        _end_process(0)
    tracing.close()
    log.info("stopped, nothing left behind")
    return 0


def _end_process(code: int) -> None:
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)
