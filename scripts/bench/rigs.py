"""A rig is a server with its workers; a run is a submission of orders, measured."""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from durabletask.azuremanaged.client import DurableTaskSchedulerClient

from scripts.bench import worker
from scripts.bench.echo import RUN
from scripts.bench.errors import BenchError
from scripts.bench.metrics import Metrics
from scripts.bench.noise import Noise
from scripts.bench.parts import Part, part
from scripts.bench.processes import MachineTime, cpu_seconds, cpu_seconds_of
from scripts.bench.programs import shape_of
from scripts.bench.servers import Server, Serving

# The SDK's line of its own worker, or ours.
_CONNECTED: Final = r"connected to "
_RUN_SECONDS_MAX: Final = 1_800
_LOOK_SECONDS: Final = 0.5
_LOG: Final = logging.getLogger("bench.client")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One submission: wall seconds, and CPU seconds of the server and of all its workers.

    `others` is what everybody else used of all cores meanwhile, from 0 to 1. Commits, and the
    seconds that they took, are a scheduler's; the other servers have none.
    """

    orders: int
    seconds: float
    server_cpu: float
    workers_cpu: float
    others: float = 0.0
    commits: int = 0
    commit_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Orders a second."""
        return self.orders / self.seconds

    @property
    def server_ms(self) -> float:
        """The server's CPU for an order, milliseconds."""
        return 1e3 * self.server_cpu / self.orders

    @property
    def workers_ms(self) -> float:
        """The workers' CPU for an order, milliseconds."""
        return 1e3 * self.workers_cpu / self.orders

    @property
    def wall_ms(self) -> float:
        """The time that went by for an order, milliseconds."""
        return 1e3 * self.seconds / self.orders

    def as_document(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A server, its workers, and how to make them work."""

    name: str
    server: Server
    workers: tuple[Part, ...]

    def run(
        self,
        orders: int,
        batch_size: int,
        noise: Noise,
        *,
        activity: str = "no_work",
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Run:
        """Has so many orders processed, with `meanwhile` called twice a second or so.

        Raises `BenchError` when a process ends or the orders are not all processed.
        """
        noise.look()
        metrics = self._metrics()
        machine = MachineTime.now()
        own = time.process_time()
        before = self._cpu()
        seconds = self._watched(lambda: self._drive(orders, batch_size, activity), meanwhile)
        server_cpu, workers_cpu = (
            now - then for now, then in zip(self._cpu(), before, strict=True)
        )
        ours = server_cpu + workers_cpu + time.process_time() - own
        others = noise.note(machine, seconds, ours)
        metrics_now = self._metrics()
        return Run(
            orders=orders,
            seconds=seconds,
            server_cpu=server_cpu,
            workers_cpu=workers_cpu,
            others=others,
            commits=metrics_now.commits - metrics.commits,
            commit_seconds=metrics_now.commit_seconds - metrics.commit_seconds,
        )

    def client(self) -> DurableTaskSchedulerClient:
        """A client of the server; close it."""
        return DurableTaskSchedulerClient(
            host_address=self.server.address,
            taskhub="default",
            token_credential=None,
            secure_channel=False,
            logger=_LOG,
        )

    def check(self) -> None:
        """Raises `BenchError` when one of the processes has ended."""
        self.server.check()
        for running in self.workers:
            running.check()

    def _metrics(self) -> Metrics:
        http = self.server.http
        return Metrics() if http is None else Metrics.of(http)

    def _cpu(self) -> tuple[float, float]:
        return cpu_seconds(self.server.pid), cpu_seconds_of(part.pid for part in self.workers)

    def _drive(self, orders: int, batch_size: int, activity: str) -> float:
        if self.server.is_echo:
            with grpc.insecure_channel(self.server.address) as channel:
                run = channel.unary_unary(RUN, None, None)  # bytes in and out
                begun = time.perf_counter()
                run(str(orders).encode(), timeout=_RUN_SECONDS_MAX)
                return time.perf_counter() - begun
        shape = shape_of(orders, batch_size, activity)
        with self.client() as client:
            begun = time.perf_counter()
            instance_id = client.schedule_new_orchestration("submission", input=shape)
            state = client.wait_for_orchestration_completion(instance_id, timeout=_RUN_SECONDS_MAX)
            seconds = time.perf_counter() - begun
        if state is None or state.serialized_output != str(orders):
            raise BenchError(f"a submission of {orders} orders came to {state}")
        return seconds

    def _watched(self, drive: Callable[[], float], meanwhile: Callable[[], None]) -> float:
        """What `drive` returns; it waits on a thread, so that a process that ends is noticed."""
        found: list[float | Exception] = []

        def act() -> None:
            try:
                found.append(drive())
            except Exception as error:  # noqa: BLE001 - told by who waits
                found.append(error)

        thread = threading.Thread(target=act, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(_LOOK_SECONDS)
            self.check()
            meanwhile()
        result = found[0]
        if isinstance(result, BenchError):
            raise result
        if isinstance(result, Exception):
            raise BenchError(f"{self.name}: {result}") from result
        return result


@contextlib.contextmanager
def rig(
    name: str, serving: Serving, folder: Path, *, workers: int, options: str = worker.SDK
) -> Iterator[Rig]:
    """A rig in a folder of its own, workers connected; `options` are those of `worker`."""
    home = folder / name.replace(" ", "-").replace(",", "")
    home.mkdir()
    with serving(home) as server, workers_of(server, home, workers, options) as parts:
        yield Rig(name=name, server=server, workers=parts)


@contextlib.contextmanager
def workers_of(
    server: Server, folder: Path, count: int, options: str = worker.SDK
) -> Iterator[tuple[Part, ...]]:
    """So many workers of a server, connected."""
    with ExitStack() as stack:
        yield tuple(
            stack.enter_context(
                part(
                    f"bench worker {number}",
                    ["-m", "scripts.bench.worker", server.address, options],
                    log=folder / f"bench-worker-{number}.log",
                    ready=_CONNECTED,
                    environment=_environment(server),
                )
            )
            for number in range(1, count + 1)
        )


def _environment(server: Server) -> dict[str, Any]:
    given = server.environment
    return {**(os.environ if given is None else given), "ENDPOINT": f"http://{server.address}"}
