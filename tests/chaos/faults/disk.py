"""The scheduler's disk: full, read-only, unable to flush."""

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Final

from tests.chaos.kinds import Kind, Scene
from tests.e2e.processes import wait_until

_LANE: Final = ("scheduler",)
_MIB: Final = 1024 * 1024
# Every commit writes, and something is committed all the time.
_NOTICED_SECONDS_MAX: Final = 30.0
# Of a scheduler that runs, and of one that is just starting.
_SAID: Final = ("disk I/O error", "Read-only file system", "Input/output error")


def _break(scene: Scene, command: str) -> int:
    """Has the scheduler meet errors until it has ended and said why; where its log stood before."""
    scheduler = scene.stack.scheduler
    before = scheduler.log_bytes
    told: set[int] = set()

    def has_ended() -> bool:
        # One that was just being ended by something else never heard of it.
        if scheduler.pid not in told:
            told.add(scheduler.pid)
            scheduler.tell(command)
        return any(scheduler.said(text, after=before) for text in _SAID)

    wait_until(has_ended, seconds=_NOTICED_SECONDS_MAX)
    return before


def _fill(scene: Scene) -> None:
    # Not buffered: what does not fit must not be tried again when it is closed.
    with _filler(scene).open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(b"\0" * _MIB)


def _make_room(scene: Scene) -> None:
    _filler(scene).unlink()


def _filler(scene: Scene) -> Path:
    return scene.stack.disk / "filler"


def _turn_read_only(scene: Scene) -> None:
    scheduler = scene.stack.scheduler
    before = _break(scene, "disk turns read-only")
    # The kernel refuses while somebody has a file open to write: a client with a payload, or the
    # scheduler that is just being started again.
    wait_until(lambda: _remount(scene, "ro"))
    wait_until(lambda: scheduler.said("Read-only file system", after=before))


def _turn_writable(scene: Scene) -> None:
    _remount(scene, "rw")


def _remount(scene: Scene, mode: str) -> bool:
    command = ["mount", "-o", f"remount,{mode}", str(scene.stack.disk)]
    return subprocess.run(command, check=False, capture_output=True).returncode == os.EX_OK


def _fail_flushes(scene: Scene) -> None:
    _break(scene, "disk fails")


KINDS: Final = (
    Kind(name="disk full", lanes=_LANE, inject=_fill, recover=_make_room, seconds=(2.0, 4.0)),
    Kind(
        name="disk read-only",
        lanes=_LANE,
        inject=_turn_read_only,
        recover=_turn_writable,
        seconds=(1.0, 2.0),
    ),
    Kind(name="flush fails (EIO)", lanes=_LANE, inject=_fail_flushes),
)
