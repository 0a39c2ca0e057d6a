"""What the scheduler counts, read when somebody asks: nothing is kept twice."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from services.scheduler.hub.hubs import TaskHubs

# By method and status code.
Calls = Mapping[tuple[str, str], int]


class _SchedulerCollector(Collector):
    def __init__(self, hubs: TaskHubs, calls: Calls) -> None:
        self._hubs = hubs
        self._calls = calls

    def collect(self) -> Iterator[Metric]:
        yield from self._work_items()
        yield from self._hubs_metrics()
        calls = CounterMetricFamily(
            "scheduler_rpcs",
            "Calls answered, by method and status code.",
            labels=["method", "code"],
        )
        for (method, code), number in sorted(self._calls.items()):
            calls.add_metric([method, code], number)
        yield calls

    def _work_items(self) -> Iterator[Metric]:
        labels = ["task_hub", "kind"]
        waiting = GaugeMetricFamily(
            "scheduler_work_items_waiting", "Work items that no worker has.", labels=labels
        )
        in_air = GaugeMetricFamily(
            "scheduler_work_items_in_air", "Work items that workers have.", labels=labels
        )
        for hub in self._hubs.opened:
            for kind, number in hub.dispatcher.waiting().items():
                waiting.add_metric([hub.name, kind.name.lower()], number)
            for kind, number in hub.dispatcher.in_air().items():
                in_air.add_metric([hub.name, kind.name.lower()], number)
        yield waiting
        yield in_air

    def _hubs_metrics(self) -> Iterator[Metric]:
        labels = ["task_hub"]
        workers = GaugeMetricFamily(
            "scheduler_workers", "Workers that are connected.", labels=labels
        )
        waiters = GaugeMetricFamily(
            "scheduler_waiters", "Clients that wait for an instance.", labels=labels
        )
        commits = CounterMetricFamily("scheduler_commits", "Commits to the disk.", labels=labels)
        seconds = CounterMetricFamily(
            "scheduler_commit_seconds", "Seconds that the commits took.", labels=labels
        )
        for hub in self._hubs.opened:
            workers.add_metric([hub.name], len(hub.dispatcher.streams))
            waiters.add_metric([hub.name], len(hub.waiters))
            commits.add_metric([hub.name], hub.commit_counts.commits)
            seconds.add_metric([hub.name], hub.commit_counts.seconds)
        yield from (workers, waiters, commits, seconds)


def registry_of(hubs: TaskHubs, calls: Calls) -> CollectorRegistry:
    """The metrics of one scheduler."""
    registry = CollectorRegistry()
    registry.register(_SchedulerCollector(hubs, calls))
    return registry
