"""A process of the stack, which is started again whenever it ends, as a container is."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from scripts.local_stack import ROOT

_PAUSE_SECONDS: Final = 0.3
_LOOK_SECONDS: Final = 0.05


class Part:
    """`arguments()` follow the interpreter at every start; the log of all starts is `log`.

    What it is told on standard input reaches the process that runs now.
    """

    def __init__(
        self,
        name: str,
        arguments: Callable[[], list[str]],
        log: Path,
        environment: Mapping[str, str],
    ) -> None:
        self.name = name
        self.log = log
        self.starts = 0
        self._arguments = arguments
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"keeper of {name}", daemon=True)

    def start(self) -> None:
        """Starts it, and keeps it running from now on."""
        self._spawn()
        self._keeper.start()

    def stop(self, seconds: float = 20.0) -> int:
        """SIGTERM, and after so long SIGKILL; its exit code. It is not started again."""
        self._over.set()
        self._keeper.join()
        process = self._running
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            return process.wait()

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        return self._running.pid

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, if it still runs."""
        with self._lock:
            if self._running.poll() is None:
                os.kill(self._running.pid, number)

    def tell(self, line: str) -> None:
        """A line for its standard input; nobody reads it where the process has just ended."""
        pipe = self._running.stdin
        assert pipe is not None
        try:
            pipe.write(f"{line}\n".encode())
        except (BrokenPipeError, ValueError):
            return  # it has just ended, and the pipe is broken or closed

    def said(self, text: str, *, after: int = 0) -> bool:
        """Whether its log has a text, after so many bytes."""
        with self.log.open("rb") as log:
            log.seek(after)
            return text.encode() in log.read()

    @property
    def log_bytes(self) -> int:
        """How long its log is by now."""
        return self.log.stat().st_size

    @property
    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process

    def _spawn(self) -> None:
        with self._lock, self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._arguments()],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.PIPE,
                bufsize=0,  # what a process that has ended did not read is not tried again
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            self.starts += 1

    def _keep(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            if self._running.poll() is not None:
                if self._running.stdin is not None:
                    self._running.stdin.close()
                time.sleep(_PAUSE_SECONDS)  # a container's engine pauses as well
                if not self._over.is_set():
                    self._spawn()
