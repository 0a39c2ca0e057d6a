"""The port, and the process's life around it: ready, serving, told to stop, gone."""

import asyncio
import logging
import signal
import socket
from typing import Final

import uvicorn

from services.dashboard.application import application
from services.dashboard.desk import Desk
from services.dashboard.errors import PortInUseError
from services.dashboard.rendering import Templates
from services.dashboard.scheduler_api import connected
from services.dashboard.settings import DashboardSettings
from services.shared.http_bounds import HEADER_BYTES_MAX, bounded
from services.shared.http_port import Server, listen

log = logging.getLogger(__name__)

_STOP_SECONDS: Final = 3
# Some dozens of tabs, of which a browser connects each six times.
_CONNECTIONS_MAX: Final = 256
_TOO_MANY: Final = f"Too many connections: the bound is {_CONNECTIONS_MAX}"


def bind(host: str, port: int) -> socket.socket:
    """Takes the port (0: any free one); raises `PortInUseError`."""
    try:
        return listen(host, port)
    except OSError as error:
        raise PortInUseError(host, port, error.strerror or str(error)) from error


async def serve(settings: DashboardSettings) -> None:
    """Serves until SIGTERM or SIGINT; raises `PortInUseError`."""
    # A line for every call of the API would drown everything else.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    _warn(settings)
    listener = bind(settings.host, settings.port)
    port = listener.getsockname()[1]
    async with connected(settings.scheduler, ca=settings.ca, token=settings.token) as api:
        desk = Desk(api=api, templates=Templates(), task_hub=settings.task_hub)
        config = uvicorn.Config(
            application(desk, (*settings.hosts, settings.host)),
            http=bounded(_CONNECTIONS_MAX, _TOO_MANY),
            h11_max_incomplete_event_size=HEADER_BYTES_MAX,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        server = Server(config)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.stop)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        # Connections wait in the listener from here on: whoever reads this line may come.
        print(  # noqa: T201 - what tells readiness
            f"ready: dashboard on http://{host}:{port}, scheduler {settings.scheduler}",
            flush=True,
        )
        await server.serve(sockets=[listener])


def _warn(settings: DashboardSettings) -> None:
    """Once, at the start: somebody should have meant it."""
    if not settings.is_exposed:
        return
    if settings.token is None:
        log.warning(
            "whoever reaches %s may change everything (DASHBOARD_ALLOW_INSECURE=1): this network"
            " must be private",
            settings.host,
        )
    else:
        log.warning(
            "whoever reaches %s may do what the dashboard's token may (ENDPOINT_TOKEN,"
            " DASHBOARD_ALLOW_INSECURE=1): this network must be private, or the token a reader's",
            settings.host,
        )
