"""An HTTP port of ours: taken before anything is served, and served without touching signals."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Final

import uvicorn

# As long as a handshake of TLS may take.
HANDSHAKE_SECONDS: Final = 10.0


class _Taken(socket.socket):
    """A connection, counted until it is closed."""

    counted: "set[_Taken] | None" = None

    def close(self) -> None:
        """Makes room for another one."""
        if self.counted is not None:
            self.counted.discard(self)
        super().close()


class Listener(socket.socket):
    """A port that holds so many connections, those in a handshake of TLS included.

    Whoever comes beyond is dropped: what serves connections hears of one after its handshake only.
    """

    connections_max: int | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as every socket
        super().__init__(*args, **kwargs)
        self._open: set[_Taken] = set()

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection; `ConnectionAbortedError` for one that is dropped."""
        accepted, address = super().accept()
        if self.connections_max is not None and len(self._open) >= self.connections_max:
            accepted.close()
            raise ConnectionAbortedError("too many connections")
        taken = _Taken(self.family, self.type, self.proto, fileno=accepted.detach())
        taken.counted = self._open
        self._open.add(taken)
        return taken, address


def listen(host: str, port: int) -> Listener:
    """Takes the port (0: any free one); raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only where the protocol is named does asyncio keep packets from waiting for each other, 40 ms
    # in every answer.
    listener = Listener(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens; uvicorn's own gives a handshake a minute, and no way to say otherwise."""
        config, loop = self.config, asyncio.get_running_loop()
        await self.lifespan.startup()

        def protocol() -> asyncio.Protocol:
            return config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )

        self.servers = [
            await loop.create_server(
                protocol,
                sock=listener,
                ssl=config.ssl,
                ssl_handshake_timeout=None if config.ssl is None else HANDSHAKE_SECONDS,
                backlog=config.backlog,
            )
            for listener in sockets or ()
        ]
        self.started = True

    def stop(self) -> None:
        """Answers what is being asked, and no more."""
        self.should_exit = True
