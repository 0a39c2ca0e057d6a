"""The network between a worker and the scheduler: cut with a reset, or silent without a word."""

import subprocess
from typing import Final

from tests.chaos.kinds import SILENT_SECONDS, WORKER_LANES, Kind, Scene
from tests.chaos.stack import GRPC_PORT, address_of

_RESET: Final = ("REJECT", "--reject-with", "tcp-reset")
DROP: Final = ("DROP",)


def filter_packets(change: str, address: str, target: tuple[str, ...]) -> None:
    """Adds (`-I`) or takes away (`-D`) the rules for both directions of an address's traffic."""
    for side in (("--destination", address, "--dport"), ("--source", address, "--sport")):
        rule = (*side[:2], "--protocol", "tcp", side[2], str(GRPC_PORT), "--jump", *target)
        subprocess.run(["iptables", "-w", change, "INPUT", *rule], check=True)  # noqa: S607 - found on PATH


def _cut(scene: Scene) -> None:
    filter_packets("-I", address_of(scene.lane), _RESET)


def _mend_cut(scene: Scene) -> None:
    filter_packets("-D", address_of(scene.lane), _RESET)


def _silence(scene: Scene) -> None:
    filter_packets("-I", address_of(scene.lane), DROP)


def _mend_silence(scene: Scene) -> None:
    filter_packets("-D", address_of(scene.lane), DROP)


KINDS: Final = (
    Kind(
        name="connection cut",
        lanes=WORKER_LANES,
        inject=_cut,
        recover=_mend_cut,
        seconds=(1.0, 3.0),
    ),
    Kind(
        name="connection silent",
        lanes=WORKER_LANES,
        inject=_silence,
        recover=_mend_silence,
        seconds=(SILENT_SECONDS, SILENT_SECONDS + 1),
    ),
)
