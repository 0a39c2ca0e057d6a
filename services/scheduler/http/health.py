"""Answers `GET /healthz` with 204 while the scheduler serves."""

import logging
import socket
import threading
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.scheduler.errors import PortInUseError

log = logging.getLogger(__name__)


async def _healthz(_request: Request) -> Response:
    return Response(status_code=204)


class HttpServer:
    """The HTTP port, served by a thread of its own from `start` to `stop`."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.port: int = listener.getsockname()[1]
        application = Starlette(routes=[Route("/healthz", _healthz)])
        self._server = uvicorn.Server(
            uvicorn.Config(application, log_config=None, access_log=False, lifespan="off")
        )
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)

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

    def start(self) -> None:
        """Answers from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Answers no more."""
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._listener])
