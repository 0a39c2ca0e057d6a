"""Runs one part of a stack without Docker: `python -m scripts.tether MODULE`.

Its standard input is a pipe whose other end only whoever started it holds. That end closes however
they end (`kill -9`, out of memory), and the part then stops as it does on SIGTERM: a worker that
was left behind would go on taking orders, with the code of yesterday.
"""

import os
import runpy
import signal
import sys
import threading
from typing import Final

# Linux alone has a signal for the death of a parent; pipes are everywhere.
_STANDARD_INPUT: Final = 0


class Tether:
    """What holds parts to this process: the standard input of each of them."""

    def __init__(self) -> None:
        self._end_of_parts, self._end_of_ours = os.pipe()

    @property
    def end(self) -> int:
        """The descriptor that is a part's standard input."""
        return self._end_of_parts

    def release(self) -> None:
        """Closes both ends: what still runs is asked to stop."""
        os.close(self._end_of_ours)
        os.close(self._end_of_parts)


def command_of(module: str) -> list[str]:
    """What to start `module` with, beside a tether as standard input."""
    return [sys.executable, "-m", "scripts.tether", module]


def main() -> None:
    """Becomes the module that the first argument names."""
    module = sys.argv.pop(1)
    threading.Thread(target=_stop_without_parent, daemon=True).start()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _stop_without_parent() -> None:
    while os.read(_STANDARD_INPUT, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
