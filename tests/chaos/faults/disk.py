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


class _Breaking:
    """Has every process of the scheduler meet errors, from now on until it is let be."""

    def __init__(self, scene: Scene, command: str) -> None:
        self._scheduler = scene.stack.scheduler
        self._command = command
        self._before = self._scheduler.log_bytes
        self._told: set[int] = set()

    def look(self) -> None:
        """Tells the process that runs now: one that was being ended never heard of it."""
        pid = self._scheduler.pid
        if pid not in self._told:
            self._told.add(pid)
            self._scheduler.tell(self._command)

    def wait_until_noticed(self) -> None:
        """Waits until one has ended and said why."""

        def has_ended() -> bool:
            self.look()
            return any(self.has_said(text) for text in _SAID)

        wait_until(has_ended, seconds=_NOTICED_SECONDS_MAX)

    def has_said(self, text: str) -> bool:
        """Whether the log has a text since the beginning of the fault."""
        return self._scheduler.said(text, after=self._before)


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
    breaking = _Breaking(scene, "disk turns read-only")
    breaking.wait_until_noticed()

    def is_read_only() -> bool:
        # The kernel refuses while somebody has a file open to write: a client with a payload, or a
        # scheduler that was started again before us. That one must end as well.
        if _remount(scene, "ro"):
            return True
        breaking.look()
        return False

    wait_until(is_read_only)
    wait_until(lambda: breaking.has_said("Read-only file system"))


def _turn_writable(scene: Scene) -> None:
    _remount(scene, "rw")


def _remount(scene: Scene, mode: str) -> bool:
    command = ["mount", "-o", f"remount,{mode}", str(scene.stack.disk)]
    return subprocess.run(command, check=False, capture_output=True).returncode == os.EX_OK


def _fail_flushes(scene: Scene) -> None:
    _Breaking(scene, "disk fails").wait_until_noticed()


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
