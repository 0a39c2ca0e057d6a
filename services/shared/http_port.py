"""An HTTP port of ours: taken before anything is served, and served without touching signals."""

import contextlib
import socket
from collections.abc import Iterator

import uvicorn


def listen(host: str, port: int) -> socket.socket:
    """Takes the port (0: any free one); raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only where the protocol is named does asyncio keep packets from waiting for each other, 40 ms
    # in every answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # only this takes the port: two sockets may be bound to it
    except OSError:
        listener.close()
        raise
    return listener


class Server(uvicorn.Server):
    """Stops when its owner says so."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals to the process: uvicorn would raise them again, to the death."""
        yield

    def stop(self) -> None:
        """Answers what is being asked, and no more."""
        self.should_exit = True
