"""The bench's own processes: started with a log each, waited for, and always ended."""

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.bench.errors import BenchError
from scripts.local_stack import ROOT

_READY_SECONDS_MAX: Final = 60.0
_STOP_SECONDS_MAX: Final = 10.0
_LOOK_SECONDS: Final = 0.02
_LOG_LINES_SHOWN: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A process that runs, and what it said when it was ready."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path
    ready: re.Match[str]

    @property
    def pid(self) -> int:
        """The process's number."""
        return self.process.pid

    def check(self) -> None:
        """Raises `BenchError` when the process has ended."""
        if self.process.poll() is not None:
            raise BenchError(f"{self.name} ended by itself\n{tail_of(self.log)}")


@contextlib.contextmanager
def part(
    name: str,
    arguments: list[str],
    *,
    log: Path,
    ready: str,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Part]:
    """Runs `python ARGUMENTS` for as long as the context is open, once its log matches `ready`.

    Raises `BenchError`, with the end of its log, when it does not get so far.
    """
    with log.open("wb") as stream:
        # A session of its own: Ctrl-C reaches only us, who end all of them in order.
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        yield Part(name=name, process=process, log=log, ready=_wait(name, process, log, ready))
    finally:
        _end(process)


def tail_of(log: Path) -> str:
    """The last lines of a log."""
    lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES_SHOWN:]
    return "\n".join(f"  {log.stem} | {line}" for line in lines)


def _wait(name: str, process: "subprocess.Popen[bytes]", log: Path, ready: str) -> re.Match[str]:
    deadline = time.monotonic() + _READY_SECONDS_MAX
    while True:
        found = re.search(ready, log.read_text(errors="replace"), re.MULTILINE)
        if found is not None:
            return found
        if process.poll() is not None:
            raise BenchError(f"{name} did not start\n{tail_of(log)}")
        if time.monotonic() > deadline:
            raise BenchError(f"{name} was not ready in {_READY_SECONDS_MAX:g} s\n{tail_of(log)}")
        time.sleep(_LOOK_SECONDS)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
