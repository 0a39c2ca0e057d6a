"""The HTTP port, on the scheduler's own loop: while it answers, the scheduler does."""

import asyncio
import ssl
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from services.scheduler.errors import OverloadError, PortInUseError
from services.shared.http_bounds import HEADER_BYTES_MAX, TOLD, bounded
from services.shared.http_port import Listener, Server, listen


class HttpServer:
    """Serves an application from `start` to `stop`."""

    def __init__(self, listener: Listener, connections_max: int) -> None:
        self._listener = listener
        self._connections_max = connections_max
        self.port: int = listener.getsockname()[1]
        self._server: Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @classmethod
    def bind(cls, host: str, port: int, connections_max: int) -> Self:
        """Takes the port (0: any free one); raises `PortInUseError`."""
        try:
            listener = listen(host, port)
        except OSError as error:
            raise PortInUseError(f"{host}:{port}", "SCHEDULER_HTTP_PORT") from error
        return cls(listener, connections_max)

    def start(self, application: ASGIApp, tls: ssl.SSLContext | None = None) -> None:
        """Answers from now on, with `tls` over TLS only."""
        bound = self._connections_max
        self._listener.connections_max = bound * TOLD
        error = OverloadError("Too many connections", "http_connections_max", bound)
        config = uvicorn.Config(
            application,
            http=bounded(bound, str(error)),
            h11_max_incomplete_event_size=HEADER_BYTES_MAX,
            log_config=None,
            access_log=False,
            lifespan="off",
            ssl_context_factory=None if tls is None else lambda _config, _default: tls,
        )
        self._server = Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._listener]))

    async def stop(self) -> None:
        """Answers no more."""
        if self._server is not None and self._serving is not None:
            self._server.stop()
            self._server.force_exit = True
            await self._serving
        self._listener.close()
