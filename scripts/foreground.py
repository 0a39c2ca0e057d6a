"""Runs the parts of a stack in the foreground, each one's lines behind its name.

Owns their order: what needs the scheduler starts when that is ready and ends before it does. The
first part that ends is the end of all.
"""

import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from typing import Final

from scripts.local_stack import ROOT
from scripts.tether import Tether, command_of
from services.shared.signals import StopSignals
from services.shared.standard_streams import leave_standard_output

_OURS: Final = "dev"
# ANSI's cyan, yellow, green, magenta, blue: not red, which says that something is wrong.
_COLOURS: Final = (36, 33, 32, 35, 34)
_READ_BYTES: Final = 65_536
_SIGNAL_EXIT: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A service of the stack, and the whole environment of its process."""

    name: str
    module: str
    environment: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class _Running:
    part: Part
    process: "subprocess.Popen[bytes]"
    # The beginning of a line whose end has not come yet.
    begun: bytes = b""


class Foreground:
    """`first`, and once it says that it is `ready` the `others`, which end before it.

    A part that was asked to stop has `grace_seconds` to do it.
    """

    def __init__(
        self, first: Part, others: Sequence[Part], *, ready: re.Pattern[str], grace_seconds: float
    ) -> None:
        self._first = first
        self._others = others
        self._ready = ready
        self._grace_seconds = grace_seconds
        self._running: dict[str, _Running] = {}
        self._selector = selectors.DefaultSelector()
        self._tether = Tether()
        names = (_OURS, first.name, *(part.name for part in others))
        self._width = max(map(len, names))
        self._colours = {
            name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(names[1:])
        }
        self._is_coloured = sys.stdout.isatty()
        # None until it is time to stop.
        self._code: int | None = None
        self._deadline: float | None = None
        self._has_started_all = False

    def run(self) -> int:
        """Runs them all; 0 after Ctrl-C, else the code of the first that ended by itself."""
        if isinstance(sys.stdout, TextIOWrapper):
            # A part may log what this terminal has no sign for.
            sys.stdout.reconfigure(errors="backslashreplace")
        # A terminal that is closed stops the stack as Ctrl-C does.
        signals = StopSignals(signal.SIGHUP)
        self._selector.register(signals, selectors.EVENT_READ)
        try:
            self._start(self._first)
            while self._running:
                self._look(signals)
        finally:
            self._kill(self._running.values())
            self._selector.close()
        return self._code or 0

    def _look(self, signals: StopSignals) -> None:
        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        for key, _ in self._selector.select(left):
            if key.fileobj is signals:
                self._stop_for(signals.wait(0))
            else:
                self._read(key.data)
        if self._deadline is not None and time.monotonic() >= self._deadline:
            # Its end is met as any other's: the first part is asked after that of the last other.
            self._deadline = None
            self._kill(self._in_turn())

    def _start(self, part: Part) -> None:
        # A session of its own, so that Ctrl-C reaches only us and we choose the order of stopping.
        process = subprocess.Popen(
            command_of(part.module),
            cwd=ROOT,
            env=part.environment,
            stdin=self._tether.end,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        running = _Running(part=part, process=process)
        self._running[part.name] = running
        if process.stdout is not None:
            self._selector.register(process.stdout, selectors.EVENT_READ, running)
        self._say(f"{part.name} started (pid {process.pid})")

    def _read(self, running: _Running) -> None:
        stream = running.process.stdout
        content = b"" if stream is None else os.read(stream.fileno(), _READ_BYTES)
        *lines, running.begun = (running.begun + content).split(b"\n")
        if not content and running.begun:
            lines, running.begun = [running.begun], b""
        for line in lines:
            self._tell(running.part.name, line.decode(errors="replace"))
        if not content:
            self._ended(running)

    def _tell(self, name: str, line: str) -> None:
        self._write(name, line)
        if name == self._first.name and not self._has_started_all and self._ready.search(line):
            self._has_started_all = True
            for part in self._others:
                if self._code is None:
                    self._start(part)

    def _ended(self, running: _Running) -> None:
        stream = running.process.stdout
        if stream is not None:
            self._selector.unregister(stream)
            stream.close()
        code = running.process.wait()
        name = running.part.name
        del self._running[name]
        is_killed = code < 0
        self._say(f"{name} ended ({f'signal {-code}' if is_killed else f'exit code {code}'})")
        if self._code is None:
            self._stop(_SIGNAL_EXIT - code if is_killed else code)
        elif set(self._running) == {self._first.name}:
            self._deadline = time.monotonic() + self._grace_seconds
            self._ask()

    def _stop_for(self, number: int | None) -> None:
        if number is None:
            return
        self._say(f"{signal.Signals(number).name}: stopping")
        self._stop(0 if number == signal.SIGINT else _SIGNAL_EXIT + number)

    def _stop(self, code: int) -> None:
        """Begins to stop; what still runs when it is called again is asked once more."""
        if self._code is None:
            self._code = code
            self._deadline = time.monotonic() + self._grace_seconds
        self._ask()

    def _in_turn(self) -> list[_Running]:
        """What is next to end: the others, and when there are none, the first."""
        others = [one for name, one in self._running.items() if name != self._first.name]
        return others or list(self._running.values())

    def _ask(self) -> None:
        for running in self._in_turn():
            running.process.terminate()

    def _kill(self, late: Iterable[_Running]) -> None:
        """Ends what did not end in its time."""
        for running in late:
            self._say(f"{running.part.name} does not end: killed")
            running.process.kill()

    def _say(self, text: str) -> None:
        self._write(_OURS, text)

    def _write(self, name: str, line: str) -> None:
        prefix = f"{name:{self._width}} | "
        if self._is_coloured and name in self._colours:
            prefix = f"\x1b[{self._colours[name]}m{prefix}\x1b[0m"
        try:
            print(f"{prefix}{line}", flush=True)
        except OSError as error:
            leave_standard_output()
            # Whoever read (`| head`) has what they wanted, and nothing is wrong.
            self._stop(0 if isinstance(error, BrokenPipeError) else 1)
