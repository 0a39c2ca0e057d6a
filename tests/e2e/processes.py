"""What a process came to, and waits for what it says or becomes, with a bound."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scripts.bench.processes import descendants
from scripts.local_stack import ROOT

SECONDS_MAX = 30.0
_UNBUFFERED: Final = {"PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output, which must be one JSON document and nothing else."""
        return json.loads(self.out)


def wait_until(true: Callable[[], object], *, seconds: float = SECONDS_MAX) -> None:
    """Waits until `true()`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.02)


def wait_for_line(log: Path, text: str, *, times: int = 1) -> None:
    """Waits until a log holds a text, so often."""
    wait_until(lambda: log.exists() and log.read_text().count(text) >= times)


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def children_of(pid: int) -> list[int]:
    """The processes that a process started, theirs included."""
    return sorted(descendants(pid))


def started(
    arguments: list[str], log: Path, variables: Mapping[str, str] = _UNBUFFERED
) -> "subprocess.Popen[bytes]":
    """A program in a session of its own, as a terminal gives it; `log` gets all that it says."""
    with log.open("wb") as stream:
        return subprocess.Popen(
            arguments,
            cwd=ROOT,
            env={**os.environ, **variables},
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )


def end(process: "subprocess.Popen[bytes] | subprocess.Popen[str]") -> None:
    """Ends a process that a test started, if it still runs, with all that it started itself."""
    family = [process.pid, *children_of(process.pid)] if process.poll() is None else []
    kill_all(family)
    process.wait()


def kill_all(pids: Iterable[int]) -> None:
    """Ends what still runs of these processes."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
