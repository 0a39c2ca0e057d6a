"""The HTTP port, on the scheduler's own loop: while it answers, the scheduler does."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from services.scheduler.errors import PortInUseError


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals to the scheduler."""
        yield


class HttpServer:
    """Serves an application from `start` to `stop`."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.port: int = listener.getsockname()[1]
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @classmethod
    def bind(cls, host: str, port: int) -> Self:
        """Takes the port (0: any free one); raises `PortInUseError`."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()  # only this takes the port: two sockets may be bound to it
        except OSError as error:
            listener.close()
            raise PortInUseError(f"{host}:{port}", "SCHEDULER_HTTP_PORT") from error
        return cls(listener)

    def start(self, application: ASGIApp) -> None:
        """Answers from now on."""
        config = uvicorn.Config(application, log_config=None, access_log=False, lifespan="off")
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._listener]))

    async def stop(self) -> None:
        """Answers no more."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            self._server.force_exit = True
            await self._serving
        self._listener.close()
