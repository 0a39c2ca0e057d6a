"""The targets table: its rows in order, what each is called, and who measures it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from scripts.bench.latency import measure_latency
from scripts.bench.million import measure_answers, measure_start
from scripts.bench.naps import measure_workers
from scripts.bench.readings import Measured
from scripts.bench.scale import measure_cost, measure_disk, measure_memory
from scripts.bench.session import Session
from scripts.bench.tabs import measure_tabs
from scripts.bench.throughput import (
    measure_echo,
    measure_scheduler_cpu,
    measure_throughput,
    measure_worker_cpu,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table. `key` is its name on the command line, `target` is in words."""

    key: str
    what: str
    target: str
    measure: Callable[[Session], Measured]


ROWS: Final = (
    Row(
        key="throughput",
        what="orders/s, durable, over the SDK's in-memory testing backend",
        target="≥ 1.0 with 1 worker, ≥ 1.05 with 2",
        measure=measure_throughput,
    ),
    Row(
        key="echo",
        what="orders/s over the echo ceiling, 2 workers",
        target="≥ 0.85",
        measure=measure_echo,
    ),
    Row(
        key="scheduler-cpu",
        what="scheduler CPU per order over the echo server's",
        target="≤ 1.4",
        measure=measure_scheduler_cpu,
    ),
    Row(
        key="worker-cpu",
        what="worker CPU per order, our worker over the SDK's defaults",
        target="≤ 0.8",
        measure=measure_worker_cpu,
    ),
    Row(
        key="latency",
        what="latency of one order, p50, over the in-memory backend",
        target="≤ 1.0, plus the fsyncs on its way",
        measure=measure_latency,
    ),
    Row(
        key="cost",
        what="cost per order at 100,000 orders over that at 1,000",
        target="≤ 1.2, wall and scheduler CPU",
        measure=measure_cost,
    ),
    Row(
        key="memory",
        what="scheduler memory during and after 100,000 orders",
        target="≤ 150 MiB",
        measure=measure_memory,
    ),
    Row(
        key="workers",
        what="1, 2, 4 workers with activities that sleep 50 ms, 8 threads each",
        target="within 10 % of linear",
        measure=measure_workers,
    ),
    Row(
        key="start",
        what="start with 1,000,000 finished instances on disk",
        target="< 2 s",
        measure=measure_start,
    ),
    Row(
        key="answers",
        what="list page, counts, one instance, at 1,000,000 instances",
        target="< 50 ms each",
        measure=measure_answers,
    ),
    Row(
        key="tabs",
        what="dashboard open in 5 tabs during a run: throughput lost",
        target="≤ 5 %",
        measure=measure_tabs,
    ),
    Row(
        key="disk",
        what="disk per order, histories included",
        target="≤ 1.5 kB",
        measure=measure_disk,
    ),
)
KEYS: Final = tuple(row.key for row in ROWS)
# What `make bench` measures.
FIRST: Final = KEYS[:6]
