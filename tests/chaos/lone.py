"""A scheduler of another composition root, alone, on ports and data of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from durabletask.azuremanaged.client import DurableTaskSchedulerClient

from scripts.local_stack import ROOT, free_port
from tests.chaos.exercise import Ports
from tests.conformance.hub import Hub
from tests.e2e.processes import end, wait_for_line
from tests.e2e.schedulers import QUIET


@dataclass(frozen=True, slots=True, kw_only=True)
class Lone:
    """One that serves."""

    process: "subprocess.Popen[bytes]"
    ports: Ports
    log: Path

    def tell(self, line: str) -> None:
        """A line for its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    @contextmanager
    def hub(self) -> Iterator[Hub]:
        """Its task hub, for a block in which it may end."""
        endpoint = f"http://127.0.0.1:{self.ports.grpc}"
        with DurableTaskSchedulerClient(
            host_address=endpoint,
            taskhub="default",
            token_credential=None,
            secure_channel=False,
            logger=QUIET,
        ) as client:
            yield Hub(endpoint=endpoint, name="default", client=client)


@contextmanager
def lone_scheduler(folder: Path, module: str, *arguments: str) -> Iterator[Lone]:
    """`python -m tests.chaos.MODULE`, with its data in `folder`, for a block."""
    ports = Ports(grpc=free_port(0), http=free_port(0))
    settings = {
        "SCHEDULER_DATA_DIR": str(folder / "data"),
        "SCHEDULER_GRPC_PORT": str(ports.grpc),
        "SCHEDULER_HTTP_PORT": str(ports.http),
    }
    log = folder / f"{module}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", f"tests.chaos.{module}", *arguments],
            cwd=ROOT,
            env=os.environ | settings,
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=stream,
        )
    try:
        wait_for_line(log, "ready: ")
        yield Lone(process=process, ports=ports, log=log)
    finally:
        end(process)
        assert process.stdin is not None
        process.stdin.close()
