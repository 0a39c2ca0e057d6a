"""Row 5: how long one order takes, alone, from the client's call to its answer.

All rigs are up, and blocks of orders alternate. What a durable scheduler must do more than one in
memory is to wait for the disk. What that costs an order is measured by the same scheduler with
commits that are written and not flushed.
"""

from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final

from durabletask.client import TaskHubGrpcClient

from scripts.bench import worker
from scripts.bench.errors import BenchError
from scripts.bench.metrics import Metrics
from scripts.bench.programs import shape_of
from scripts.bench.readings import Measured, Reading, Target
from scripts.bench.rigs import Rig, rig
from scripts.bench.samples import Spread, percentile
from scripts.bench.servers import embedded_scheduler, testing_backend, unsynced_scheduler
from scripts.bench.session import Session

_WARM_UP: Final = 20
_BLOCK: Final = 25
_ORDER_SECONDS_MAX: Final = 60
_MEMORY: Final = "in memory"
_DURABLE: Final = "durable"
_UNSYNCED: Final = "durable, not flushed"
_OPTIONS: Final = {"the SDK's worker": worker.SDK, "our worker": worker.OURS}
_SERVERS: Final = {
    _MEMORY: testing_backend,
    _DURABLE: embedded_scheduler,
    _UNSYNCED: unsynced_scheduler,
}


@dataclass(slots=True, kw_only=True)
class _Taken:
    """Seconds of each order, and of each block its median."""

    seconds: list[float] = field(default_factory=list)
    medians: list[float] = field(default_factory=list)

    def block(self, client: TaskHubGrpcClient, orders: int) -> None:
        """So many orders, one after the other."""
        found = [_one(client) for _ in range(orders)]
        self.seconds += found
        self.medians.append(percentile(found, 50))

    @property
    def p50_ms(self) -> float:
        """Of all orders, milliseconds."""
        return 1e3 * percentile(self.seconds, 50)


def measure_latency(session: Session) -> Measured:
    """Durable without its flushes over in memory, at the median: the SDK's worker, and ours."""
    (first, series), (second, of_ours) = (_measure(session, whose) for whose in _OPTIONS)
    return Measured(readings=(first, second), series={**series, "ourWorker": of_ours})


def _measure(session: Session, whose: str) -> tuple[Reading, dict[str, Any]]:
    folder = session.new_folder(f"latency-{_OPTIONS[whose]}")
    with ExitStack() as stack:
        rigs = {
            name: stack.enter_context(
                rig(name, serving, folder, workers=1, options=_OPTIONS[whose])
            )
            for name, serving in _SERVERS.items()
        }
        taken, (before, after) = _alternate(session, rigs)
    durable, unsynced, memory = (taken[name] for name in (_DURABLE, _UNSYNCED, _MEMORY))
    commits = (after.commits - before.commits) / len(durable.seconds)
    per_commit = (after.commit_seconds - before.commit_seconds) / (after.commits - before.commits)
    detail = (
        f"p50 {durable.p50_ms:.2f} ms, {unsynced.p50_ms:.2f} ms without flushes, in memory"
        f" {memory.p50_ms:.2f} ms; {commits:.1f} commits an order, each {1e3 * per_commit:.3f} ms;"
        f" p99 {1e3 * percentile(durable.seconds, 99):.2f} and in memory"
        f" {1e3 * percentile(memory.seconds, 99):.2f} ms"
    )
    ratios = Spread.of_ratio(unsynced.medians, memory.medians)
    reading = Reading(
        label=f"{whose}, fsyncs taken off",
        spread=Spread(
            value=unsynced.p50_ms / memory.p50_ms,
            low=ratios.low,
            high=ratios.high,
            count=ratios.count,
        ),
        target=Target(comparison="<=", bound=1.0),
        detail=detail,
    )
    series = {
        "durableSeconds": durable.seconds,
        "unflushedSeconds": unsynced.seconds,
        "inMemorySeconds": memory.seconds,
        "commitsPerOrder": commits,
        "secondsPerCommit": per_commit,
    }
    return reading, series


def _alternate(
    session: Session, rigs: dict[str, Rig]
) -> tuple[dict[str, _Taken], tuple[Metrics, Metrics]]:
    http = rigs[_DURABLE].server.http
    if http is None:
        raise BenchError("only a scheduler with metrics has commits to count")
    taken = {name: _Taken() for name in rigs}
    with ExitStack() as stack:
        clients = {
            name: stack.enter_context(closing(measured.client())) for name, measured in rigs.items()
        }
        for client in clients.values():
            _Taken().block(client, min(_WARM_UP, session.sizes.single))
        before = Metrics.of(http)
        left = session.sizes.single
        while left:
            session.noise.look()
            for name, client in clients.items():
                taken[name].block(client, min(_BLOCK, left))
            left -= min(_BLOCK, left)
        after = Metrics.of(http)
    session.say(f"latency: {session.sizes.single} orders through each")
    return taken, (before, after)


def _one(client: TaskHubGrpcClient) -> float:
    begun = perf_counter()
    instance_id = client.schedule_new_orchestration("submission", input=shape_of(1, 1))
    state = client.wait_for_orchestration_completion(instance_id, timeout=_ORDER_SECONDS_MAX)
    seconds = perf_counter() - begun
    if state is None or state.serialized_output != "1":
        raise BenchError(f"an order came to {state}")
    return seconds
