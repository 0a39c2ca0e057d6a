"""Orders per second of the embedded scheduler, and of the SDK's in-memory testing backend.

`python -m scripts.throughput [--orders 4000 --batch-size 100 --workers 2 --rounds 3]`. Activities
do nothing; both run in turn on this machine, with the same workers and the same client. What
counts is the ratio: the absolute numbers are the machine's.
"""

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from durabletask.azuremanaged.client import DurableTaskSchedulerClient

from scripts.local_stack import ROOT, LocalStack, free_port

_PARTS: Final = "scripts.throughput_parts"
_WAIT_SECONDS: Final = 600
_CLOCK_TICKS: Final[int] = os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Prints a line per run, and the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=4_000)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rates: dict[str, list[float]] = {"in memory": [], "durable": []}
    for _ in range(options.rounds):
        for name, found in rates.items():
            with tempfile.TemporaryDirectory(prefix="throughput-") as folder:
                found.append(_measure(name, Path(folder), options))
    for name, found in rates.items():
        low, middle, high = min(found), statistics.median(found), max(found)
        print(f"{name:10} orders/s  min {low:6.0f}  median {middle:6.0f}  max {high:6.0f}")
    ratio = statistics.median(rates["durable"]) / statistics.median(rates["in memory"])
    print(f"durable / in memory: {ratio:.2f}")
    return 0


def _measure(name: str, folder: Path, options: argparse.Namespace) -> float:
    serving = _testing_backend if name == "in memory" else _embedded_scheduler
    with serving(folder) as (address, pid), contextlib.ExitStack() as workers:
        for number in range(options.workers):
            log = folder / f"worker-{number}.log"
            workers.enter_context(_part(["worker", address], log))
        before = _cpu_seconds(pid)
        seconds = _run(address, options.orders, options.batch_size)
        cost = (_cpu_seconds(pid) - before) / options.orders
    rate: float = options.orders / seconds
    print(f"{name:10} {rate:6.0f} orders/s  scheduler CPU {cost * 1e3:.2f} ms/order", flush=True)
    return rate


def _run(address: str, orders: int, batch_size: int) -> float:
    with DurableTaskSchedulerClient(
        host_address=address, taskhub="default", token_credential=None, secure_channel=False
    ) as client:
        begun = time.perf_counter()
        instance_id = client.schedule_new_orchestration("submission", input=[orders, batch_size])
        state = client.wait_for_orchestration_completion(instance_id, timeout=_WAIT_SECONDS)
        seconds = time.perf_counter() - begun
    if state is None or state.serialized_output != str(orders):
        raise SystemExit(f"the submission did not complete: {state}")
    return seconds


@contextlib.contextmanager
def _embedded_scheduler(folder: Path) -> Iterator[tuple[str, int]]:
    with LocalStack(workers=0, logs=folder, usual_ports=False) as stack:
        yield stack.endpoint.removeprefix("http://"), stack.process("scheduler").pid


@contextlib.contextmanager
def _testing_backend(folder: Path) -> Iterator[tuple[str, int]]:
    port = free_port(0)
    with _part(["backend", str(port)], folder / "backend.log") as pid:
        yield f"127.0.0.1:{port}", pid


@contextlib.contextmanager
def _part(arguments: list[str], log: Path) -> Iterator[int]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", _PARTS, *arguments], cwd=ROOT, stdout=out, stderr=out
        )
    try:
        while "ready" not in log.read_text(errors="replace"):
            if process.poll() is not None:
                raise SystemExit(log.read_text(errors="replace"))
            time.sleep(0.02)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return float(int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


if __name__ == "__main__":
    sys.exit(main())
