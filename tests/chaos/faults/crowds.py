"""A thousand clients that are there, and then are not: no goodbye, no reset, nothing."""

import subprocess
import sys
from typing import Final

from scripts.local_stack import ROOT
from tests.chaos.faults.network import DROP, filter_packets
from tests.chaos.kinds import SILENT_SECONDS, Kind, Scene, undo
from tests.chaos.stack import GRPC_PORT
from tests.e2e.connections import connections
from tests.e2e.processes import wait_until

_ADDRESS: Final = "127.0.9.1"
_COUNT: Final = 1_000
_THERE_SECONDS_MAX: Final = 60.0


def _vanish(scene: Scene) -> None:
    # A scheduler that is just being killed takes the crowd with it: then another one comes.
    wait_until(lambda: _is_there(scene), seconds=_THERE_SECONDS_MAX)


def _is_there(scene: Scene) -> bool:
    command = [sys.executable, "-m", "tests.chaos.crowd", _ADDRESS, str(GRPC_PORT), str(_COUNT)]
    log = scene.stack.folder / "crowd.log"
    with (
        log.open("ab") as stream,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=stream) as crowd,
    ):
        assert crowd.stdout is not None
        line = crowd.stdout.readline()
        is_there = line == f"{_COUNT} are there\n".encode()
        if is_there:
            filter_packets("-I", _ADDRESS, DROP)
            scene.undo.append(lambda: filter_packets("-D", _ADDRESS, DROP))
        crowd.kill()
    return is_there


def _is_forgotten(_scene: Scene) -> bool:
    """Whether the scheduler has closed what nobody is at the other end of."""
    return all(end.remote_address != _ADDRESS for end in connections())


KINDS: Final = (
    Kind(
        name="thousand clients vanish",
        lanes=("crowd",),
        inject=_vanish,
        recover=undo,
        seconds=(SILENT_SECONDS, SILENT_SECONDS + 1),
        is_over=_is_forgotten,
    ),
)
