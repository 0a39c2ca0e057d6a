"""A worker of the bench: `python -m scripts.bench.worker ADDRESS sdk|ours|storeless|POOL`.

`sdk` is the SDK's worker with its own defaults, `ours` has the options of services/worker,
`storeless` the same but for the payload store, and a number is the SDK's with so many threads and
no more activities than that at once.
"""

import signal
import sys
from typing import Final

from durabletask.azuremanaged.worker import DurableTaskSchedulerWorker
from durabletask.grpc_options import GrpcChannelOptions
from durabletask.worker import ConcurrencyOptions

from scripts.bench.programs import register
from services.shared.environment import Environment
from services.shared.logs import configure_logging
from services.worker.app import new_worker, open_payload_store
from services.worker.loop import collect_rarely, use_worker_loop
from services.worker.settings import WorkerSettings
from services.worker.state import StateKeeper

SDK: Final = "sdk"
OURS: Final = "ours"
STORELESS: Final = "storeless"


def main() -> int:
    """Works until SIGTERM, which ends it at once: nothing that it holds is of any value."""
    address, options = sys.argv[1:]
    worker = (
        _ours(address, with_store=options == OURS)
        if options in {OURS, STORELESS}
        else _of_the_sdk(address, options)
    )
    worker.start()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    signal.pause()
    return 0


def _of_the_sdk(address: str, options: str) -> DurableTaskSchedulerWorker:
    pool = None if options == SDK else int(options)
    worker = DurableTaskSchedulerWorker(
        host_address=address,
        taskhub="default",
        token_credential=None,
        secure_channel=False,
        # A work item above the default of 4 MiB would come for ever and never arrive.
        channel_options=GrpcChannelOptions(max_receive_message_length=-1),
        concurrency_options=ConcurrencyOptions(
            maximum_concurrent_activity_work_items=pool, maximum_thread_pool_workers=pool
        ),
    )
    register(worker)
    return worker


def _ours(address: str, *, with_store: bool) -> DurableTaskSchedulerWorker:
    settings = WorkerSettings.read(Environment.of_process())
    configure_logging(level=settings.log_level, style=settings.log_format)
    keeper = StateKeeper(None, scheduler=address)
    use_worker_loop()
    collect_rarely()
    payloads = open_payload_store(settings.payloads) if with_store else None
    worker = new_worker(settings, keeper, payloads)
    register(worker, keeper.counted)
    worker.use_work_item_filters()
    return worker


if __name__ == "__main__":
    sys.exit(main())
