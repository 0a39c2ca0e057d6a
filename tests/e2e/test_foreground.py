"""Parts that behave as the stack's own hardly ever do, each a small program of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.local_stack import ROOT
from tests.e2e.processes import end, started, wait_for_line

FIRST = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("asked", flush=True)))
print("ready", flush=True)
while True:
    signal.pause()
"""
STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("stubborn", flush=True)
while True:
    signal.pause()
"""
ODD = """
import sys
sys.stdout.buffer.write("✔ Grüße\\n".encode())
"""
RUN = """
import os, re, sys
from scripts.foreground import Foreground, Part
parts = [Part(name=n, module=n, environment=os.environ) for n in ("part_first", "part_other")]
stack = Foreground(parts[0], parts[1:], ready=re.compile("ready"), grace_seconds=1)
sys.exit(stack.run())
"""


@contextmanager
def foreground(
    folder: Path, log: Path, other: str, **variables: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """The two parts, what they and the foreground say in `log`; ended with the block."""
    for name, program in (("part_first", FIRST), ("part_other", other)):
        (folder / f"{name}.py").write_text(program, encoding="utf-8")
    environment = {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"} | variables
    process = started([sys.executable, "-c", RUN], log, environment)
    try:
        yield process
    finally:
        end(process)


def test_the_first_part_is_asked_to_stop_though_another_one_had_to_be_killed(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    with foreground(tmp_path, log, STUBBORN) as process:
        wait_for_line(log, "stubborn")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    lines = [line.partition("| ")[2] for line in log.read_text().splitlines()]
    assert lines[-5:] == [
        "SIGINT: stopping",
        "part_other does not end: killed",
        "part_other ended (signal 9)",
        "asked",
        "part_first ended (exit code 0)",
    ]


def test_what_the_terminal_has_no_sign_for_is_escaped(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with foreground(tmp_path, log, ODD, PYTHONIOENCODING="ascii") as process:
        assert process.wait(20) == 0
    text = log.read_text(encoding="ascii")
    assert "part_other | \\u2714 Gr\\xfc\\xdfe\n" in text
    assert text.endswith("part_first ended (exit code 0)\n")
