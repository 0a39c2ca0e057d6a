"""Rows 6, 7 and 12: what an order costs among many, in time, memory and disk.

A large run on an empty data directory, with small ones on another scheduler before and after it, so
that a machine that becomes slower is seen. All three rows come from the same large run.
"""

import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from scripts.bench.disk import bytes_below
from scripts.bench.errors import BenchError
from scripts.bench.metrics import Metrics
from scripts.bench.processes import Memory, cpu_seconds
from scripts.bench.readings import Measured, Reading, Target
from scripts.bench.rigs import Rig, Run, rig
from scripts.bench.samples import Spread
from scripts.bench.servers import Server, embedded_scheduler, stack_of
from scripts.bench.session import Session
from scripts.local_stack import ROOT, LocalStack

_WORKERS: Final = 2
_COST: Final = Target(comparison="<=", bound=1.2)
_MEMORY: Final = Target(comparison="<=", bound=150)
_DISK: Final = Target(comparison="<=", bound=1.5)
# What is freed when all is over is given back by then.
_SETTLE_SECONDS: Final = 2.0
_MIB: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The scheduler in the middle of the large run: since its beginning, and bytes of memory."""

    seconds: float
    orders: int
    server_cpu: float
    resident: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Small runs, the large one, and the scheduler's memory and data directory in bytes."""

    few: list[Run]
    many: Run
    looks: list[Look]
    peak: int
    after: int
    disk: int
    largest_disk: int


def measure_cost(session: Session) -> Measured:
    """Row 6: an order's cost in the large run over that in the small ones."""
    found = _scale(session)
    few, many = session.sizes.few, session.sizes.many
    walls = [found.many.wall_ms / run.wall_ms for run in found.few]
    costs = [found.many.server_ms / run.server_ms for run in found.few]
    readings = (
        Reading(
            label="wall",
            spread=Spread.of(walls),
            target=_COST,
            detail=f"{found.many.wall_ms:.3f} ms an order at {many:,},"
            f" {Spread.of([run.wall_ms for run in found.few]).value:.3f} ms at {few:,}",
        ),
        Reading(
            label="scheduler CPU",
            spread=Spread.of(costs),
            target=_COST,
            detail=f"{found.many.server_ms:.3f} ms an order at {many:,},"
            f" {Spread.of([run.server_ms for run in found.few]).value:.3f} ms at {few:,}",
        ),
    )
    series = {
        "few": [run.as_document() for run in found.few],
        "many": found.many.as_document(),
        "looks": [asdict(look) for look in found.looks],
    }
    return Measured(readings=readings, series=series)


def measure_memory(session: Session) -> Measured:
    """Row 7: the scheduler's resident memory during and after the large run."""
    found = _scale(session)
    readings = tuple(
        Reading(
            label=label,
            spread=Spread.of([value / _MIB]),
            target=_MEMORY,
            unit="MiB",
            detail=detail,
        )
        for label, value, detail in (
            ("during (peak)", found.peak, "the highest since its start"),
            ("after", found.after, f"{_SETTLE_SECONDS:g} s after the end"),
        )
    )
    series = {"looks": [asdict(look) for look in found.looks]}
    return Measured(readings=readings, series=series)


def measure_disk(session: Session) -> Measured:
    """Row 12: the data directory for an order: of the large run, and of orders that people send."""
    found = _scale(session)
    submitted = session.sizes.submitted
    real = _submitted_bytes(session)
    readings = (
        Reading(
            label="an order that is a number",
            spread=Spread.of([found.disk / found.many.orders / 1e3]),
            target=_DISK,
            unit="kB",
            detail=f"{found.disk / 1e6:,.1f} MB for {found.many.orders:,} orders once the log is"
            f" emptied, {found.largest_disk / 1e6:,.1f} MB at most during the run",
        ),
        Reading(
            label="an order of `submit`",
            spread=Spread.of([real / submitted / 1e3]),
            target=_DISK,
            unit="kB",
            detail=f"{real / 1e6:,.1f} MB for {submitted:,} generated orders in batches of"
            f" {session.sizes.batch_size}, payload files included",
        ),
    )
    series = {"bytes": found.disk, "bytesDuring": found.largest_disk, "bytesSubmitted": real}
    return Measured(readings=readings, series=series)


def _scale(session: Session) -> Scale:
    return session.shared("scale", lambda: _measure(session))


def _measure(session: Session) -> Scale:
    sizes, folder = session.sizes, session.new_folder("scale")
    few: list[Run] = []

    def run_few(small: Rig) -> None:
        few.extend(
            small.run(sizes.few, sizes.batch_size, session.noise) for _ in range(session.rounds)
        )
        session.say(f"scale: {len(few)} runs of {sizes.few:,}, {few[-1].wall_ms:.3f} ms an order")

    with rig("few", embedded_scheduler, folder, workers=_WORKERS) as small:
        small.run(sizes.few, sizes.batch_size, session.noise)
        run_few(small)
        with rig("many", embedded_scheduler, folder, workers=_WORKERS) as large:
            watch = _Watch(session, large.server, folder / "many")
            many = large.run(sizes.many, sizes.batch_size, session.noise, meanwhile=watch.look)
            watch.look()
            time.sleep(_SETTLE_SECONDS)
            memory = Memory.of(large.server.pid)
        disk = bytes_below(folder / "many")
        session.say(f"scale: {sizes.many:,} orders, {many.wall_ms:.3f} ms an order")
        run_few(small)
    return Scale(
        few=few,
        many=many,
        looks=watch.looks,
        peak=memory.peak,
        after=memory.now,
        disk=disk,
        largest_disk=watch.largest_disk,
    )


class _Watch:
    """Looks at a scheduler now and then."""

    def __init__(self, session: Session, server: Server, folder: Path) -> None:
        if server.http is None:
            raise BenchError("only a scheduler with metrics can be watched")
        self._session = session
        self._server = server
        self._http = server.http
        self._folder = folder
        self._begun = time.perf_counter()
        self._cpu = cpu_seconds(server.pid)
        self._said = 0
        self.looks: list[Look] = []
        self.largest_disk = 0

    def look(self) -> None:
        """Notes how far it is, and what that took."""
        orders = Metrics.of(self._http).activities
        self.looks.append(
            Look(
                seconds=time.perf_counter() - self._begun,
                orders=orders,
                server_cpu=cpu_seconds(self._server.pid) - self._cpu,
                resident=Memory.of(self._server.pid).now,
            )
        )
        self.largest_disk = max(self.largest_disk, bytes_below(self._folder))
        tenth = 10 * orders // self._session.sizes.many
        if tenth > self._said:
            self._said = tenth
            self._session.say(f"scale: {orders:,} of {self._session.sizes.many:,} orders")


def _submitted_bytes(session: Session) -> int:
    """What generated orders leave on the disk: with the real client, workers and payload store."""
    folder = session.new_folder("submitted")
    with stack_of(folder, workers=_WORKERS) as stack:
        orders = folder / "orders.csv"
        with orders.open("wb") as stream:
            stream.write(_client(stack, "generate", session.sizes.submitted))
        _client(stack, "submit", orders, "--batch-size", session.sizes.batch_size, "--json")
    session.say(f"disk: {session.sizes.submitted:,} orders through submit")
    return bytes_below(folder)


def _client(stack: LocalStack, *arguments: object) -> bytes:
    ran = subprocess.run(
        [sys.executable, "-m", "services.client", *map(str, arguments)],
        cwd=ROOT,
        env=stack.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if ran.returncode:
        raise BenchError(f"services.client {arguments[0]}: {ran.stderr.decode(errors='replace')}")
    return ran.stdout
