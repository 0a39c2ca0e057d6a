"""Row 5: how long one order takes, alone, from the client's call to its answer.

Both rigs are up, and blocks of orders alternate. What a durable scheduler must do more than one in
memory is to wait for the disk. An order does so twice: before its activity is handed out, and
before its end is told. Its other commits are written while a worker has its next turn already.
How long an fsync takes is measured beside the scheduler's own files.
"""

from contextlib import closing
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from durabletask.client import TaskHubGrpcClient

from scripts.bench.disk import SyncProbe
from scripts.bench.errors import BenchError
from scripts.bench.metrics import Metrics
from scripts.bench.programs import shape_of
from scripts.bench.readings import Measured, Reading, Target
from scripts.bench.rigs import Rig, rig
from scripts.bench.samples import Spread, percentile
from scripts.bench.servers import embedded_scheduler, testing_backend
from scripts.bench.session import Session

_WARM_UP: Final = 20
_BLOCK: Final = 25
_SYNCS: Final = 25
# Commits that nothing else of an order goes on beside.
_WAITED_FOR: Final = 2
_ORDER_SECONDS_MAX: Final = 60


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


def measure_latency(session: Session) -> Measured:
    """Durable without its fsyncs over in memory, at the median."""
    folder = session.new_folder("latency")
    with (
        rig("in memory", testing_backend, folder, workers=1) as memory,
        rig("durable", embedded_scheduler, folder, workers=1) as durable,
    ):
        probe = SyncProbe(folder / "durable" / "data")
        ours, others, (before, after) = _alternate(session, durable, memory, probe)
    commits = (after.commits - before.commits) / len(ours.seconds)
    sync = percentile(probe.seconds, 50)
    waited = _WAITED_FOR * sync
    p50 = {"durable": percentile(ours.seconds, 50), "memory": percentile(others.seconds, 50)}
    per_commit = (after.commit_seconds - before.commit_seconds) / (after.commits - before.commits)
    detail = (
        f"p50 {1e3 * p50['durable']:.2f} ms, in memory {1e3 * p50['memory']:.2f} ms;"
        f" {commits:.1f} commits an order, {_WAITED_FOR} of them waited for; fdatasync"
        f" {1e3 * sync:.3f} ms (a whole commit {1e3 * per_commit:.3f} ms); p99"
        f" {1e3 * percentile(ours.seconds, 99):.2f} and"
        f" {1e3 * percentile(others.seconds, 99):.2f} ms"
    )
    ratios = Spread.of_ratio([block - waited for block in ours.medians], others.medians)
    reading = Reading(
        label="p50, fsyncs taken off",
        spread=Spread(
            value=(p50["durable"] - waited) / p50["memory"],
            low=ratios.low,
            high=ratios.high,
            count=ratios.count,
        ),
        target=Target(comparison="<=", bound=1.0),
        detail=detail,
    )
    series = {
        "durableSeconds": ours.seconds,
        "inMemorySeconds": others.seconds,
        "fdatasyncSeconds": probe.seconds,
        "commitsPerOrder": commits,
        "secondsPerCommit": per_commit,
    }
    return Measured(readings=(reading,), series=series)


def _alternate(
    session: Session, durable: Rig, memory: Rig, probe: SyncProbe
) -> tuple[_Taken, _Taken, tuple[Metrics, Metrics]]:
    http = durable.server.http
    if http is None:
        raise BenchError("only a scheduler with metrics has commits to count")
    ours, others = _Taken(), _Taken()
    with closing(durable.client()) as to_durable, closing(memory.client()) as to_memory:
        for client in (to_durable, to_memory):
            _Taken().block(client, min(_WARM_UP, session.sizes.single))
        before = Metrics.of(http)
        left = session.sizes.single
        while left:
            session.noise.look()
            ours.block(to_durable, min(_BLOCK, left))
            others.block(to_memory, min(_BLOCK, left))
            probe.measure(_SYNCS)
            left -= min(_BLOCK, left)
        after = Metrics.of(http)
    session.say(f"latency: {len(ours.seconds)} orders through each")
    return ours, others, (before, after)


def _one(client: TaskHubGrpcClient) -> float:
    begun = perf_counter()
    instance_id = client.schedule_new_orchestration("submission", input=shape_of(1, 1))
    state = client.wait_for_orchestration_completion(instance_id, timeout=_ORDER_SECONDS_MAX)
    seconds = perf_counter() - begun
    if state is None or state.serialized_output != "1":
        raise BenchError(f"an order came to {state}")
    return seconds
