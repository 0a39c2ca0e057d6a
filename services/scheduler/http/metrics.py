"""What the scheduler counts, read when somebody asks: nothing is kept twice."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from services.scheduler.engine.status import Status
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.store.commits import COMMIT_SECONDS, CommitCounts

# By method and status code.
Calls = Mapping[tuple[str, str], int]
# By method, route and status code.
Requests = Mapping[tuple[str, str, int], int]
# Calls that are not closed yet, and the bytes that they hold.
OpenCalls = Callable[[], tuple[int, int]]
_HUB = ("task_hub",)


class _SchedulerCollector(Collector):
    def __init__(
        self, hubs: TaskHubs, calls: Calls, requests: Requests, open_calls: OpenCalls
    ) -> None:
        self._hubs = hubs
        self._calls = calls
        self._open_calls = open_calls
        self._requests = requests

    def collect(self) -> Iterator[Metric]:
        yield from self._work_items()
        yield from self._orchestrations()
        yield from self._hubs_metrics()
        yield from self._files()
        yield from self._asked()

    def _asked(self) -> Iterator[Metric]:
        calls = CounterMetricFamily(
            "scheduler_rpcs",
            "Calls answered, by method and status code.",
            labels=["method", "code"],
        )
        for (method, code), number in sorted(self._calls.items()):
            calls.add_metric([method, code], number)
        requests = CounterMetricFamily(
            "scheduler_http_requests",
            "Requests of the HTTP port answered, by method, route and status code.",
            labels=["method", "route", "code"],
        )
        for (method, route, status), number in sorted(self._requests.items()):
            requests.add_metric([method, route, str(status)], number)
        number, held = self._open_calls()
        yield from (calls, requests)
        yield GaugeMetricFamily("scheduler_open_rpcs", "Calls that are not closed yet.", number)
        yield GaugeMetricFamily("scheduler_open_rpc_bytes", "Bytes that these hold.", held)

    def _work_items(self) -> Iterator[Metric]:
        labels = ["task_hub", "kind"]
        waiting = GaugeMetricFamily(
            "scheduler_work_items_waiting", "Work items that no worker has.", labels=labels
        )
        in_air = GaugeMetricFamily(
            "scheduler_work_items_in_air", "Work items that workers have.", labels=labels
        )
        ages = GaugeMetricFamily(
            "scheduler_work_items_oldest_seconds",
            "How long the oldest ready work item has waited for a worker, since the scheduler's"
            " start at most.",
            labels=labels,
        )
        given_up = CounterMetricFamily(
            "scheduler_work_items_given_up",
            "Work items failed because they ended their worker's stream or answer too often.",
            labels=labels,
        )
        for hub in self._hubs.opened:
            dispatcher = hub.dispatcher
            for kind, number in dispatcher.waiting().items():
                waiting.add_metric([hub.name, kind.name.lower()], number)
                given_up.add_metric([hub.name, kind.name.lower()], hub.desk.given_up[kind])
            for kind, number in dispatcher.in_air().items():
                in_air.add_metric([hub.name, kind.name.lower()], number)
            for kind, age in dispatcher.ages().items():
                ages.add_metric([hub.name, kind.name.lower()], age)
        yield from (waiting, in_air, ages, given_up)

    def _orchestrations(self) -> Iterator[Metric]:
        started = CounterMetricFamily(
            "scheduler_orchestrations_started",
            "Orchestrations and sub-orchestrations that were started.",
            labels=_HUB,
        )
        ended = CounterMetricFamily(
            "scheduler_orchestrations_ended",
            "Orchestrations and sub-orchestrations that ended, by status.",
            labels=["task_hub", "status"],
        )
        for hub in self._hubs.opened:
            started.add_metric([hub.name], hub.journal.started_count)
            for status in (Status.COMPLETED, Status.FAILED, Status.TERMINATED):
                number = hub.journal.ended_counts[status]
                ended.add_metric([hub.name, status.name.lower()], number)
        yield from (started, ended)

    def _hubs_metrics(self) -> Iterator[Metric]:
        workers = GaugeMetricFamily("scheduler_workers", "Workers that are connected.", labels=_HUB)
        waiters = GaugeMetricFamily(
            "scheduler_waiters", "Clients that wait for an instance.", labels=_HUB
        )
        commits = CounterMetricFamily("scheduler_commits", "Commits to the disk.", labels=_HUB)
        seconds = CounterMetricFamily(
            "scheduler_commit_seconds", "Seconds that the commits took.", labels=_HUB
        )
        durations = HistogramMetricFamily(
            "scheduler_commit_duration_seconds",
            "How long a commit took, which is one fsync.",
            labels=_HUB,
        )
        for hub in self._hubs.opened:
            counts = hub.commit_counts
            workers.add_metric([hub.name], len(hub.dispatcher.streams))
            waiters.add_metric([hub.name], len(hub.waiters))
            commits.add_metric([hub.name], counts.commits)
            seconds.add_metric([hub.name], counts.seconds)
            durations.add_metric([hub.name], _buckets(counts), counts.seconds)
        yield from (workers, waiters, commits, seconds, durations)

    def _files(self) -> Iterator[Metric]:
        database = GaugeMetricFamily(
            "scheduler_database_bytes", "The size of a task hub's file.", labels=_HUB
        )
        wal = GaugeMetricFamily(
            "scheduler_wal_bytes", "The size of a task hub's write-ahead log.", labels=_HUB
        )
        for hub in self._hubs.opened:
            database.add_metric([hub.name], _size(hub.file))
            wal.add_metric([hub.name], _size(Path(f"{hub.file}-wal")))
        disk = shutil.disk_usage(self._hubs.data_dir)
        yield from (database, wal)
        yield GaugeMetricFamily(
            "scheduler_disk_free_bytes", "What is free where the data is.", value=disk.free
        )
        yield GaugeMetricFamily(
            "scheduler_disk_size_bytes", "The size of the disk where the data is.", value=disk.total
        )


def _buckets(counts: CommitCounts) -> list[tuple[str, float]]:
    """The histogram's buckets as Prometheus has them: each holds those before it."""
    bounds = [*map(str, COMMIT_SECONDS), "+Inf"]
    return [
        (bound, float(number))
        for bound, number in zip(bounds, accumulate(counts.durations), strict=True)
    ]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        # The log comes and goes.
        return 0


def registry_of(
    hubs: TaskHubs, calls: Calls, requests: Requests, open_calls: OpenCalls
) -> CollectorRegistry:
    """The metrics of one scheduler."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_SchedulerCollector(hubs, calls, requests, open_calls))
    return registry
