"""Stop signals as something to wait for.

A handler that sets a `threading.Event` can deadlock with the main thread that waits on it, and
`sigtimedwait` does not exist on macOS; a wake-up descriptor works everywhere.
"""

import select
import signal
import socket
from typing import Final

_STOP: Final = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """SIGTERM and SIGINT, and `more`, caught from the moment of construction (in the main thread).

    It can be waited for together with others: see `fileno()`.
    """

    def __init__(self, *more: signal.Signals) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.settimeout(0)
        self._writer.settimeout(0)
        signal.set_wakeup_fd(self._writer.fileno())
        for number in (*_STOP, *more):
            signal.signal(number, _ignore)

    def fileno(self) -> int:
        """What is ready to be read once `wait()` has something to return."""
        return self._reader.fileno()

    def wait(self, timeout: float | None = None) -> int | None:
        """Waits for a signal, `wake()`, or `timeout` seconds; returns its number or None."""
        ready, _, _ = select.select([self._reader], [], [], timeout)
        if not ready:
            return None
        return self._reader.recv(1)[0] or None

    def wake(self) -> None:
        """Ends the `wait()` of the main thread; any thread may call it."""
        self._writer.send(b"\0")


def _ignore(_number: int, _frame: object) -> None:
    """The byte in the wake-up descriptor is the message."""
