"""The port, and the process's life around it: ready, serving, told to stop, gone."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn

from services.dashboard.application import application
from services.dashboard.desk import Desk
from services.dashboard.errors import PortInUseError
from services.dashboard.rendering import Templates
from services.dashboard.scheduler_api import connected
from services.dashboard.settings import DashboardSettings

_STOP_SECONDS: Final = 3


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals to `serve`: uvicorn would raise them again, to the death."""
        yield

    def stop(self) -> None:
        """Answers what is being asked, and no more."""
        self.should_exit = True


def bind(host: str, port: int) -> socket.socket:
    """Takes the port (0: any free one); raises `PortInUseError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only where the protocol is named does asyncio keep packets from waiting for each other, 40 ms
    # in every answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # only this takes the port: two sockets may be bound to it
    except OSError as error:
        listener.close()
        raise PortInUseError(host, port, error.strerror or str(error)) from error
    return listener


async def serve(settings: DashboardSettings) -> None:
    """Serves until SIGTERM or SIGINT; raises `PortInUseError`."""
    # A line for every call of the API would drown everything else.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    listener = bind(settings.host, settings.port)
    port = listener.getsockname()[1]
    async with connected(settings.scheduler) as api:
        desk = Desk(api=api, templates=Templates(), task_hub=settings.task_hub)
        config = uvicorn.Config(
            application(desk, (*settings.hosts, settings.host)),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        server = _Server(config)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.stop)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        # Connections wait in the listener from here on: whoever reads this line may come.
        print(  # noqa: T201 - what tells readiness
            f"ready: dashboard on http://{host}:{port}, scheduler {settings.scheduler}",
            flush=True,
        )
        await server.serve(sockets=[listener])
