"""Processes that are killed, asked to stop, and frozen for longer than the keepalive."""

import signal
from typing import Final

from tests.chaos.kinds import SILENT_SECONDS, WORKER_LANES, Kind, Scene, at_once

_LONG: Final = (SILENT_SECONDS, SILENT_SECONDS + 1)


def _kill(scene: Scene) -> None:
    _end(scene, signal.SIGKILL)


def _terminate(scene: Scene) -> None:
    _end(scene, signal.SIGTERM)


def _end(scene: Scene, number: signal.Signals) -> None:
    part = scene.stack.parts[scene.lane]
    scene.pids.append(part.pid)
    part.send(number)


def _serves_again(scene: Scene) -> bool:
    """Whether another process does what the ended one did."""
    part = scene.stack.parts[scene.lane]
    return part.pid not in scene.pids and scene.stack.serves(scene.lane)


def _freeze(scene: Scene) -> None:
    scene.stack.parts[scene.lane].send(signal.SIGSTOP)


def _thaw(scene: Scene) -> None:
    scene.stack.parts[scene.lane].send(signal.SIGCONT)


def _hit_client(scene: Scene, number: signal.Signals) -> None:
    scene.pids.append(scene.load.hit_client(number))


def _thaw_client(scene: Scene) -> None:
    for pid in scene.pids:
        scene.load.wake_client(pid)


def _of(what: str, lanes: tuple[str, ...]) -> tuple[Kind, ...]:
    return (
        Kind(name=f"{what} killed", lanes=lanes, inject=_kill, is_over=_serves_again),
        Kind(name=f"{what} asked to stop", lanes=lanes, inject=_terminate, is_over=_serves_again),
        Kind(name=f"{what} frozen", lanes=lanes, inject=_freeze, recover=_thaw, seconds=_LONG),
    )


KINDS: Final = (
    *_of("scheduler", ("scheduler",)),
    *_of("worker", WORKER_LANES),
    *_of("dashboard", ("dashboard",)),
    Kind(
        name="client killed",
        lanes=("client",),
        inject=lambda scene: _hit_client(scene, signal.SIGKILL),
        is_over=at_once,
    ),
    Kind(
        name="client asked to stop",
        lanes=("client",),
        inject=lambda scene: _hit_client(scene, signal.SIGTERM),
        is_over=at_once,
    ),
    Kind(
        name="client frozen",
        lanes=("client",),
        inject=lambda scene: _hit_client(scene, signal.SIGSTOP),
        recover=_thaw_client,
        seconds=_LONG,
        is_over=at_once,
    ),
)
