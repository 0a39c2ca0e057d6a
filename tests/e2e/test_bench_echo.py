"""The echo server, with the SDK's worker and without one."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from scripts.bench.echo import RUN
from scripts.bench.errors import BenchError
from scripts.bench.noise import Noise
from scripts.bench.rigs import Rig, workers_of
from scripts.bench.servers import Server, echo_server

SECONDS_MAX = 30


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """An echo server."""
    with echo_server(tmp_path) as server:
        yield server


def test_without_workers_there_is_nobody_to_echo(server: Server) -> None:
    with grpc.insecure_channel(server.address) as channel:
        run = channel.unary_unary(RUN, None, None)
        with pytest.raises(grpc.RpcError, match="no workers, or a run goes on"):
            run(b"1", timeout=SECONDS_MAX)


def test_as_many_items_are_echoed_as_asked_for_again_and_again(
    server: Server, tmp_path: Path
) -> None:
    # Fewer than workers take at once, and many more.
    with workers_of(server, tmp_path, 2, "3") as workers:
        rig = Rig(name="echo", server=server, workers=workers)
        for items in (1, 50, 50):
            run = rig.run(items, 100, Noise())
            assert run.orders == items
            assert run.server_cpu > 0
            assert run.workers_cpu > 0


def test_a_worker_that_ends_ends_the_run(server: Server, tmp_path: Path) -> None:
    with workers_of(server, tmp_path, 1) as workers:
        rig = Rig(name="echo", server=server, workers=workers)

        def end() -> None:
            workers[0].process.kill()
            workers[0].process.wait()

        with pytest.raises(BenchError):
            rig.run(1_000_000, 100, Noise(), meanwhile=end)
