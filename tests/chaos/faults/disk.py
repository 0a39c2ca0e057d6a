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


def _ends(scene: Scene, before: int, text: str) -> None:
    """Waits until the scheduler has ended and said why."""
    scheduler = scene.stack.scheduler
    wait_until(
        lambda: (
            scheduler.said("the scheduler has stopped", after=before)
            and scheduler.said(text, after=before)
        ),
        seconds=_NOTICED_SECONDS_MAX,
    )


def _fill(scene: Scene) -> None:
    with _filler(scene).open("wb") as filler, contextlib.suppress(OSError):
        while True:
            filler.write(b"\0" * _MIB)
            filler.flush()
    # What was left of a page; now nothing fits any more.
    with _filler(scene).open("ab", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(b"\0" * 512)


def _make_room(scene: Scene) -> None:
    _filler(scene).unlink()


def _filler(scene: Scene) -> Path:
    return scene.stack.disk / "filler"


def _turn_read_only(scene: Scene) -> None:
    scheduler = scene.stack.scheduler
    before = scheduler.log_bytes
    scheduler.tell("disk turns read-only")
    _ends(scene, before, "disk I/O error")
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
    scheduler = scene.stack.scheduler
    before = scheduler.log_bytes
    scheduler.tell("disk fails")
    _ends(scene, before, "disk I/O error")


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
